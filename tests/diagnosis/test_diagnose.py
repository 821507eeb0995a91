"""Planted choices are found and nothing else is; what is no RMSprop, or no function, is named as that."""

import random
import statistics

import numpy as np
import outside
import planted
import pytest
import strange

from parity.case.cells import select
from parity.diagnosis.behaviour import Watched, run
from parity.diagnosis.cause import cause_of
from parity.diagnosis.diagnose import _with_axes, diagnose
from parity.diagnosis.estimate import estimate
from parity.diagnosis.findings import Finding
from parity.diagnosis.member import Member
from parity.diagnosis.observe import observe
from parity.diagnosis.probes import first_probe
from parity.diagnosis.text import render
from parity.subjects.numpy_class import NumpySubject

# One worker, which diagnoses a rule once for all of them.
pytestmark = [pytest.mark.filterwarnings("ignore::RuntimeWarning"), pytest.mark.xdist_group("diagnosis")]

DRAW = random.Random(1)
SINGLES = list(planted.sets(1))
MORE = [DRAW.sample(list(planted.sets(size)), 12) for size in (2, 3)]


def exhaustive(*values):
    return pytest.param(*values, marks=pytest.mark.exhaustive)


KEPT = [*SINGLES, *(choice for drawn in MORE for choice in drawn[:4])]
MORE_OF_THEM = [choice for drawn in MORE for choice in drawn[4:]]
PLANTED = [
    (choice, slots) if number % 2 == slots else exhaustive(choice, slots)
    for slots in (True, False)
    for number, choice in enumerate(KEPT)
]
PLANTED += [exhaustive(choice, slots) for slots in (True, False) for choice in MORE_OF_THEM]


@pytest.mark.parametrize(
    ("choice", "slots"),
    PLANTED,
    ids=lambda value: ("parameters", "slots")[value] if value in (0, 1) else "+".join(f"{n}={v}" for n, v in value),
)
def test_a_planted_set_is_among_what_fits_and_no_confirmed_answer_is_wrong(choice, slots):
    """In the suite each switch alone, four pairs and four triples, half by their slots; the rest is exhaustive."""
    inside, right, _ = planted.check(choice, slots)
    assert inside
    assert right


def test_an_identical_subject_is_identical():
    found = planted.diagnosis_of(planted.box())
    assert found.finding is Finding.IDENTICAL
    assert found.explanations[0].member == Member()


@pytest.mark.exhaustive
def test_the_median_of_the_single_switches_takes_a_second_at_most():
    assert statistics.median(planted.check(choice, True)[2] for choice in list(planted.sets(1))[:7]) <= 1.0


NUMBERS = [{"epsilon": 1e-8}, {"rho": 0.99}, {"learning_rate": 1.1e-3}, {"momentum": 0.85}]
ALL_NUMBERS = {name: value for number in NUMBERS for name, value in number.items()}


