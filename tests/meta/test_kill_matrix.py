"""Every case of RMSprop catches the mistakes that it says it probes, and every mutant dies."""

import pytest

from parity.case.cells import collect
from parity.case.rule import DEFAULT
from parity.case.words import MISTAKES
from parity.diagnosis.kill import caught, kill_records, shortened, survivors, unkept_promises, victims
from parity.diagnosis.mutants import CONSTRUCTORS, KERAS, Mutant, mutants
from parity.reference.switches import BY_NAME

CASES: dict = {}
for _cell in collect([])[0]:
    if _cell.rule == DEFAULT:
        CASES.setdefault(_cell.case, []).append(_cell)
ARGUMENTS = {
    "learning_rate_place",
    "nesterov",
    "buffer_of",
    "dampening",
    "momentum_held",
    "weight_decay_form",
    "decay_order",
    "weight_decay",
    "clipping",
    "use_ema",
    "loss_scale",
    "gradient_accumulation",
}
"""Mistakes with an argument that neither small constructor has."""
SCHEDULES = {"schedule", "schedule_origin"}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_case_catches_what_it_says_it_probes_and_every_mutant_of_it_dies(mistake):
    probing = [cell for group in CASES.values() if mistake in group[0].probes for cell in group]
    records = kill_records(probing, [mistake])
    assert records
    assert unkept_promises(records) == []
    assert survivors(records) == []
    assert victims(records) == {
        (mistake, mutant.variant, constructor.name)
        for mutant in mutants()
        for constructor in CONSTRUCTORS
        if mutant.mistake == mistake and mutant.fits(constructor)
    }


def test_every_mistake_and_every_switch_has_a_mutant():
    assert {mutant.mistake for mutant in mutants()} >= set(MISTAKES)
    assert {mutant.mistake for mutant in mutants()} >= set(BY_NAME)


def test_the_reference_itself_is_no_mutant_of_any_case():
    from parity.reference.family import Family

    same = Mutant("none", "none", lambda cell: Family, rounding=True)
    replayed = [group for group in CASES.values() if group[0].problem.__class__.__name__ != "Mlp"]
    assert not any(caught(shortened(group[0], 3), same) for group in replayed)
    for constructor in CONSTRUCTORS[1:]:
        supported = [cell for group in replayed for cell in group if constructor.supports(cell)]
        assert supported
        assert not any(caught(shortened(cell, 3), same, constructor) for cell in supported)


@pytest.mark.parametrize(("number", "lacks"), [(0, set()), (1, ARGUMENTS), (2, {*ARGUMENTS, *SCHEDULES})])
def test_a_constructor_spares_a_class_the_mistakes_of_what_it_lacks(number, lacks):
    constructor = CONSTRUCTORS[number]
    open_to = {mutant.mistake for mutant in mutants() if mutant.fits(constructor)}
    assert set(MISTAKES) - open_to == lacks


def test_behind_a_small_constructor_stands_what_stands_behind_keras():
    three, none = CONSTRUCTORS[1:]
    plain, bare = CASES["rmsprop/plain"][1], CASES["rmsprop/defaults"][0]
    assert three.supports(plain)
    assert not none.supports(plain)
    assert not three.supports(CASES["rmsprop/momentum"][0])
    for mutant in mutants():
        for constructor in (each for each in (three, none) if mutant.fits(each) and each.supports(bare)):
            few = shortened(bare, 4)
            assert caught(few, mutant, constructor) == caught(few, mutant, KERAS), (mutant, constructor.name)


def test_a_case_that_probes_nothing_it_can_catch_is_reported():
    import msgspec

    blind = msgspec.structs.replace(CASES["rmsprop/plain"][0], probes=["momentum"], steps=1)
    records = [r for r in kill_records([blind], ["momentum"]) if r["variant"] != "added"]
    assert unkept_promises(records) == [("rmsprop/plain", "momentum", KERAS.name)]
    living = ("missing", "0.9 times", "ignored below a half")
    assert set(survivors(records)) == {("momentum", variant, KERAS.name) for variant in living}
