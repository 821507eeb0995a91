"""Several hyperparameters in one argument, a pair, a mapping or ``**kwargs``, are each passed, and said to be."""

import json
import textwrap
from dataclasses import dataclass

import numpy as np
import pytest

import parity
from parity.case.cells import select
from parity.case.spec import hyperparameters
from parity.commands.cli import main
from parity.errors import AbsentArgumentError, SubjectError
from parity.runner.loop import run_pair
from parity.subjects.binding.arguments import bind
from parity.subjects.naming import split_bound, with_bound
from parity.subjects.numpy_class import NumpySubject

(FLOAT32,) = select(["adam/plain[float32]"])
BETAS = select(["adam/betas*"])
(RMSPROP,) = select(["rmsprop/plain[float32]"])


def stepped(w, g, m, v, t, numbers, hat=True):
    """Return weights and moments after a step of Adam, with epsilon hat as Keras has it, or as the paper has."""
    lr, b1, b2, eps = numbers
    one = (np.float32 if w.dtype == np.float32 else np.float64)(1)
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g * g
    if hat:
        rate = one * (lr * (1 - b2**t) ** 0.5 / (1 - b1**t))
        return w - rate * m / (np.sqrt(v) + eps), m, v
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), m, v


class Objects:
    """As torch's Adam: objects in the constructor, and a pair."""

    hat = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, amounts=(1.0, 2.0, 3.0)):
        self.params, self.numbers = list(params), (lr, *betas, eps)
        self.kept, self.t = [(0, 0)] * len(self.params), 0

    def step(self):
        self.t += 1
        for k, p in enumerate(self.params):
            p.data, *self.kept[k] = stepped(p.data, p.grad, *self.kept[k], self.t, self.numbers, self.hat)


class Arrays:
    """One array a call, and a list of two under another name."""

    hat = True

    def __init__(self, lr=1e-3, beta=[0.9, 0.999], eps=1e-8):  # noqa: B006  # as people write
        self.numbers, self.kept, self.t = (lr, *beta, eps), (0, 0), 0

    def update(self, w, g):
        self.t += 1
        w, *self.kept = stepped(w, g, *self.kept, self.t, self.numbers, self.hat)
        return w


class Given(Arrays):
    """A pair that must be given."""

    def __init__(self, lr, betas, eps):
        super().__init__(lr, list(betas), eps)
        assert isinstance(betas, tuple)


class Looks(Arrays):
    """A mapping that the constructor looks into, as its steps do."""

    def __init__(self, config):
        self.config, self.kept, self.t = config, (0, 0), 0

    @property
    def numbers(self):
        return self.config["lr"], *self.config["betas"], self.config.get("eps", 1e-8)


class Named(Arrays):
    """A mapping under any name, whose names are two."""

    def __init__(self, conf):
        self.numbers = conf["learning_rate"], conf["beta1"], conf["beta2"], conf.get("epsilon", 1e-8)
        self.kept, self.t = (0, 0), 0


class Attributes(Arrays):
    """What a command line was parsed into."""

    def __init__(self, args):
        super().__init__(args.lr, [args.beta1, args.beta2], args.eps)


class Shortened(Arrays):
    """A step gives what the constructor kept a shorter name, and looks up what must be there."""

    def __init__(self, opts):
        self.opts, self.kept, self.t = opts, (0, 0), 0

    @property
    def numbers(self):
        o = self.opts
        return o["lr"], *o["decay_rates"], o["eps"]


class Copied(Arrays):
    """Nothing says what is asked of the mapping, but what its copy misses at a step."""

    def __init__(self, hyper):
        self.held, self.kept, self.t = dict(hyper), (0, 0), 0

    def update(self, w, g):
        self.numbers = [self.held[name] for name in ("learning_rate", "beta_1", "beta_2", "epsilon")]
        return super().update(w, g)


class Merged(Arrays):
    """A mapping that goes over the defaults."""

    def __init__(self, options=None):
        self.held = {"lr": 0.01, "beta1": 0.5, "beta2": 0.5, "eps": 1e-3} | (options or {})
        self.kept, self.t = (0, 0), 0

    numbers = property(lambda self: tuple(self.held.values()))


