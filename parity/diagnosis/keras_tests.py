"""What Keras' own tests of its optimizers state, as facts; a mutant in, whether they would catch it out."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from parity.diagnosis.keras_base_tests import notices_around

FIRST, LATER = 0.01, np.arange(0.1, 1.1, 0.1)
TOLD: Final[dict[str, tuple[dict[str, Any], list[tuple[float, float]]]]] = {
    "rmsprop": ({"centered": True}, [(0.9967,) * 2, (0.9933,) * 2, (0.9908,) * 2, (0.9885,) * 2, (0.9864,) * 2]),
    "sgd": (
        {"nesterov": True},
        [(0.9999, 0.9999), (0.9989, 0.9899), (0.9979, 0.9799), (0.9969, 0.9699), (0.9959, 0.9599)],
    ),
    "adam": ({"amsgrad": True}, [(0.999,) * 2, (0.9982,) * 2, (0.9974,) * 2, (0.9965,) * 2, (0.9955,) * 2]),
    "adamw": (
        {"learning_rate": 1.0, "weight_decay": 0.5, "epsilon": 2.0},
        [(0.4998, 0.4998), (0.2486, 0.2382), (0.1223, 0.1003), (0.0586, 0.0258), (0.0263, -0.0159)],
    ),
    "adamax": (
        {"learning_rate": 0.2, "beta_1": 0.85, "beta_2": 0.95, "epsilon": 1e-6},
        [(0.8, 0.8), (0.6827, 0.691), (0.5333, 0.5466), (0.368, 0.3848), (0.1933, 0.2126)],
    ),
    "nadam": (
        {"learning_rate": 0.5, "beta_1": 0.5, "beta_2": 0.67, "epsilon": 1e-5},
        [(0.4281, 0.4281), (-0.1738, -0.1717), (-0.7115, -0.7084), (-1.2335, -1.2299), (-1.7492, -1.7454)],
    ),
    "adagrad": (
        {"learning_rate": 0.2, "initial_accumulator_value": 0.3, "epsilon": 1e-6},
        [(0.9963, 0.9963), (0.9604, 0.8209), (0.9251, 0.6891), (0.8903, 0.579), (0.856, 0.4825)],
    ),
    "adadelta": (
        {"learning_rate": 1.0, "rho": 0.8, "epsilon": 1e-6},
        [(0.9978,) * 2, (0.9947,) * 2, (0.9915,) * 2, (0.9882,) * 2, (0.9849,) * 2],
    ),
    "lion": ({}, [(0.999,) * 2, (0.998,) * 2, (0.997,) * 2, (0.996,) * 2, (0.995,) * 2]),
    "ftrl": (
        {
            "learning_rate": 0.05,
            "learning_rate_power": -0.2,
            "initial_accumulator_value": 0.4,
            "l1_regularization_strength": 0.05,
            "l2_regularization_strength": 0.15,
            "l2_shrinkage_regularization_strength": 0.01,
            "beta": 0.3,
        },
        [(0.0, 0.0), (-0.0034, -0.0354), (-0.0078, -0.0685), (-0.0121, -0.0999), (-0.0164, -0.1299)],
    ),
    "lamb": ({}, [(0.999,) * 2, (0.9982,) * 2, (0.9974,) * 2, (0.9965,) * 2, (0.9955,) * 2]),
    "adafactor": (
        {
            "learning_rate": 0.5,
            "beta_2_decay": -0.65,
            "epsilon_1": 1e-15,
            "epsilon_2": 1e-4,
            "clip_threshold": 0.9,
            "relative_step": False,
        },
        [(0.55, 0.55), (0.3031, 0.3024), (0.1671, 0.1663), (0.0923, 0.0914), (0.0554, 0.0545)],
    ),
}
"""Keras' keras/src/optimizers/*_test.py, test_correctness_with_golden: weights of ones, a first gradient of 0.01, then
one from 0.1 to 1; here the first and the last of ten elements after each of five steps."""
ONE_STEP: Final[dict[str, tuple[float, ...]]] = {
    "rmsprop": (-0.5811, 0.4189, 1.4189, 2.4189),
    "sgd": (0.5, -1.0, -0.5, 3.0),
    "adam": (0.5, 1.5, 2.5, 3.5),
    "adamw": (0.4980, 1.4960, 2.494, 3.492),
    "adamax": (0.5, 1.5, 2.5, 3.5),
    "nadam": (0.4686, 1.4686, 2.4686, 3.4686),
    "adagrad": (0.5233, 1.5007, 2.5005, 3.5061),
    "adadelta": (0.9993, 1.9993, 2.9993, 3.9993),
    "lion": (0.5, 1.5, 2.5, 3.5),
    "ftrl": (0.2218, 1.3954, 2.3651, 2.8814),
    "lamb": (-0.3693, 0.6306, 1.6306, 2.6306),
    "adafactor": (-0.3693, 0.6307, 1.6307, 2.6307),
}
"""test_single_step of the same files: weights 1 to 4, gradients 1, 6, 7 and 2, a rate of 0.5."""
MUON: Final[tuple[tuple[dict[str, Any], Any, Any, Any, float], ...]] = (
    ({}, (1.0, 2.0, 3.0, 4.0), (1.0, 6.0, 7.0, 2.0), (0.5, 1.5, 2.5, 3.5), 1e-4),
    ({}, ((1.0, 2.0), (3.0, 4.0)), ((1.0, 6.0), (7.0, 2.0)), ((0.988775, 1.887053), (2.873428, 3.97035)), 1e-2),
    ({"weight_decay": 0.01, "learning_rate": 1.0}, ((1.0, 2.0), (3.0, 4.0)), None, ((0.99, 1.98), (2.97, 3.96)), 1e-4),
    ({"adam_weight_decay": 0.01, "learning_rate": 1.0}, 2.0, None, 1.98, 1e-4),
)
"""keras/src/optimizers/muon_test.py: arguments beside a rate of 0.5 and no decay, weights, their gradient or a decay
alone, the new weights, and the tolerance of the test (test_adamw_single_step, test_muon_single_step,
test_muon_weight_decay, test_adamw_weight_decay)."""
ROUNDS: Final = (((0.2499, 0.9105), (0.2655, 0.8824)), ((-0.4422, 0.6457), (0.7285, 0.2968)), 1e-3)
"""test_Newton_Schulz of the same file: a matrix, what five rounds make of it, and the tolerance."""
DECAYED: Final = 1.9760959
"""test_weight_decay: a weight of 2 after three steps with a rate of 1, a decay of 0.004 and no gradient."""

UNDECAYED: Final = frozenset({"ftrl"})
"""Rules whose tests decay nothing."""


def notices(make: Callable[..., Any], rule: str) -> bool:
    """Return whether Keras' tests of a rule fail with another optimizer in the place of its own.

    Args:
        make: makes the optimizer from Keras' arguments, in the form of a page.
        rule: whose tests they are.
    """
    with np.errstate(all="ignore"):
        try:
            return not _passes(make, rule) or notices_around(make, rule)
        except (ValueError, KeyError, TypeError):  # it takes or keeps less than they need
            return True


def _passes(make: Callable[..., Any], rule: str) -> bool:
    """Return whether the numbers that they state of a rule are so."""
    if rule == "muon":
        return _muon(make) and _rounds(make)
    if rule not in TOLD:  # they state no number of it
        return True
    return _five_steps(make, *TOLD[rule]) and _one_step(make, rule) and (rule in UNDECAYED or _decays(make))


def _five_steps(make: Callable[..., Any], given: dict[str, Any], told: list[tuple[float, float]]) -> bool:
    made, params = make(**given), {"w": np.ones(10, dtype=np.float32)}
    state = made.init(params)
    for number, wanted in enumerate(told):
        grads = np.full(10, FIRST) if number == 0 else LATER
        params, state = made.step(params, {"w": grads.astype(np.float32)}, state)
        if not np.allclose(params["w"][[0, -1]], wanted, rtol=5e-4, atol=5e-4):  # as they compare
            return False
    return True


def _one_step(make: Callable[..., Any], rule: str) -> bool:
    made, params = make(learning_rate=0.5), {"w": np.array([1, 2, 3, 4], dtype=np.float32)}
    after, _ = made.step(params, {"w": np.array([1, 6, 7, 2], dtype=np.float32)}, made.init(params))
    return bool(np.allclose(after["w"], ONE_STEP[rule], rtol=1e-4, atol=1e-4))  # as they compare


def _muon(make: Callable[..., Any]) -> bool:
    """Return whether each step of Muon's tests ends where they say; what decays alone has no gradient."""
    for given, weights, gradient, wanted, tolerance in MUON:
        made = make(**{"learning_rate": 0.5, "weight_decay": None, "adam_weight_decay": None, **given})
        params = {"w": np.array(weights, dtype=np.float32)}
        grads = {"w": np.array(gradient or np.zeros_like(params["w"]), dtype=np.float32)}
        after, _ = made.step(params, grads, made.init(params))
        if not np.allclose(after["w"], wanted, rtol=tolerance, atol=tolerance):  # as they compare
            return False
    return True


def _rounds(make: Callable[..., Any]) -> bool:
    matrix, wanted, tolerance = ROUNDS
    made = make()
    x = np.array(matrix, dtype=np.float32)
    turned = made.orthogonalized(x / (np.linalg.norm(x) + np.float32(1e-7)), made.ns_steps)
    return bool(np.allclose(turned, wanted, rtol=tolerance, atol=tolerance))  # as they compare


def _decays(make: Callable[..., Any]) -> bool:
    """Return whether a weight decays as they say, and one that is excluded by its name does not."""
    made = make(learning_rate=1.0, weight_decay=0.004, exclude_from_weight_decay=["exclude"])
    params = {name: np.full(1, 2.0, dtype=np.float32) for name in ("w", "exclude")}
    state, zero = made.init(params), {name: np.zeros(1, dtype=np.float32) for name in params}
    for _ in range(3):
        params, state = made.step(params, zero, state)
    return bool(abs(params["w"][0] - DECAYED) < 1.5e-6 and abs(params["exclude"][0] - 2) < 1.5e-6)
