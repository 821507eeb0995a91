"""Pages that miss some bit of Keras in eager mode have it with its order of sums, or its power, in place of NumPy's."""

import platform
from collections.abc import Callable
from typing import Any

import eigen
import numpy as np
import pytest
from arguments import DTYPES, problem

from parity.bounds.rule import page
from parity.reference import adafactor, constraints, ftrl, optimizer

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.xdist_group("tensorflow"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the lanes of another processor differ"),
]
SHAPES = {"kernel": (40, 50), "tall": (70, 9), "bias": (35,)}
STEPS = 12
WIDE = ("float32", "float64")
"""Of 16 bits these rules have every bit here: what else they are added in, one rounding in the end hides."""


def mean_as_eigen(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    wide = x.astype(np.float32) if x.dtype.itemsize == 2 else x
    total = eigen.total(wide) if axis is None else eigen.along(wide, axis)
    mean = (total / wide.dtype.type(x.size if axis is None else x.shape[axis])).astype(x.dtype)
    return np.expand_dims(mean, axis) if keepdims and axis is not None else mean


def norms_as_eigen(w: Any, axis: int) -> Any:
    return np.expand_dims(np.sqrt(eigen.along(np.square(w), axis)), axis)


def power_of(keras: Any) -> Callable[..., Any]:
    """Return the power that Keras uses, of which an exponent of two is no square to the last bit in float64."""
    return lambda base, exponent: keras.ops.power(keras.ops.convert_to_tensor(base), exponent).numpy()


class Lookup:
    """NumPy, but for some functions."""

    def __init__(self, **others: Callable[..., Any]) -> None:
        self.others = others

    def __getattr__(self, name: str) -> Any:
        return self.others.get(name, getattr(np, name))


def differing(keras: Any, rule: str, dtype: str) -> int:
    """Return how many values of weights differ from Keras' in some bit after any step, each side going on by itself."""
    params, sequence = problem(DTYPES[dtype], STEPS, SHAPES)
    made: Any = page(rule)(learning_rate=0.01)
    kind = {"lamb": "Lamb", "adafactor": "Adafactor", "ftrl": "Ftrl"}[rule]
    subject = getattr(keras.optimizers, kind)(learning_rate=0.01)
    variables = [keras.Variable(w, dtype=dtype, name=name) for name, w in params.items()]
    state, found = made.init(params), 0
    for grads in sequence:
        subject.apply([keras.ops.convert_to_tensor(g, dtype=dtype) for g in grads.values()], variables)
        with np.errstate(all="ignore"):
            params, state = made.step(params, grads, state)
        pairs = zip(params.values(), (variable.numpy() for variable in variables), strict=True)
        found += sum(int(np.sum((w != its) & ~(np.isnan(w) & np.isnan(its)))) for w, its in pairs)
    return found


@pytest.mark.parametrize("dtype", DTYPES)
def test_lamb_differs_in_its_norms_their_order_and_their_power_and_nowhere_else(keras, monkeypatch, dtype):
    plain = differing(keras, "lamb", dtype)
    monkeypatch.setattr(optimizer, "_sum_of_squares", lambda g: eigen.total(power_of(keras)(g, 2)))
    assert differing(keras, "lamb", dtype) == 0
    assert plain > 0 or dtype not in WIDE


@pytest.mark.parametrize("dtype", DTYPES)
def test_adafactor_differs_in_the_order_of_its_means_and_nowhere_else(keras, monkeypatch, dtype):
    plain = differing(keras, "adafactor", dtype)
    monkeypatch.setattr(adafactor, "mean", mean_as_eigen)
    assert differing(keras, "adafactor", dtype) == 0
    assert plain > 0 or dtype not in WIDE


@pytest.mark.parametrize("dtype", DTYPES)
def test_ftrl_differs_in_its_power_and_nowhere_else(keras, monkeypatch, dtype):
    plain = differing(keras, "ftrl", dtype)
    monkeypatch.setattr(ftrl, "np", Lookup(power=power_of(keras)))
    assert differing(keras, "ftrl", dtype) == 0
    assert plain > 0 or dtype not in WIDE


CONSTRAINTS = {
    "MaxNorm": {"max_value": 1.5},
    "UnitNorm": {},
    "MinMaxNorm": {"min_value": 0.5, "max_value": 1.5, "rate": 0.75},
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_a_constraint_differs_in_the_order_of_its_norms_and_nowhere_else(keras, monkeypatch, name, axis, dtype):
    rng = np.random.default_rng(7)
    mine = getattr(constraints, name)(**CONSTRAINTS[name], axis=axis)
    its = getattr(keras.constraints, name)(**CONSTRAINTS[name], axis=axis)
    plain = 0
    for shape in ((5, 6), (15, 8), (16, 8), (40, 50), (70, 9), (9, 300)):
        w = rng.normal(size=shape).astype(DTYPES[dtype])
        expected = its(keras.Variable(w, dtype=dtype)).numpy()
        plain += int(np.sum(mine(w) != expected))
        with monkeypatch.context() as patched:
            patched.setattr(constraints, "norms", norms_as_eigen)
            np.testing.assert_array_equal(mine(w), expected, err_msg=f"{shape}")
    assert plain > 0 or dtype == "bfloat16"


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_constraint_along_fewer_than_sixteen_rows_has_every_bit(keras, dtype):
    w = np.random.default_rng(8).normal(size=(15, 40)).astype(DTYPES[dtype])
    for name, given in CONSTRAINTS.items():
        expected = getattr(keras.constraints, name)(**given)(keras.Variable(w, dtype=dtype)).numpy()
        np.testing.assert_array_equal(getattr(constraints, name)(**given)(w), expected, err_msg=name)
