"""The lines that a page is written down in compute what the page computes, to the bit, in every case there is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import msgspec
import numpy as np
import pytest

from parity.case.cells import select
from parity.case.spec import Cell
from parity.export.script.formula import Formula
from parity.export.script.literals import array, number
from parity.judge.page import Start, reference
from parity.problem import problems
from parity.problem.problems import Problem

STEPS = 3
BESIDE = str(Path(__file__).parents[1] / "rules" / "heavy_ball.toml")
GROUPS = ("rmsprop/*", "schedule/*", "numerics/*", "found/*", "adafactor/plain*", BESIDE)


def page_after(problem: Problem) -> dict[str, dict[str, Any]]:
    held = reference(problem)
    state = held.page.start(problem.params)
    for step in range(problem.cell.steps):
        state = held.page.step(Start({**state, "gradient": held.layout.join(problem.gradients(step))}, step))
    return {slot: held.layout.of(slot).split(row) for slot, row in state.items()}


def computed(problem: Problem, lines: list[str]) -> Any:
    gradients = []
    for step in range(problem.cell.steps):
        sparse = {name: (part.rows, part.values) for name, part in problem.slices(step).items()}
        gradients.append({**problem.gradients(step), **sparse})
    names = {"np": np, "f": problem.dtype.type, "start": problem.params, "gradients": gradients, "grads": gradients[0]}
    exec("def expected():\n" + "\n".join(f"    {line}" for line in lines), names)
    return names["expected"]()


def short(group: str) -> Iterator[Cell]:
    for cell in select([group]):
        if cell.gradients == "replayed" and cell.elements <= 5_000:
            yield msgspec.structs.replace(cell, steps=min(cell.steps, STEPS))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "group", GROUPS, ids=["rmsprop", "schedule", "numerics", "found", "adafactor", "a rule beside its case"]
)
def test_the_formula_has_the_bits_of_the_page(group: str) -> None:
    count = 0
    for cell in short(group):
        problem = problems.make(cell)
        with np.errstate(all="ignore"):
            formula = Formula(problem, cell.steps)
            for slot, tensors in page_after(problem).items():
                tensor = next(iter(tensors))
                found = computed(problem, formula.lines(slot, tensor, ""))
                assert np.array_equal(found, tensors[tensor], equal_nan=True), (cell.id, slot)
                assert np.asarray(found).dtype == problem.dtype
                count += 1
    assert count >= 5


def lines_of(case: str, steps: int, slot: str = "parameter") -> list[str]:
    (cell,) = select([case])
    problem = problems.make(msgspec.structs.replace(cell, steps=steps))
    return Formula(problem, steps).lines(slot, next(iter(problem.params)), "[0]")


def test_what_a_case_does_not_set_is_not_in_the_formula() -> None:
    text = "\n".join(lines_of("rmsprop/defaults", 1))
    assert "np.sqrt(second_moment + f(epsilon))" in text
    for word in ("momentum_buffer", "first_moment", "weight_decay", "clip", "average", "if "):
        assert word not in text


def test_what_nothing_needs_is_left_out() -> None:
    moment = "\n".join(lines_of("rmsprop/defaults", 1, "second_moment"))
    assert "f(rho) * second_moment + f(1 - rho) * np.square(gradient)" in moment
    assert "learning_rate" not in moment
    assert "denominator" not in moment


def test_a_tensor_is_named_where_there_are_others() -> None:
    text = "\n".join(lines_of("rmsprop/global_clipnorm[float32]", 1, "second_moment"))
    assert "np.square(gradient_kernel)" in text
    assert "np.sum(np.square(gradient_bias))" in text
    assert 'gradient_scale = grads["scale"]' in text


def test_steps_that_do_the_same_are_a_loop_and_those_that_do_not_are_apart() -> None:
    every = [line for line in lines_of("rmsprop/defaults", 4) if line.startswith("for ")]
    assert every == ["for grads in gradients:"]
    by_three = lines_of("rmsprop/gradient_accumulation[gradient_accumulation_steps=3]", 3)
    loops = [line for line in by_three if line.startswith("for ")]
    assert loops == ["for grads in gradients[0:2]:", "for grads in gradients[2:3]:"]


def test_a_rate_that_changes_is_read_with_the_gradients() -> None:
    (head,) = [line for line in lines_of("schedule/cosine", 3) if line.startswith("for ")]
    assert head == "for grads, learning_rate in zip(gradients, [0.01, 0.009986128, 0.009944597]):"


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_a_number_reads_back_to_the_same_bits(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    size = np.dtype(dtype).itemsize
    values = np.frombuffer(rng.bytes(2_000 * size), dtype=dtype)
    values = np.concatenate([values, np.array([0.0, -0.0, 1.0, 0.1, np.inf, -np.inf, np.nan], dtype=dtype)])
    for value in values:
        back = dtype(eval(number(value, np.dtype(dtype)), {"np": np}))
        assert back.tobytes() == value.tobytes() or (float(back) != float(back) and float(value) != float(value))


def test_an_array_reads_back_in_its_shape() -> None:
    for shape in ((), (1,), (3,), (2, 3), (0, 4), (7,), (2, 1, 2)):
        values = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape) / np.float32(3)
        back = eval(array(values, "np.float32"), {"np": np})
        assert back.dtype == np.float32
        assert back.shape == shape
        assert np.array_equal(back, values)
    assert array(np.ones((2, 4), np.float32), "f") == "np.full((2, 4), 1.0, f)"
