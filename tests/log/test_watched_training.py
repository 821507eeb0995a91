"""A real ``model.fit`` of the question's network, watched: not one bit is another, and the log says what it did."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from logs import Judge, cause

import parity
from parity.case.rule import find
from parity.errors import UnsupportedError, UsageError
from parity.problem.data import mnist

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]
ROOT = Path(__file__).resolve().parents[2]
MODES: dict[str, dict[str, bool]] = {
    "eager": {"run_eagerly": True, "jit_compile": False},
    "graph": {"jit_compile": False},
    "xla": {"jit_compile": True},
    "default": {},
}


@pytest.fixture(scope="module")
def keras() -> Any:
    pytest.importorskip("tensorflow")
    import keras

    return keras


def network(keras: Any, optimizer: Any, mode: str, units: int = 512, dropout: float = 0.0, **compiled: Any) -> Any:
    """The question's network, from one seed."""
    keras.utils.set_random_seed(3)
    layers = [keras.Input((784,)), keras.layers.Dense(units, activation="relu")]
    layers += [keras.layers.Dropout(dropout)] if dropout else []
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", **{**MODES[mode], **compiled})
    return model


def data(count: int) -> tuple[Any, Any]:
    images, labels = mnist()
    return (images / 255).astype(np.float32)[:count], np.eye(10, dtype=np.float32)[labels][:count]


def trained(model: Any, path: Path | None, every: int = 5, examples: int = 12, batch: int = 1, **fit: Any) -> Any:
    """Train for two epochs, and return every variable, the history, and the watch."""
    x, y = data(examples)
    watching = [] if path is None else [parity.watch(model.optimizer, every=every, path=path)]
    history = model.fit(x, y, batch_size=batch, epochs=2, verbose=0, callbacks=watching, **fit).history
    held = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
    return [variable.numpy() for variable in held], history, watching[0].watch if watching else None


