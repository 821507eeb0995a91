"""What a bound would catch is counted on a sample that misses no tensor, and what is counted as caught is caught."""

import msgspec
import numpy as np
import pytest
from driving import cell, judged, optimizer

from parity.bounds.compiled import forms
from parity.case.spec import SCHEDULES, Mlp, Replayed, Weights
from parity.circumstances import wire
from parity.judge import bounding
from parity.judge.catch import PLACES, STEPS, count, sample, total
from parity.judge.lockstep import Lockstep
from parity.judge.page import reference
from parity.problem import problems
from parity.trajectory import blocks as trajectory
from parity.trajectory.blocks import Block
from parity.trajectory.layout import layout_of
from parity.verdicts.results import Catch
from parity.verdicts.verdict import Verdict

DECAY = SCHEDULES["ExponentialDecay"]
SIZES = {"large": np.zeros((300, 700)), "empty": np.zeros((0, 3)), "scalar": np.zeros(()), "bias": np.zeros(7)}


def caught(given, subject="reference"):
    """What the bounds of a lockstep comparison would catch, by slot."""
    return judged(given, subject)["lockstep"].catch


@pytest.mark.parametrize("steps", [1, 2, 31, 33, 1000, 100_000])
@pytest.mark.parametrize("whole", [False, True])
def test_a_sample_has_the_first_and_the_last_step_and_every_tensor_in_each(steps, whole):
    layout = layout_of(SIZES)
    drawn = sample(layout, steps, whole)
    assert {drawn.steps[0], drawn.steps[-1]} == {0, steps - 1}
    assert len(drawn.steps) <= STEPS
    places = drawn.within(0, steps)
    assert len(np.unique(places)) == len(places) <= PLACES + len(drawn.steps) * len(SIZES)
    assert places.tolist() == sorted(places.tolist())
    for step in drawn.steps:
        positions = places[places // layout.size == step] % layout.size
        assert set(layout.tensor_of(positions)) == {0, 2, 3}


def test_a_sample_of_a_small_case_is_everything():
    layout = layout_of({"kernel": np.zeros((8, 16)), "bias": np.zeros(16)})
    assert sample(layout, 10, whole=False).within(0, 10).tolist() == list(range(10 * 144))


def test_a_sample_of_nothing_is_empty():
    assert len(sample(layout_of({"nothing": np.zeros((0, 3))}), 10, whole=False).within(0, 10)) == 0


def test_a_sample_does_not_depend_on_how_steps_come_together():
    layout = layout_of(SIZES)
    drawn = sample(layout, 1000, whole=False)
    parts = [drawn.within(start, 7) + start * layout.size for start in range(0, 1000, 7)]
    assert np.concatenate(parts).tolist() == drawn.within(0, 1000).tolist()


def test_places_move_from_step_to_step():
    layout = layout_of(SIZES)
    positions = sample(layout, 1000, whole=False).within(0, 1000) % layout.size
    assert len(np.unique(positions[positions < 210_000])) > 0.9 * PLACES


def test_values_are_counted_by_what_their_bounds_let_pass():
    step = np.array([0.0, 1.0, 1.0, -1.0, 1.0, 1.0, np.nan])
    bound = np.array([0.5, 1.0, 0.5, 1e-4, np.inf, 0.0, np.inf])
    assert count(step, bound) == Catch(sampled=7, moved=4, unbounded=2, twofold=3, thousandth=2)
    assert total({"a": Catch(1, 1)}, {"a": Catch(2, 0, 2), "b": Catch(3)}) == {"a": Catch(3, 1, 2), "b": Catch(3)}


def test_moderate_gradients_leave_no_factor_unseen():
    # A root of the second moment is at most 1, so a step is at least 0.5 / 128, and a thousandth of it 4e-6: more than
    # two roundings of a weight below 30, of 6e-8 each. The first second moment is a step from zero, of its own size.
    found = caught(cell(steps=1, low=0.5, high=1.0, learning_rate=0.0078125))
    assert found == dict.fromkeys(("parameter", "second_moment"), Catch(145, 145, 0, 145, 145))
    later = caught(cell(steps=12, low=0.5, high=1.0, learning_rate=0.0078125))["parameter"]
    assert later.sampled == later.twofold == later.thousandth == 12 * 145


def test_where_squares_overflow_everything_is_unbounded_and_nothing_caught():
    comparison = judged(cell(low=1e21, high=1e24, finite=False), "reference")["lockstep"]
    assert comparison.outcome is Verdict.IDENTICAL
    assert comparison.catch == dict.fromkeys(("parameter", "second_moment"), Catch(1450, 0, 1450, 0, 0))


def test_where_gradients_are_zero_nothing_moves(tmp_path):
    np.savez(tmp_path / "g.npz", kernel=np.zeros((10, 4), dtype=np.float32))
    spec = Replayed(generator="recorded", tensors={"kernel": [4]}, file="g.npz")
    found = caught(msgspec.structs.replace(cell(), problem=spec, folder=str(tmp_path)))
    assert found == dict.fromkeys(("parameter", "second_moment"), Catch(40, 0, 0, 0, 0))


def test_a_step_below_the_last_digit_of_its_weight_can_double_unseen():
    found = caught(
        msgspec.structs.replace(cell(low=0.5, high=1.0, learning_rate=2.0**-40), weights=Weights(kind="normal"))
    )
    assert found["parameter"].moved == 1450
    assert found["parameter"].twofold < 15
    assert found["second_moment"].twofold == 1450


def planted(number: int, slot: str, factor: float, dtype: str):
    """Judge one step of one element with a factor in its exact step; return the comparison, and how it was planted.

    The numbers are how far the factor moves the value, and how much of that rounding may hide.
    """
    given = cell(steps=1, low=1e-10, tensors={"w": []}, dtype=dtype, modes=("lockstep",))
    problem = problems.make(msgspec.structs.replace(given, seed=number))
    fold, held = Lockstep(problem), reference(problem)
    params, grads, rule = problem.params, problem.gradients(0), held.page.rule

    def stepped(wide):
        rows = [{name: a.astype(wide) for name, a in tensors.items()} for tensors in (params, grads)]
        after, state = rule.step(*rows, rule.init(rows[0]))
        return {"parameter": after["w"], "second_moment": state["second_moment"]["w"]}

    expected, exact = stepped(held.format.dtype), stepped(held.format.wide)
    before = {"parameter": params["w"], "second_moment": np.zeros_like(params["w"])}
    step = exact[slot] - before[slot].astype(held.format.wide)
    wanted = exact[slot] + (factor - 1) * step
    obtained = {**expected, slot: wanted.astype(held.format.dtype)}
    rows = {name: np.stack([before[name], obtained[name]]).reshape(2, 1) for name in before}
    fold.feed(Block(0, 1, held.layout, rows, grads["w"].reshape(1, 1), None))
    hidden = abs(obtained[slot].astype(wanted.dtype) - wanted) + abs(expected[slot].astype(wanted.dtype) - exact[slot])
    return fold.result().comparison(problem.cell, "planted", fold.mode), (factor - 1) * abs(step), hidden


@pytest.mark.parametrize("slot", ["parameter", "second_moment"])
@pytest.mark.parametrize(("factor", "count"), [(2.0, "twofold"), (1.001, "thousandth")])
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_a_factor_is_called_diverged_exactly_where_its_bound_is_said_to_catch_it(slot, factor, count, dtype):
    seen = set()
    for number in range(60):
        comparison, moved, hidden = planted(number, slot, factor, dtype)
        caught, diverged = bool(getattr(comparison.catch[slot], count)), comparison.outcome is Verdict.DIVERGED
        if comparison.worst is None:
            assert not caught
        elif abs(moved - float(comparison.worst.bound)) > hidden:
            assert caught == diverged
        seen.add(caught)
    # A rounding of bfloat16 is a 256th, and of float64 nothing beside any of these steps; moments start at zero.
    assert True in seen or (dtype, count) == ("bfloat16", "thousandth")
    assert False in seen or slot == "second_moment" or dtype == "float64"


NETWORK = Mlp(layers=[784, 8, 10], examples=32, batch_size=2)
KINDS = {
    "clip by norm": (cell(clipnorm=1.0), "reference", {"parameter", "second_moment"}),
    "excluded from decay": (
        cell(weight_decay=0.1, exclude_from_weight_decay=["bias"]),
        "reference",
        {"parameter", "second_moment"},
    ),
    "accumulation": (
        cell(gradient_accumulation_steps=2),
        "reference",
        {"parameter", "second_moment", "accumulated_gradient"},
    ),
    "average": (cell(use_ema=True), "reference", {"parameter", "second_moment", "average"}),
    "schedule": (
        cell(learning_rate=SCHEDULES["ExponentialDecay"](0.5, 10, 0.5)),
        "reference",
        {"parameter", "second_moment"},
    ),
    "hidden": (cell(momentum=0.9), optimizer("right_styles", "HidesEverything"), {"parameter"}),
    "centred": (
        cell(centered=True, momentum=0.9),
        "reference",
        {"parameter", "second_moment", "first_moment", "momentum_buffer"},
    ),
    "float16": (cell(dtype="float16"), "reference", {"parameter", "second_moment"}),
    "float64": (cell(dtype="float64"), "reference", {"parameter", "second_moment"}),
    "rounding": (cell(), optimizer("right_styles", "Reciprocal"), {"parameter", "second_moment"}),
    "diverged": (cell(), optimizer("epsilon_outside"), {"parameter", "second_moment"}),
    "NaN": (cell(), optimizer("nan_and_wrong"), {"parameter", "second_moment"}),
    "own gradients": (
        msgspec.structs.replace(
            cell(steps=9), problem=NETWORK, weights=Weights(kind="glorot_uniform"), gradients="computed"
        ),
        optimizer("right_styles", "Reciprocal"),
        {"parameter", "second_moment"},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_slot_that_is_compared_is_counted_whatever_the_rule(kind, monkeypatch):
    given, subject, slots = KINDS[kind]
    comparisons = judged(given, subject)
    found = comparisons["lockstep"].catch
    assert set(found) == slots
    assert len({part.sampled for part in found.values()}) == 1
    assert all(0 < part.telling <= part.sampled for part in found.values())
    assert all(part.thousandth <= part.twofold <= part.moved for part in found.values())
    assert comparisons["lockstep"].caught.sampled == sum(part.sampled for part in found.values())
    assert comparisons["free"].catch == {}
    monkeypatch.setattr(trajectory, "BLOCK_BYTES", 3_000)
    assert judged(given, subject)["lockstep"].catch == found


def test_a_step_that_only_accumulates_moves_no_weight():
    found = caught(cell(steps=10, gradient_accumulation_steps=5))
    assert found["second_moment"].moved == 2 * 145
    assert found["accumulated_gradient"].moved == 10 * 145


def test_compiled_and_judged_beside_it_is_the_same(monkeypatch):
    pytest.importorskip("numba", reason="the extra 'fast' is not installed")
    given, subject = cell(steps=40, tensors={"kernel": [50, 20], "bias": [20]}), optimizer("right_styles", "Reciprocal")
    plain = judged(given, subject)["lockstep"]
    monkeypatch.setattr(forms, "WORTH", 0)
    monkeypatch.setattr(bounding, "WORTH_BOUNDING", 0)
    fast = judged(given, subject)["lockstep"]
    assert fast.catch == plain.catch
    assert fast.caught.sampled == 2 * 32 * 65


def test_it_travels_between_processes_and_into_json():
    comparison = judged(cell(), "reference")["lockstep"]
    (back,) = wire.comparisons_from(wire.unpacked(wire.packed([comparison])))
    assert back.catch == comparison.catch
    keys = ("sampled", "moved", "unbounded", "twofold", "thousandth")
    assert set(comparison.document()["catch"]["parameter"]) == set(keys)
