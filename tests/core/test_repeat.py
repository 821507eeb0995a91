import copy
import sys
from pathlib import Path

import numpy as np
import pytest
from driving import cell, judged, optimizer

import parity
from parity.api import run_all
from parity.diagnosis.behaviour import Watched, misbehaviour, run, unseen_first
from parity.diagnosis.child import _otherwise_elsewhere, diagnose_apart
from parity.diagnosis.probes import first_probe
from parity.runner import repeat
from parity.subjects.loading import load_class
from parity.subjects.source import names_of_process

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


def _said_in_a_diagnosis(name):
    """Return what a diagnosis says of a class of which an instance was made before."""
    adapter = load_class(unrepeatable(name))
    watched = Watched(lambda: copy.copy(adapter), unrepeatable(name))
    probe = first_probe()
    run(watched, probe)
    return misbehaviour(watched, probe, run(watched, probe)), unseen_first(watched, probe)


def test_the_first_instance_of_a_class_that_counts_them_is_seen_in_its_file_made_anew():
    (finding, said), _ = _said_in_a_diagnosis("FirstIsOther")
    assert finding.name == "GLOBAL_STATE"
    assert "FirstIsOther.made changes with every run, and the first instance of a process differs" in said
    one, _, two = said.rpartition(": ")[2].partition(" and ")
    assert float(two) == pytest.approx(2 * float(one), rel=1e-3)


def test_a_count_that_changes_no_number_leaves_nothing_unseen():
    assert _said_in_a_diagnosis("OneInstance") == (None, "")


def test_steps_that_the_seed_of_hashes_decides_are_seen_in_another_process():
    adapter = load_class(unrepeatable("Hashed"))
    said = _otherwise_elsewhere(unrepeatable("Hashed"), lambda: copy.copy(adapter), "")
    assert said.startswith("another process makes other steps of the same inputs")
    assert "hash" in said


def test_no_process_is_started_for_a_file_that_uses_nothing_which_one_decides(kinds):
    assert {"hash", "perf_counter_ns"} <= {*names_of_process(kinds.Hashed)}
    assert names_of_process(load_class(optimizer("right")).kind) == []