BESIDE = [(), (("epsilon_place", "outside"),), (("nesterov", True),)]
EVERY = [
    (numbers, switches, slots) for numbers in (*NUMBERS, ALL_NUMBERS) for switches in BESIDE for slots in (True, False)
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("numbers", "switches", "slots"),
    [values if (number // 2 + number) % 2 else exhaustive(*values) for number, values in enumerate(EVERY)],
    ids=str,
)
def test_a_wrong_number_is_found_exactly_alone_and_beside_a_switch(numbers, switches, slots):
    """In the suite each number with each switch, with the state visible or without; the other half is exhaustive."""
    found = planted.diagnosis_of(planted.box(switches, numbers, slots))
    answers = [(dict(e.member.switches), e.document()["hyperparameters"]) for e in found.explanations]
    assert found.finding is Finding.EXPLAINED
    assert (dict(switches), numbers) in answers


@pytest.mark.parametrize(
    ("choice", "slots"),
    [((("moment_of", "mean"), ("momentum", 0.85)), False), ((("state_carried", False), ("epsilon", 1e-8)), True)],
    ids=["roundings that add up", "numbers that stand for each other"],
)
def test_a_number_is_found_where_its_error_misleads(choice, slots):
    inside, right, seconds = planted.check(choice, slots)
    assert inside
    assert right
    assert seconds < 6


def test_an_estimate_is_as_precise_as_float32_is():
    kind = planted.box((), {"learning_rate": 1.2345678e-3, "epsilon": 3.21e-7, "rho": 0.87654321}, slots=False)
    found = estimate(Member(), observe(lambda: NumpySubject(kind, "box"), first_probe()))
    # Some dozens of unit roundoffs (6e-8): a number is fitted to differences of weights, whose last bits are rounded.
    assert found.values["rate"] * 1e-3 == pytest.approx(1.2345678e-3, rel=2e-6)
    assert found.values["epsilon"] == pytest.approx(3.21e-7, rel=4e-6)
    assert found.values["rho"] == pytest.approx(0.87654321, abs=1e-6)


def test_a_moment_that_never_forgets_is_named_adagrad():
    found = planted.diagnosis_of(outside.Adagrad)
    assert found.finding is Finding.EXPLAINED
    assert found.explanations[0].confirmed
    assert dict(found.explanations[0].member.switches)["moment_carry"] == "whole"


OUTSIDE = [kind for kind in outside.RULES if kind is not outside.Adagrad]
# Plain descent, one with a buffer alone, one with two moments, one of signs, and one without a rule.
# They are what their page in reference/ is, numbers included.
NAMED = (outside.SGD, outside.Lion, outside.Adamax)
FEW = (outside.SGD, outside.Momentum, outside.Adam, outside.Lion, outside.Noise)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "kind", [kind if kind in FEW else exhaustive(kind) for kind in OUTSIDE], ids=lambda kind: kind.__name__
)
def test_a_rule_outside_the_family_has_no_name_and_no_neighbour_but_one_with_most_of_its_steps(kind):
    """In the suite one rule of each kind; those like them are exhaustive."""
    found = planted.known(kind)
    assert found.finding is (Finding.OUTSIDE if kind in NAMED else Finding.UNEXPLAINED)
    assert not any(explanation.confirmed for explanation in found.explanations)
    assert all(np.isfinite(each.residual) and each.alike >= 0.5 for each in found.explanations)


@pytest.mark.parametrize(
    ("kind", "finding", "evidence"),
    [
        (strange.Noisy, Finding.NONDETERMINISTIC, "two runs with the same inputs differ"),
        (strange.DrawsFromNumPy, Finding.GLOBAL_STATE, "another seed of the global random generator"),
        (strange.DrawsFromPython, Finding.GLOBAL_STATE, "another seed of the global random generator"),
        (strange.SharesItsCache, Finding.GLOBAL_STATE, "SharesItsCache.shared changed during a run"),
        (strange.ScalesItsGradients, Finding.MUTATES_INPUTS, "update wrote into the gradient of"),
        (strange.WritesIntoWeights, Finding.MUTATES_INPUTS, "read-only"),
        (strange.Promotes, Finding.MIXED_DTYPES, "parameter of kernel, bias, scale is float64; the weights"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_subject_that_is_no_function_of_its_inputs_is_named_with_the_evidence(kind, finding, evidence):
    found = planted.diagnosis_of(kind)
    assert found.finding is finding
    assert evidence in found.evidence[0]


def test_the_global_generators_are_left_as_they_were():
    before = np.random.get_state()[1].tobytes(), random.getstate()  # noqa: NPY002
    planted.diagnosis_of(strange.DrawsFromNumPy)
    assert (np.random.get_state()[1].tobytes(), random.getstate()) == before  # noqa: NPY002


def test_a_tutorial_with_names_and_defaults_of_its_own_is_diagnosed_as_it_is():
    found = planted.diagnosis_of(strange.MyRMSProp)
    (answer,) = found.explanations
    assert found.finding is Finding.EXPLAINED
    assert dict(answer.member.switches)["epsilon_place"] == "outside"
    assert answer.document()["hyperparameters"] == {"epsilon": 1e-8}
    assert found.binding["passed as"] == "rho as decay_factor, learning_rate as step (by a trial)"
    assert answer.confirmed


def test_two_sets_that_compute_the_same_are_both_reported():
    found = planted.diagnosis_of(planted.box((("denominator_power", 1.0), ("epsilon_place", "outside"))))
    assert found.explanations[0].member == Member((("denominator_power", 1.0),))
    assert Member((("denominator_power", 1.0), ("epsilon_place", "outside"))) in found.ties
    assert found.probe is None


def test_a_probe_that_separates_two_sets_is_run():
    # With rho 0.9 given, swapped roles and a rho of 0.1 are one rule; with 0.5 given they are not.
    found = planted.diagnosis_of(planted.box((("rho_role", "new"),)))
    assert [explanation.member for explanation in found.explanations] == [Member((("rho_role", "new"),))]


@pytest.mark.exhaustive
def test_a_slot_that_the_parameters_do_not_follow_is_said_to_lie():
    class Frozen(planted.box()):
        def slots(self, state):
            return {"second_moment": {n: np.zeros_like(v) for n, v in state["second_moment"].items()}}

    found = planted.diagnosis_of(Frozen)
    assert "the parameters follow this" in found.evidence[0]
    assert found.explanations[0].member == Member()


def _where_scalars_have_axes(kind):
    watched = Watched(lambda: NumpySubject(kind, "kept"), "kept")
    return _with_axes(watched, run(watched, first_probe()))


@pytest.mark.parametrize("ask", [_where_scalars_have_axes, exhaustive(planted.diagnosis_of)])
def test_what_numpys_scalars_do_otherwise_hides_no_cause(ask):
    """In the suite without the search that comes first, which finds nothing."""
    found = ask(strange.KeepsInPlace)
    assert found.finding is Finding.EXPLAINED
    assert dict(found.explanations[0].member.switches) == {"epsilon_place": "kept"}
    assert "no set of choices reproduces it for a tensor without dimensions" in found.evidence[-1]
    assert "possible cause, not tested" in found.evidence[-1]


def test_an_epsilon_of_zero_that_counts_as_not_given_is_named():
    kind, cells = strange.TakesZeroForNone, select(["rmsprop/epsilon*"])
    found = diagnose(lambda: NumpySubject(kind, "zero"), "zero", cells, cells)
    text = render(found.document())
    assert found.finding is Finding.EXPLAINED
    assert "Cause: An epsilon of zero counts as not given: it is 1e-08 then." in text
    assert "It shows wherever `epsilon` is given as zero." in text
    assert cause_of(found.document(), ["rmsprop/epsilon[epsilon=0.0]"]).explained == ["rmsprop/epsilon[epsilon=0.0]"]
