"""What an argument is whose name says it badly: told by its default, by what is read, and by a trial."""

from typing import Any

import numpy as np
import pytest

from parity.case.cells import select
from parity.case.spec import hyperparameters
from parity.diagnosis.wider import made_in_float64
from parity.errors import SubjectError
from parity.runner.loop import run_pair
from parity.subjects.binding.arguments import bind
from parity.subjects.binding.evidence import acts_as
from parity.subjects.binding.trials import known_of, maker
from parity.subjects.numpy_class import NumpySubject

(CELL,) = select(["rmsprop/defaults"])


class Rule:
    """The rule with numbers that a subclass names."""

    rate, keep, eps, fades, mu, ahead, pulls = 0.001, 0.9, 1e-7, 0.0, 0.0, False, 0.0

    def begin(self, **numbers):
        self.v = self.b = self.t = 0
        vars(self).update(numbers)

    def update(self, w, g):
        self.v = self.keep * self.v + (1 - self.keep) * g * g
        step = self.rate / (1 + self.fades * self.t) * g / np.sqrt(self.v + self.eps)
        self.t += 1
        self.b = self.mu * self.b + step
        w = w - self.rate * self.pulls * w
        return w - (self.mu * self.b + step if self.ahead else self.b)


class DecayOfTheRate(Rule):
    def __init__(self, lr=0.001, decay=0.9, eps=1e-7):
        self.begin(rate=lr, fades=decay, eps=eps)


class DecayIsRho(Rule):
    def __init__(self, lr=0.001, decay=0.9, eps=1e-7):
        self.begin(rate=lr, keep=decay, eps=eps)


class TwoDecays(Rule):
    def __init__(self, lr=0.001, decay_rate=0.5, decay=0.9):
        self.begin(rate=lr, fades=decay_rate, keep=decay)


class MomentumIsMomentum(Rule):
    def __init__(self, lr=0.001, momentum=0.9):
        self.begin(rate=lr, mu=momentum)


class NesterovsMomentum(Rule):
    def __init__(self, lr=0.001, momentum=0.9):
        self.begin(rate=lr, mu=momentum, ahead=True)


class MomentumIsRho(Rule):
    def __init__(self, lr=0.001, momentum=0.9):
        self.begin(rate=lr, keep=momentum)


class AlphaAloneIsRho(Rule):
    def __init__(self, alpha=0.99, eps=1e-8):
        self.begin(keep=alpha, eps=eps)


class AlphaAloneIsTheRate(Rule):
    def __init__(self, alpha=0.01, eps=1e-8):
        self.begin(rate=alpha, eps=eps)


class GammaAndBeta(Rule):
    def __init__(self, alpha=0.001, beta=0.9, gamma=0.0):
        self.begin(rate=alpha, keep=beta, fades=gamma)


class RateIsTheWeightToo(Rule):
    """The learning rate stands where rho belongs as well."""

    def __init__(self, lr=0.01):
        self.begin(rate=lr, keep=lr)


class Ignored(Rule):
    def __init__(self, lr=0.001, decay=0.9):
        self.begin(rate=lr)


class DecayOfTheWeights(Rule):
    def __init__(self, lr, decay):
        self.begin(rate=lr, pulls=decay)


class RatesOfMatricesAndVectors(Rule):
    def __init__(self, lr_w=0.001, lr_b=0.001, rho=0.9):
        self.begin(rates=(lr_w, lr_b), keep=rho)

    def update(self, w, g):
        self.rate = self.rates[w.ndim < 2]
        return super().update(w, g)


class RateIsRho(Rule):
    def __init__(self, base=0.001, rate=0.9):
        self.begin(rate=base, keep=rate)


class RateBesideAScale(Rule):
    """The learning rate pulls at the weights, too, and something else has no part in that."""

    def __init__(self, eta=0.001, scale=1.0):
        self.begin(rate=eta * scale, pulls=0.01 / scale)


class PairOfRhoAndMomentum(Rule):
    def __init__(self, lr=0.001, betas=(0.99, 0.9)):
        self.begin(rate=lr, keep=betas[0], mu=betas[1])


class PairWithoutMomentum(PairOfRhoAndMomentum):
    def __init__(self, lr=0.001, betas=(0.9, 0.0)):
        super().__init__(lr, betas)


class RateBesideTheRate(Rule):
    def __init__(self, lr=0.001, rate=0.9):
        self.begin(rate=lr, keep=rate)


class Epochs(Rule):
    def __init__(self, lr=0.001, rho=0.9, e=10):
        self.begin(rate=lr, keep=rho)


