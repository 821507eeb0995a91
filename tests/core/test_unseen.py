"""A pass says what it did not see: without a changing rate nobody knows whether it multiplies the momentum buffer."""

import json
from pathlib import Path

import numpy as np
import pytest

import parity
from parity.api import describe
from parity.case.cells import select
from parity.commands.cli import main
from parity.report import html, json_, markdown
from parity.runner.unseen import unseen
from parity.verdicts.results import Run

MOMENTUM, CHANGING = "rmsprop/momentum[float32,momentum=0.5]", "schedule/momentum_rate_change[float32]"


class Outside:
    """RMSprop with the rate outside the momentum buffer, in an attribute."""

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7):
        self.learning_rate, self.rho, self.momentum, self.epsilon = learning_rate, rho, momentum, epsilon
        self.v, self.m = {}, {}

    def rate(self):
        return self.learning_rate

    def update(self, params, grads):
        for name, g in grads.items():
            v = self.v[name] = self.rho * self.v.get(name, 0 * g) + (1 - self.rho) * (g * g)
            u = g / np.sqrt(v + self.epsilon)
            if self.momentum > 0:
                u = self.m[name] = self.momentum * self.m.get(name, 0 * g) + u
            params[name] -= self.rate() * u


class Hidden(Outside):
    """The same with the rate where nobody can set it anew."""

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7):
        super().__init__(0.0, rho, momentum, epsilon)
        self.rate = lambda: learning_rate


class Plain(Outside):
    """The same without a momentum: its rate stands in one place alone."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate, rho, 0.0, epsilon)


def test_a_rate_in_an_attribute_is_moved_so_that_its_place_is_seen() -> None:
    results = parity.run(select([CHANGING]), Outside)
    assert results.verdict.name == "DIVERGED"
    assert results.unseen == ()


def test_a_rate_that_cannot_be_moved_is_not_seen_and_the_pass_says_what_would_show_it() -> None:
    results = parity.assert_parity(Hidden, cases=[MOMENTUM, CHANGING], dtypes=["float32"])
    (line,) = results.unseen
    assert line.startswith("not seen: a changing rate")
    assert "such as self.learning_rate, or take a callable of the step" in line
    assert line in repr(results)
    assert "not seen: a changing rate" in results._repr_html_()


def test_a_pass_over_a_momentum_names_the_cases_that_would_show_it() -> None:
    (line,) = parity.assert_parity(Outside, cases=[MOMENTUM]).unseen
    assert line.endswith("no case that was compared changes it; those of schedule/* do.")


@pytest.mark.parametrize(("kind", "cases"), [(Plain, ["rmsprop/defaults"]), (Plain, ["rmsprop/defaults", CHANGING])])
def test_a_class_without_a_momentum_has_nothing_to_show(kind: type, cases: list[str]) -> None:
    assert parity.run(select(cases), kind).unseen == ()


def test_what_parts_somewhere_and_what_is_nobodys_own_says_nothing() -> None:
    cells = select([MOMENTUM, CHANGING])
    known = {cell.id: cell for cell in cells}
    assert unseen(parity.run(cells, Outside).pairs, known) == {}
    assert unseen(parity.run(select([MOMENTUM]), "reference").pairs, known) == {}


def test_runs_and_reports_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = select([MOMENTUM])
    results = parity.run(cells, Outside)
    found = unseen(results.pairs, {cell.id: cell for cell in cells})
    run = Run(results.pairs, {}, "2026-01-01T00:00:00Z", 1.0, [describe(cell) for cell in cells], unseen=found)
    ((subject, (line,)),) = found.items()
    assert json.loads(json_.render(run))["unseen"] == {subject: [line]}
    assert "not seen: a changing rate" in markdown.render(run)
    assert "not seen: a changing rate" in html.render(run)


def test_a_command_says_it_beside_all_comparisons_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", MOMENTUM, "--subject", f"{__file__}:Outside"]) == 0
    out = capsys.readouterr().out
    assert "test_unseen.py:Outside: not seen: a changing rate" in out
    assert "comparisons agree" in out
