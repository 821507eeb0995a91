"""Classes with one fault each, and with three, as people write them: what the commands have to name."""

import numpy as np


class Base:
    """RMSprop with three arguments; a class below does one thing, or three, otherwise."""

    start, carried = 0.0, True

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon

    def init(self, params):
        return {name: np.full_like(w, self.start) for name, w in params.items()}

    def step(self, params, grads, state):
        old = state if self.carried else self.init(params)
        moments = {name: self.moment(old[name], g) for name, g in grads.items()}
        used = self.used(old, moments)
        return {name: w - self.away(grads[name], used[name]) for name, w in params.items()}, moments

    def slots(self, state):
        return {"second_moment": state}

    def moment(self, v, g):
        return self.rho * v + (1 - self.rho) * (g * g)

    def used(self, old, moments):
        return moments

    def away(self, g, v):
        return self.learning_rate * g / self.denominator(v)

    def denominator(self, v):
        return np.sqrt(v + self.epsilon)


class Outside(Base):
    def denominator(self, v):
        return np.sqrt(v) + self.epsilon


class OutsideHidden(Outside):
    """It shows no state."""

    slots = None


class Ones(Base):
    start = 1.0


class Previous(Base):
    def used(self, old, moments):
        return old


class Rootless(Base):
    def denominator(self, v):
        return v + self.epsilon


class Swapped(Base):
    def moment(self, v, g):
        return (1 - self.rho) * v + self.rho * (g * g)


class Climbs(Base):
    def away(self, g, v):
        return -super().away(g, v)


class Forgets(Base):
    carried = False


class Sums(Base):
    def moment(self, v, g):
        return v + g * g


class Floors(Base):
    def denominator(self, v):
        return np.maximum(np.sqrt(v), np.float32(self.epsilon))


class Clips(Base):
    def step(self, params, grads, state):
        return super().step(params, {name: np.clip(g, -2, 2) for name, g in grads.items()}, state)


class TenTimes(Base):
    def away(self, g, v):
        return 10 * super().away(g, v)


class OutsideOnesPrevious(Outside, Ones, Previous):
    """Three faults."""


class RootlessSwappedClimbs(Rootless, Swapped, Climbs):
    """Three others."""


ONE = {
    Outside: "Epsilon is added after the root instead of under it.",
    Ones: "The second moment starts at one instead of zero.",
    Previous: "The denominator uses the second moment from before this step.",
    Rootless: "The root of the second moment is missing.",
    Swapped: "Rho weighs the new gradient instead of the old moment.",
    Climbs: "The step is added to the weights instead of subtracted.",
    Forgets: "The state is created anew at every step.",
    Sums: "The old moment is kept whole and the square is added whole: Adagrad.",
    Floors: "Epsilon is the least that the root may be (max), not added.",
    Clips: "Gradients are clipped by value at 2, whatever it is given.",
}
THREE = {
    OutsideOnesPrevious: (
        "epsilon is added after the root instead of under it",
        "the second moment starts at one instead of zero",
        "the denominator uses the second moment from before this step",
    ),
    RootlessSwappedClimbs: (
        "the root of the second moment is missing",
        "rho weighs the new gradient instead of the old moment",
        "the step is added to the weights instead of subtracted",
    ),
}
