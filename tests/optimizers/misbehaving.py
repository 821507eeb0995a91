"""Classes that do what no optimizer should; each is named after what it does."""

import os
import signal
import sys
import time

import numpy as np


class Right:
    """The rule without momentum, which the others disturb."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon

    def init(self, params):
        return {name: np.zeros_like(w) for name, w in params.items()}

    def step(self, params, grads, state):
        second, new = {}, {}
        for name, w in params.items():
            g = grads[name]
            second[name] = self.rho * state[name] + (1 - self.rho) * g * g
            new[name] = w - self.learning_rate * g / np.sqrt(second[name] + self.epsilon)
        return new, second

    def slots(self, state):
        return {"second_moment": state}


class Raises(Right):
    def step(self, params, grads, state):
        raise RuntimeError("the learning rate went missing")


class RaisesInConstructor(Right):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        raise ValueError("no optimizer today")


class LacksArgument(Right):
    def __init__(self, learning_rate=0.001):
        super().__init__(learning_rate)


class NeedsArgument(Right):
    def __init__(self, weights, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate, rho, epsilon)


class ReturnsNone(Right):
    def step(self, params, grads, state):
        return None


class ReturnsList(Right):
    def step(self, params, grads, state):
        new, state = super().step(params, grads, state)
        return list(new.values()), state


class ReturnsLists(Right):
    def step(self, params, grads, state):
        new, state = super().step(params, grads, state)
        return {name: w.tolist() for name, w in new.items()}, state


class ReturnsWrongShape(Right):
    def step(self, params, grads, state):
        new, state = super().step(params, grads, state)
        return {name: w.reshape(-1) for name, w in new.items()}, state


class ReturnsWrongDtype(Right):
    def step(self, params, grads, state):
        new, state = super().step(params, grads, state)
        return {name: w.astype(np.float64) for name, w in new.items()}, state


class DropsTensor(Right):
    def step(self, params, grads, state):
        new, state = super().step(params, grads, state)
        return {name: w for name, w in new.items() if name != "bias"}, state


class AddsTensor(Right):
    def step(self, params, grads, state):
        new, state = super().step({n: w for n, w in params.items() if n != "extra"}, grads, state)
        return {**new, "extra": np.zeros(2, dtype=np.float32)}, state


class ChangesInputs(Right):
    def step(self, params, grads, state):
        for name, w in params.items():
            w -= grads[name]
        return params, state


class IndexesScalars(Right):
    def init(self, params):
        state = super().init(params)
        for slot in state.values():
            slot[:] = 0
        return state


class ChangesGradients(Right):
    def step(self, params, grads, state):
        grads["bias"][:] = 0
        return super().step(params, grads, state)


class PrintsMegabyte(Right):
    def step(self, params, grads, state):
        print("x" * 1_000_000)
        print("noise", file=sys.stderr)
        return super().step(params, grads, state)


class PrintsOnly(Right):
    def init(self, params):
        print("hello from init")
        return super().init(params)


class Exits(Right):
    def step(self, params, grads, state):
        sys.exit(0)


class ExitsAtOnce(Right):
    def step(self, params, grads, state):
        os._exit(3)


class KillsItself(Right):
    def step(self, params, grads, state):
        os.kill(os.getpid(), signal.SIGKILL)


class NeverReturns(Right):
    def step(self, params, grads, state):
        while True:
            pass


class SleepsForever(Right):
    def step(self, params, grads, state):
        time.sleep(3600)


class Forks(Right):
    """Both processes go on with the run; only one of them may answer."""

    def init(self, params):
        os.fork()
        return super().init(params)


class LeavesChild(Right):
    """A child that outlives it and keeps its pipes open."""

    def init(self, params):
        if os.fork() == 0:
            time.sleep(3600)
        os._exit(4)


class ClosesOutput(Right):
    def init(self, params):
        sys.stdout.close()
        return super().init(params)


class ClosesEverything(Right):
    def step(self, params, grads, state):
        os.closerange(0, 256)
        return super().step(params, grads, state)


class NamesUnknownSlot(Right):
    def slots(self, state):
        return {"second_momment": state}


class HidesSlotLater(Right):
    calls = 0

    def slots(self, state):
        self.calls += 1
        return {"second_moment": state} if self.calls < 3 else {}


class AddsSlotLater(Right):
    calls = 0

    def slots(self, state):
        self.calls += 1
        shown = {"second_moment": state}
        return shown if self.calls < 3 else {**shown, "momentum_buffer": state}


class SlotsReturnArray(Right):
    def slots(self, state):
        return {"second_moment": np.zeros(3, dtype=np.float32)}


class SlotsOfAnotherShape(Right):
    def slots(self, state):
        return {"second_moment": {name: v.mean() for name, v in state.items()}}


class HasNoMethods:
    """Neither style of the contract."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate = learning_rate


class RaisesNothingSayable(Right):
    class Speechless(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def step(self, params, grads, state):
        raise self.Speechless


class RaisesInterrupt(Right):
    def step(self, params, grads, state):
        raise KeyboardInterrupt


class RaisesManyLines(Right):
    def step(self, params, grads, state):
        raise ValueError("first line\n" + "x" * 100_000 + "\nlast line")


class Recurses(Right):
    def step(self, params, grads, state):
        return self.step(params, grads, state)


def not_a_class(learning_rate):
    """A function, which has neither init nor step."""


NOT_CALLABLE = 3
