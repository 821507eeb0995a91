import msgspec
import pytest
from driving import cell, committed, judged, optimizer

from parity.case.spec import SCHEDULES

CHANGING = SCHEDULES["PiecewiseConstantDecay"]([3], [0.0078125, 0.001953125])
MOMENTUM = {"momentum": 0.9, "learning_rate": CHANGING}
DECAY = {"weight_decay": 0.5}

# file, hyperparameters, then where it must first show: step, slot, stage
WRONG = [
    ("epsilon_outside", {}, 0, "parameter", "denominator"),
    ("epsilon_1e8", {}, 0, "parameter", "denominator"),
    ("root_missing", {}, 0, "parameter", "denominator"),
    ("previous_moment", {}, 0, "parameter", "denominator"),
    ("ones_init", {}, 0, "second_moment", "second_moment"),
    ("rho_swapped", {}, 0, "second_moment", "second_moment"),
    ("state_lost", {}, 1, "second_moment", "second_moment"),
    ("one_minus_rho_narrow", {}, 0, "second_moment", "second_moment"),
    ("sign_lost", {}, 0, "parameter", "gradient"),
    ("rate_too_large", {}, 0, "parameter", "step"),
    ("rate_outside", MOMENTUM, 0, "momentum_buffer", "momentum_buffer"),
    ("momentum_nesterov", MOMENTUM, 0, "parameter", "parameter"),
    ("decay_coupled", DECAY, 0, "second_moment", "second_moment"),
    # The same mistakes where momentum or decay stand between them and what shows.
    ("epsilon_outside", MOMENTUM, 0, "momentum_buffer", "denominator"),
    ("rate_too_large", MOMENTUM, 0, "momentum_buffer", "step"),
    ("sign_lost", MOMENTUM, 0, "momentum_buffer", "gradient"),
    ("root_missing", DECAY, 0, "parameter", "denominator"),
    ("rate_too_large", DECAY, 0, "parameter", "step"),
    ("sign_lost", DECAY, 0, "parameter", "gradient"),
]


