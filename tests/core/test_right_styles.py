import inspect
from functools import cache

import pytest
from driving import OPTIMIZERS, cell, committed, judged, optimizer

from parity.subjects.numpy_class import load_class

STEPS = 6
# Each style sees a third of the cells, the next style the next third.
SHARES = 3
# Float64 with a rate, or a decay, that float32 does not hold: a plain program differs from Keras, and rightly so.
KERAS_ROUNDS = {"numerics/float64_learning_rate", "rmsprop/weight_decay_float64"}


@cache
def styles():
    load_class(optimizer("right_styles", "Plain"))
    import sys

    module = sys.modules["parity_subject_right_styles"]
    return [name for name, kind in vars(module).items() if inspect.isclass(kind)]


RIGHT = [
    ("right", "RMSprop"),
    ("right_reordered", "RMSprop"),
    ("right_tutorial", "MyRMSProp"),
    ("right_tutorial", "Closure"),
]
RIGHT += [("right_styles", name) for name in styles()]


@cache
def replayed():
    cells = committed("rmsprop/*", "schedule/*", "numerics/*", steps=STEPS)
    return [c for c in cells if c.gradients == "replayed"]


@pytest.mark.parametrize(("file", "name"), RIGHT, ids=[f"{f}-{n}" for f, n in RIGHT])
def test_a_right_optimizer_in_another_style_never_diverges(file, name):
    compared = 0
    for each in replayed()[RIGHT.index((file, name)) % SHARES :: SHARES]:
        for comparison in judged(each, optimizer(file, name)).values():
            where = f"{each.id}: {comparison.first_divergence}"
            if each.id in KERAS_ROUNDS or (each.hyperparameters.rho == 0 and _cancels(name)):
                continue
            assert comparison.verdict not in ("DIVERGED", "NON_FINITE", "FAILED"), where
            compared += comparison.outcome.compared and comparison.compared > 0
    assert compared > 10, "a test that compares little proves little"


def _cancels(name):
    """At rho = 0 these lose a small square beside a large old moment: v + (g*g - v) is 0 there."""
    return "Lerp" in name or name == "CenteredReordered"


@pytest.mark.parametrize("name", ["Lerp", "CenteredReordered"])
def test_a_lerp_that_cancels_at_rho_zero_diverges(name):
    comparison = judged(cell(rho=0.0), optimizer("right_styles", name))["lockstep"]
    assert comparison.first_divergence.stage == "second_moment"


def test_a_rate_that_keras_rounds_to_float32_is_named_in_a_float64_case():
    double = cell(dtype="float64", learning_rate=0.001)
    first = judged(double, optimizer("right_styles", "Plain"))["lockstep"].first_divergence
    assert first.note.endswith("a learning rate of 0.001, which Keras holds in float32")


@pytest.mark.parametrize("name", ["HidesEverything", "HidesMoment", "HidesBuffer"])
def test_hidden_slots_are_named_in_a_note_and_the_rest_is_judged(name):
    comparison = judged(cell(momentum=0.9), optimizer("right_styles", name))["lockstep"]
    assert comparison.verdict == "IDENTICAL"
    assert comparison.notes[0].startswith("the subject does not show ")


def test_a_slot_that_the_case_does_not_use_is_not_judged():
    for given in ({}, {"momentum": 0.9}):
        comparison = judged(cell(**given), optimizer("right_styles", "ShowsUnusedBuffer"))["lockstep"]
        assert comparison.verdict == "IDENTICAL"


def test_a_wrong_optimizer_that_shows_an_unused_slot_is_located_all_the_same(tmp_path):
    text = (OPTIMIZERS / "epsilon_outside.py").read_text()
    path = tmp_path / "shows_more.py"
    path.write_text(text.replace(" if self.momentum else shown", ""))
    first = judged(cell(), f"{path}:RMSprop")["lockstep"].first_divergence
    assert (first.slot, first.stage) == ("parameter", "denominator")
