"""The rule of ``row_moments``, as several persons wrote it: rightly, with rows mistaken, and with part of it hidden."""

import numpy as np


class Right:
    def __init__(
        self,
        learning_rate=0.001,
        rho=0.9,
        epsilon=1e-7,
    ):
        self.learning_rate, self.rho, self.epsilon = np.float32(learning_rate), rho, epsilon

    def init(self, params):
        rows = {name: np.zeros(w.shape[:-1], w.dtype) for name, w in params.items() if w.ndim}
        return {"rows": rows, "whole": {name: np.zeros((), w.dtype) for name, w in params.items()}, "calls": 0}

    def step(self, params, grads, state):
        after, rows, whole = {}, dict(state["rows"]), {}
        for name, w in params.items():
            number, square = w.dtype.type, grads[name] * grads[name]
            keep, renew, epsilon = number(self.rho), number(1 - self.rho), number(self.epsilon)
            whole[name] = np.asarray(keep * state["whole"][name] + renew * square.mean(), w.dtype)
            root = np.sqrt(whole[name] + epsilon)
            if name in rows:
                mean = np.asarray(square.mean(axis=-1), w.dtype)
                rows[name] = np.asarray(keep * rows[name] + renew * self.seen(name, mean, state["calls"]), w.dtype)
                root = root * np.expand_dims(np.sqrt(rows[name] + epsilon), -1)
            after[name] = np.asarray(w - number(self.learning_rate) * grads[name] / np.sqrt(root), w.dtype)
        return after, {"rows": rows, "whole": whole, "calls": state["calls"] + 1}

    def seen(self, name, mean, call):
        return mean

    def slots(self, state):
        return {"row_moment": state["rows"], "tensor_moment": state["whole"]}


class OneRow(Right):
    """From the fourth step on, one row of one tensor counts twice."""

    def seen(self, name, mean, call):
        twice = np.ones_like(mean)
        if name == "cube" and call >= 3:
            twice[1, 2] = 2
        return mean * twice


class WholeTwice(Right):
    """The mean of one tensor, a single number, is not kept."""

    def step(self, params, grads, state):
        after, new = super().step(params, grads, state)
        return after, {**new, "whole": {**new["whole"], "bias": np.zeros_like(new["whole"]["bias"])}}


class Columns(Right):
    """Shows means of the columns."""

    def slots(self, state):
        shown = {name: np.zeros(6, np.float32) if name == "kernel" else row for name, row in state["rows"].items()}
        return {**super().slots(state), "row_moment": shown}


class RowsHidden(Right):
    def slots(self, state):
        return {"tensor_moment": state["whole"]}


class OneRowHidden(OneRow):
    def slots(self, state):
        return {"tensor_moment": state["whole"]}


class Noisy(Right):
    """Draws noise that nobody seeded."""

    def seen(self, name, mean, call):
        return (mean * (1 + 1e-3 * np.random.default_rng().random(mean.shape))).astype(mean.dtype)


class Endless(Right):
    """Makes one row infinite."""

    def seen(self, name, mean, call):
        return np.where(np.arange(mean.size).reshape(mean.shape) == 2, np.inf, mean).astype(mean.dtype)
