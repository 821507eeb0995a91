"""Every rule that is shipped: its bounds hold what is right and nothing else, its loop has the bits of its page."""

from typing import Any

import msgspec
import numpy as np
import pytest

import parity
from parity.bounds.bounded import BoundedDtype, exact
from parity.bounds.numerics import dtype_of, format_of, unequal
from parity.bounds.rule import bounded_rule, bounded_step, enclosure, page, reference_rule
from parity.case.cells import select
from parity.case.rule import find, names
from parity.case.spec import Cell, hyperparameters
from parity.judge.page import reference
from parity.judge.stage import locate
from parity.problem.problems import make
from parity.reference.optimizer import Single, constant
from parity.runner.loop import run_pair

OTHERS = [name for name in names() if name != "rmsprop"]
CELLS = {cell.id: cell for cell in select([f"{name}/*" for name in OTHERS])}


LOOPLESS = {"nadam", "ftrl", "lamb", "adafactor", "muon"}
"""Slots with shapes of their own or of some tensors alone, powers of arrays, and sums: what no loop by elements does
with the bits of NumPy."""


def few(cell: Cell, steps: int = 8) -> Cell:
    return msgspec.structs.replace(cell, steps=min(steps, cell.steps))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("rule", OTHERS)
def test_a_right_evaluation_is_inside_the_bounds_that_follow_from_the_page(rule: str) -> None:
    """The narrow page is one evaluation of many: no step of it leaves the bound on the exact one, nor is it wide."""
    for cell in (few(cell) for cell in CELLS.values() if cell.rule == rule):
        problem = make(cell)
        narrow, bounded = reference_rule(cell), bounded_rule(cell)
        params, state = dict(problem.params), narrow.init(problem.params)
        for step in range(cell.steps):
            grads = problem.gradients(step)
            start = {"parameter": params, "gradient": grads, **narrow.slots(state)}
            reached = bounded_step(bounded, start, step)
            params, state = narrow.step(params, grads, state)
            for slot, tensors in {"parameter": params, **narrow.slots(state)}.items():
                for name, own in tensors.items():
                    value, error = enclosure(reached[slot][name])
                    # What is no number is no bound, as an infinite one (`bound_around`).
                    outside = np.abs(np.asarray(own).astype(value.dtype) - value) > error
                    assert not np.any(outside), (cell.id, slot, name, step)


@pytest.mark.parametrize("rule", OTHERS)
def test_a_doubled_step_is_outside_the_bound_in_most_elements(rule: str) -> None:
    pair = run_pair(few(CELLS[f"{rule}/rate_change"]), "reference")
    (lockstep,) = (item for item in pair.comparisons if item.comparison == "lockstep")
    caught = lockstep.catch["parameter"]
    assert caught.twofold > 0.7 * caught.telling > 0


