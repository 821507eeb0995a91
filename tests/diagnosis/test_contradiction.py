"""What a diagnosis says never contradicts what the shipped cases show: nobody is acquitted or accused wrongly."""

import importlib
import inspect
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import outside
import pytest
from otherwise import KINDS, HidesNan, StateUnderPosition, StateUnderShape
from whole import STYLES, Whole

from parity.case.cells import collect
from parity.case.rule import DEFAULT
from parity.diagnosis.arguments import DOUBLE, OTHER_DTYPE, OTHERWISE, RAISES, UNDECIDED
from parity.diagnosis.cases import on_cases, on_these
from parity.diagnosis.diagnose import diagnose
from parity.diagnosis.findings import Diagnosis, Explanation, Finding
from parity.diagnosis.member import Member
from parity.runner.loop import run_pair
from parity.subjects.numpy_class import NumpySubject

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

OPTIMIZERS = Path(__file__).parents[1] / "optimizers"
ACQUITTED = (Finding.IDENTICAL, Finding.ROUNDING)
STEPS = 12
# They end or hold up the process that they are in, or are not there to be run; the right ones have tests of their own.
LEFT_OUT = {"misbehaving", "unrepeatable", "right_styles"}


def classes(stem):
    """Return the classes that a file of tests/optimizers defines."""
    module = importlib.import_module(stem)
    return [kind for kind in vars(module).values() if inspect.isclass(kind) and kind.__module__ == stem]


OTHERS = [
    (f"{path.stem}-{kind.__name__}", kind)
    for path in sorted(OPTIMIZERS.glob("*.py"))
    if path.stem not in LEFT_OUT
    for kind in classes(path.stem)
]
OTHERS += [(f"outside-{kind.__name__}", kind) for kind in outside.RULES]
# Each kind in one of the styles, the next kind in the next one.
CROSSED = [
    (f"{kind.__name__}-{STYLES[number % len(STYLES)].__name__}", STYLES[number % len(STYLES)](kind))
    for number, kind in enumerate(KINDS)
]
# What no probe of the diagnosis shows: its tensors have different shapes and come in one order; a case refutes it.
ONLY_CASES = {"StateUnderShape", "StateUnderPosition", "HidesNan"}
# Only rounding: what is kept in float64 is rounded once, at the end.
RIGHT = {"Wide"}


@cache
def replayed():
    cells, problems = collect(["*"])
    assert not problems
    return [
        msgspec.structs.replace(c, steps=min(c.steps, STEPS))
        for c in cells
        if (c.gradients, c.rule) == ("replayed", DEFAULT)
    ]


def failing(kind):
    """Return the shipped cells, a dozen steps of each, in which a class is DIVERGED or NON_FINITE."""
    pairs = [(cell, run_pair(cell, "its.py:Class", NumpySubject(kind, "its.py:Class"))) for cell in replayed()]
    return [cell for cell, pair in pairs if {"DIVERGED", "NON_FINITE"} & {each.verdict for each in pair.comparisons}]


def told(kind):
    """Return the cells that fail, the diagnosis without them, and the one that has looked at them too."""
    cells = failing(kind)
    alone = diagnose(lambda: NumpySubject(kind, "its.py:Class"), "its.py:Class")
    outcomes = on_cases(lambda: NumpySubject(kind, "its.py:Class"), alone.explanations, cells)
    return cells, alone, on_these(alone, outcomes, cells)


def contradictions(cells, found):
    """Return what a diagnosis says against the cells that fail, in words."""
    doubles = [label for label, outcome in found.moved.items() if outcome == DOUBLE]
    but = [cell for cell in cells if not (doubles and found.cases.get(cell.id) == DOUBLE)]
    wrong = [f"acquitted, and fails in {but[0].id}"] if but and found.finding in ACQUITTED else []
    refuted = [case for case, outcome in found.cases.items() if outcome == OTHERWISE]
    if refuted and not any(refuted[0] in line for line in found.evidence):
        wrong.append(f"{refuted[0]} refutes what it says, and it does not say so")
    return wrong


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "kind"), OTHERS, ids=[name for name, _ in OTHERS])
def test_a_diagnosis_never_contradicts_a_shipped_case(name, kind):
    cells, _, found = told(kind)
    assert contradictions(cells, found) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "kind"), CROSSED, ids=[name for name, _ in CROSSED])
