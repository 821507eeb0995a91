"""What Keras models compute lies inside the bounds of their own graphs; what has no rule is named."""

import numpy as np
import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("program")]


@pytest.fixture(scope="module", autouse=True)
def _tensorflow() -> None:
    pytest.importorskip("tensorflow")


@pytest.mark.parametrize("name", ["relu_softmax", "tanh_mse_l2", "convolution", "leaky_kl"])
def test_what_keras_computes_lies_inside_its_bounds(name: str) -> None:
    from model_bounds import seen

    (each,) = seen(name, most=0, seeds=1, modes=("eager",))
    assert (each.outside, each.operations) == (0, frozenset())
    assert each.median < 1e-3
    assert each.caught[1] > 0.8


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["relu_softmax", "convolution", "gelu_hinge"])
def test_so_it_does_in_every_mode_with_many_weights(name: str) -> None:
    from model_bounds import MODES, seen

    assert [(each.mode, each.outside) for each in seen(name, most=0, seeds=2)] == [(mode, 0) for mode in MODES]


def test_what_is_published_is_of_every_model_and_mode_and_a_million_values_each() -> None:
    from pathlib import Path

    from keras_models import MODELS
    from model_bounds import MODES

    text = (Path(__file__).resolve().parents[2] / "reports" / "bounds.md").read_text("utf-8")
    lines = [line.split() for line in text.partition("```")[2].splitlines() if " values, " in line]
    assert {(line[0], line[1]) for line in lines} == {(model, mode) for model in MODELS for mode in MODES}
    assert all(int(line[2].replace(",", "")) >= 1_000_000 and line[4] == "0" for line in lines)


def test_a_wrong_gradient_lies_outside() -> None:
    from keras_models import MODELS

    from parity.explain.whole.traced import GRADIENT, Traced

    model, batch = MODELS["relu_softmax"]()
    x, y = batch(np.random.default_rng(1), 4)
    weights = [np.asarray(variable) for variable in model.variables]
    traced = Traced(model, x, y)
    observed = traced.observed(x, y, weights)
    place = next(each for each in observed if each.kind == GRADIENT)
    observed[place] = observed[place] * np.float32(1.01)
    (wrong,) = (each for each in traced.checked(x, y, weights, observed) if each.outside)
    assert wrong.place == place
    assert wrong.outside > wrong.values / 2


def test_an_operation_without_a_rule_is_named_and_what_does_not_follow_from_it_has_bounds() -> None:
    import keras

    from parity.bounds.graph.interpreter import Unknown
    from parity.explain.whole.traced import LAYER, LOSS, Place, Traced

    layers = [
        keras.layers.Dense(3),
        keras.layers.Lambda(lambda x: keras.ops.cumsum(x, axis=-1)),
    ]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile(loss="mse")
    x, y = np.ones((4, 2), np.float32), np.ones((4, 3), np.float32)
    bounded = Traced(model, x, y).bounded(x, y, [np.asarray(variable) for variable in model.variables])
    assert not isinstance(bounded[Place(LAYER, 0)], Unknown)
    assert bounded[Place(LOSS, 0)].operations == {"Cumsum"}
