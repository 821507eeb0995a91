"""Optimizers with one fault each that only a relation, or a rare number, shows."""

import numpy as np


class Right:
    """The rule with every argument that the relations need, arithmetic in the words of the reference."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, gradient_accumulation_steps=None):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon
        self.every = gradient_accumulation_steps

    def init(self, params):
        zeros = {name: np.zeros_like(w) for name, w in params.items()}
        return {"calls": 0, "moment": zeros, "sum": dict(zeros)}

    def step(self, params, grads, state):
        calls = state["calls"] + 1
        if self.every:
            total = {name: state["sum"][name] + g for name, g in grads.items()}
            if calls % self.every:
                return params, {**state, "calls": calls, "sum": total}
            grads = {name: self.reduced(g) for name, g in total.items()}
        moment, new = {}, {}
        for name, g in grads.items():
            c = g.dtype.type
            moment[name] = c(self.rho) * state["moment"][name] + c(1 - self.rho) * self.squared(g)
            new[name] = params[name] - c(np.float32(self.learning_rate)) * g / np.sqrt(moment[name] + c(self.epsilon))
        zeros = {name: np.zeros_like(g) for name, g in grads.items()}
        return new, {"calls": calls, "moment": moment, "sum": zeros}

    def slots(self, state):
        shown = {"second_moment": state["moment"]}
        return {**shown, "accumulated_gradient": state["sum"]} if self.every else shown

    def reduced(self, total):
        return total / total.dtype.type(self.every)

    def squared(self, g):
        return np.square(g)


class SumsMicroBatches(Right):
    """Accumulates without dividing by the number of micro-batches."""

    def reduced(self, total):
        return total


class MeanOverElements(Right):
    """One second moment for a whole tensor, as Adafactor-like rules keep it."""

    def squared(self, g):
        return np.full_like(g, np.mean(np.square(g.astype(np.float64)))) if g.size else g


class WeighsByPlace(Right):
    """Elements at the front count less."""

    def squared(self, g):
        return (super().squared(g).reshape(-1) * np.linspace(0.5, 1, g.size).astype(g.dtype)).reshape(g.shape)


class StateAside(Right):
    """Keeps its moments in the instance, so that what it returns as state restores nothing."""

    def init(self, params):
        self.kept = super().init(params)
        return self.kept

    def step(self, params, grads, state):
        new, self.kept = super().step(params, grads, self.kept)
        return new, self.kept


class LosesLargeGradients(Right):
    """Takes a gradient above fifty for zero."""

    def squared(self, g):
        return np.square(np.where(np.abs(g) > 50, 0, g))


class DiesOfNaN(Right):
    """Takes the process with it where a gradient is not a number."""

    def squared(self, g):
        if np.isnan(g).any():
            import os
            import signal

            os.kill(os.getpid(), signal.SIGSEGV)
        return np.square(g)