@dataclass
class Settings:
    lr: float
    betas: tuple = (0.5, 0.5)
    eps: float = 1e-3
    name: str = "adam"


class Configured(Arrays):
    """An instance of a class beside it, and of no other."""

    def __init__(self, settings: Settings):
        assert isinstance(settings, Settings)
        super().__init__(settings.lr, settings.betas, settings.eps)


class ConfiguredByDefault(Arrays):
    def __init__(self, settings=Settings(0.01)):  # noqa: B008  # as people write
        super().__init__(settings.lr, settings.betas, settings.eps)


def function(w, g, state=None, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = state or (0, 0, 0)
    w, m, v = stepped(w, g, m, v, t + 1, (lr, *betas, eps))
    return w, (m, v, t + 1)


def config_of_its_own(w, dw, config=None):
    config = {} if config is None else config
    for name, value in {"learning_rate": 1e-3, "betas": (0.9, 0.999), "epsilon": 1e-8, "t": 0}.items():
        config.setdefault(name, value)
    config.setdefault("m", np.zeros_like(w))
    config.setdefault("v", np.zeros_like(w))
    config["t"] += 1
    numbers = config["learning_rate"], *config["betas"], config["epsilon"]
    w, config["m"], config["v"] = stepped(w, dw, config["m"], config["v"], config["t"], numbers)
    return w, config


RIGHT = {
    Objects: {"beta_1": "betas[0]", "beta_2": "betas[1]"},
    Arrays: {"beta_1": "beta[0]", "beta_2": "beta[1]"},
    Given: {"beta_1": "betas[0]", "beta_2": "betas[1]"},
    Looks: {"learning_rate": "config[lr]", "beta_1": "config[betas][0]", "beta_2": "config[betas][1]"},
    Named: {"learning_rate": "conf[learning_rate]", "beta_1": "conf[beta1]", "beta_2": "conf[beta2]"},
    Attributes: {"learning_rate": "args.lr", "beta_1": "args.beta1", "beta_2": "args.beta2"},
    Shortened: {"learning_rate": "opts[lr]", "beta_1": "opts[decay_rates][0]", "beta_2": "opts[decay_rates][1]"},
    Copied: {"learning_rate": "hyper[learning_rate]", "beta_1": "hyper[beta_1]", "beta_2": "hyper[beta_2]"},
    Merged: {"learning_rate": "options[lr]", "beta_1": "options[beta1]", "beta_2": "options[beta2]"},
    Configured: {"beta_1": "settings.betas[0]", "beta_2": "settings.betas[1]"},
    ConfiguredByDefault: {"beta_1": "settings.betas[0]", "beta_2": "settings.betas[1]"},
    function: {"beta_1": "betas[0]", "beta_2": "betas[1]"},
    config_of_its_own: {"beta_1": "betas[0]", "beta_2": "betas[1]"},
}


@pytest.mark.parametrize("kind", RIGHT, ids=lambda kind: kind.__name__)
def test_each_part_is_passed_what_a_case_has_for_it(kind) -> None:
    given = hyperparameters("adam")(learning_rate=0.25, beta_1=0.5, beta_2=0.75, epsilon=0.125)
    subject = NumpySubject(kind, "mine")
    bound = subject.bound(given)
    assert {keras: bound.spelled[keras] for keras in RIGHT[kind]} == RIGHT[kind]
    assert {keras: bound.values[own] for keras, own in bound.spelled.items()} == {
        keras: getattr(given, keras) for keras in ("learning_rate", "beta_1", "beta_2", "epsilon")
    }
    for cell in BETAS:
        pair = run_pair(cell, "mine", subject)
        assert pair.verdict.name in ("IDENTICAL", "ROUNDING")
        said = subject.circumstances["passed as"]
        assert all(f"{keras} as {own}" in said for keras, own in RIGHT[kind].items())


@pytest.mark.parametrize("kind", [Objects, Looks], ids=lambda kind: kind.__name__)
def test_a_faulty_one_is_told_its_fault_and_not_that_it_ignores_what_it_was_never_given(kind) -> None:
    faulty = type(f"Faulty{kind.__name__}", (kind,), {"hat": False, "__module__": __name__})
    answer = parity.diagnose(faulty)
    (found,) = answer["explanations"]
    assert answer.finding.name == "EXPLAINED"
    assert found["switches"]["epsilon_place"] == "corrected"
    assert not {"beta_1", "beta_2"} & {*found["hyperparameters"], *answer["absent"]}
    moved = ["beta_1 = 0.5", "beta_1 = 0.97", "beta_2 = 0.5", "beta_2 = 0.97"]
    assert [answer["moved"][label] for label in moved] == ["every bit"] * len(moved)


def test_who_was_given_nothing_for_a_number_is_not_told_only_that_it_keeps_its_own() -> None:
    class Forgets(Rule):
        def __init__(self, lr=0.001, forget=0.99, epsilon=1e-7):
            self.lr, self.rho, self.eps = lr, forget, epsilon

    said = str(parity.diagnose(Forgets))
    assert "Adadelta" not in said
    assert "left at its own default: forget=0.99" in said
    assert "It was given nothing for that, which is its own default: --bind rho=forget gives it." in said


def test_of_a_pair_for_another_rule_one_is_rho_and_the_other_stays_as_it_is() -> None:
    bound = bind(Objects, hyperparameters()(rho=0.5))
    assert bound.spelled["rho"] == "betas[1]"
    assert bound.passed["betas"] == (0.9, 0.5)
    assert bound.left == {"betas[0]": 0.9, "amounts": (1.0, 2.0, 3.0)}


def test_several_numbers_that_are_no_pair_stay_as_they_are_and_are_said_to() -> None:
    class Several:
        def __init__(self, lr=0.01, betas=(0.5, 0.25, 0.125), eps=(1e-30, 1e-3)): ...

    bound = bind(Several, hyperparameters("adam")())
    assert bound.passed == {"lr": 0.001}
    assert bound.left == {"betas": (0.5, 0.25, 0.125), "eps": (1e-30, 1e-3)}
    with pytest.raises(AbsentArgumentError, match="'beta_1'"):
        bind(Several, hyperparameters("adam")(beta_1=0.5))


def test_a_mapping_of_tensors_is_none_of_hyperparameters() -> None:
    class Holds:
        def __init__(self, params, lr=0.01):
            self.own = {"W1": params["W1"], "b1": params["b1"], "b2": params["b2"]}

    assert bind(Holds, hyperparameters()()).owns == "params"


def test_a_part_is_bound_by_hand_and_stands_in_the_name(tmp_path, monkeypatch, capsys) -> None:
    source = """
    import numpy as np


    class Mine:
        def __init__(self, lr=0.001, pair=(0.5, 0.25), config=None, betas=(0.9, 0.999)):
            self.lr, self.rho, self.v = lr, betas[0], {}

        def update(self, params, grads):
            for k, g in grads.items():
                self.v[k] = self.rho * self.v.get(k, 0 * g) + (1 - self.rho) * g * g
                params[k] -= self.lr * g / np.sqrt(self.v[k] + 1e-7)
    """
    (tmp_path / "mine.py").write_text(textwrap.dedent(source))
    monkeypatch.chdir(tmp_path)
    name = with_bound("mine.py:Mine", {"rho": "betas[0]"})
    assert split_bound(name) == ("mine.py:Mine", {"rho": "betas[0]"})
    assert main(["run", RMSPROP.id, "--subject", "mine.py:Mine", "--bind", "rho=betas[0]", "--json"]) == 0
    (found, *_) = json.loads(capsys.readouterr().out)["results"]
    assert found["subject"] == name == "mine.py:Mine[rho=betas[0]]"
    assert main(["run", RMSPROP.id, "--subject", "mine.py:Mine", "--bind", "rho=betas[2]"]) == 2
    assert "Mine has no argument 'betas[2]' to be rho. Did you mean 'betas[1]'?" in capsys.readouterr().err
    assert NumpySubject(Paired, "mine.py:Paired[rho=pair[1]]").bound(hyperparameters()()).passed["pair"] == (0.5, 0.9)


class Paired:
    def __init__(self, lr=0.001, pair=(0.5, 0.25)):
        self.lr, self.rho, self.v = lr, pair[1], 0

    def update(self, w, g):
        self.v = self.rho * self.v + (1 - self.rho) * g * g
        return w - self.lr * g / np.sqrt(self.v + 1e-7)


class Rule:
    """RMSprop with the names that its constructor leaves on it."""

    root = staticmethod(lambda v, eps: np.sqrt(v + eps))

    def update(self, w, g):
        self.v = self.rho * getattr(self, "v", 0) + (1 - self.rho) * g * g
        return w - self.lr * g / self.root(self.v, self.eps)


class Missed(Rule):
    """Says by the key that it misses what must be given."""

    def __init__(self, **kwargs):
        for name in ("lr", "rho", "eps"):
            setattr(self, name, kwargs[name])


class Follows(Rule):
    """Keeps only what follows from the numbers."""

    def __init__(self, **options):
        merged = {"lr": 0.01, "decay": 0.99, "eps": 1e-5}
        merged.update(options)
        self.numbers = merged["lr"], 1 - merged["decay"], merged["eps"]

    lr = property(lambda self: self.numbers[0])
    rho = property(lambda self: 1 - self.numbers[1])
    eps = property(lambda self: self.numbers[2])


class Helped(Rule):
    """Hands them to a method of its own, which refuses every other."""

    def __init__(self, lr=0.001, **more):
        self.lr = lr
        self.put(**more)

    def put(self, gamma=0.5, epsilon=1e-7):
        self.rho, self.eps = gamma, epsilon


class Swallows(Rule):
    """Takes whatever comes, and reads none of it."""

    rho, eps = 0.9, 1e-7

    def __init__(self, lr=0.001, **ignored):
        self.lr = lr


@pytest.mark.parametrize("kind", [Missed, Follows, Helped], ids=lambda kind: kind.__name__)
def test_what_kwargs_change_is_passed_by_the_name_that_does(kind) -> None:
    outside = {"root": staticmethod(lambda v, eps: np.sqrt(v) + eps), "__module__": __name__}
    faulty = type(f"Faulty{kind.__name__}", (kind,), outside)
    given = hyperparameters()(learning_rate=0.25, rho=0.5, epsilon=0.125)
    bound = NumpySubject(kind, "mine").bound(given)
    assert {keras: bound.values[own] for keras, own in bound.spelled.items()} == {
        "learning_rate": 0.25, "rho": 0.5, "epsilon": 0.125,
    }  # fmt: skip
    assert run_pair(RMSPROP, "mine", NumpySubject(kind, "mine")).verdict.name in ("IDENTICAL", "ROUNDING")
    assert run_pair(RMSPROP, "mine", NumpySubject(faulty, "mine")).verdict.name == "DIVERGED"


def test_who_swallows_whatever_comes_is_said_to_and_not_to_lack_it() -> None:
    subject = NumpySubject(Swallows, "mine")
    assert run_pair(RMSPROP, "mine", subject).verdict.name in ("IDENTICAL", "ROUNDING")
    assert (
        subject.circumstances["of no effect in a trial"] == "other numbers in **ignored, by the names that people use"
    )
    with pytest.raises(AbsentArgumentError, match=r"has no argument 'rho', .* none in \*\*ignored that changes a step"):
        subject.bound(hyperparameters()(rho=0.5))


class OfSteps(Rule):
    """Has all its numbers in the step, where each has a default."""

    def update(self, w, g, rho=0.5, lr=0.01, eps=1e-3):
        self.lr, self.rho, self.eps = lr, rho, eps
        return super().update(w, g)


class OfBoth(Rule):
    """Has its rate in the constructor, and the others in the call, which is inherited."""

    def __init__(self, lr=0.01):
        self.lr = lr

    def __call__(self, w, g, gamma=0.5, epsilon=1e-3):
        self.rho, self.eps = gamma, epsilon
        return self.advance(w, g)

    advance, update = Rule.update, None


class Static:
    """A place for functions."""

    @staticmethod
    def rmsprop(w, g, cache, alpha=0.5, lr=0.01, eps=1e-3):
        cache = alpha * cache + (1 - alpha) * g * g
        return w - lr * g / np.sqrt(cache + eps), cache


class Layered:
    """Is handed a layer, and has a default for each number."""

    def __init__(self):
        self.kept = {}

    def update(self, layer, lr=0.01, rho=0.5, eps=1e-3):
        for name, slope in (("weights", "dweights"), ("biases", "dbiases")):
            g, key = getattr(layer, slope), (id(layer), name)
            self.kept[key] = rho * self.kept.get(key, 0) + (1 - rho) * g * g
            setattr(layer, name, getattr(layer, name) - lr * g / np.sqrt(self.kept[key] + eps))


class Held:
    """Holds objects, and has a default for each number."""

    def __init__(self, params):
        self.params, self.kept = list(params), {}

    def step(self, lr=0.01, rho=0.5, eps=1e-3):
        for k, p in enumerate(self.params):
            self.kept[k] = rho * self.kept.get(k, 0) + (1 - rho) * p.grad * p.grad
            p.data = p.data - lr * p.grad / np.sqrt(self.kept[k] + eps)


def beside_its_state(w, g, state, hp):
    state = hp["rho"] * (0 if state is None else state) + (1 - hp["rho"]) * g * g
    return w - hp["lr"] * g / np.sqrt(state + hp.get("eps", 1e-3)), state


def in_its_state(w, g, state):
    state.setdefault("sum", 0)
    state["sum"] = 0.9 * state["sum"] + (1 - 0.9) * g * g
    return w - state.get("lr", 0.01) * g / np.sqrt(state["sum"] + 1e-7), state


def test_a_mapping_of_numbers_beside_a_state_is_none_and_numbers_in_a_state_are_taken_from_there() -> None:
    for cell in select(["rmsprop/epsilon*"]):
        assert run_pair(cell, "mine", NumpySubject(beside_its_state, "mine")).verdict.name in ("IDENTICAL", "ROUNDING")
    subject = NumpySubject(in_its_state, "mine")
    assert run_pair(RMSPROP, "mine", subject).verdict.name in ("IDENTICAL", "ROUNDING")
    assert subject.bound(hyperparameters()(learning_rate=0.5)).passed == {"lr": 0.5}


@pytest.mark.parametrize("kind", [OfSteps, OfBoth, Static, Layered, Held], ids=lambda kind: kind.__name__)
def test_numbers_that_a_step_takes_are_handed_to_each(kind) -> None:
    subject = NumpySubject(kind, "mine")
    for cell in (RMSPROP, *select(["rmsprop/epsilon*"])):
        assert run_pair(cell, "mine", subject).verdict.name in ("IDENTICAL", "ROUNDING")
    bound = subject.bound(hyperparameters()(rho=0.75, epsilon=0.125))
    assert {0.125, 0.75} <= {*bound.stepping.values()} <= {0.125, 0.75, 0.001}
    assert set(bound.passed) == ({"lr"} if kind is OfBoth else set())
    assert "and with each step" in subject.resolved


class OfClass(Rule):
    """Is made of nothing: its numbers are attributes of the class."""

    lr, rho, eps, note, clipnorm = 0.01, 0.5, 1e-3, "mine", None


class OfOwner(Held):
    """The same, with parameters in the constructor and a pair."""

    lr, betas, eps, amsgrad = 0.01, (0.5, 0.6), 1e-3, False

    def step(self):
        super().step(self.lr, self.betas[1], self.eps)


@pytest.mark.parametrize("kind", [OfClass, OfOwner], ids=lambda kind: kind.__name__)
def test_numbers_that_are_attributes_of_a_class_are_set_where_that_changes_its_steps(kind) -> None:
    subject = NumpySubject(kind, "mine")
    for cell in (RMSPROP, *select(["rmsprop/epsilon*"]), *select(["schedule/cosine*"])):
        assert run_pair(cell, "mine", subject).verdict.name in ("IDENTICAL", "ROUNDING")
    bound = subject.bound(hyperparameters()(rho=0.75, epsilon=0.125))
    pair = {"rho": 0.75} if kind is OfClass else {"betas": (0.5, 0.75)}
    assert (bound.passed, bound.attributes) == ({}, {"lr": 0.001, "eps": 0.125, **pair})
    assert set(bound.departures) == {"learning_rate", "rho", "epsilon"}
    assert "of the class" in subject.resolved
    with pytest.raises(AbsentArgumentError, match="'clipnorm'"):
        subject.bound(hyperparameters()(clipnorm=1.0))


def test_an_attribute_of_a_class_that_no_step_reads_is_no_hyperparameter() -> None:
    class Shadowed(Rule):
        lr, rho, eps = 0.01, 0.5, 1e-3

        def __init__(self):
            self.rho, self.eps = 0.9, 1e-7

    bound = NumpySubject(Shadowed, "mine").bound(hyperparameters()())
    assert bound.attributes == {"lr": 0.001}

    class Final(Rule):
        lr, rho, eps = 0.01, 0.9, 1e-7

        def __init_subclass__(cls):
            raise TypeError("final")

    with pytest.raises(AbsentArgumentError, match="'learning_rate'"):
        NumpySubject(Final, "mine").bound(hyperparameters()(learning_rate=0.5))
    by_hand = NumpySubject(Shadowed, "mine.py:Shadowed[rho=rho]").bound(hyperparameters()(rho=0.5))
    assert by_hand.attributes == {"lr": 0.001, "rho": 0.5}


def test_a_default_of_none_is_told_as_the_number_that_an_instance_has() -> None:
    class Fills(Rule):
        def __init__(self, lr=None, rho=None, eps=None, momentum=None):
            self.lr, self.rho, self.eps = lr or 0.01, rho or 0.9, eps or 1e-7

    class Hides(Rule):
        def __init__(self, lr=None, rho=None, eps=None):
            self.numbers = lr or 0.01, rho or 0.9, eps or 1e-7

    assert bind(Fills, hyperparameters()()).departures == {"learning_rate": (0.01, 0.001)}
    assert bind(Hides, hyperparameters()()).departures == {}
    assert bind(Hides, hyperparameters()()).values == {"lr": 0.001, "rho": 0.9, "eps": 1e-7}


def test_a_change_that_is_handed_back_to_be_applied_is_no_gradient() -> None:
    class InTwo(Rule):
        def __init__(self, lr=0.001, rho=0.9, eps=1e-7):
            self.lr, self.rho, self.eps = lr, rho, eps

        def compute(self, g):
            return self.update(0 * g, g)

        def apply(self, w, u):
            return w + u

        update = property(lambda self: lambda w, g: Rule.update(self, w, g))  # no method of the class

    with pytest.raises(SubjectError, match="This wrapper, which was tried") as caught:
        NumpySubject(InTwo, "mine.py:InTwo").shape()
    assert "return w + self.inner.compute(g)" in str(caught.value)


def test_a_refusal_of_who_takes_a_pair_hands_out_a_wrapper_that_works() -> None:
    class Odd:
        def __init__(self, lr=0.001, betas=(0.9, 0.999), eps=1e-7):
            self.numbers, self.u, self.v = (lr, *betas, eps), (0, 0, 0), (0, 0, 0)

        def go(self, a, b, dw, other_gradient):
            w, *u = stepped(a, dw, *self.u[:2], self.u[2] + 1, self.numbers)
            o, *v = stepped(b, other_gradient, *self.v[:2], self.v[2] + 1, self.numbers)
            self.u, self.v = (*u, self.u[2] + 1), (*v, self.v[2] + 1)
            return w, o

    with pytest.raises(SubjectError, match="This wrapper, which was tried") as caught:
        NumpySubject(Odd, "mine.py:Odd").shape()
    space = {"np": np, "Odd": Odd}
    exec(textwrap.dedent(str(caught.value).partition("\n")[2]), space)  # ours
    bound = bind(space["Wrapped"], hyperparameters("adam")(beta_1=0.5))
    assert bound.values["beta_1"] == 0.5
    assert run_pair(FLOAT32, "mine", NumpySubject(space["Wrapped"], "mine")).verdict.name in ("IDENTICAL", "ROUNDING")
