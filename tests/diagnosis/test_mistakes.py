"""Mistakes of public code have names, what is ignored is said, and an acquittal says for what it holds."""

from functools import cache

import mistakes
import planted
import pytest

from parity.case.cells import select
from parity.diagnosis.arguments import MOVES, probe_of
from parity.diagnosis.choices import only_rounds
from parity.diagnosis.diagnose import diagnose
from parity.diagnosis.findings import Finding
from parity.diagnosis.member import Member, rule_for
from parity.diagnosis.text import render
from parity.reference.family import Family
from parity.subjects.numpy_class import NumpySubject

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

NAMED = [
    (mistakes.Climbs, "The step is added to the weights instead of subtracted"),
    (mistakes.Doubles, "The old moment is added to itself"),
    (mistakes.Adds, "the square is added whole: Adagrad"),
    (mistakes.OfTensor, "A tensor has one moment: the sum of its squares"),
    (mistakes.StartsAtSquare, "The second moment starts at the square of the first gradient"),
    (mistakes.Floors, "Epsilon is the least that the root may be"),
    (mistakes.Clips, "Gradients are clipped by value at 2, whatever it is given"),
    (mistakes.Fades, "The learning rate decays by itself: L / (1 + 0.001·t)"),
    (mistakes.Compounds, "The learning rate decays by itself: each step multiplies it by 0.99"),
    (mistakes.KeepsItsDecay, "and keeps it: each step divides it by 1 + 0.01·t"),
    (mistakes.LimitsWeights, "Weights are clipped to [-0.01, 0.01] after each step"),
    (mistakes.LimitsColumns, "The norm of each column of a matrix is limited to 0.5 after each step"),
    (mistakes.RateForRho, "The learning rate stands where rho belongs"),
    (mistakes.KeepsCorrected, "the corrected moments are kept, and corrected again"),
    (mistakes.Magnitudes, "The moment is one of magnitudes instead of squares"),
    (mistakes.DecaysAfter, "Weight decay is taken from the weights that the step has moved"),
    (mistakes.ClipsTheDecayToo, "The gradient is clipped with the decay in it, and weight decay is added"),
    (mistakes.ClipsAtATenth, "The clipvalue is 0.1 times the one it is given"),
    (mistakes.DampensTheBuffer, "What is new enters the momentum buffer times 1 - momentum"),
    (mistakes.BuffersGradients, "The momentum buffer holds gradients"),
    (mistakes.HeldInFloat32, "rho and 1 - rho are rounded to float32, whatever the weights are"),
    (mistakes.EpsilonInFloat32, "Epsilon is rounded to float32, whatever the weights are"),
    (mistakes.MomentumInFloat32, "Momentum is rounded to float32, whatever the weights are"),
    (mistakes.KeepsEpsilon, "Epsilon is added to the second moment itself, which keeps it"),
    (mistakes.StartsSmall, "There is no epsilon, and the second moment starts at 1e-08 instead of zero"),
    (mistakes.HalvesDecay, "the weight decay is 0.5 times the one it is given"),
    (mistakes.DecaysByDefault, "Weight decay is not multiplied by the learning rate"),
    (mistakes.NeedsAxes, "Epsilon is added after the root instead of under it"),
    pytest.param(  # two numbers of its own beside a state from one: the longest search of all of them
        mistakes.LooksAhead,
        "The second moment starts at one instead of zero, and epsilon is 1e-08",
        marks=pytest.mark.exhaustive,
    ),
    (mistakes.Deaf, "`rho` is taken and ignored: it is 0.9 whatever it is given"),
]


@cache
def diagnosed(kind):
    """A diagnosis that several tests read, each for a fact of its own."""
    return planted.diagnosis_of(kind)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("kind", "words"), NAMED, ids=lambda value: getattr(value, "__name__", ""))
def test_a_mistake_is_named_and_confirmed(kind, words):
    found = diagnosed(kind)
    assert found.finding is Finding.EXPLAINED
    assert found.explanations[0].confirmed
    assert words in render(found.document())


