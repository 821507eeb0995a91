import sys
from pathlib import Path

import numpy as np
import pytest
from driving import cell, judged, optimizer

import parity
from parity.api import run_all
from parity.diagnosis.child import diagnose_apart
from parity.runner import repeat
from parity.subjects.loading import load_class

UNREPEATABLE = {
    "Unseeded": "two runs with the same inputs differ at step 0, second_moment of ",
    "DrawsGlobally": "another seed of the global random generator changes the result at step 0, second_moment of ",
    "SharesState": "SharesState.calls changed during a run, and the next instance differs at step 0, parameter of ",
    "Timed": "two runs with the same inputs differ at step 0, parameter of ",
}
USUAL = "What usually causes this: a random generator without a seed, state shared between instances, or the time."


FILE = Path(__file__).with_name("unrepeatable.py")


def unrepeatable(name):
    """The name of a subject among the classes beside this file."""
    return f"{FILE}:{name}"


@pytest.fixture
def kinds(monkeypatch):
    """The classes of the file themselves, which run in this process."""
    monkeypatch.syspath_prepend(str(FILE.parent))
    monkeypatch.delitem(sys.modules, "unrepeatable", raising=False)
    import unrepeatable

    return unrepeatable


@pytest.mark.parametrize("name", UNREPEATABLE)
def test_what_differs_from_run_to_run_is_failed_before_it_is_judged(name):
    found = judged(cell(steps=3), unrepeatable(name))
    assert {c.verdict for c in found.values()} == {"FAILED"}
    (reason,) = {c.reason for c in found.values()}
    assert reason.startswith(f"is not repeatable: {UNREPEATABLE[name]}")
    assert reason.endswith(USUAL)
    obtained, _, expected = reason.removesuffix(f". {USUAL}").rpartition(": ")[2].partition(" and ")
    assert float(obtained) != float(expected)


@pytest.mark.parametrize("name", ["Seeded", "OneInstance"])
def test_a_seed_and_a_count_that_changes_no_number_are_no_fault(name):
    assert repeat._said(load_class(unrepeatable(name)), None) == ""


def test_every_pair_of_a_run_is_given_the_same_reason_whatever_process_it_is_for():
    cells = [cell(steps=steps) for steps in (2, 3, 4)]
    run = run_all(cells, [unrepeatable("Unseeded"), "reference"], jobs=2)
    verdicts = {pair.subject.rpartition(":")[2]: pair.verdict.name for pair in run.pairs}
    assert verdicts == {"Unseeded": "FAILED", "reference": "IDENTICAL"}
    assert len({c.reason for pair in run.pairs for c in pair.comparisons if c.verdict == "FAILED"}) == 1


@pytest.mark.parametrize("name", UNREPEATABLE)
def test_a_class_object_is_asked_too(kinds, name):
    found = parity.run([cell(steps=2), cell(steps=3)], getattr(kinds, name))
    assert {c.verdict for c in found.comparisons} == {"FAILED"}
    assert len({c.reason for c in found.comparisons}) == 1
    with pytest.raises(parity.NotInParity, match="is not repeatable"):
        parity.assert_parity(getattr(kinds, name), [cell(steps=2)], diagnose=False)


def test_another_class_of_the_same_name_is_asked_anew(kinds):
    assert parity.run([cell(steps=2)], kinds.Seeded, name="a:b").verdict.name == "ROUNDING"
    assert parity.run([cell(steps=2)], kinds.Unseeded, name="a:b").verdict.name == "FAILED"


def test_the_global_generators_go_on_as_if_nobody_had_asked(kinds):
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    parity.run([cell(steps=2)], kinds.DrawsGlobally)
    assert np.random.rand() == expected  # noqa: NPY002


def test_what_the_class_prints_meanwhile_is_not_heard(capfd):
    assert repeat._said(load_class(optimizer("misbehaving", "PrintsMegabyte")), None) == ""
    assert capfd.readouterr() == ("", "")


def test_a_class_that_cannot_run_is_left_to_its_pairs():
    assert repeat._said(load_class(optimizer("misbehaving", "Raises")), None) == ""


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("Unseeded", "NONDETERMINISTIC"), ("Timed", "NONDETERMINISTIC"), ("SharesState", "GLOBAL_STATE")],
)
def test_a_diagnosis_says_the_same_of_it(name, verdict):
    document = diagnose_apart(unrepeatable(name), 60)
    assert document["verdict"] == verdict
    assert document["evidence"][0].startswith(UNREPEATABLE[name].partition(" at step")[0])
