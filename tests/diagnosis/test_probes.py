"""Each kind of gradient in a probe earns its place: without it two members of the family look the same."""

import dataclasses

import numpy as np
import pytest

from parity.case.spec import hyperparameters
from parity.diagnosis.member import Member, predict
from parity.diagnosis.probes import Probe, first_probe, probe

VISIBLE = 1e-4


def with_gradients(given: Probe, change) -> Probe:
    return dataclasses.replace(given, gradients=change(given.gradients.copy()).astype(given.gradients.dtype))


def constant_rate(given: Probe) -> Probe:
    return dataclasses.replace(given, hyperparameters=hyperparameters()(momentum=given.hyperparameters.momentum))


def large_only(given: Probe) -> Probe:
    return with_gradients(given, lambda g: np.sign(g) * np.maximum(np.abs(g), 1.0))


def never_zero(given: Probe) -> Probe:
    return with_gradients(given, lambda g: np.where(g == 0, 1e-3, g))


def one_step(given: Probe) -> Probe:
    return dataclasses.replace(given, gradients=given.gradients[:1])


REASONS = {
    "small gradients show epsilon's place": (first_probe(), large_only, {}, {"epsilon_place": "outside"}),
    "small gradients show that epsilon is there": (first_probe(), large_only, {"epsilon": 1e-30}, {}),
    "a first zero shows a division by zero": (
        first_probe(),
        never_zero,
        {"epsilon_place": "none", "denominator_uses": "updated"},
        {"epsilon": 1e-30},
    ),
    "a second step shows that state is lost": (first_probe(), one_step, {}, {"state_carried": False}),
    "a changing rate shows its place": (
        probe("momentum", scheduled=True),
        constant_rate,
        {},
        {"learning_rate_place": "outside"},
    ),
    "a changing rate shows the schedule's origin": (
        probe("plain", scheduled=True),
        constant_rate,
        {},
        {"schedule_origin": 1},
    ),
}


def member(choices) -> Member:
    numbers = {name: value for name, value in choices.items() if name == "epsilon"}
    return Member().plus(**{n: v for n, v in choices.items() if n not in numbers}).having(**numbers)


def apart(a: Member, b: Member, given: Probe) -> bool:
    with np.errstate(all="ignore"):
        x, y = predict(a, given).astype(np.float64), predict(b, given).astype(np.float64)
        differ = np.abs(np.diff(x, axis=0) - np.diff(y, axis=0)) / np.maximum(np.abs(np.diff(x, axis=0)), 1e-6)
        return bool((np.isnan(x) != np.isnan(y)).any() or np.nanmax(differ) > VISIBLE)


@pytest.mark.parametrize("reason", REASONS)
def test_a_gradient_that_matters_cannot_be_deleted(reason):
    given, without, a, b = REASONS[reason]
    assert apart(member(a), member(b), given), f"the probe no longer does what it is for: {reason}"
    assert not apart(member(a), member(b), without(given)), "something else shows it too, so the reason is wrong"
