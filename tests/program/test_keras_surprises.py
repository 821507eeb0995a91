"""Where Keras is the one that surprises: kept as cases, so that the day on which it changes is seen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from others import PROGRAMS

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

HEAD = """import keras


def build():
    start = keras.initializers.RandomNormal(stddev={spread})
    layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(3, 3, activation="relu"), keras.layers.MaxPooling2D(2)]
    layers += [keras.layers.Flatten(), keras.layers.Dense(4, activation="softmax", kernel_initializer=start)]
    model = keras.Sequential(layers)
    model.compile("sgd", "{loss}")
    return model
"""


@pytest.fixture(scope="module", autouse=True)
def _tensorflow() -> None:
    pytest.importorskip("tensorflow")


def compiled(activation: str, loss: str, units: int) -> Any:
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(units, activation=activation, use_bias=True)])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss=loss)
    return model


def test_a_softmax_under_a_binary_cross_entropy_trains_on_a_sigmoid_of_its_logits() -> None:
    import keras

    model = compiled("softmax", "binary_crossentropy", 2)
    logits, y = np.array([0.5, -0.3], np.float32), np.array([[1.0, 0.0]], np.float32)
    model.set_weights([np.zeros((1, 2), np.float32), logits])
    x = np.ones((1, 1), np.float32)
    loss = float(model.train_on_batch(x, y))
    sigmoid, softmax = 1 / (1 + np.exp(-logits)), np.exp(logits) / np.exp(logits).sum()
    of_sigmoid = -np.mean(y * np.log(sigmoid) + (1 - y) * np.log(1 - sigmoid))
    of_output = -np.mean(y * np.log(softmax) + (1 - y) * np.log(1 - softmax))
    assert loss == pytest.approx(of_sigmoid, rel=1e-5)
    assert abs(loss - of_output) > 0.1
    assert float(keras.losses.binary_crossentropy(y, softmax[None])[0]) == pytest.approx(of_output, rel=1e-5)
    taken = logits - np.asarray(model.get_weights()[1])
    np.testing.assert_allclose(taken, (sigmoid - y[0]) / 2, rtol=1e-5)


def test_evaluate_is_of_the_logits_where_the_loss_of_what_predict_shows_is_clipped() -> None:
    import keras

    model = compiled("softmax", "categorical_crossentropy", 2)
    model.set_weights([np.zeros((1, 2), np.float32), np.array([150.0, 0.0], np.float32)])
    x, y = np.ones((1, 1), np.float32), np.array([[0.0, 1.0]], np.float32)
    assert float(model.evaluate(x, y, verbose=0)) == pytest.approx(150.0, rel=1e-6)
    shown = float(keras.losses.categorical_crossentropy(y, model.predict(x, verbose=0))[0])
    assert shown == pytest.approx(-np.log(1e-7), rel=1e-3)


@pytest.mark.parametrize(
    ("loss", "spread", "said"),
    [
        ("binary_crossentropy", 0.3, "the model is the surprising one"),
        ("categorical_crossentropy", 60.0, "the model's loss is that of the logits behind its softmax"),
        ("categorical_crossentropy", 0.3, ""),
    ],
)
def test_it_is_said_beside_a_program(tmp_path: Path, loss: str, spread: float, said: str) -> None:
    from parity.explain.whole.asked import Asked
    from parity.explain.whole.batches import data_for
    from parity.explain.whole.keras_side import load
    from parity.explain.whole.settling import settle
    from parity.explain.whole.sides import Sides
    from parity.explain.whole.surprises import surprises

    (tmp_path / "mine.py").write_text(PROGRAMS["convolution"].written())
    (tmp_path / "model.py").write_text(HEAD.format(spread=spread, loss=loss))
    side = load(tmp_path / "model.py", "build")
    data, asked = data_for(side, ""), Asked(tmp_path / "mine.py", "", {"loss": "0.0"}, side.shapes)
    try:
        found = list(surprises(Sides(side, asked, settle(side, asked, data, {"loss": "0.0"}), data)))
    finally:
        asked.close()
    assert [said in each for each in found] == ([True] if said else [])