class Descent:
    """Descent with numbers that a subclass names."""

    rate, weighs, shrinks = 0.001, 0.0, 0.0

    def begin(self, **numbers):
        self.b = 0
        vars(self).update(numbers)

    def update(self, w, g):
        self.b = self.weighs * self.b + (1 - self.weighs) * g
        return w - self.shrinks * w - self.rate * self.b


class BetaWeighs(Descent):
    def __init__(self, lr=0.001, beta=0.9):
        self.begin(rate=lr, weighs=beta)


class AlphaWeighsLittle(Descent):
    def __init__(self, learning_rate=0.001, alpha=0.01):
        self.begin(rate=learning_rate, weighs=alpha)


class PaceAndGamma(Descent):
    def __init__(self, pace=0.5, gamma=0.25):
        self.begin(rate=pace, weighs=gamma)


class AlphaShrinks(Descent):
    def __init__(self, lr=0.001, alpha=0.01):
        self.begin(rate=lr, shrinks=alpha)


class AlphaIsCoupled(Descent):
    """The decay goes through the gradient, beside Nesterov's momentum."""

    def __init__(self, lr=0.01, beta=0.9, alpha=0.0):
        self.begin(rate=lr, heavy=beta, shrinks=alpha)

    def update(self, w, g):
        g = g + self.shrinks * w
        self.b = self.heavy * self.b - self.rate * g
        return w + self.heavy * self.b - self.rate * g


class BetaIsHeavy(Descent):
    def __init__(self, lr=0.001, beta=0.1):
        self.begin(rate=lr, heavy=beta)

    def update(self, w, g):
        self.b = self.heavy * self.b + self.rate * g
        return w - self.b


SPELLED: dict[type, dict[str, str]] = {
    DecayOfTheRate: {"learning_rate": "lr", "epsilon": "eps"},
    DecayIsRho: {"learning_rate": "lr", "rho": "decay", "epsilon": "eps"},
    TwoDecays: {"learning_rate": "lr", "rho": "decay"},
    MomentumIsMomentum: {"learning_rate": "lr", "momentum": "momentum"},
    NesterovsMomentum: {"learning_rate": "lr", "momentum": "momentum"},
    MomentumIsRho: {"learning_rate": "lr", "rho": "momentum"},
    AlphaAloneIsRho: {"rho": "alpha", "epsilon": "eps"},
    AlphaAloneIsTheRate: {"learning_rate": "alpha", "epsilon": "eps"},
    GammaAndBeta: {"learning_rate": "alpha", "rho": "beta"},
    RateIsTheWeightToo: {"learning_rate": "lr"},
    Ignored: {"learning_rate": "lr", "rho": "decay"},
    DecayOfTheWeights: {"learning_rate": "lr", "weight_decay": "decay"},
    RatesOfMatricesAndVectors: {"rho": "rho"},
    RateIsRho: {"learning_rate": "base", "rho": "rate"},
    RateBesideAScale: {"learning_rate": "eta"},
    PairOfRhoAndMomentum: {"learning_rate": "lr", "rho": "betas[0]", "momentum": "betas[1]"},
    PairWithoutMomentum: {"learning_rate": "lr", "rho": "betas[0]", "momentum": "betas[1]"},
    RateBesideTheRate: {"learning_rate": "lr", "rho": "rate"},
    Epochs: {"learning_rate": "lr", "rho": "rho"},
    AlphaIsCoupled: {"learning_rate": "lr", "momentum": "beta"},
}


OF_SGD: dict[type, dict[str, str]] = {
    BetaWeighs: {"learning_rate": "lr", "momentum": "beta"},
    AlphaWeighsLittle: {"learning_rate": "learning_rate", "momentum": "alpha"},
    PaceAndGamma: {"learning_rate": "pace", "momentum": "gamma"},
    AlphaShrinks: {"learning_rate": "lr"},
    AlphaIsCoupled: {"learning_rate": "lr", "momentum": "beta"},
    BetaIsHeavy: {"learning_rate": "lr", "momentum": "beta"},
}


@pytest.mark.parametrize("kind", OF_SGD, ids=lambda kind: kind.__name__)
def test_what_weighs_what_was_before_is_the_momentum_of_a_rule_that_has_nothing_else_to_weigh(kind: type) -> None:
    assert known_of(kind, "tried").bind(kind, hyperparameters("sgd")()).spelled == OF_SGD[kind]


