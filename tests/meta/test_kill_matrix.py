"""Every case catches the mistakes that it says it probes, and every mutant dies."""

import pytest

from parity.case.cells import collect
from parity.case.words import MISTAKES
from parity.diagnosis.kill import caught, kill_records, shortened, survivors, unkept_promises
from parity.diagnosis.mutants import Mutant, mutants
from parity.reference.switches import BY_NAME

CASES: dict = {}
for _cell in collect([])[0]:
    CASES.setdefault(_cell.case, []).append(_cell)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_case_catches_what_it_says_it_probes_and_every_mutant_of_it_dies(mistake):
    probing = [cell for group in CASES.values() if mistake in group[0].probes for cell in group]
    records = kill_records(probing, [mistake])
    assert records
    assert unkept_promises(records) == []
    assert survivors(records) == []


def test_every_mistake_and_every_switch_has_a_mutant():
    assert {mutant.mistake for mutant in mutants()} >= set(MISTAKES)
    assert {mutant.mistake for mutant in mutants()} >= set(BY_NAME)


def test_the_reference_itself_is_no_mutant_of_any_case():
    from parity.reference.family import Family
    from parity.subjects.numpy_class import NumpySubject

    same = Mutant("none", "none", lambda cell: NumpySubject(lambda **given: Family(**given), "same"), rounding=True)
    assert not any(
        caught(shortened(group[0], 3), same) for group in CASES.values() if group[0].problem.__class__.__name__ != "Mlp"
    )


def test_a_case_that_probes_nothing_it_can_catch_is_reported():
    import msgspec

    blind = msgspec.structs.replace(CASES["rmsprop/plain"][0], probes=["momentum"], steps=1)
    records = [r for r in kill_records([blind], ["momentum"]) if r["variant"] != "added"]
    assert unkept_promises(records) == [("rmsprop/plain", "momentum")]
    assert set(survivors(records)) == {("momentum", "missing"), ("momentum", "0.9 times")}
