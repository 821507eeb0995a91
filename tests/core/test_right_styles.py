import inspect
from copy import copy
from functools import cache

import pytest
from driving import OPTIMIZERS, cell, committed, judged, optimizer

from parity.bounds.bounded import arithmetic
from parity.subjects.loading import load_class

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


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("file", "name"), RIGHT, ids=[f"{f}-{n}" for f, n in RIGHT])
def test_a_right_optimizer_in_another_style_never_diverges(file, name):
    compared, subject = 0, optimizer(file, name)
    loaded = load_class(subject)  # once: what is found by trying a class is remembered with it
    for each in replayed()[RIGHT.index((file, name)) % SHARES :: SHARES]:
        for comparison in judged(each, subject, copy(loaded)).values():
            where = f"{each.id}: {comparison.first_divergence}"
            if each.id in KERAS_ROUNDS or (each.hyperparameters.rho == 0 and _cancels(name)):
                continue
            assert comparison.verdict not in ("DIVERGED", "NON_FINITE", "FAILED"), where
            compared += comparison.outcome.compared and comparison.compared > 0
    assert compared > 10, "a test that compares little proves little"


def _cancels(name):
    """At rho = 0 these lose a small square beside a large old moment: v + (g*g - v) is 0 there."""
    return "Lerp" in name or name in ("CenteredReordered", "TakesAwayLast")


@pytest.mark.parametrize("name", ["Lerp", "CenteredReordered", "TakesAwayLast"])
def test_a_lerp_that_cancels_at_rho_zero_diverges(name):
    comparison = judged(cell(rho=0.0), optimizer("right_styles", name))["lockstep"]
    assert comparison.first_divergence.stage == "second_moment"


MANY = {"kernel": [200, 250]}


@pytest.mark.parametrize("name", ["FromTheSquare", "BufferInParts"])
def test_an_order_that_cancels_is_no_rounding(name):
    comparison = judged(cell(tensors=MANY, momentum=0.9), optimizer("right_in_reals", name))["lockstep"]
    assert comparison.verdict == "DIVERGED"


@pytest.mark.parametrize(("dtype", "verdict"), [("float32", "ROUNDING"), ("float16", "NON_FINITE")])
def test_a_reciprocal_under_the_root_is_right_until_it_overflows(dtype, verdict):
    given = cell(tensors=MANY, low=1e-6, high=1.0, dtype=dtype)
    assert judged(given, optimizer("right_in_reals", "RootOfReciprocal"))["lockstep"].verdict == verdict


def decayed(name, dtype="float32", rate=2.0**-4, decay=0.1572265625):
    """Judge the decay of many weights that steps hardly move; rate and decay are the same numbers in all dtypes."""
    given = {"learning_rate": rate, "weight_decay": decay, "dtype": dtype, "high": 1e-3}
    return judged(cell(steps=2, tensors={"kernel": [400, 500]}, **given), optimizer("right_styles", name))["lockstep"]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("name", ["DecayByFactor", "DecayRateFirst", "DecayOfScaledWeights", "DecayAdded"])
def test_a_decay_in_any_order_is_rounding(name, dtype):
    assert decayed(name, dtype).verdict in ("IDENTICAL", "ROUNDING")


def test_a_decay_by_one_factor_needs_a_bound_of_its_own(monkeypatch):
    assert decayed("DecayByFactor", rate=0.001, decay=0.5).verdict == "ROUNDING"
    monkeypatch.setattr(arithmetic, "_shrunk", lambda difference, x, y: difference)
    assert decayed("DecayByFactor", rate=0.001, decay=0.5).verdict == "DIVERGED"


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
