"""Optimizers of other rules as strangers write them are named: the rule, and the choices that change it."""

import warnings
from pathlib import Path

import outside
import pytest
from strangers import FORMS, STRANGERS, written

from parity.commands.cli import main
from parity.diagnosis.choices import only_rounds
from parity.diagnosis.findings import Finding, hyperparameters
from parity.diagnosis.identify import identified
from parity.subjects import create
from parity.subjects.numpy_class import NumpySubject

OPTIMIZERS = Path(__file__).parents[1] / "optimizers"
KNOWN = (Finding.IDENTICAL, Finding.ROUNDING, Finding.EXPLAINED)


def named(form, shape):
    """Return the rule that a class is said to be, and all sets of choices that are said to change it."""
    kind = written(form, shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = identified(lambda: NumpySubject(kind, kind.__name__), kind.__name__)
    assert found.finding in KNOWN, found
    sets = []
    for member in [*(each.member for each in found.explanations), *found.ties]:
        turned = {n: v for n, v in member.switches if not only_rounds(n, v, member.rule)}
        sets.append({**turned, **hyperparameters(member)})
    return found.rule, sets


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("form", "shape"), STRANGERS, ids=[f"{form.rule}-{form.name}-{shape}" for form, shape in STRANGERS]
)
def test_a_class_in_a_strangers_shape_is_named(form, shape):
    rule, sets = named(form, shape)
    assert rule == form.rule
    assert form.causes in sets


@pytest.mark.parametrize("name", ["Paper", "Plain"])
def test_an_adam_of_a_tutorial_and_a_plain_descent_are_named(name):
    """Two of those that the exhaustive part holds."""
    form = next(each for each in FORMS if each.name == name)
    rule, sets = named(form, "update")
    assert (rule, form.causes in sets) == (form.rule, True)


def test_there_are_sixty_of_them():
    assert len(STRANGERS) >= 60


@pytest.mark.parametrize(
    ("kind", "switches", "numbers"),
    [(outside.Nadam, {"momentum_schedule": "constant"}, {"epsilon": 1e-8}), (outside.Adamax, {}, {"epsilon": 1e-8})],
)
def test_a_nadam_and_an_adamax_of_a_tutorial_are_named(kind, switches, numbers):
    found = identified(lambda: NumpySubject(kind, kind.__name__), kind.__name__)
    member = found.explanations[0].member
    assert (found.rule, found.finding) == (kind.__name__.lower(), Finding.EXPLAINED)
    assert ({**dict(member.switches), **dict(member.numbers)}) == switches | numbers


@pytest.mark.exhaustive
def test_choices_that_make_another_rule_of_one_are_not_what_a_class_is():
    """An Adadelta without the root of its changes is RMSprop: a class that RMSprop explains but for 16 bits is that."""
    name = f"{OPTIMIZERS / 'flushes'}.py:Flushing"
    found = identified(lambda: create(name), name)
    assert (found.rule, found.finding) == ("rmsprop", Finding.UNEXPLAINED)


def test_a_class_of_another_rule_that_nothing_explains_is_placed_in_that_rules_cases(capsys):
    name = f"{Path(__file__).parent / 'outside'}.py:NadamOfCubes"
    assert main(["diagnose", name]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith(f"{name}: UNEXPLAINED\n")
    assert "reproduce: parity run 'nadam/plain" in printed
