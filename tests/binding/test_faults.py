"""Code that raises whatever it is handed is driven and FAILED with its line; what wants something else is refused."""

import textwrap

import numpy as np
import pytest

from parity.api import run_all
from parity.case.cells import select
from parity.diagnosis.diagnose import diagnose
from parity.errors import SubjectError
from parity.runner.loop import run_pair
from parity.subjects.binding.refusal import _text
from parity.subjects.numpy_class import NumpySubject

(CELL,) = select(["rmsprop/defaults"])


class Rule:
    """A rule over one array, whose parts a subclass breaks."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon, self.v = learning_rate, rho, epsilon, 0.0

    def _stepped(self, w, g):
        self.v = self.rho * self.v + (1 - self.rho) * g * g
        return w - self.learning_rate * g / np.sqrt(self.v + self.epsilon)


class MisspellsNumpy(Rule):
    def update(self, w, g):
        return self._stepped(w, g) / np.wons(3)


class MisspellsAFunction(Rule):
    def update(self, w, g):
        return self._stepped(w, g) + np.zeros.like(w)


class NeverSets(Rule):
    def update(self, w, g):
        return self._stepped(w, g) * self.scale


class AddsToWhatItNeverSets(Rule):
    def update(self, w, g):
        self.t += 1
        return self._stepped(w, g)


class MisspellsTheConstructor:
    def __init(self, learning_rate=0.001):
        self.learning_rate, self.v = learning_rate, None

    def update(self, params, grads):
        if self.v is None:
            self.v = {name: np.zeros_like(w) for name, w in params.items()}


class CallsItselfWrongly(Rule):
    def update(self, params, grads):
        return self._stepped(params)


class HandsItsLayersOn(Rule):
    def update_params(self, layer):
        layer.weights -= self.learning_rate * layer.dweights / np.squrt(self.epsilon)


BROKEN = {
    MisspellsNumpy: "module 'numpy' has no attribute 'wons'",
    MisspellsAFunction: "has no attribute 'like'",
    NeverSets: "'NeverSets' object has no attribute 'scale'",
    AddsToWhatItNeverSets: "'AddsToWhatItNeverSets' object has no attribute 't'",
    MisspellsTheConstructor: "'MisspellsTheConstructor' object has no attribute 'v'",
    CallsItselfWrongly: "missing 1 required positional argument: 'g'",
    HandsItsLayersOn: "module 'numpy' has no attribute 'squrt'",
}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_it_is_failed_with_its_line(kind):
    found = diagnose(lambda: NumpySubject(kind, kind.__name__), kind.__name__)
    assert found.finding.name == "FAILED"
    said = found.evidence[0]
    assert BROKEN[kind] in said
    assert " in test_faults.py, line " in said


class WantsToBeSetUp(Rule):
    def prepare(self, target):
        self.scale = target

    def update(self, w, g):
        return self._stepped(w, g) * self.scale


class WantsAnotherObject(Rule):
    def update(self, w, g):
        return self._stepped(w, g.of_another_library)


class WantsAnotherLoss(Rule):
    def update(self, params, grads, loss):
        return self._stepped(params, grads) / loss.scale


class RaisesInItsConstructor(Rule):
    def __init__(self, learning_rate=0.001):
        raise ValueError("no optimizer today")

    def update(self, params, grads):
        return self._stepped(params, grads)


class WantsAnotherLayer(Rule):
    def update_params(self, layer):
        layer.variables(self.learning_rate)


@pytest.mark.parametrize(
    "kind",
    [WantsToBeSetUp, WantsAnotherObject, WantsAnotherLoss, RaisesInItsConstructor, WantsAnotherLayer],
    ids=lambda kind: kind.__name__,
)
def test_what_wants_something_else_is_no_fault_of_its_own(kind):
    with pytest.raises(SubjectError, match="no shape that can be driven"):
        NumpySubject(kind, kind.__name__).shape()


def test_a_run_names_the_line_in_its_own_file_not_that_in_a_library(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import numpy as np\nclass Mine:\n    def update(self, w, g):\n        return w - np.squrt(g)\n")
    (pair,) = run_all([CELL], [f"{path}:Mine"]).pairs
    assert pair.verdict.name == "FAILED"
    assert "has no attribute 'squrt' in mine.py, line 4: return w - np.squrt(g)" in pair.comparisons[0].reason


def rmsprop_step(w, g, s, lr=0.001, rho=0.9, eps=1e-7):
    s = rho * s + (1 - rho) * g * g
    return w - lr * g / np.sqrt(s + eps), s


def plain_step(w, g, lr=0.001):
    return w - lr * g


def made(learning_rate=0.001, rho=0.9, epsilon=1e-7):
    v = 0.0

    def step(w, g):
        nonlocal v
        v = rho * v + (1 - rho) * g * g
        return w - learning_rate * g / np.sqrt(v + epsilon)

    return step


TITLES = {
    rmsprop_step: "rmsprop_step(params, grads, state), one array a call, a state for each tensor",
    plain_step: "plain_step(params, grads), one array a call",
    made: "step(params, grads), one array a call, one made for each tensor",
}


@pytest.mark.parametrize("function", [rmsprop_step, plain_step, made])
def test_a_function_goes_by_its_own_name_and_has_no_instance(function):
    assert NumpySubject(function, function.__name__).shape().title == TITLES[function]


def annotated(self, weights: "np.ndarray[float]", grads: "np.ndarray[float]", *, rate: float = 0.5) -> "np.ndarray":
    """A signature with types."""


def of_many(one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen):
    """A long signature."""


def test_a_refusal_quotes_signatures_short():
    assert _text(annotated) == "(weights, grads, *, rate=0.5)"
    assert _text(of_many) == "(one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, …)"


class Many:
    def one(self): ...
    def two(self): ...
    def three(self): ...
    def four(self): ...
    def five(self): ...


def test_a_refusal_quotes_few_methods():
    with pytest.raises(SubjectError, match=r"Many\(\) has five\(\), four\(\), one\(\) and 2 more\. "):
        NumpySubject(Many, "Many").shape()


class Dense:
    """A layer that keeps what an optimizer needs of it only if it is told to."""

    def __init__(self, n_inputs, n_outputs):
        self.weights, self.biases = np.ones((n_inputs, n_outputs)), np.ones(n_outputs)

    def prepare(self, both=False):
        self.weight_cache = np.zeros_like(self.weights)
        if both:
            self.bias_cache = np.zeros_like(self.biases)


class NeedsBoth:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.keep, self.eps = learning_rate, rho, epsilon

    def update(self, layer: Dense):
        layer.prepare()
        layer.weight_cache = self.keep * layer.weight_cache + (1 - self.keep) * layer.dweights**2
        layer.bias_cache = self.keep * layer.bias_cache + (1 - self.keep) * layer.dbiases**2


def test_what_a_layer_of_its_own_class_lacks_is_said_of_that_class():
    pair = run_pair(CELL, "mine", NumpySubject(NeedsBoth, "mine"))
    said = "raised AttributeError: 'Dense' object has no attribute 'bias_cache' in test_faults.py, line"
    assert pair.verdict.name == "FAILED"
    assert said in pair.comparisons[0].reason
    assert "with layers of its own class Dense that own weights" in NumpySubject(NeedsBoth, "mine").shape().title


class NothingHelps:
    """Whoever calls it, and with whatever: it raises."""

    def __init__(self, rho, plan):
        self.keep, self.plan = rho, plan

    def update(self, model, epoch):
        raise RuntimeError(f"no plan for {epoch}")


def test_a_wrapper_that_cannot_work_is_whole_all_the_same_and_says_what_it_raised():
    with pytest.raises(SubjectError) as caught:
        NumpySubject(NothingHelps, "mine.py:NothingHelps").shape()
    head, _, text = str(caught.value).partition("\n")
    assert "No wrapper worked when it was tried; the likeliest raised RuntimeError: no plan for 1" in head
    assert "..." not in text
    space = {"np": np, "NothingHelps": NothingHelps}
    exec(textwrap.dedent(text), space)  # ours
    with pytest.raises(RuntimeError, match="no plan for 1"):
        space["Wrapped"]().update(np.ones(3), np.ones(3))
