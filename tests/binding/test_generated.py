"""Classes in every shape that people write are driven rightly, judged rightly, and passed what they mean."""

import textwrap
from collections import Counter

import msgspec
import numpy as np
import pytest
from generated import FUNCTIONS, REFUSED, SERVED, TEMPLATES, Generated, generated, refused, written

from parity.case.cells import select
from parity.case.spec import hyperparameters
from parity.errors import SubjectError
from parity.runner.loop import run_pair
from parity.subjects.numpy_class import NumpySubject

ALL = [*generated(), *written()]
# What is driven wrongly, or adds epsilon elsewhere, parts at the first steps.
(CELL,) = (msgspec.structs.replace(cell, steps=12) for cell in select(["rmsprop/defaults"]))
WORDS = {
    "mapping in place": "over a mapping",
    "mapping returned": "over a mapping",
    "mapping reversed": "over a mapping",
    "list in place": "over a list",
    "list returned": "over a list",
    "pairs": "over a list",
    "one array": "one array a call, an instance for each tensor",
    "one array by name": "one array a call, told which",
    "one array by index": "one array a call, told which",
    "called": "__call__",
    "objects in the constructor": "with .data and .grad in the constructor",
    "arrays in the constructor": "over a mapping",
    "layers": "layers that own weights",
    "state handed on": "init(params), step(params, grads, state)",
    "generator that is sent gradients": "a generator that is sent gradients, one run a tensor",
    "generator in place over a mapping": "a generator that is sent gradients, over a mapping of all",
    "generator that draws gradients": "a generator that is served gradients, one run a tensor",
    "generator that asks for gradients": "a generator that is served gradients, one run a tensor",
    "loop that returns": "a loop of its own that is served gradients call by call, one run a tensor",
    "loop in place with a history": "a loop of its own that is served gradients call by call, one run a tensor",
    "loop over a mapping with a callback": "served gradients call by call, over a mapping of all",
    "three functions": "(init, update, get_params), a state for each tensor",
    "two functions": "-> (params, state), a state for each tensor",
    "function that a function makes": "step(params, grads) over a mapping",
    "function with its state": "one array a call, a state for each tensor",
    "numbered mapping": "a mapping with keys W1, b1, ... and dW1, db1, ...",
    "loop that asks twice": "a loop of its own that is served gradients call by call, each twice, one run a tensor",
    "loop that hands data on": "Mine(data, ",
    "loop behind a decorator": "flat(grad, x0, callback), a loop of its own",
    "iterated over, weights in place": "Mine(wrt, fprime), a generator that is served gradients, one run a tensor",
    "loop as a method": "minimize(grad_fn,",
    "rate with each step": "update(params, grads, rate), one array a call",
    "length with each step": "one array a call, an instance for each tensor",
    "change to add, its length with each step": "what it returns is added to the weights",
    "change to subtract": "what it returns is subtracted from the weights, as the sign of a trial tells",
    "change to add in a mapping": "over a mapping of all tensors; what it returns is added to the weights",
    "change from a function": "what it returns is subtracted from",
    "numbers before the weights": "one array a call, a state for each tensor",
    "numbers between lists and their state": "Mine(params, grads, state) over a list of all tensors",
    "mapping numbered from zero": "a mapping with keys W0, b0, ... and dW0, db0, ...",
    "weights and biases in one call": "weights and biases in one call, an instance for each two",
    "weights and biases in place": "weights and biases in one call, an instance for each two",
    "lists of weights and of biases": "Mine(params, biases, grads, bias_grads, state), lists of all weights and of all",
    "list of mappings": "update(grads) over a list of mappings with W and b",
    "gradients that are objects": "a list of parameters with .data and .grad.data in the constructor",
    "objects under a name that says nothing": "a list of parameters with .data and .grad in the constructor's things",
    "state on the parameter": "with .data, .grad and, from zeros on, what a step keeps on them",
    "layers that need not be given": "step() with layers that own weights, biases and their gradients",
    "layer and its gradients": "update(layer, grads, bias_grads) with layers",
    "layers that take a change": "a change of each, as the sign of a trial tells",
    "model with parameters and gradients": "a model with parameters() and grads() in the constructor, then step()",
    "model that is given before": "parameters(), which have .data and .grad.data, by setup(), then update()",
    "model whose arrays are got and set": "set_weights(), for weights and for biases, in update(model)",
    "model that is set up, whose layers take a change by name": "by setup(), then update(model) with layers that own",
    "layers that hand out pairs": "update_params(layer) with layers that own weights, biases and their gradients",
    "shape in the constructor": "one array a call, an instance for each tensor, made with its shape",
    "one array in the constructor": "minimize(grads) on one array in the constructor, an instance for each tensor",
    "array and its gradient in the constructor": "an array and its gradient in the constructor, then update(rate), an",
    "mappings and their gradients in the constructor": "mappings of parameters and gradients in the constructor, then",
    "pairs, the parameter first": "update_step(pairs of parameter and gradient) over a list",
    "layers whose parameters are pairs": "own weights, biases and their gradients, in pairs by parameters()",
    "model of arrays": "arrays that change in place, in the constructor's module, then step()",
    "model of pairs": "arrays that change in place, in step(model)",
    "two states": "Mine(params, grads, state, state), one array a call, its own states for each tensor",
    "lists of weights and of biases in the constructor": "and of all biases, which the constructor takes",
    "parameters that know their array module": "with .data and .grad in the constructor, then step()",
    "layers with a mapping each": "step() with layers that own weights, biases and their gradients",
    "layers one by one, of a class beside it": "step() with layers of its own class Dense that own weights",
    "tensors of a class beside it": "with .data and .grad, all of its own class Tensor in the constructor, then step()",
    "loop that asks a function beside it": "served gradients call by call of numerical_gradient(), one run a tensor",
    "arguments that must be named": "step(params, grads) over a mapping",
    "layers with mappings of other names": "own weights, biases and their gradients, in a mapping each",
    "mappings with a gradient": "a list of mappings, each with a tensor and its gradient, in the constructor, then",
    "loop that asks for its rate": "served gradients call by call, one run a tensor, which calls ",
}