def test_a_fault_in_any_style_is_seen_by_the_cases_and_by_the_diagnosis(name, kind):
    cells, alone, found = told(kind)
    kind_name = name.partition("-")[0]
    assert contradictions(cells, found) == []
    assert bool(cells) is (kind_name not in RIGHT), "no case shows the fault"
    if kind_name not in ONLY_CASES:
        assert (alone.finding in ACQUITTED) is (kind_name in RIGHT), f"{alone.finding}: {alone.moved}"


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "style",
    [style if number % 2 else pytest.param(style, marks=pytest.mark.exhaustive) for number, style in enumerate(STYLES)],
    ids=lambda style: style.__name__,
)
def test_the_rule_with_every_argument_is_right_in_any_style(style):
    """In the suite every other style; the others are exhaustive."""
    cells, alone, _ = told(style(Whole))
    assert cells == []
    assert alone.finding in ACQUITTED
    assert not alone.absent
    assert OTHERWISE not in alone.moved.values()
    assert DOUBLE not in alone.moved.values()


@pytest.mark.parametrize(
    ("rule", "case"),
    [(StateUnderShape, "numerics/equal_shapes"), (StateUnderPosition, "rmsprop/order_changes_defaults")],
)
def test_an_answer_that_a_case_refutes_acquits_nobody_and_names_the_case(rule, case):
    kind = STYLES[0](rule)
    (cell,) = [cell for cell in replayed() if cell.id == case]
    for asked, shipped in (([cell], []), ([], [cell])):
        found = diagnose(lambda: NumpySubject(kind, "its.py:Class"), "its.py:Class", asked, shipped)
        assert found.finding is Finding.UNEXPLAINED
        assert found.evidence == (f"no set of choices reproduces it in {case}",)


