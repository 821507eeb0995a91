"""Optimizers that own their loop: what they show at each step, how they end, and that nothing of them is left."""

import threading

import numpy as np
import pytest

from parity.case.cells import select
from parity.case.spec import LearningRateSchedule, hyperparameters
from parity.errors import SubjectError
from parity.runner.loop import run_pair
from parity.subjects.binding.drivers.loops import Argument, Loops
from parity.subjects.numpy_class import NumpySubject

(CELL,) = select(["rmsprop/plain[float32]"])


def rmsprop(grad, w0, lr=0.001, rho=0.9, eps=1e-7, steps=100):
    w, v = w0.copy(), np.zeros_like(w0)
    for _ in range(steps):
        g = grad(w)
        v = rho * v + (1 - rho) * g * g
        w = w - lr * g / np.sqrt(v + eps)
    return w


def judged(function):
    return run_pair(CELL, "tried", NumpySubject(function, "tried"))


def test_a_loop_is_judged_at_every_step_and_what_it_is_handed_is_not_left_at_its_default() -> None:
    pair = judged(rmsprop)
    assert pair.verdict.name == "IDENTICAL"
    assert pair.comparisons[0].compared == CELL.elements * (CELL.steps + 1)
    assert "left at its own default" not in pair.circumstances


def test_no_thread_is_left_of_a_loop() -> None:
    before = set(threading.enumerate())
    judged(rmsprop)
    assert set(threading.enumerate()) <= before


def test_a_callback_tells_the_weights_where_the_gradient_is_asked_for_elsewhere() -> None:
    told = []

    def ahead(grad, w0, lr=0.1, momentum=0.5, callback=None, num_iters=10):
        w, b = w0.copy(), np.zeros_like(w0)
        for _ in range(num_iters):
            b = momentum * b + lr * grad(w - momentum * b)
            w = w - b
            told.append(w)
            callback(w)
        return w

    arguments = [Argument("grad", "grads"), Argument("w0", "params")]
    arguments += [Argument("callback", "callback"), Argument("num_iters", "steps")]
    loops = Loops(lambda: ahead, {"w": np.ones(3)}, lambda step: 0.1, "__call__", arguments, "array", 4)
    for step in range(4):
        loops.step({"w": np.arange(3.0)})
        np.testing.assert_array_equal(loops.params["w"], told[step])
    loops.close()


@pytest.mark.parametrize(
    "returned", [lambda h: h, lambda h: (h[-1], h), lambda h: (h, [0.0]), np.array, lambda h: h[-1]]
)
def test_the_last_weights_are_those_that_it_returns(returned) -> None:
    def two(grad, w0, lr=0.5):
        history = [w0]
        for _ in range(2):
            history.append(history[-1] - lr * grad(history[-1]))
        return returned(history)

    arguments = [Argument("grad", "grads"), Argument("w0", "params")]
    loops = Loops(lambda: two, {"w": np.ones(3)}, lambda step: 0.1, "__call__", arguments, "array", 2)
    for _ in range(2):
        loops.step({"w": np.ones(3)})
    np.testing.assert_array_equal(loops.params["w"], np.zeros(3))
    loops.close()


def test_a_loop_of_fixed_length_is_unsupported_where_the_case_is_longer() -> None:
    def seven(grad, w0, lr=0.001, rho=0.9, eps=1e-7):
        return rmsprop(grad, w0, lr, rho, eps, 7)

    pair = judged(seven)
    assert pair.verdict.name == "UNSUPPORTED"
    assert "its loop ends after 7 steps, and the case has more: give the number of steps an argument" in (
        pair.comparisons[0].reason
    )


def test_what_a_loop_raises_is_told_with_its_line() -> None:
    def raises(grad, w0, lr=0.001, steps=9):
        w = w0
        for number in range(steps):
            w = w - lr * grad(w)
            if number == 4:
                raise ZeroDivisionError("in the fifth step")
        return w

    pair = judged(raises)
    assert pair.verdict.name == "FAILED"
    assert "raised ZeroDivisionError: in the fifth step in test_loops.py, line" in pair.comparisons[0].reason


def test_a_generator_that_yields_before_it_uses_a_gradient_is_refused() -> None:
    def late(w, grads, lr=0.001):
        for g in grads:
            yield w
            w = w - lr * g

    with pytest.raises(SubjectError, match="yields the weights before a gradient is used"):
        NumpySubject(late, "late").shape()


def test_a_generator_that_ends_is_unsupported_where_the_case_is_longer() -> None:
    def three(w, lr=0.001, rho=0.9, eps=1e-7):
        for _ in range(4):
            w = w - lr * (yield w)

    pair = judged(three)
    assert pair.verdict.name == "UNSUPPORTED"
    assert "its generator ends after 3 steps" in pair.comparisons[0].reason


def test_a_rate_that_changes_is_no_argument_of_a_function_that_is_called_once() -> None:
    import msgspec

    given = hyperparameters()(learning_rate=LearningRateSchedule(values=[1e-3, 1e-4]))
    pair = run_pair(msgspec.structs.replace(CELL, hyperparameters=given), "tried", NumpySubject(rmsprop, "tried"))
    assert pair.verdict.name == "UNSUPPORTED"
    assert "takes a number for its learning rate" in pair.comparisons[0].reason