@pytest.mark.parametrize(
    ("file", "given", "step", "slot", "stage"), WRONG, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_wrong_optimizer_diverges_at_its_step_slot_and_stage(file, given, step, slot, stage):
    for comparison in judged(cell(steps=6, **given), optimizer(file)).values():
        assert comparison.verdict == "DIVERGED"
        first = comparison.first_divergence
        assert (first.step, first.slot, first.stage) == (step, slot, stage)
        assert first.tensor == "kernel"
        assert abs(first.obtained - first.expected) > first.bound


def test_ones_init_shows_before_the_first_step():
    first = judged(cell(), optimizer("ones_init"))["lockstep"].first_divergence
    assert (first.note, first.obtained, first.expected) == ("before the first step", 1.0, 0.0)


def test_a_rate_outside_the_buffer_is_called_a_matter_of_units_while_the_weights_are_right():
    first = judged(cell(**MOMENTUM), optimizer("rate_outside"))["lockstep"].first_divergence
    assert "128 times the expected" in first.note
    assert "the weights are right" in first.note


def test_a_state_in_float64_is_not_comparable_and_the_reason_teaches():
    comparison = judged(cell(), optimizer("float64_arithmetic"))["lockstep"]
    assert comparison.verdict == "NOT_COMPARABLE"
    assert "second_moment of kernel has dtype float64; the parameter has float32" in comparison.reason


def test_weight_decay_in_front_of_no_argument_is_unsupported_and_never_ignored():
    comparison = judged(cell(**DECAY), optimizer("right_tutorial", "MyRMSProp"))["lockstep"]
    assert comparison.verdict == "UNSUPPORTED"
    assert "no argument 'weight_decay', which the case sets to 0.5" in comparison.reason


def test_a_class_that_takes_only_numbers_has_its_rate_moved_as_the_schedule_says():
    for comparison in judged(cell(learning_rate=CHANGING, steps=6), optimizer("right_tutorial", "MyRMSProp")).values():
        assert comparison.verdict in ("IDENTICAL", "ROUNDING")


def test_a_class_whose_rate_nobody_can_reach_is_unsupported_where_the_case_has_a_schedule():
    comparison = judged(cell(learning_rate=CHANGING), optimizer("right_tutorial", "Closure"))["lockstep"]
    assert comparison.verdict == "UNSUPPORTED"
    assert "PiecewiseConstantDecay" in comparison.reason


def test_a_constructor_that_refuses_an_argument_is_unsupported():
    comparison = judged(cell(momentum=0.9), optimizer("right_styles", "Updates"))["lockstep"]
    assert comparison.verdict == "UNSUPPORTED"
    assert "momentum" in comparison.reason


EQUAL = {"tensors": {"a": [4, 4], "b": [4, 4]}}
# class, arguments of the cell, verdict, then step, slot, tensor and a part of the note
SLY = [
    ("SecondTensorOnly", {}, "DIVERGED", 0, "parameter", "bias", "of 15 increments differ"),
    ("LateError", {"steps": 60}, "DIVERGED", 50, "parameter", "kernel", "every increment is 1.1 times"),
    ("OneStepError", {"steps": 60, "low": 1.0}, "DIVERGED", 50, "parameter", "kernel", "1 of 128 increments differ"),
    ("NegativeGradientsOnly", {}, "DIVERGED", 0, "parameter", "kernel", "1 times the expected ones for positive"),
    ("LargeGradientsOnly", {}, "DIVERGED", 0, "parameter", "kernel", "increments differ"),
    ("RateSlightlyOff", {}, "DIVERGED", 0, "parameter", "kernel", "every increment is 1 +1"),
    ("RhoSlightlyOff", {}, "DIVERGED", 0, "second_moment", "kernel", ""),
    ("EpsilonSlightlyOff", {}, "DIVERGED", 0, "parameter", "kernel", "increments differ"),
    ("MomentumSlightlyOff", {"momentum": 0.9}, "DIVERGED", 1, "momentum_buffer", "kernel", "multiplied by 0.9000"),
    ("SwappedTensors", EQUAL, "DIVERGED", 1, "second_moment", "a", ""),
    ("NanFromStep20", {"steps": 25}, "NON_FINITE", 20, "parameter", "kernel", "1 of 128 values are not finite"),
    ("InfiniteOnce", {}, "NON_FINITE", 7, "parameter", "bias", "1 of 16 values are not finite"),
    ("ShowsOtherSlots", {}, "DIVERGED", 0, "parameter", "kernel", "increments differ"),
    ("FrozenSlots", {}, "DIVERGED", 0, "second_moment", "kernel", ""),
    ("NeverMoves", {}, "DIVERGED", 0, "parameter", "kernel", "every increment is 0 times"),
    ("OppositeBuffer", {"momentum": 0.9}, "DIVERGED", 0, "momentum_buffer", "kernel", "opposite sign"),
    ("WrongStart", {}, "DIVERGED", 0, "parameter", "kernel", "-1 times the weight"),
    ("HiddenOnesInit", {}, "DIVERGED", 0, "parameter", "kernel", "increments differ"),
    ("BiasCorrected", {}, "DIVERGED", 0, "parameter", "kernel", "increments differ"),
    ("DoubleSquare", {}, "DIVERGED", 0, "second_moment", "kernel", ""),
    ("ScheduleOffByOne", {"learning_rate": CHANGING}, "DIVERGED", 3, "parameter", "kernel", "0.25 times"),
    ("Float16Inside", {}, "DIVERGED", 0, "parameter", "kernel", "increments differ"),
]


@pytest.mark.parametrize(("name", "given", "verdict", "step", "slot", "tensor", "note"), SLY, ids=[s[0] for s in SLY])
def test_what_a_loose_comparison_lets_pass_is_found(name, given, verdict, step, slot, tensor, note):
    comparison = judged(cell(**given), optimizer("sly", name))["lockstep"]
    assert comparison.verdict == verdict
    first = comparison.first_divergence
    assert (first.step, first.slot, first.tensor) == (step, slot, tensor)
    assert note in first.note


@pytest.mark.parametrize("name", [entry[0] for entry in SLY])
def test_the_free_comparison_fails_wherever_the_local_one_does(name):
    given, verdict = next((entry[1], entry[2]) for entry in SLY if entry[0] == name)
    assert judged(cell(**given), optimizer("sly", name))["free"].verdict == verdict


def test_a_mistake_in_one_step_leaves_the_later_local_steps_alone():
    table = judged(cell(steps=60, low=1.0), optimizer("sly", "OneStepError"))["lockstep"].table
    differing = {
        (step, slot) for step, slot, n in zip(table["step"], table["slot"], table["differing"], strict=True) if n
    }
    assert differing == {(50, "parameter")}


def test_a_nan_beside_an_infinite_bound_hides_no_other_difference():
    centred = cell(centered=True, epsilon=0.0, low=1.0)
    for comparison in judged(centred, optimizer("nan_and_wrong")).values():
        assert comparison.verdict == "DIVERGED"


def test_the_reference_is_identical_to_itself_in_every_committed_replayed_cell():
    for each in committed("rmsprop/*", "schedule/*", "numerics/*", steps=4):
        if each.gradients == "replayed":
            assert {c.verdict for c in judged(each, "reference").values()} == {"IDENTICAL"}, each.id


def test_a_comparison_of_nothing_is_no_pass():
    empty = cell(tensors={"nothing": [0, 3]})
    comparison = judged(empty, "reference")["lockstep"]
    assert (comparison.verdict, comparison.compared) == ("UNDECIDED", 0)


def test_the_worst_difference_of_a_right_optimizer_is_inside_its_bound_and_shown():
    comparison = judged(cell(steps=30), optimizer("right_reordered"))["lockstep"]
    assert comparison.verdict == "ROUNDING"
    assert 0 < comparison.worst.ratio <= 1
    assert comparison.worst.bound > 0


def test_verdict_and_table_do_not_depend_on_how_steps_fall_into_blocks(monkeypatch):
    from parity.trajectory import blocks as trajectory

    whole = judged(cell(steps=12), optimizer("right_reordered"))
    monkeypatch.setattr(trajectory, "BLOCK_BYTES", 1)
    single = judged(cell(steps=12), optimizer("right_reordered"))
    for mode, comparison in whole.items():
        assert msgspec.to_builtins(comparison.document()) == msgspec.to_builtins(single[mode].document())
        assert comparison.table["ratio"].tolist() == single[mode].table["ratio"].tolist()