def ids(one: Generated) -> str:
    return f"{one.shape}, {one.fault}"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("one", ALL, ids=ids)
def test_a_generated_class_is_driven_in_its_shape_and_judged(one: Generated) -> None:
    subject = NumpySubject(one.kind, "generated")
    pair = run_pair(CELL, "generated", subject)
    assert WORDS[one.shape] in subject.shape().title
    verdicts = {item.verdict for item in pair.comparisons}
    assert verdicts == {"DIVERGED"} if one.fault == "outside" else verdicts <= {"IDENTICAL", "ROUNDING"}
    # What it is passed is Keras', whatever its own defaults are.
    passed = {float(word.rpartition("=")[2]) for word in pair.resolved.partition("(")[2].rstrip(")").split(", ")}
    assert passed == {0.001, 0.9, 1e-7} - ({0.001} if one.shape in SERVED else set())


@pytest.mark.parametrize("one", refused(), ids=ids)
def test_what_no_signature_settles_is_refused_with_a_wrapper_that_works_when_pasted(one: Generated) -> None:
    with pytest.raises(SubjectError, match="has no shape that can be driven") as caught:
        NumpySubject(one.kind, "generated").shape()
    head, _, text = str(caught.value).partition("\n")
    assert "This wrapper, which was tried, may say what it means" in head
    wrapper = textwrap.dedent(text)
    assert len(wrapper.splitlines()) <= 10
    pair = run_pair(CELL, "wrapped", NumpySubject(one.wrapped(wrapper), "wrapped"))
    verdicts = {item.verdict for item in pair.comparisons}
    assert verdicts == {"DIVERGED"} if one.fault == "outside" else verdicts <= {"IDENTICAL", "ROUNDING"}


def test_a_wrapper_takes_the_numbers_of_what_it_wraps_and_none_that_do_nothing() -> None:
    class Mine:
        """A momentum, and steps for weights and biases, under names that tell nothing."""

        def __init__(self, beta=0.5, gamma=0.01):
            self.beta, self.gamma, self.v, self.u = beta, gamma, 0, 0

        def optimize(self, dW, dB):
            self.v = self.beta * self.v + (1 - self.beta) * dW
            self.u = self.beta * self.u + (1 - self.beta) * dB
            return self.gamma * self.v, self.gamma * self.u

    with pytest.raises(SubjectError) as caught:
        NumpySubject(Mine, "mine.py:Mine").shape()
    text = textwrap.dedent(str(caught.value).partition("\n")[2])
    assert "def __init__(self, beta=0.5, gamma=0.01):" in text
    space = {"np": np, "Mine": Mine}
    exec(text, space)  # ours
    subject = NumpySubject(space["Wrapped"], "mine.py:Wrapped")
    bound = subject.bound(hyperparameters("sgd")(learning_rate=0.25, momentum=0.75))
    assert bound.values == {"gamma": 0.25, "beta": 0.75}


def test_there_are_hundreds_of_them_of_every_shape() -> None:
    counts = Counter(one.shape for one in ALL)
    assert set(counts) == {*TEMPLATES, *FUNCTIONS} == set(WORDS)
    assert len(ALL) == 196 + 10 * len(FUNCTIONS)
    assert len({one.source for one in ALL}) > 300
    assert len(REFUSED) >= 5