@pytest.mark.parametrize("kind", SPELLED, ids=lambda kind: kind.__name__)
def test_an_argument_is_what_it_does_whatever_its_name(kind: type) -> None:
    assert known_of(kind, "tried").bind(kind, CELL.hyperparameters).spelled == SPELLED[kind]


@pytest.mark.parametrize(
    ("fault", "update"),
    [
        ("starts at one", "v = self.v = self.keep * (self.v or 1) + (1 - self.keep) * g * g"),
        (
            "bias is corrected",
            "self.v = self.keep * self.v + (1 - self.keep) * g * g; v = self.v / (1 - self.keep**self.t)",
        ),
        ("the previous moment", "v = self.v; self.v = self.keep * self.v + (1 - self.keep) * g * g"),
        ("state is lost", "v = (1 - self.keep) * g * g"),
        ("one moment for a tensor", "v = self.v = self.keep * self.v + (1 - self.keep) * np.sum(g * g)"),
        ("rho is swapped", "v = self.v = (1 - self.keep) * self.v + self.keep * g * g"),
        ("the moment grows", "self.v = self.v + self.keep * self.v + (1 - self.keep) * g * g; v = self.v"),
    ],
)
def test_a_faulty_rho_is_still_rho(fault: str, update: str) -> None:
    lines = [line.strip() for line in update.replace("(self.v or 1)", "self.start()").split(";")]
    body = "\n        ".join(lines)
    text = f"""
class Mine:
    def __init__(self, lr=0.001, decay=0.9, eps=1e-7):
        self.lr, self.keep, self.eps, self.v, self.t = lr, decay, eps, 0, 0
    def start(self):
        return 1 if np.ndim(self.v) == 0 else self.v
    def update(self, w, g):
        self.t += 1
        {body}
        return w - self.lr * g / np.sqrt(v + self.eps)
"""
    space: dict[str, Any] = {"np": np}
    exec(text, space)  # our own text
    kind = space["Mine"]
    assert known_of(kind, fault).bind(kind, CELL.hyperparameters).spelled["rho"] == "decay"


class Misspelled(Rule):
    def __init__(self, learning_rat=0.01, bata=0.99, epsilno=1e-8):
        self.begin(rate=learning_rat, keep=bata, eps=epsilno)


class Digits(Rule):
    def __init__(self, lr=0.01, beta1=0.99):
        self.begin(rate=lr, keep=beta1)


class TwoNear(Rule):
    def __init__(self, lr=0.01, bata=0.99, bete=0.9):
        self.begin(rate=lr, keep=bata)


@pytest.mark.parametrize(
    ("kind", "spelled"),
    [
        (Misspelled, {"learning_rate": "learning_rat", "rho": "bata", "epsilon": "epsilno"}),
        (Digits, {"learning_rate": "lr"}),
        (TwoNear, {"learning_rate": "lr"}),
    ],
)
def test_a_name_that_is_one_letter_away_is_meant_if_no_other_is(kind: type, spelled: dict[str, str]) -> None:
    assert bind(kind, CELL.hyperparameters).spelled == spelled


def test_what_cannot_be_tried_is_told_by_its_name() -> None:
    known = known_of(DecayIsRho, "tried")
    assert acts_as(known.shape, lambda value: maker(lambda: 1 / 0, bind(DecayIsRho, CELL.hyperparameters))) is None


class Reads(Rule):
    def __init__(self, **kwargs):
        self.begin(rate=kwargs.get("lr", 0.01), keep=kwargs.pop("beta", 0.99), eps=kwargs.setdefault("eps", 1e-8))


class Updates(Rule):
    def __init__(self, **options):
        self.config = {"lr": 0.01, "decay": 0.99, "eps": 1e-8}
        self.config.update(options)
        self.begin(rate=self.config["lr"], keep=self.config["decay"], eps=self.config["eps"])


class Sets(Rule):
    lr, gamma, epsilon = 0.01, 0.99, 1e-8

    def __init__(self, **kw):
        for name, value in kw.items():
            setattr(self, name, value)
        self.begin(rate=self.lr, keep=self.gamma, eps=self.epsilon)


class HasRate(Rule):
    def __init__(self, lr=0.01, eps=1e-8):
        self.begin(rate=lr, eps=eps)


class PassesOn(HasRate):
    def __init__(self, decay_rate=0.99, **kwargs):
        super().__init__(**kwargs)
        self.keep = decay_rate


