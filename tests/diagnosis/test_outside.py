"""A rule that is no RMSprop is said to be outside, and, where a page for it exists, which it is."""

from pathlib import Path

import outside
import planted
import pytest

from parity.case.rule import find
from parity.diagnosis.cause import cause_of
from parity.diagnosis.findings import Finding
from parity.diagnosis.observe import observe
from parity.diagnosis.outside import another_rule
from parity.diagnosis.probes import first_probe
from parity.diagnosis.text import render
from parity.subjects.numpy_class import NumpySubject

# One worker, which diagnoses a rule once for all of them.
pytestmark = [pytest.mark.filterwarnings("ignore::RuntimeWarning"), pytest.mark.xdist_group("diagnosis")]

RULES = Path(__file__).parents[1] / "rules"
PAGE = find("heavy_ball.py", str(RULES))


class Heavy:
    """Gradient descent with a momentum of its own default, in a name that is not Keras'."""

    def __init__(self, learning_rate=0.01, mu=0.0):
        self.learning_rate, self.mu, self.buffers = learning_rate, mu, {}

    def update(self, params, grads):
        for name, g in grads.items():
            self.buffers[name] = self.mu * self.buffers.get(name, 0 * g) - self.learning_rate * g
            params[name] += self.buffers[name]


class Unused(Heavy):
    """Descent with a momentum that stays at its own default where another argument is bound to Keras' by hand."""

    def __init__(self, learning_rate=0.01, mu=0.5, nudge=0.0):
        super().__init__(learning_rate, mu)


def named(kind, name="its"):
    observations = [observe(lambda: NumpySubject(kind, name), first_probe("float32", seed)) for seed in (0, 1)]
    return another_rule(NumpySubject(kind, name).bound, observations, [PAGE])


@pytest.mark.parametrize("kind", [outside.SGD, Heavy], ids=lambda kind: kind.__name__)
def test_a_rule_that_has_a_page_is_named(kind):
    found = named(kind)
    assert found is not None
    assert str(found) == "it is HeavyBall: its page, heavy_ball.py, makes the same steps within 0.1%"


def test_what_was_bound_by_hand_is_no_default():
    assert named(Unused).numbers == {}
    assert named(Unused, "its:Unused[momentum=nudge]").numbers == {"momentum": 0.5}


@pytest.mark.parametrize("kind", [outside.Lion, outside.Adam, planted.box()], ids=lambda kind: kind.__name__)
def test_a_rule_is_not_taken_for_another(kind):
    assert named(kind) is None


def test_plain_descent_is_said_to_be_outside():
    found = planted.known(outside.SGD)
    assert found.finding is Finding.OUTSIDE
    assert not any(each.confirmed for each in found.explanations)
    text = render(found.document())
    assert "It is no RMSprop, but another rule." in text
    assert "it is SGD: its page, sgd, makes the same steps within 0.1%" in text
    assert "Cause:" not in text
    assert cause_of(found.document(), ["a"]).sentence == "It is no RMSprop, but another rule."


def test_a_rule_that_is_shipped_is_named_and_no_other():
    found = planted.known(outside.Lion)
    assert found.finding is Finding.OUTSIDE
    assert found.evidence == ("it is Lion: its page, lion, makes the same steps within 0.1%",)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", [outside.Adam, outside.Adadelta], ids=lambda kind: kind.__name__)
def test_a_rule_that_is_no_page_as_it_stands_is_said_to_be_none_of_the_family(kind):
    """Adam with the paper's epsilon, and an Adadelta of another one, without a rate."""
    found = planted.known(kind)
    assert "no member of the family" in render(found.document())
    assert "no member of the family" in cause_of(found.document(), ["a"]).sentence


def test_a_page_whose_slots_have_shapes_of_their_own_is_tried_like_any():
    observed = observe(lambda: NumpySubject(planted.box([("epsilon_place", "outside")]), "box"), first_probe())
    own = [find("adafactor")]
    assert another_rule(None, [observed], own) is None
