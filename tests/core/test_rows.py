"""The reference steps many recorded states at once, as one flat row of all tensors: the same bits as the page alone."""

import itertools

import ml_dtypes
import numpy as np
import pytest

from parity.bounds.drift import PIECE, drift
from parity.bounds.numerics import dtype_of, format_of, ulp_distance, unequal
from parity.judge.table import Table
from parity.reference.rmsprop import RMSprop
from parity.trajectory.layout import layout_of

SHAPES = {"scalar": (), "empty": (0, 3), "vector": (7,), "matrix": (5, 13), "cube": (2, 3, 4)}
GIVEN = [
    {"momentum": momentum, "centered": centered, **other}
    for momentum, centered, other in itertools.product(
        (0.0, 0.9), (False, True), ({}, {"weight_decay": 0.01}, {"clipvalue": 0.5}, {"loss_scale_factor": 8.0})
    )
]


def drawn(dtype: str, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = {name: 10.0 ** rng.uniform(-7, 1, shape) for name, shape in SHAPES.items()}
    return {
        name: np.asarray(rng.choice([-1.0, 1.0], size.shape) * size).astype(dtype_of(dtype))
        for name, size in sizes.items()
    }


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("given", GIVEN, ids=lambda given: ",".join(map(str, given.values())))
def test_many_steps_of_all_tensors_in_one_row_have_the_bits_of_each_step_by_itself(dtype, given):
    rule, count = RMSprop(**given), 9
    params, layout = drawn(dtype, 0), layout_of(drawn(dtype, 0))
    state, rows = rule.init(params), []
    with np.errstate(all="ignore"):
        for step in range(count):
            grads = drawn(dtype, step + 1)
            after, next_state = rule.step(params, grads, state)
            rows.append((params, grads, rule.slots(state), after, rule.slots(next_state)))
            params, state = after, next_state

        def stacked(which, slot=None):
            return np.stack([layout.join(row[which] if slot is None else row[which][slot]) for row in rows])

        slots = {slot: {"": stacked(2, slot)} for slot in rule.slots(state)}
        made, made_state = rule.step({"": stacked(0)}, {"": stacked(1)}, {"iterations": 0, **slots})
    assert unequal(made[""], stacked(3)) is None
    for slot in slots:
        assert unequal(made_state[slot][""], stacked(4, slot)) is None


def test_a_layout_splits_what_it_joined():
    tensors = drawn("float32", 3)
    layout = layout_of(tensors)
    split = layout.split(layout.join(tensors))
    assert {name: array.shape for name, array in split.items()} == SHAPES
    assert all(np.array_equal(split[name], tensors[name]) for name in tensors)


def test_a_position_in_a_row_is_an_index_of_its_tensor():
    layout = layout_of(drawn("float32", 3))
    assert layout.index(0) == ("scalar", [])
    assert layout.index(1) == ("vector", [0])
    assert layout.index(1 + 7 + 5 * 13 - 1) == ("matrix", [4, 12])
    assert layout.index(layout.size - 1) == ("cube", [1, 2, 3])


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["equal signs", "opposite signs", "not a number", "subnormal", "zeros", "infinite"])
@pytest.mark.parametrize("size", [1, 1000, PIECE + 3])
def test_drift_is_that_of_the_elements(dtype, kind, size):
    rng = np.random.default_rng(size)
    b = (10.0 ** rng.uniform(-4, 1, size)).astype(dtype_of(dtype))
    a = (b * b.dtype.type(1.25)).astype(b.dtype)
    at, smallest = size // 2, float(ml_dtypes.finfo(b.dtype).smallest_subnormal)
    special = {"opposite signs": (-a[at], b[at]), "not a number": (np.nan, b[at]), "subnormal": (smallest, 0.0)}
    special |= {"zeros": (0.0, -0.0), "infinite": (np.inf, b[at])}
    a[at], b[at] = special.get(kind, (a[at], b[at]))
    found = drift(a, b)
    with np.errstate(all="ignore"):
        magnitude = np.abs(a.astype(np.float64) - b.astype(np.float64))
        relative = np.fmax(0, np.fmax.reduce(magnitude / np.abs(b.astype(np.float64))))
    assert found.at == np.argmax(magnitude)
    assert found.ulp == np.max(ulp_distance(a, b))
    # One rounding of the difference and one of the quotient, in the dtype of the values.
    unit = format_of(np.float64 if b.dtype.itemsize == 2 else b.dtype).unit
    assert np.isclose(found.largest, magnitude[found.at], rtol=2 * unit, atol=0, equal_nan=True)
    assert np.isclose(found.relative, relative, rtol=4 * unit, atol=0, equal_nan=True)


def test_drift_is_written_for_the_tensors_that_differ_and_no_others():
    layout = layout_of(drawn("float32", 3))
    expected = layout.join(drawn("float32", 3))
    obtained = expected.copy()
    obtained[3], obtained[5] = expected[3] + 1, expected[5] - 3
    rows = Table(layout).open(0, 1, "parameter")
    assert rows.write_drift(0, obtained, expected, 0.5) == 2
    part = rows.columns
    row = layout.names.index("vector")
    assert part["differing"].tolist() == [2 if i == row else 0 for i in range(len(layout.names))]
    assert part["index"][row] == 4
    assert part["obtained"][row] == obtained[5]
    assert part["expected"][row] == expected[5]
    assert part["in_steps"][row] == part["max_abs"][row] / 0.5
    assert part["bound"][row] == np.inf