def same(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("mode", MODES)
def test_watched_and_unwatched_end_in_the_same_bits_and_the_log_agrees(keras, judge: Judge, mode: str) -> None:
    plain, history, _ = trained(network(keras, keras.optimizers.RMSprop(), mode), None)
    watched, told, watch = trained(network(keras, keras.optimizers.RMSprop(), mode), judge.path)
    assert same(plain, watched)
    assert history == told
    assert (watch.steps, watch.apart) == (5, 0)
    status, document = judge.json(judge.path)
    assert status == 0
    assert document["verdict"] in (("IDENTICAL",) if mode == "eager" else ("IDENTICAL", "ROUNDING"))
    assert (document["log"]["first_step"], document["log"]["last_step"], document["log"]["judged"]) == (0, 20, 5)
    assert sum(np.prod(shape) for shape in document["log"]["tensors"].values()) == 407_050
    assert document["hyperparameters"]["learning_rate"] == {"value": 0.001, "from": "log"}


ARGUMENTS: dict[str, dict[str, Any]] = {
    "momentum and centred": {"momentum": 0.9, "centered": True},
    "decay": {"weight_decay": 0.01},
    "clipped": {"clipvalue": 0.01},
    "averaged": {"use_ema": True, "ema_momentum": 0.9},
    "accumulated": {"gradient_accumulation_steps": 2},
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("mode", "arguments"),
    [
        *(("graph", name) for name in ARGUMENTS),
        pytest.param("xla", "momentum and centred", marks=pytest.mark.exhaustive),
        pytest.param("xla", "accumulated", marks=pytest.mark.exhaustive),
    ],
)
def test_so_with_other_arguments_chance_and_a_last_batch_that_is_smaller(
    keras, judge: Judge, mode: str, arguments: str
) -> None:
    """In the suite in a graph; XLA, which compiles each of these for seconds, is exhaustive."""

    def made() -> Any:
        return network(keras, keras.optimizers.RMSprop(**ARGUMENTS[arguments]), mode, units=8, dropout=0.3)

    plain, _, _ = trained(made(), None, examples=70, batch=16)
    watched, _, watch = trained(made(), judge.path, every=2, examples=70, batch=16)
    assert same(plain, watched)
    assert watch.steps == 5
    status, document = judge.json(judge.path)
    assert (status, document["unseen"]) == (0, [])
    for name, value in ARGUMENTS[arguments].items():
        assert document["hyperparameters"][name] == {"value": value, "from": "log"}


@pytest.mark.parametrize(("rule", "kind"), [("adamw", "AdamW"), ("nadam", "Nadam"), ("adafactor", "Adafactor")])
def test_so_is_another_rule_with_every_slot_that_it_has(keras, judge: Judge, rule: str, kind: str) -> None:
    """AdamW extends Adam, Nadam keeps one number for all tensors, Adafactor no rows of a vector."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    model.compile(getattr(keras.optimizers, kind)(), "mse", run_eagerly=True)
    rng = np.random.default_rng(3)
    watching = parity.watch(model.optimizer, every=2, path=judge.path)
    model.fit(rng.normal(size=(12, 5)), rng.normal(size=(12, 4)), batch_size=4, verbose=0, callbacks=[watching])
    status, document = judge.json(judge.path)
    assert (status, document["rule"], document["unseen"]) == (0, rule, [])
    slots = set(find(rule).slots) - {"average", "accumulated_gradient", "second_moment_max"}
    assert set(document["log"]["fields"]) == {"parameter", *slots}


def wrong(keras: Any) -> Any:
    """Return RMSprop with epsilon added after the root."""
    from keras import ops

    class Outside(keras.optimizers.RMSprop):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            rate = ops.cast(learning_rate, variable.dtype)
            moment = self._velocities[self._get_variable_index(variable)]
            new = ops.add(ops.multiply(self.rho, moment), ops.multiply(1 - self.rho, ops.square(gradient)))
            self.assign(moment, new)
            step = ops.divide(ops.multiply(rate, gradient), ops.add(ops.sqrt(moment), self.epsilon))
            self.assign_sub(variable, step)

    return Outside


@pytest.mark.sampled(3)
@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_a_fault_that_is_planted_in_the_training_is_named(keras, judge: Judge, mode: str) -> None:
    _, _, watch = trained(network(keras, wrong(keras)(), mode), judge.path)
    assert watch.steps == 5
    status, document = judge.json(judge.path)
    assert (status, document["verdict"]) == (1, "DIVERGED")
    assert cause(document) == ({"epsilon_place": "outside"}, {})
    assert "Outside" in document["log"]["source"]


# Keras' own callback turns the rate into an array as NumPy 2 no longer likes it.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_rate_that_a_callback_changes_is_logged_step_by_step(keras, judge: Judge) -> None:
    model = network(keras, keras.optimizers.RMSprop(0.01), "graph", units=8)
    x, y = data(6)
    slower = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 / 2**epoch)
    watch = parity.watch(model.optimizer, every=2, path=judge.path)
    model.fit(x, y, batch_size=1, epochs=3, verbose=0, callbacks=[slower, watch])
    status, document = judge.json(judge.path)
    assert status == 0
    rates = document["hyperparameters"]["learning_rate"]["value"]
    assert rates["values"] == pytest.approx([0.01, 0.005, 0.0025], rel=1e-7)


def test_no_more_steps_than_asked_for_are_logged(keras, judge: Judge) -> None:
    model = network(keras, keras.optimizers.RMSprop(), "graph", units=8)
    x, y = data(8)
    watch = parity.watch(model.optimizer, every=1, path=judge.path, most=3)
    model.fit(x, y, batch_size=1, verbose=0, callbacks=[watch])
    assert judge.json(judge.path)[1]["log"]["last_step"] == 2
    assert model.train_function.__name__ == "function"  # the model has its own step again


def test_another_optimizer_is_refused_by_name(keras) -> None:
    with pytest.raises(UnsupportedError, match=r"keras's LossScaleOptimizer cannot be watched. Allowed: keras.optimi"):
        parity.watch(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()))
    with pytest.raises(UnsupportedError, match="builtins's str cannot be watched"):
        parity.watch("rmsprop")
    with pytest.raises(UsageError, match="must be an instance"):
        parity.watch(keras.optimizers.RMSprop)


@pytest.mark.parametrize(("name", "value"), [("every", 0), ("every", 1.5), ("most", True), ("most", -1)])
def test_a_number_of_steps_that_is_none_is_refused(keras, name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{name} must be a whole number of steps, at least 1. Received: {value!r}"):
        parity.watch(keras.optimizers.RMSprop(), **{name: value})


def test_a_training_that_cannot_be_watched_is_refused_before_its_first_step(keras, judge: Judge) -> None:
    refused = {
        "steps_per_execution is above 1": network(keras, keras.optimizers.RMSprop(), "graph", 8, steps_per_execution=2),
    }
    held = network(keras, keras.optimizers.RMSprop(), "graph", 8)
    held.layers[0].kernel.constraint = keras.constraints.NonNeg()
    refused["has a constraint"] = held
    for words, model in refused.items():
        before = [variable.numpy() for variable in model.variables]
        with pytest.raises(UnsupportedError, match=words):
            trained(model, judge.path)
        assert same(before, [variable.numpy() for variable in model.variables])
    other = network(keras, keras.optimizers.RMSprop(), "graph", 8)
    x, y = data(2)
    with pytest.raises(UnsupportedError, match="compiled with another optimizer, RMSprop"):
        other.fit(x, y, verbose=0, callbacks=[parity.watch(keras.optimizers.RMSprop(), path=judge.path)])
    assert not judge.path.exists()
    assert list(judge.path.parent.iterdir()) == []


INTERRUPTED = """
import sys, os, signal
import numpy as np, keras, parity
path, how = sys.argv[1:]
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
model.compile(optimizer="rmsprop", loss="mse", jit_compile=False)
class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 5:
            os.kill(os.getpid(), signal.SIGKILL) if how == "killed" else (_ for _ in ()).throw(KeyboardInterrupt)
if how == "in a step":
    model.train_step = lambda data: (_ for _ in ()).throw(KeyboardInterrupt)
x = np.ones((8, 4), dtype=np.float32)
watch = parity.watch(model.optimizer, every=2, path=path)
model.fit(x, x[:, :2], batch_size=1, verbose=0, callbacks=[watch, Stop()])
"""


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("how", "steps"), [("interrupted", 3), ("killed", None), ("in a step", None)])
def test_an_interrupted_training_leaves_a_whole_log_or_none(
    keras, monkeypatch: pytest.MonkeyPatch, judge: Judge, how: str, steps: int | None
) -> None:
    if how != "in a step":  # what was logged by then is written as the process ends
        command = [sys.executable, "-c", INTERRUPTED, str(judge.path), how]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode != 0
        assert judge.path.exists() == (steps is not None), done.stderr
    else:
        monkeypatch.setattr(sys, "argv", ["-", str(judge.path), how])
        with pytest.raises(KeyboardInterrupt):
            exec(INTERRUPTED, {"__name__": "__main__"})
    assert judge.path.exists() == (steps is not None)
    if steps is not None:
        assert judge.json(judge.path)[1]["log"]["steps"] == steps


def test_what_stood_in_the_place_of_a_log_stays_until_it_is_whole(keras, judge: Judge) -> None:
    judge.path.write_bytes(b"what stood there")
    seen = []
    model = network(keras, keras.optimizers.RMSprop(), "graph", units=8)
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(judge.path.read_bytes()))
    x, y = data(4)
    model.fit(x, y, verbose=0, callbacks=[parity.watch(model.optimizer, path=judge.path), look])
    assert seen == [b"what stood there"]
    assert judge.json(judge.path)[0] == 0


def test_a_place_that_cannot_be_written_is_refused_before_the_first_step(keras, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    model = network(keras, keras.optimizers.RMSprop(), "graph", units=8)
    with pytest.raises(UsageError, match="cannot be written"):
        trained(model, tmp_path / "file" / "steps.npz")
