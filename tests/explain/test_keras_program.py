import sys
from importlib.util import find_spec

import msgspec
import pytest

from parity.errors import UsageError
from parity.explain import keras_program
from parity.explain.factors import Program
from parity.explain.program import mnist, train

needs_tensorflow = pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")
SMALL = Program(layers=[784, 16, 10], examples=40)


@needs_tensorflow
@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_real_keras_learns_what_the_numpy_program_learns() -> None:
    real = keras_program.run(SMALL, 0, 2, "paired")
    described = train(SMALL, 0, 2, mnist())
    assert real["loss"] == pytest.approx(described["loss"], rel=1e-4)
    assert real["printed"] == pytest.approx(described["printed"], rel=1e-4)
    assert real["resolved"]["config"]["momentum"] == 0.0
    assert real["resolved"]["layers"] == ["Dense", "Dense"]


@pytest.mark.exhaustive
@needs_tensorflow
@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_real_keras_takes_momentum_and_a_stepped_learning_rate() -> None:
    steps = {"schedule": "PiecewiseConstantDecay", "boundaries": [5], "values": [1e-3, 1e-4]}
    program = msgspec.convert(
        {**msgspec.to_builtins(SMALL), "momentum": 0.9, "batch_size": 8, "learning_rate": steps}, Program
    )
    real, described = keras_program.run(program, 0, 2, "paired"), train(program, 0, 2, mnist())
    assert real["loss"] == pytest.approx(described["loss"], rel=1e-4)


def test_choice_that_keras_does_not_offer_is_refused() -> None:
    with pytest.raises(UsageError, match="forward_divisor"):
        keras_program.refuse_unsupported(msgspec.structs.replace(SMALL, forward_divisor=512.0))


def test_child_that_fails_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    from parity.errors import NotInstalledError

    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(NotInstalledError, match=r"tf\.keras cannot be run: its process ended with exit status 1"):
        keras_program.run(SMALL, 0, 1, "paired")
