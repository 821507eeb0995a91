"""Muon's page beside Keras in eager mode: what no case can set, and that sums and products alone keep it from each bit.

A case cannot set an argument to None, and the rounds' bound is none in bfloat16.
"""

import warnings
from typing import Any

import numpy as np
import pytest

from parity.bounds.numerics import dtype_of
from parity.bounds.rule import bounded, bounded_step, enclosure, page
from parity.reference import muon
from parity.reference.optimizer import constant

SHAPES = {"kernel": (4, 6), "tall": (7, 3), "embedding": (5, 4), "bias": (6,), "cube": (2, 3, 2)}
STEPS = 12


@pytest.fixture
def tf():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tensorflow")


def gradients(dtype: Any, shapes: Any = SHAPES) -> list[dict[str, Any]]:
    rng, low = np.random.default_rng(5), -3 if dtype.itemsize == 2 else -7
    return [
        {name: (10 ** rng.uniform(low, 1, shape) * rng.choice([-1, 1], shape)).astype(dtype)
         for name, shape in shapes.items()}
        for _ in range(STEPS)
    ]  # fmt: skip


def beside(tf: Any, rule: Any, dtype: Any, given: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return weights, momentums and what each step started from, of Keras and of a page, after each step."""
    import keras

    rng = np.random.default_rng(4)
    params: dict[str, Any] = {name: rng.normal(size=shape).astype(dtype) for name, shape in SHAPES.items()}
    variables = [keras.Variable(w, dtype=str(dtype), name=name) for name, w in params.items()]
    optimizer = keras.optimizers.Muon(**given)
    optimizer.build(variables)
    state, found = rule.init(params), []
    for step, grads in enumerate(gradients(dtype)):
        start = {"parameter": params, "gradient": grads, **rule.slots(state)}
        optimizer.apply([tf.constant(grad) for grad in grads.values()], variables)
        params, state = rule.step(params, grads, state)
        obtained = {name: v.value.numpy() for name, v in zip(params, variables, strict=True)}
        moments = {name: m.value.numpy() for name, m in zip(params, optimizer.momentums, strict=True)}
        found.append(({"parameter": obtained, "first_moment": moments}, {"start": start, "at": step}))
        # Each step begins where Keras is.
        params, state = obtained, {**state, "first_moment": moments}
    return found


@pytest.mark.sampled(3)
@pytest.mark.xdist_group("tensorflow")
@pytest.mark.parametrize(
    ("dtype", "given"),
    [
        ("float32", {"rms_rate": None}),
        ("float64", {"rms_rate": None}),
        ("float16", {"rms_rate": None}),
        ("float32", {"weight_decay": None}),
        ("float32", {"weight_decay": None, "adam_weight_decay": None}),
        ("float64", {"rms_rate": None, "weight_decay": None, "nesterov": False}),
    ],
    ids=str,
)
def test_keras_is_inside_the_bounds_of_what_no_case_sets(tf: Any, dtype: str, given: dict[str, Any]) -> None:
    kind: Any = page("muon")
    moved = 0
    for obtained, told in beside(tf, kind(**given), dtype_of(dtype), given):
        reached = bounded_step(bounded(kind)(**given), told["start"], told["at"])
        for slot, tensors in obtained.items():
            for name, array in tensors.items():
                value, error = enclosure(reached[slot][name])
                assert not np.any(np.abs(array.astype(value.dtype) - value) > error), (slot, name, told["at"])
                moved += np.sum(array != told["start"][slot][name])
    assert moved > 0.7 * 2 * STEPS * sum(int(np.prod(shape)) for shape in SHAPES.values())


def with_its_sums(tf: Any) -> Any:
    """Return the page with TensorFlow's sum of squares and products of matrices, all else as it is."""

    class Summed(muon.Muon):
        def orthogonalized(self, x: Any, rounds: int) -> Any:
            a, b, c = (constant(x, each) for each in (self.muon_a, self.muon_b, self.muon_c))
            tall = x.shape[0] > x.shape[1]
            x = x.T if tall else x
            for _ in range(rounds):
                square = multiplied(x, x.T)
                x = a * x + multiplied(b * square + multiplied(c * square, square), x)
            return x.T if tall else x

    def multiplied(x: Any, y: Any) -> Any:
        return tf.linalg.matmul(tf.constant(x), tf.constant(y)).numpy()

    return Summed


@pytest.mark.xdist_group("tensorflow")
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_sums_and_products_alone_keep_the_page_from_every_bit(tf: Any, dtype: str, monkeypatch: Any) -> None:
    def norm(x: Any) -> Any:
        turned = x.T if x.shape[0] > x.shape[1] else x  # Keras sums what it has turned
        return tf.sqrt(tf.reduce_sum(tf.square(tf.constant(turned)))).numpy()

    given: dict[str, Any] = {"rms_rate": None if dtype == "float64" else 0.2, "adam_beta_2": 0.984375}
    rule = with_its_sums(tf)(**given)
    monkeypatch.setattr(muon, "norm", norm)
    for obtained, told in beside(tf, rule, dtype_of(dtype), given):
        after, _ = rule.step(told["start"]["parameter"], told["start"]["gradient"], state_of(told))
        for name, array in obtained["parameter"].items():
            assert array.dtype == dtype_of(dtype)
            assert array.tobytes() == after[name].tobytes(), (name, told["at"])


def state_of(told: dict[str, Any]) -> dict[str, Any]:
    slots = {slot: tensors for slot, tensors in told["start"].items() if slot not in ("parameter", "gradient")}
    return {"iterations": told["at"], **slots}