class RaisesLate:
    """Right as long as it goes."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.rho, self.epsilon, self.moment, self.made = learning_rate, rho, epsilon, {}, 0

    def step(self, params, grads):
        self.made += 1
        if self.made > 13:
            raise RuntimeError("no more")
        for key, g in grads.items():
            before = self.moment.get(key, np.zeros_like(g))
            self.moment[key] = v = self.rho * before + (1 - self.rho) * np.square(g)
            params[key] -= self.rate * g / np.sqrt(v + self.epsilon)


@pytest.mark.parametrize("steps", [13, 14])
def test_who_raises_in_a_case_is_not_acquitted_and_the_case_is_named(steps):
    (cell,) = [cell for cell in replayed() if cell.id == "rmsprop/plain[float32]"]
    cell = msgspec.structs.replace(cell, steps=steps)
    page = Diagnosis("its.py:Class", Finding.IDENTICAL, (Explanation(Member(), ("plain",), 0, 0, True),))
    outcomes = on_cases(lambda: NumpySubject(RaisesLate, "its.py:Class"), page.explanations, [cell])
    found = on_these(page, outcomes, [cell])
    if steps == 13:
        assert found.finding is Finding.IDENTICAL
    else:
        assert (outcomes[cell.id], found.finding) == (RAISES, Finding.FAILED)
        assert found.evidence == (f"it raises in {cell.id}",)


def of_the_page(kind, cell):
    """Return what becomes of a case where a class is said to compute the page, and what is said then."""
    page = Diagnosis("its.py:Class", Finding.ROUNDING, (Explanation(Member(), ("plain", "centered"), 0, 0, True),))
    outcomes = on_cases(lambda: NumpySubject(kind, "its.py:Class"), page.explanations, [cell])
    return outcomes[cell.id], on_these(page, outcomes, [cell])


def test_who_hides_nan_is_refuted_where_every_right_evaluation_divides_nothing_by_nothing():
    (cell,) = [cell for cell in replayed() if cell.id == "found/sparse_repeated_rows_zero"]
    outcome, found = of_the_page(STYLES[0](HidesNan), cell)
    assert (outcome, found.finding) == (OTHERWISE, Finding.UNEXPLAINED)


def test_an_acquittal_says_in_which_case_nothing_was_decided():
    """Subnormal numbers may count as zero, and their squares are: what is divided by a root of that has no bound."""
    (cell,) = [cell for cell in replayed() if cell.id == "rmsprop/plain[float32]"]
    problem = msgspec.structs.replace(cell.problem, low=1e-42, high=1e-40)
    numbers = msgspec.structs.replace(cell.hyperparameters, epsilon=0.0)
    cell = msgspec.structs.replace(cell, problem=problem, hyperparameters=numbers, non_finite=True)
    outcome, found = of_the_page(STYLES[0](HidesNan), cell)
    assert (outcome, found.finding) == (UNDECIDED, Finding.ROUNDING)
    assert cell.id in found.evidence[0]


def test_numbers_that_keras_rounds_are_said_and_accuse_nobody():
    kind = next(kind for name, kind in OTHERS if name == "right-RMSprop")
    found = diagnose(lambda: NumpySubject(kind, "its.py:Class"), "its.py:Class")
    assert found.finding in ACQUITTED
    assert [label for label, outcome in found.moved.items() if outcome == DOUBLE] == [
        "float64 weights, learning_rate = 0.001",
        "float64 weights, learning_rate = 0.0009765625, weight_decay = 0.01",
    ]


ZERO, NAN, BEYOND_FLOAT32 = "rmsprop/rho[rho=0.0]", "found/sparse_repeated_rows_zero", "found/decay_beyond_float32"
# Where rho is 0 these cancel, and the judge says DIVERGED (tests/core/test_right_styles.py).
SHOWS_MORE = dict.fromkeys(("Lerp", "LerpBackwards", "CenteredReordered", "TakesAwayLast"), ZERO)
# Where no gradient is and no epsilon, tf.keras divides nothing by nothing; this one does not divide.
SHOWS_MORE["WhereTheGradientIsNot"] = NAN
OUT_OF_ORDER = "found/sparse_rows_out_of_order"
"""Has rows without a gradient, and no epsilon, too."""
# The decay alone is infinite in float32, as tf.keras has it; its product with the rate is not, as these have it.
NOT_DECIDED = ("DecayByFactor", "DecayByFactorInPlace", "DecayRateFirst", "DecayAdded")


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", classes("right_styles"), ids=lambda kind: kind.__name__)
def test_a_right_optimizer_in_another_style_is_acquitted_but_where_a_case_shows_more_than_rounding(kind):
    found = diagnose(lambda: NumpySubject(kind, "its.py:Class"), "its.py:Class", (), replayed())
    refuting = {SHOWS_MORE[kind.__name__]} if kind.__name__ in SHOWS_MORE else set()
    refuting |= {OUT_OF_ORDER} if NAN in refuting else set()
    open_ones = {BEYOND_FLOAT32} if kind.__name__ in NOT_DECIDED else set()
    # Of bfloat16 and a number of NumPy's comes float32: what is not compared is named, and refutes nothing.
    wider = {case for case, outcome in found.cases.items() if outcome == OTHER_DTYPE}
    assert all("bfloat16" in case for case in wider)
    assert {*found.cases} - wider == refuting | open_ones, found.evidence
    assert (found.finding in ACQUITTED) is not bool(refuting)
    assert bool(open_ones) is any(said.startswith(f"not decided in {BEYOND_FLOAT32}:") for said in found.evidence)