@pytest.mark.sampled(5)
@pytest.mark.parametrize("rule", [name for name in OTHERS if name not in LOOPLESS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_compiled_step_has_the_bits_of_the_page(rule: str, dtype: str) -> None:
    pytest.importorskip("numba", reason="the extra 'fast' is not installed")
    from parity.bounds.compiled.rule import compiled_step

    made: Any = page(rule)(weight_decay=0.25)
    loop, rng = compiled_step(made), np.random.default_rng(1)
    assert loop is not None
    params = {"w": rng.normal(size=(5, 7)).astype(dtype), "zero": np.array([0.0, -0.0], dtype=dtype)}
    state = made.init(params)
    for _ in range(4):
        grads = {name: np.asarray(rng.choice([-1.0, 0.0, 1e-3], w.shape)).astype(dtype) for name, w in params.items()}
        after, kept = loop(params, grads, state)
        params, state = made.step(params, grads, state)
        for slot, tensors in {"parameter": params, **made.slots(state)}.items():
            obtained = after if slot == "parameter" else kept[slot]
            assert all(unequal(obtained[name], expected) is None for name, expected in tensors.items()), slot


@pytest.mark.parametrize("rule", sorted(LOOPLESS))
def test_what_no_loop_does_is_left_to_the_page(rule: str) -> None:
    pytest.importorskip("numba", reason="the extra 'fast' is not installed")
    from parity.bounds.compiled.rule import compiled_step

    kind: Any = page(rule)
    assert reference(make(CELLS[f"{rule}/plain[float32]"])).layout.own or compiled_step(kind()) is None


@pytest.mark.parametrize("rule", names())
def test_a_step_of_another_size_in_each_element_is_told_as_a_stage_that_the_rule_has(rule: str) -> None:
    made: Any = page(rule)()
    rng, start = np.random.default_rng(5), {"w": np.ones((6, 9), np.float32)}
    (update,) = made.stages(start, {"w": rng.normal(size=(6, 9)).astype(np.float32)}, made.init(start)).values()
    after = start["w"] + rng.uniform(1.5, 3, (6, 9)).astype(np.float32) * (update.parameter - start["w"])
    stage, _ = locate(
        "parameter", "w", {"parameter": start}, {"parameter": {"w": after}}, update, hyperparameters(rule)()
    )
    assert stage in {"denominator", "step", "parameter"} & set(find(rule).stages)


class Tutorial:
    """Adam as tutorials write it, but for the place of its epsilon: products for the means, betas in double."""

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.rate, self.beta_1, self.beta_2, self.epsilon = learning_rate, beta_1, beta_2, epsilon

    def init(self, params):
        return {name: [np.zeros_like(w), np.zeros_like(w)] for name, w in params.items()} | {"t": 0}

    def step(self, params, grads, state):
        t = state["t"] + self.first
        rate, after, kept = self.rate * (1 - self.beta_2**t) ** 0.5 / (1 - self.beta_1**t), {}, {"t": state["t"] + 1}
        for name, w in params.items():
            m, v = state[name]
            m = self.beta_1 * m + (1 - self.beta_1) * grads[name]
            v = self.beta_2 * v + (1 - self.beta_2) * grads[name] ** 2
            after[name] = (w - rate * m / (np.sqrt(v) + self.epsilon)).astype(w.dtype)
            kept[name] = [m, v]
        return after, kept

    first = 1

    def slots(self, state):
        moments = {name: each for name, each in state.items() if name != "t"}
        return {
            "first_moment": {name: each[0] for name, each in moments.items()},
            "second_moment": {name: each[1] for name, each in moments.items()},
        }


class OffByOne(Tutorial):
    """Counts from two."""

    first = 2


class HatEpsilon(Tutorial):
    """As the paper's algorithm: epsilon is added to the root of the corrected moment."""

    def step(self, params, grads, state):
        t = state["t"] + 1
        epsilon, self.epsilon = self.epsilon, self.epsilon * (1 - self.beta_2**t) ** 0.5
        made = super().step(params, grads, state)
        self.epsilon = epsilon
        return made


@pytest.mark.parametrize(
    ("kind", "case", "verdict"),
    [
        (Tutorial, "adam/plain[float32]", "ROUNDING"),
        (Tutorial, "adam/zeros", "ROUNDING"),
        (Tutorial, "adam/plain[float64]", "DIVERGED"),  # Keras' powers are of float32 betas
        (OffByOne, "adam/plain[float32]", "DIVERGED"),
        (HatEpsilon, "adam/plain[float32]", "DIVERGED"),
        (HatEpsilon, "adam/betas[epsilon=0.001]", "DIVERGED"),
    ],
)
def test_a_right_adam_of_a_persons_own_is_rounding_and_a_wrong_one_is_not(kind: Any, case: str, verdict: str) -> None:
    from parity.subjects.numpy_class import NumpySubject

    (lockstep,) = (
        item
        for item in run_pair(CELLS[case], "mine", NumpySubject(kind, "mine")).comparisons
        if item.comparison == "lockstep"
    )
    assert lockstep.verdict == verdict


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_a_power_a_sign_and_a_mean_hold_every_form_of_them(dtype: str) -> None:
    kind, rng = dtype_of(dtype), np.random.default_rng(3)
    wide = format_of(kind).wide
    like = exact(np.ones(200, dtype=kind))
    for beta in (0.5, 0.9, 0.984375, 0.999):
        for count in (1, 2, 7):
            narrow = constant(np.ones((), dtype=kind), Single(beta)) ** constant(np.ones((), dtype=kind), count)
            power = constant(like, Single(beta)) ** constant(like, count)
            assert np.abs(wide.type(narrow) - power.value) <= power.error
            if dtype != "float64":
                assert np.abs(wide.type(beta) ** count - power.value) <= power.error
    old, new = (rng.normal(size=200).astype(kind) for _ in range(2))
    share = constant(np.ones((), dtype=kind), 0.1)
    mean = (x := exact(old)) + (exact(new) - x) * BoundedDtype(format_of(kind)).type(0.1)
    for form in (old + (new - old) * share, constant(old, 0.9) * old + share * new):
        assert np.all(np.abs(form.astype(wide) - mean.value) <= mean.error)
    sign = np.sign(exact(old, np.abs(old).astype(wide) * np.where(np.arange(200) % 2, 2, 0.5)))
    assert np.array_equal(sign.value, np.sign(old).astype(wide))
    assert np.array_equal(sign.error > 0, np.arange(200) % 2 == 1)
    assert np.sign(exact(np.zeros(1, dtype=kind)) * constant(like, 0.5)).error == 0


def test_a_mean_of_squares_in_the_lerp_form_is_never_negative() -> None:
    old, new = exact(np.zeros(1, np.float32), 0.0, 0.0), np.square(exact(np.zeros(1, np.float32)))
    share = constant(old, 0.001)
    assert (old + (new - old) * share).low >= 0
    assert (old + (new - old) * constant(old, 1.5)).low < 0


def test_a_page_that_builds_on_another_has_its_stages_and_its_own_defaults() -> None:
    rule, base = find("adamw"), find("adam")
    assert (rule.stages, rule.formulas, rule.slots) == (base.stages, base.formulas, base.slots)
    told = {each.name: each.default for each in base.parameters} | {"weight_decay": 0.004}
    assert {each.name: each.default for each in rule.parameters} == told


def test_a_persons_adam_is_asserted_by_the_cases_of_adam() -> None:
    parity.assert_parity(Tutorial, cases="adam/betas")
    with pytest.raises(AssertionError, match="DIVERGED"):
        parity.assert_parity(OffByOne, cases="adam/betas[beta_1=0.5]")
