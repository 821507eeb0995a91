"""What nothing explains is told in parts: that its weights stay where they are, and what each tensor is by itself."""

import mistakes
import numpy as np
import pytest

from parity.diagnosis.diagnose import diagnose
from parity.diagnosis.findings import Finding
from parity.subjects.numpy_class import NumpySubject


class OtherwiseForBiases:
    """Epsilon after the root for weights, and under it for biases, as one does who writes both lines out."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.keep, self.eps, self.v, self.u = learning_rate, rho, epsilon, 0, 0

    def update(self, w, b, dw, db):
        self.v = self.keep * self.v + (1 - self.keep) * dw * dw
        self.u = self.keep * self.u + (1 - self.keep) * db * db
        return w - self.rate * dw / (np.sqrt(self.v) + self.eps), b - self.rate * db / np.sqrt(self.u + self.eps)


class OnceAlone:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.keep, self.eps, self.v = learning_rate, rho, epsilon, None

    def update(self, w, g):
        if self.v is None:
            self.v = (1 - self.keep) * g * g
            w -= self.rate * g / np.sqrt(self.v + self.eps)


class Never:
    def __init__(self, learning_rate=0.001, momentum=0.0):
        self.rate, self.momentum = learning_rate, momentum

    def update_params(self, layer):
        if self.momentum:
            layer.weights -= self.rate * layer.dweights
            layer.biases -= self.rate * layer.dbiases


class RightInAll:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.keep, self.eps, self.v = learning_rate, rho, epsilon, 0

    def update(self, w, g):
        self.v = self.keep * self.v + (1 - self.keep) * np.abs(g) ** 1.5
        return w - self.rate * g / np.sqrt(self.v + self.eps)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            OtherwiseForBiases,
            "each tensor by itself: kernel and scale: epsilon is added after the root "
            "instead of under it; bias: nothing differs",
        ),
        (OnceAlone, "only the first step moves the weights"),
        (Never, "no step moves the weights"),
    ],
)
def test_what_nothing_explains_as_a_whole_is_told_in_parts(kind, said):
    found = diagnose(lambda: NumpySubject(kind, "mine"), "mine")
    assert found.finding is Finding.UNEXPLAINED
    assert said in found.evidence


@pytest.mark.exhaustive
def test_nothing_is_said_of_parts_that_are_alike():
    found = diagnose(lambda: NumpySubject(RightInAll, "mine"), "mine")
    assert found.finding is Finding.UNEXPLAINED
    assert not [each for each in found.evidence if "each tensor" in each or "moves" in each]


PAPERS = (
    "epsilon is added to the root of the corrected second moment, as in the paper's algorithm; "
    "tf.keras adds it to that of the moment itself (epsilon hat)"
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            mistakes.CountsLayers,
            "the number of a step moves on with every two tensors, as with every layer, not with every step; "
            f"so counted, {PAPERS}",
        ),
        (
            mistakes.CountsTensors,
            f"the number of a step moves on with every tensor, not with every step; so counted, {PAPERS}",
        ),
        (
            mistakes.ForgetsTheSquare,
            f"each tensor by itself: kernel and scale: {PAPERS}; "
            f"bias: {PAPERS}, and the gradient is not squared in the second moment",
        ),
    ],
)
def test_a_count_that_tensors_share_and_a_moment_that_is_no_number_are_named(kind, said):
    found = diagnose(lambda: NumpySubject(kind, "mine"), "mine", rule="adam")
    assert found.finding is Finding.UNEXPLAINED
    assert said in found.evidence


class KeptInALocal:
    """Momentum is computed and never kept, so that its number changes nothing."""

    def __init__(self, learning_rate=0.001, beta=0.9):
        self.rate, self.beta, self.velocity = learning_rate, beta, 0.0

    def update(self, w, g):
        velocity = self.beta * self.velocity + self.rate * g
        return w - velocity


def test_a_number_of_its_own_that_changes_nothing_is_said_to():
    found = diagnose(lambda: NumpySubject(KeptInALocal, "mine"), "mine", rule="sgd")
    assert found.finding is not Finding.UNEXPLAINED
    assert "its beta of 0.9 changes no step of a trial: it could be any other number" in found.evidence
    right = diagnose(lambda: NumpySubject(RightInAll, "mine"), "mine")
    assert not [each for each in right.evidence if "changes no step" in each]