@pytest.mark.parametrize("kind", [Reads, Updates, Sets, PassesOn], ids=lambda kind: kind.__name__)
def test_what_goes_through_kwargs_is_bound_by_what_is_read(kind: type) -> None:
    subject = NumpySubject(kind, "tried")
    pair = run_pair(CELL, "tried", subject)
    assert pair.verdict.name in ("IDENTICAL", "ROUNDING")
    defaults = pair.circumstances["its defaults (Keras')"]
    assert set(defaults.split(", ")) == {"learning_rate 0.01 (0.001)", "rho 0.99 (0.9)", "epsilon 1e-08 (1e-07)"}


class Zeros:
    def start(self, w):
        return np.zeros(w.shape)


class Typed:
    def start(self, w):
        return np.zeros(w.shape, dtype=np.float64)


class Cast:
    def start(self, w):
        return w.astype("float64")


class Double:
    def start(self, w):
        return np.asarray(w, dtype=float)


class Kept:
    def start(self, w):
        return np.zeros(w.shape, w.dtype) + np.zeros_like(w) + np.asarray(w, dtype=w.dtype)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Zeros, "np.zeros without a dtype makes float64"),
        (Typed, "np.zeros(w.shape, dtype=np.float64) is float64"),
        (Cast, "w.astype('float64') is float64"),
        (Double, "np.asarray(w, dtype=float) is float64"),
        (Kept, ""),
    ],
)
def test_the_line_that_makes_float64_is_named(kind: type, said: str) -> None:
    found = made_in_float64(kind)
    assert said in found
    assert bool(found) == bool(said)


class MayLackBiases:
    """Its caller may leave out the gradient of the biases, where a layer has none."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon, self.moments = learning_rate, rho, epsilon, {}

    def update(self, layer, grad_weights, grad_bias=None):
        for name, g in (("weights", grad_weights), ("bias", grad_bias)):
            if g is not None:
                v = self.rho * self.moments.get((layer, name), 0 * g) + (1 - self.rho) * (g * g)
                self.moments[layer, name] = v
                step = self.learning_rate * g / np.sqrt(v + self.epsilon)
                setattr(layer, name, getattr(layer, name) - step)


def test_a_gradient_of_the_biases_that_may_be_left_out_is_given() -> None:
    pair = run_pair(CELL, "mine", NumpySubject(MayLackBiases, "mine"))
    assert {item.verdict for item in pair.comparisons} == {"IDENTICAL"}
    assert "layers that own weights, biases" in pair.circumstances["driven as"]


class InRange:
    """Keeps the weights in [-1, 1], as critics of generative adversarial networks do."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon, self.v = learning_rate, rho, epsilon, 0

    def update(self, w, g):
        self.v = self.rho * self.v + (1 - self.rho) * g * g
        return np.clip(w - self.learning_rate * g / np.sqrt(self.v + self.epsilon), -1, 1)


class TogetherInRange(InRange):
    """The same of all tensors at a time."""

    def update(self, params, grads):
        each = {name: InRange(self.learning_rate, self.rho, self.epsilon) for name in params}
        self.v = self.v or each
        return {name: self.v[name].update(w, grads[name]) for name, w in params.items()}


@pytest.mark.parametrize(
    ("kind", "said"),
    [(InRange, "one array a call, an instance for each"), (TogetherInRange, "a mapping of all tensors")],
)
def test_who_keeps_the_weights_in_a_range_is_driven(kind: type, said: str) -> None:
    assert said in known_of(kind, "mine").shape.title


def billionths(yielding=False):
    """Return a class, or a loop of a generator, whose first steps are lost in a float32 that is no longer small."""

    class Slow:
        def __init__(self, lr=0.001):
            self.lr = lr

        def update(self, params, grads):
            return {name: w - self.lr * 1e-6 * np.sign(grads[name]) for name, w in params.items()}

    def slow(params, gradient, lr=0.001):
        while True:
            params = Slow(lr).update(params, gradient(params))
            yield params

    return slow if yielding else Slow


@pytest.mark.parametrize("yielding", [False, True], ids=["class", "loop"])
def test_steps_that_float32_hides_are_seen(yielding):
    """As Adadelta's are, which begin with the root of epsilon times the rate."""
    kind = billionths(yielding)
    how = "slow(params, gradient), a generator that is served gradients," if yielding else "update(params, grads)"
    assert known_of(kind, "slow").shape.title == f"{how} over a mapping of all tensors"


def test_who_never_moves_is_refused():
    class Stays:
        def __init__(self, lr=0.001):
            self.lr = lr

        def update(self, params, grads):
            return dict(params)

    with pytest.raises(SubjectError, match="has no shape that can be driven"):
        known_of(Stays, "stays")
