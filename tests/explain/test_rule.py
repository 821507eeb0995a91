"""A described program's rule is the family's, in either form and with rows left out."""

from importlib.util import find_spec
from typing import Any

import msgspec
import numpy as np
import pytest

from parity.explain.factors import Program
from parity.explain.program import Trainer, digest, initial, mnist, orders
from parity.explain.rule import FIRST, Rule, hyperparameters, member
from parity.reference import posted, rmsprop

SMALL = Program(layers=[784, 9, 10], examples=24)
LONG = 10**9
OPTIONS: list[dict[str, Any]] = [
    {},
    {"second_moment_start": 1.0, "dtype": "float64"},
    {"momentum": 0.9, "learning_rate_place": "outside", "epsilon_place": "outside"},
    {"learning_rate_place": "outside"},
    {"centered": True, "weight_decay": 0.01, "dtype": "float64"},
    {"weight_decay": 0.01, "weight_decay_form": "coupled", "batch_size": 4},
    {"learning_rate": {"schedule": "CosineDecay", "initial_learning_rate": 0.01, "decay_steps": 9}},
    {"global_clipnorm": 0.1},
]


def _trained(program: Program, steps: int) -> str:
    data, tensors = mnist().cast(program), initial(program, 2)
    trainer = Trainer(program, tensors, data, steps)
    for image in next(orders(program, 2, 1)):
        trainer.step(np.array([image]))
    return digest(tensors)


@pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed")
@pytest.mark.parametrize("options", OPTIONS)
def test_a_long_run_is_compiled_to_the_same_bits(options: dict[str, Any]) -> None:
    program = msgspec.convert({**msgspec.to_builtins(SMALL), **options}, Program)
    assert _trained(program, LONG) == _trained(program, 1)


@pytest.mark.parametrize("options", [{"global_clipnorm": 0.2}, {"clipnorm": 0.2}, {"clipvalue": 0.2}])
def test_gradients_are_clipped_as_the_page_clips_them(options: dict[str, float]) -> None:
    generator, page = np.random.default_rng(3), rmsprop.RMSprop(**options)  # type: ignore[arg-type]
    params: dict[str, Any] = {n: generator.normal(size=s).astype(np.float32) for n, s in (("a", (5, 7)), ("b", (7,)))}
    tensors, state = dict(params), page.init(params)
    rule = Rule(Program(**options), tensors)  # type: ignore[arg-type]
    for _ in range(40):
        grads = {n: generator.normal(size=w.shape).astype(np.float32) for n, w in params.items()}
        params, state = page.step(params, grads, state)
        rule.step(tensors, grads)
    assert digest(tensors) == digest(params)


def test_rows_without_a_gradient_only_decay() -> None:
    tensors = {FIRST: np.ones((4, 2), dtype=np.float32)}
    rule = Rule(msgspec.structs.replace(SMALL, second_moment_start=0.5), tensors)
    rule.step(tensors, {FIRST: np.full((2, 2), 3.0, dtype=np.float32)}, np.array([0, 2]))
    np.testing.assert_array_equal(tensors[FIRST][[1, 3]], 1)
    assert np.all(tensors[FIRST][[0, 2]] < 1)
    second = rule.state["second_moment"][FIRST]
    np.testing.assert_array_equal(second[[1, 3]], np.float32(0.5) * np.float32(0.9))


def test_float64_programs_have_the_numbers_of_python() -> None:
    params = {"w": np.linspace(-1, 1, 20)}
    grads = {"w": np.geomspace(1e-6, 1, 20)}
    rule, tensors, page = Rule(Program(dtype="float64", second_moment_start=1.0), params), dict(params), posted.Posted()
    rule.step(tensors, grads)
    assert digest(tensors) == digest(dict(page.step(params, grads, page.init(params))[0]))


def test_what_keras_calls_none_is_zero_here() -> None:
    assert hyperparameters(Program()).departures() == {}
    given = hyperparameters(Program(clipnorm=0.5, weight_decay=0.1, rho=0.99))
    assert given.departures() == {"rho": 0.99, "weight_decay": 0.1, "clipnorm": 0.5}
    assert member(Program()).clipnorm is None
