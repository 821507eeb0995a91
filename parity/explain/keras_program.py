"""The same program as the real ``tf.keras`` runs it, in a process of its own: a request in, curves out.

Only this module imports TensorFlow, and only in a child: that import takes seconds and prints to standard error.
"""

import json
import os
import sys
from typing import Any

import msgspec

from parity.circumstances import launch, wire
from parity.circumstances.child import Child, NoAnswerError, private_pipes
from parity.circumstances.doctor import cpu
from parity.errors import NotInstalledError, UsageError, one_line
from parity.explain.factors import FACTORS, Program

_FIELDS = """layers initial_weights examples batch_size shuffle learning_rate rho epsilon centered momentum
weight_decay clipvalue clipnorm global_clipnorm printed_loss"""
_ADJUSTABLE = frozenset(_FIELDS.split())
_CHILD = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}


def refuse_unsupported(program: Program) -> None:
    """Raise UsageError where a program has a choice that Keras does not offer."""
    plain = Program()
    strange = [name for name in FACTORS if name not in _ADJUSTABLE and getattr(program, name) != getattr(plain, name)]
    if strange:
        raise UsageError(f"real = 'keras': Keras has no such choice: {', '.join(strange)}. Use it for the other side.")


def run(program: Program, seed: int, epochs: int, mode: str) -> dict[str, Any]:
    """Train with Keras in a child process.

    ``mode`` is ``fit``: Keras draws the weights and the orders itself, from the seed; or ``paired``: it gets the
    weights and the orders that the NumPy program has.

    Raises:
        NotInstalledError: TensorFlow is not installed, or the child failed; the text says how.
    """
    request = {"program": msgspec.to_builtins(program), "seed": seed, "epochs": epochs, "mode": mode}
    process = Child("parity.explain.keras_program", environment={**os.environ, **_CHILD})
    try:
        answer = process.ask(request)
    except NoAnswerError as ended:
        raise NotInstalledError(f"tf.keras cannot be run: its process {ended.how}") from ended
    finally:
        process.end()
    if "error" in answer:
        raise NotInstalledError(f"tf.keras cannot be run: {answer['error']}")
    return dict(answer)


def _main() -> None:
    launch.follow(int(sys.argv[1]))
    requests, answers = private_pipes()
    request = wire.read(requests)
    program = msgspec.convert(request["program"], Program)
    try:
        answer = _train(program, request["seed"], request["epochs"], request["mode"])
    except Exception as error:  # told to who asked, whatever Keras raised
        answer = {"error": one_line(error)}
    wire.write(answers, answer)


def _train(program: Program, seed: int, epochs: int, mode: str) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    from parity.explain import program as numpy_program

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(seed)
    data = numpy_program.mnist().cast(program)
    model = _model(keras, program)
    curves: dict[str, list[float]] = {"loss": [], "accuracy": []}
    if mode == "paired":
        model.set_weights(list(numpy_program.initial(program, seed).values()))
    _measure(model, program, data, curves)
    history: dict[str, list[float]] = {"loss": [], "accuracy": []}
    for order in numpy_program.orders(program, seed, epochs) if mode == "paired" else []:
        fitted = model.fit(
            data.pixels[order], data.labels[order], batch_size=program.batch_size, shuffle=False, verbose=0
        )
        _measure(model, program, data, curves)
        for name in history:
            history[name] += [float(value) for value in fitted.history[name]]
    if mode == "fit":
        watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: _measure(model, program, data, curves))
        fitted = model.fit(
            data.pixels,
            data.labels,
            batch_size=program.batch_size,
            epochs=epochs,
            shuffle=program.shuffle,
            verbose=0,
            callbacks=[watch],
        )
        history = {name: [float(value) for value in fitted.history[name]] for name in history}
    return {
        **curves,
        "printed": history["loss"],
        "printed_accuracy": history["accuracy"],
        "digest": numpy_program.digest(_named(model)),
        "resolved": _resolved(keras, tf, model),
    }


def _model(keras: Any, program: Program) -> Any:
    from parity.case.rule import DEFAULT
    from parity.explain.rule import hyperparameters
    from parity.subjects.keras import build_optimizer

    drawn = {"normal": keras.initializers.RandomNormal(0.0, 1.0), "glorot_uniform": "glorot_uniform"}
    layers = [keras.Input((program.layers[0],))]
    for number, units in enumerate(program.layers[1:], 1):
        last = number == len(program.layers) - 1
        activation = "softmax" if last else "relu"
        layers.append(
            keras.layers.Dense(units, activation=activation, kernel_initializer=drawn[program.initial_weights])
        )
    model = keras.Sequential(layers)
    optimizer = build_optimizer(DEFAULT, hyperparameters(program))
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def _named(model: Any) -> dict[str, Any]:
    from parity.explain.program import bias_name, kernel_name

    weights = model.get_weights()
    names = [name for layer in range(1, len(weights) // 2 + 1) for name in (kernel_name(layer), bias_name(layer))]
    return dict(zip(names, weights, strict=True))


def _measure(model: Any, program: Program, data: Any, curves: dict[str, list[float]]) -> None:
    """Judge the weights by the same yardstick as every NumPy run."""
    from parity.explain.program import measure

    loss, accuracy = measure(program, _named(model), data)
    curves["loss"].append(loss)
    curves["accuracy"].append(accuracy)


def _resolved(keras: Any, tf: Any, model: Any) -> dict[str, Any]:
    """Return what Keras says of itself: the optimizer's configuration, the layers, extra losses, versions."""
    config = {name: value for name, value in model.optimizer.get_config().items() if name != "name"}
    return {
        "optimizer": type(model.optimizer).__module__.replace("keras.src", "keras") + ".RMSprop",
        "config": json.loads(json.dumps(config, default=str)),
        "layers": [type(layer).__name__ for layer in model.layers],
        "initializers": [type(layer.kernel_initializer).__name__ for layer in model.layers],
        "regularizers": [str(layer.kernel_regularizer) for layer in model.layers],
        "extra_losses": len(model.losses),
        "jit_compile": bool(model.jit_compile),
        "run_eagerly": bool(model.run_eagerly),
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        "processor": cpu(),
    }


if __name__ == "__main__":
    _main()