@pytest.mark.parametrize(
    ("kind", "rule", "choice"),
    [
        (mistakes.KeepsItsRate, "rmsprop", ("epsilon_place", "outside")),
        (mistakes.UncorrectedKeepsItsRate, "adam", ("bias_correction", "none")),
    ],
)
def test_a_rate_that_is_ignored_beside_a_choice_is_named_and_nothing_refutes_the_answer(kind, rule, choice):
    """At the probe's own rate a correction that stays at its first step, with a rate of its own, looks alike."""
    found = diagnose(lambda: NumpySubject(kind, "its.py:Class"), "its.py:Class", rule=rule)
    first = found.explanations[0]
    assert (found.finding, first.confirmed, found.evidence) == (Finding.EXPLAINED, True, ())
    assert first.ratio <= 1
    assert (choice in first.member.switches, dict(first.member.numbers)) == (True, {"learning_rate": 0.001})


PAPERS = {"epsilon_place": "corrected"}
SEVERAL = [
    (
        mistakes.CorrectsTwice,
        "adam",
        {"beta_roles": "mixed", "bias_correction": "twice", "epsilon_place": "less"},
    ),
    (mistakes.CorrectsBySquare, "adam", {"correction_count": "squared", "denominator_power": 1.0, **PAPERS}),
    (mistakes.keeps_corrected, "adam", {"correction_count": "stuck", "moments_kept": "corrected"}),
    (
        mistakes.weighs_the_first,
        "sgd",
        {"dampening": "momentum", "first_step": "weighed", "learning_rate_place": "outside"},
    ),
]


@pytest.mark.parametrize(("kind", "rule", "choices"), SEVERAL, ids=lambda value: getattr(value, "__name__", ""))
def test_several_mistakes_of_another_rule_are_named_together(kind, rule, choices):
    found = planted.diagnosis_of(kind, rule)
    assert found.finding is Finding.EXPLAINED
    first = found.explanations[0]
    assert first.confirmed
    assert choices.items() <= dict(first.member.switches).items()
    assert not [
        name for name, value in first.member.switches if not only_rounds(name, value, rule) and name not in choices
    ]


def test_every_argument_that_is_ignored_is_named_and_what_was_not_probed_is_said():
    found = planted.diagnosis_of(mistakes.DeafToClipping)
    assert found.finding is Finding.EXPLAINED
    assert {name for name, _ in found.explanations[0].member.numbers} == {"clipnorm", "loss_scale_factor", "momentum"}
    assert "clipvalue" in found.absent
    assert found.moved["clipnorm = 0.5"] == "ignored"


def test_an_argument_that_is_used_otherwise_keeps_a_class_from_being_acquitted():
    found = planted.diagnosis_of(mistakes.ClipsTooEarly)
    assert found.finding is Finding.UNEXPLAINED
    assert "clipvalue = 0.05" in found.evidence[0]
    text = render(found.document())
    assert "It computes, in some of what was tried, as no set of choices does." in text
    assert "In all else that was tried it computes as tf.keras does." in text


def test_an_acquittal_says_for_what_it_holds():
    found = planted.diagnosis_of(mistakes.Plain)
    assert found.finding is Finding.IDENTICAL
    assert {outcome for label, outcome in found.moved.items() if "weights" not in label} == {"every bit"}
    assert {"rho = 0.5", "epsilon = 0.001", "float64 weights"} <= set(found.moved)
    assert "weight_decay" in found.absent


def test_a_state_in_float64_is_named_with_its_line_and_the_rule_judged():
    found = planted.diagnosis_of(mistakes.Wide)
    assert found.finding is Finding.MIXED_DTYPES
    assert any("np.zeros without a dtype makes float64" in line for line in found.evidence)
    assert any("with float64 weights, where its rule can be judged, it computes" in line for line in found.evidence)


@pytest.mark.exhaustive
def test_a_number_of_its_own_is_found_where_only_float64_weights_can_be_judged():
    found = planted.diagnosis_of(mistakes.WideWithItsOwnEpsilon)
    text = render(found.document())
    assert found.finding is Finding.MIXED_DTYPES
    assert "Epsilon is added after the root instead of under it, and epsilon is 1e-08 whatever it is given" in text
    assert "batch" not in text


def test_numbers_in_float32_are_told_apart_from_a_difference_that_is_formed_in_the_weights_dtype():
    (answer,) = diagnosed(mistakes.HeldInFloat32).explanations
    assert dict(answer.member.switches) == {"rho_held": "float32", "epsilon_held": "float32"}
    assert answer.ratio == 0