def test_a_state_that_tensors_share_is_seen_where_each_has_an_instance_of_its_own() -> None:
    class Scalar:
        def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
            self.rate, self.keep, self.eps, self.v = learning_rate, rho, epsilon, 0

        def update(self, w, grad):
            self.v = self.keep * self.v + (1 - self.keep) * grad**2
            return w - self.rate * grad / np.sqrt(self.v + self.eps)

    assert "an instance for each tensor" in NumpySubject(Scalar, "Scalar").shape().title


def test_a_transformation_whose_method_is_called_step_is_driven_by_it() -> None:
    class Transforms:
        def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
            self.rate, self.keep, self.eps = learning_rate, rho, epsilon

        def init(self, params):
            return {name: np.zeros_like(w) for name, w in params.items()}

        def step(self, grads, state, params):
            v = {name: self.keep * state[name] + (1 - self.keep) * (g * g) for name, g in grads.items()}
            return {name: -(self.rate * g / np.sqrt(v[name] + self.eps)) for name, g in grads.items()}, v

    pair = run_pair(CELL, "mine", NumpySubject(Transforms, "mine"))
    assert pair.verdict.name in ("IDENTICAL", "ROUNDING")


def test_tensors_that_are_not_kept_apart_are_said_to_be_so() -> None:
    class OfAll:
        def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
            self.rate, self.keep, self.eps, self.v = learning_rate, rho, epsilon, 0

        def update(self, params, grads):
            self.v = self.keep * self.v + (1 - self.keep) * sum(np.sum(g * g) for g in grads.values())
            for name, g in grads.items():
                params[name] -= self.rate * g / np.sqrt(self.v + self.eps)

    assert NumpySubject(OfAll, "OfAll").shape().title.endswith("what one tensor does depends on another's gradients")


REFUSALS = {
    "TwoChanges": "for_biases and for_weights each return a change: which of them makes the step is not told",
    "Direction": "direction(grads) returns what no learning rate scales: whether its caller does is not told",
    "Mixed": "change(grads) returns what goes up some gradients and down others: to add or to subtract is not told",
    "HasStep": "The nearest, update(layer) with layers that own",
}


class Changes:
    """The rule that returns what is to be subtracted."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.keep, self.eps, self.v = learning_rate, rho, epsilon, 0

    def _change(self, g, rate):
        self.v = self.keep * self.v + (1 - self.keep) * g * g
        return rate * g / np.sqrt(self.v + self.eps)


class TwoChanges(Changes):
    def for_weights(self, grad):
        return self._change(grad, self.rate)

    def for_biases(self, grad):
        return self._change(grad, self.rate)


class Direction(Changes):
    def direction(self, grad):
        return self._change(grad, 1.0)


class Mixed(Changes):
    def change(self, grad):
        return self._change(grad, self.rate) * np.array([1.0, -1.0, 1.0], dtype=np.float32)


class HasStep(Changes):
    def change(self, grad):
        return self._change(grad, self.rate)

    def update(self, layer):
        layer.weights -= self.change(layer.no_such_gradient)


@pytest.mark.parametrize("kind", [TwoChanges, Direction, Mixed, HasStep], ids=lambda kind: kind.__name__)
def test_a_change_whose_use_is_not_told_is_refused_with_what_is_not(kind: type) -> None:
    with pytest.raises(SubjectError, match="has no shape that can be driven") as caught:
        NumpySubject(kind, "mine.py:Mine").shape()
    assert REFUSALS[kind.__name__] in str(caught.value)


def test_weights_that_come_back_in_the_place_of_the_biases_are_refused() -> None:
    def swaps(w, b, dw, db, lr=0.001):
        return b - lr * db, w - lr * dw

    with pytest.raises(SubjectError, match="has no shape that can be driven"):
        NumpySubject(swaps, "mine.py:swaps").shape()


def test_a_change_from_who_is_shown_the_weights_too_is_no_weights() -> None:
    class Shown(Changes):
        def update(self, w, grad):
            return -self._change(grad, self.rate)

        def clip(self, grad):
            return np.clip(grad, -1, 1)

    subject = NumpySubject(Shown, "mine")
    assert run_pair(CELL, "mine", subject).verdict.name in ("IDENTICAL", "ROUNDING")
    assert subject.shape().title.startswith(
        "update(params, grads), one array a call, an instance for each tensor; what"
    )


def test_a_number_that_is_no_state_is_not_taken_for_one() -> None:
    class Decays:
        def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
            self.rate, self.keep, self.eps, self.v = learning_rate, rho, epsilon, 0

        def update(self, w, g, strength):
            g = g + strength * w
            self.v = self.keep * self.v + (1 - self.keep) * g * g
            return w - self.rate * g / np.sqrt(self.v + self.eps)

    with pytest.raises(SubjectError, match="has no shape that can be driven"):
        NumpySubject(Decays, "Decays").shape()
