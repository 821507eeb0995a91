"""The schedules at points computed by hand, and in float32 beside Keras."""

from typing import Any

import numpy as np
import pytest

from parity.reference import schedules

BESIDE_KERAS: list[tuple[str, dict[str, Any]]] = [
    ("PiecewiseConstantDecay", {"boundaries": [10, 33.7, 100], "values": [1e-2, 3e-3, 1e-3, 1e-4]}),
    ("PiecewiseConstantDecay", {"boundaries": [10], "values": [1e-2, 3e-3]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.01, "decay_steps": 77}),
    ("PolynomialDecay", {"initial_learning_rate": 0.01, "decay_steps": 33, "power": 2.0, "cycle": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.01, "decay_steps": 7, "decay_rate": 0.3}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.01, "decay_steps": 7, "decay_rate": 0.3, "staircase": True}),
    ("ExponentialDecay", {"initial_learning_rate": 0.01, "decay_steps": 10, "decay_rate": 0.5, "staircase": True}),
    ("CosineDecay", {"initial_learning_rate": 0.01, "decay_steps": 150, "alpha": 0.1}),
    (
        "CosineDecay",
        {"initial_learning_rate": 1e-3, "decay_steps": 99, "alpha": 0.1, "warmup_target": 0.02, "warmup_steps": 40},
    ),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.01, "first_decay_steps": 10}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.01, "first_decay_steps": 37, "t_mul": 1.0}),
    (
        "CosineDecayRestarts",
        {"initial_learning_rate": 0.01, "first_decay_steps": 17, "t_mul": 1.5, "m_mul": 0.5, "alpha": 0.05},
    ),
]
WITH_POWER: list[tuple[str, dict[str, Any]]] = [
    ("ExponentialDecay", {"initial_learning_rate": 0.01, "decay_steps": 100, "decay_rate": 0.96}),
    ("PolynomialDecay", {"initial_learning_rate": 0.01, "decay_steps": 190, "power": 0.5}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.01, "first_decay_steps": 7, "t_mul": 3.0, "m_mul": 0.7}),
]


def float32(value: float) -> float:
    return float(np.float32(value))


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        (schedules.LearningRateSchedule([0.5, 0.25]), 0, 0.5),
        (schedules.LearningRateSchedule([0.5, 0.25]), 7, 0.25),
        (schedules.ExponentialDecay(1.0, 2, 0.25), 1, 0.5),
        (schedules.ExponentialDecay(1.0, 2, 0.25, staircase=True), 3, 0.25),
        (schedules.PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.25]), 2, 1.0),
        (schedules.PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.25]), 3, 0.5),
        (schedules.PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.25]), 5, 0.25),
        (schedules.PolynomialDecay(1.0, 4, 0.0), 1, 0.75),
        (schedules.PolynomialDecay(1.0, 4, 0.0), 9, 0.0),
        (schedules.PolynomialDecay(1.0, 4, 0.0, cycle=True), 6, 0.25),
        (schedules.PolynomialDecay(1.0, 4, 0.0, cycle=True), 0, 1.0),
        (schedules.InverseTimeDecay(1.0, 2, 1.0), 6, 0.25),
        (schedules.InverseTimeDecay(1.0, 2, 1.0, staircase=True), 3, 0.5),
        (schedules.CosineDecay(1.0, 8), 0, 1.0),
        (schedules.CosineDecay(1.0, 8), 8, 0.0),
        (schedules.CosineDecay(1.0, 8, alpha=0.5), 99, 0.5),
        (schedules.CosineDecay(0.0, 8, warmup_target=1.0, warmup_steps=4), 1, 0.25),
        (schedules.CosineDecay(0.0, 8, warmup_target=1.0, warmup_steps=4), 4, 1.0),
        (schedules.CosineDecayRestarts(1.0, 4), 4, 1.0),
        (schedules.CosineDecayRestarts(1.0, 4, m_mul=0.5), 12, 0.25),
        (schedules.CosineDecayRestarts(1.0, 4, t_mul=1.0, m_mul=0.5), 8, 0.25),
    ],
    ids=str,
)
def test_value_equals_the_formula_by_hand(schedule, step, expected):
    assert schedule(step) == expected


def test_cosine_is_halfway_in_the_middle():
    assert abs(schedules.CosineDecay(1.0, 8)(4) - 0.5) < 1e-7


@pytest.mark.parametrize(("name", "arguments"), BESIDE_KERAS + WITH_POWER)
def test_value_is_a_python_float_that_float32_holds(name, arguments):
    schedule = getattr(schedules, name)(**arguments)
    for step in (0, 1, 50, 1000):
        value = schedule(step)
        assert type(value) is float
        assert value == float32(value)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("LearningRateSchedule", ([],)),
        ("ExponentialDecay", (0.1, 0, 0.5)),
        ("ExponentialDecay", (1, 10, 0.5)),
        ("PiecewiseConstantDecay", ([1, 2], [0.1, 0.2])),
        ("PiecewiseConstantDecay", ([], [0.1])),
        ("PiecewiseConstantDecay", ([1], [1, 0.1])),
        ("PolynomialDecay", (0.1, -1)),
        ("InverseTimeDecay", (0.1, 0, 0.5)),
        ("CosineDecay", (0.1, 0)),
        ("CosineDecayRestarts", (0.1, 0)),
    ],
)
def test_bad_argument_is_refused(name, arguments):
    with pytest.raises(ValueError, match="Received"):
        getattr(schedules, name)(*arguments)


def ulp_from_keras(keras: Any, name: str, arguments: dict[str, Any]) -> Any:
    """How many float32 numbers lie between Keras' value and the page's, for each of 200 steps."""
    subject = getattr(keras.optimizers.schedules, name)(**arguments)
    reference = getattr(schedules, name)(**arguments)
    obtained = np.array([float(subject(keras.ops.array(step, "int64"))) for step in range(200)], np.float32)
    expected = np.array([reference(step) for step in range(200)], np.float32)
    return np.abs(obtained.view(np.int32).astype(np.int64) - expected.view(np.int32))


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
class TestBesideKeras:
    @pytest.mark.sampled(5)
    @pytest.mark.parametrize(("name", "arguments"), BESIDE_KERAS)
    def test_every_bit_is_equal(self, keras, name, arguments):
        assert not ulp_from_keras(keras, name, arguments).any()

    @pytest.mark.parametrize(("name", "arguments"), WITH_POWER)
    def test_a_fractional_power_differs_by_an_ulp_in_at_most_one_step_of_fifty(self, keras, name, arguments):
        ulp = ulp_from_keras(keras, name, arguments)
        assert ulp.max() <= 1
        assert np.count_nonzero(ulp) <= 4

    def test_keras_computes_an_integer_rate_in_integers(self, keras):
        schedule = keras.optimizers.schedules.ExponentialDecay(1, 10, 0.5)
        assert float(schedule(keras.ops.array(5, "int64"))) == 0.0