def test_a_tensor_without_dimensions_that_cannot_be_taken_is_left_out_and_said():
    found = diagnosed(mistakes.NeedsAxes)
    assert "IndexError" in found.lacks["a tensor without dimensions"]


@pytest.mark.exhaustive
def test_a_set_that_other_arguments_refute_gives_way_to_one_that_they_do_not():
    found = diagnosed(mistakes.LooksAhead)
    assert "otherwise" not in found.moved.values()
    assert found.moved["rho = 0.5"] == "every bit"


def test_an_answer_is_checked_on_the_case_that_it_stands_under():
    cells = select(["rmsprop/defaults", "rmsprop/clipvalue"])
    found = diagnose(lambda: NumpySubject(mistakes.ClipsTooEarly, "mine"), "mine", cells)
    assert found.cases["rmsprop/defaults"] == "every bit"
    assert {found.cases[cell.id] for cell in cells if "clipvalue" in cell.id} == {"otherwise"}


def test_tensors_of_one_shape_that_share_a_state_are_named_by_the_cases_that_have_some():
    make = lambda: NumpySubject(mistakes.SharesByShape, "mine.py:Mine")  # noqa: E731
    found = diagnose(make, "mine.py:Mine", shipped=select(["rmsprop/order_changes*", "rmsprop/defaults"]))
    assert found.finding is Finding.EXPLAINED
    assert "Cause: Tensors of one shape share their state." in render(found.document())
    assert found.cases == {}


def test_a_state_that_tensors_of_one_shape_share_is_looked_for_where_a_trial_shows_that_they_mix():
    found = planted.diagnosis_of(mistakes.SharesItsBuffer, "sgd")
    assert found.finding is Finding.EXPLAINED
    assert dict(found.explanations[0].member.numbers) == {"state_of": "shape"}
    assert any("where tensors have one shape" in said for said in found.evidence)


class Counted(mistakes.Plain):
    """All instances but the first one of a process take twice the rate."""

    made = 0

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        Counted.made += 1
        super().__init__(learning_rate * (1 if Counted.made == 1 else 2), rho, epsilon)


def test_what_a_class_counts_is_said_for_the_first_instance_was_not_seen():
    found = planted.diagnosis_of(Counted)
    assert (
        "Counted.made changes with every run: what the first instance of a process does was not seen" in found.evidence
    )
    assert not any("first instance" in line for line in diagnosed(mistakes.Adds).evidence)


BUFFER = "momentum_buffer"


class DampedWhereCentred(planted.box(slots=False)):
    """The new increment counts 1 - momentum², where it is centred and has momentum, and nowhere else."""

    def step(self, params, grads, state):
        new, after = super().step(params, grads, state)
        rule = self._rule
        if not (rule.centered and rule.momentum):
            return new, after
        keep, before = 1 - rule.momentum**2, state[BUFFER]
        b = {n: keep * (a - rule.momentum * before[n]) + rule.momentum * before[n] for n, a in after[BUFFER].items()}
        return {n: params[n] - b[n] for n in new}, {**after, BUFFER: b}


@pytest.mark.exhaustive
def test_what_agrees_in_all_modes_but_one_is_given_no_cause_that_only_rounds():
    found = planted.diagnosis_of(DampedWhereCentred)
    assert found.finding is Finding.UNEXPLAINED
    assert found.evidence == ("no set of choices reproduces it with both",)
    text = render(found.document())
    assert "In all else that was tried it computes as tf.keras does" in text
    assert "Cause" not in text


class RateOutside(mistakes.Buffered):
    """Keeps the rate outside of the momentum buffer, and takes a number for it."""

    def move(self, name, g, root):
        return self.rate * self.buffer(name, g / root)


def test_a_rate_outside_the_buffer_is_seen_although_the_class_takes_a_number():
    text = render(planted.diagnosis_of(RateOutside).document())
    assert "the learning rate multiplies the momentum buffer" in text.lower()
    assert "It shows once the rate changes" in text


def test_a_clip_in_the_code_meets_another_one_that_is_given():
    written = Member().having(clipvalue=2.0)
    for move in MOVES:
        rule = rule_for(written, probe_of(move), Family)
        assert (rule.clipvalue, rule.clipnorm, rule.global_clipnorm) == (2.0, None, None)
