"""What is said of a log: the verdict on each step, the cause, what it was judged by, and what was not seen."""

import ml_dtypes
import numpy as np
import pytest
from logs import Judge, cause, log, renamed, stacked, states, without
from safetensors.numpy import save_file

GAPS = (0, 5, 9, 30)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("steps", [range(12), GAPS, (7, 50)], ids=["all", "gaps", "late"])
def test_a_right_program_is_identical(judge: Judge, steps, dtype) -> None:
    status, document = judge.json(log(steps, dtype=dtype, rate=2.0**-10), "--set", f"lr={2.0**-10}")
    assert (status, document["verdict"], document["diagnosis"]) == (0, "IDENTICAL", None)
    assert document["log"]["judged"] == document["log"]["steps"] == len(list(steps))
    assert document["compared"] == len(list(steps)) * 36 * 2 + (36 * 2 if 0 in steps else 0)
    assert document["unseen"] == []


FAULTY = {
    "epsilon outside": ({"fault": "outside"}, {"epsilon_place": "outside"}, {}),
    "no root": ({"fault": "no root"}, {"denominator_power": 1.0}, {}),
    "another epsilon": ({"epsilon": 1e-8}, {}, {"epsilon": 1e-8}),
    "another rho and rate": ({"rho": 0.95, "rate": 0.01}, {}, {"rho": 0.95, "learning_rate": 0.01}),
    "momentum": ({"momentum": 0.9}, {}, {"momentum_always": 0.9}),
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("steps", [range(12), GAPS], ids=["all", "gaps"])
@pytest.mark.parametrize("name", FAULTY)
def test_a_fault_is_named_and_not_called_confirmed(judge: Judge, name: str, steps) -> None:
    given, switches, numbers = FAULTY[name]
    status, document = judge.json(log(steps, **given))
    assert (status, document["verdict"]) == (1, "DIVERGED")
    assert cause(document) == (switches, numbers)
    assert document["diagnosis"]["verdict"] == "EXPLAINED"
    assert all(not explanation["confirmed"] for explanation in document["diagnosis"]["explanations"])
    assert document["diagnosis"]["evidence"] == [
        f"fits the log on all {len(list(steps))} steps that were judged",
        "not confirmed on other inputs: a log cannot be run",
    ]


def test_a_number_that_is_no_argument_is_said_in_words(judge: Judge) -> None:
    status, out, err = judge.text(log(kept=0.9))
    assert (status, err) == (1, "")
    assert "Cause: The learning rate decays by itself: each step multiplies it by 0.9.\n" in out
    assert "it has    L = schedule(t)·0.9^t\n" in out


@pytest.mark.parametrize(
    ("given", "switches"),
    [
        ({"nesterov": True}, {"nesterov": True}),
        ({"rate_outside": True, "rate": 0.01}, {"learning_rate_place": "outside"}),
    ],
    ids=["nesterov", "rate outside"],
)
def test_a_fault_that_only_momentum_shows_is_named_in_steps_with_gaps(judge: Judge, given, switches) -> None:
    arrays = log(GAPS, momentum=0.9, **given)
    _, document = judge.json(arrays, "--set", "momentum=0.9", "--set", f"lr={given.get('rate', 0.001)}")
    assert cause(document) == (switches, {})


def test_momentum_that_is_said_and_not_there_is_named(judge: Judge) -> None:
    arrays = log(GAPS)
    arrays |= {
        name.replace("second_moment", "momentum_buffer"): 0 * a for name, a in arrays.items() if "second" in name
    }
    assert "Cause: There is no momentum, although it is 0.9 (as set)." in judge.text(arrays, "--set", "momentum=0.9")[1]


def test_a_start_shows_in_the_first_step_alone(judge: Judge) -> None:
    _, document = judge.json(log(GAPS, start=1.0))
    assert cause(document) == ({"second_moment_start": 1.0}, {})
    assert document["first_divergence"]["step"] == 0
    assert judge.json(log((5, 9), start=1.0))[1]["verdict"] == "IDENTICAL"


def test_a_rate_that_a_program_keeps_as_a_double_is_the_cause_and_hides_no_other(judge: Judge) -> None:
    assert cause(judge.json(log(GAPS, dtype=np.float64))[1]) == ({}, {"numbers": "double"})
    _, document = judge.json(log(GAPS, dtype=np.float64, fault="outside"))
    assert cause(document) == ({"epsilon_place": "outside"}, {"numbers": "double"})
    out = judge.text(log(GAPS, dtype=np.float64))[1]
    assert "are kept as Python's numbers (float64)" in out
    assert "it has" not in out, "no line of the formula shows how wide a number is kept"


def test_the_lines_of_a_cause_name_arguments_as_keras_does(judge: Judge) -> None:
    out = judge.text(log(momentum=0.9))[1]
    assert "    it has    momentum = 0.9\n    tf.keras  momentum = what it is given\n" in out
    assert "_always" not in out


@pytest.mark.exhaustive
def test_what_no_set_of_choices_reproduces_is_placed_and_not_explained(judge: Judge) -> None:
    arrays = log()
    arrays["step/7/after/parameter/bias"] = arrays["step/7/after/parameter/bias"] + np.float32(0.5)
    arrays |= {f"step/{k}/before/parameter/bias": arrays[f"step/{k - 1}/after/parameter/bias"] for k in range(1, 12)}
    status, document = judge.json(arrays)
    assert status == 1
    assert document["diagnosis"]["verdict"] == "UNEXPLAINED"
    place = document["first_divergence"]
    assert (place["step"], place["slot"], place["tensor"]) == (7, "parameter", "bias")


def test_a_cause_that_fits_some_steps_and_not_all_is_no_cause(judge: Judge) -> None:
    _, document = judge.json(log(range(112), fault="no root", until=110))
    assert document["diagnosis"]["verdict"] == "UNEXPLAINED"
    assert document["diagnosis"]["evidence"] == ["a set that fits the steps searched on parts at step 110"]


@pytest.mark.parametrize("form", [stacked, states])
@pytest.mark.parametrize("fault", ["", "outside"])
def test_all_ways_of_writing_a_log_say_the_same(judge: Judge, form, fault: str) -> None:
    arrays = log(fault=fault)
    _, one = judge.json(arrays)
    _, other = judge.json(form(arrays))
    assert one == other


def test_safetensors_say_the_same_and_hold_hyperparameters_as_texts(judge: Judge, tmp_path) -> None:
    arrays, path = log(GAPS, rho=0.95), tmp_path / "steps.safetensors"
    save_file(arrays, path, {"hyperparameter/rho": "0.95", "source": "a test", "rule": "rmsprop"})
    status, document = judge.json(path)
    assert (status, document["verdict"]) == (0, "IDENTICAL")
    assert document["hyperparameters"]["rho"] == {"value": 0.95, "from": "log"}
    assert document["log"]["source"] == "a test"


def test_a_log_may_be_bfloat16_in_safetensors(judge: Judge, tmp_path) -> None:
    path = tmp_path / "steps.safetensors"
    save_file(log(GAPS, dtype=ml_dtypes.bfloat16, rate=2.0**-10), path)
    assert judge.json(path, "--set", f"lr={2.0**-10}")[1]["verdict"] in ("IDENTICAL", "ROUNDING")


@pytest.mark.parametrize(
    "words",
    [
        {"parameter": "w", "gradient": "g", "second_moment": "velocity"},
        {"parameter": "params", "gradient": "grads", "second_moment": "square_avg"},
        {"parameter": "weights", "gradient": "grad", "second_moment": "nu", "momentum_buffer": "trace"},
        {"second_moment": "rms", "momentum_buffer": "momentum"},
    ],
    ids=lambda words: next(iter(words.values())),
)
def test_fields_go_by_the_names_of_libraries(judge: Judge, words) -> None:
    arrays = renamed(log(GAPS, momentum=0.9), **words)
    arrays = {name: -array if "/trace/" in name else array for name, array in arrays.items()}
    assert judge.json(arrays, "--set", "mu=0.9")[1]["verdict"] == "IDENTICAL"


def test_where_each_hyperparameter_is_from_is_said(judge: Judge) -> None:
    arrays = {**log(GAPS, rate=0.01, rho=0.95), "hyperparameter/rho": np.array(0.5), "learning_rate": np.float64(0.01)}
    arrays |= {f"step/{step}/learning_rate": np.float32(0.01) for step in GAPS}
    del arrays["learning_rate"]
    status, out, _ = judge.text(arrays, "--set", "rho=0.95")
    assert status == 0
    assert (
        "By rmsprop with rho 0.95 (as set); learning_rate 0.01 (as the log says); epsilon 1e-07 (Keras' default)."
        in out
    )


def test_a_float32_hyperparameter_is_the_decimal_that_it_stands_for(judge: Judge) -> None:
    arrays = {**log(GAPS, rho=0.95), "hyperparameter/rho": np.float32(0.95)}
    assert judge.json(arrays)[1]["hyperparameters"]["rho"] == {"value": 0.95, "from": "log"}


@pytest.mark.exhaustive
def test_a_rate_may_change_from_step_to_step(judge: Judge) -> None:
    arrays: dict = {}
    for step, rate in zip(GAPS, (0.001, 0.002, 0.002, 0.0005), strict=True):
        arrays |= {name: a for name, a in log(GAPS, rate=rate).items() if name.startswith(f"step/{step}/")}
        arrays[f"step/{step}/learning_rate"] = np.float64(rate)
    assert judge.json(arrays)[1]["verdict"] == "IDENTICAL"
    assert judge.json(without(arrays, "learning_rate"))[1]["verdict"] == "DIVERGED"


def test_a_slot_that_is_not_logged_is_carried_from_the_first_step_on_and_said(judge: Judge) -> None:
    status, document = judge.json(without(log(), "second_moment"))
    assert (status, document["verdict"], document["log"]["judged"]) == (0, "IDENTICAL", 12)
    assert document["unseen"][0].startswith("second_moment: not in the log; carried by the reference")
    _, document = judge.json(without(log(fault="outside"), "second_moment"))
    assert cause(document)[0]["epsilon_place"] == "outside"


def test_over_a_gap_a_slot_that_is_not_logged_cannot_be_carried(judge: Judge) -> None:
    status, document = judge.json(without(log((0, 1, 2, 7, 9)), "second_moment"))
    assert (status, document["log"]["judged"]) == (0, 3)
    assert document["unseen"][1].startswith("2 steps from step 7 on: not judged, since second_moment cannot be carried")


def test_late_steps_without_a_slot_cannot_be_judged_at_all(judge: Judge) -> None:
    status, document = judge.json(without(log((5, 6, 7)), "second_moment"))
    assert (status, document["verdict"], document["compared"]) == (3, "UNSUPPORTED", 0)
    assert "begins at step 5" in document["unseen"][0]


def test_a_slot_that_the_hyperparameters_do_not_have_is_said(judge: Judge) -> None:
    _, document = judge.json(log(GAPS, momentum=0.9))
    assert document["unseen"][0].startswith("momentum_buffer: in the log and not judged")


def test_what_changes_between_two_steps_is_said_and_blames_no_step(judge: Judge) -> None:
    arrays = log()
    first = log((0,))
    for name in ("kernel", "bias"):  # a program that starts anew at step 6
        for step in range(6):
            for rest in (
                "before/parameter",
                "before/second_moment",
                "after/parameter",
                "after/second_moment",
                "gradient",
            ):
                arrays[f"step/{step}/{rest}/{name}"] = first[f"step/0/{rest}/{name}"]
    status, document = judge.json(arrays)
    assert document["unseen"][0].startswith("between step 0 and step 1 (and between 5 more pairs of steps) parameter")
    assert (status, document["verdict"]) == (0, "IDENTICAL")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_has_a_verdict_and_a_place(judge: Judge, value: float) -> None:
    arrays = log(GAPS)
    arrays["step/9/gradient/bias"] = arrays["step/9/gradient/bias"].copy()
    arrays["step/9/gradient/bias"][3] = value
    status, document = judge.json(arrays)
    assert (status, document["verdict"], document["diagnosis"]) == (1, "NON_FINITE", None)
    assert (document["first_divergence"]["step"], document["first_divergence"]["index"]) == (9, [3])
    assert "non_finite" not in judge.text(arrays)[1]


def test_a_fault_in_a_log_of_many_values_is_searched_on_some_and_held_against_all(judge: Judge) -> None:
    rng, arrays = np.random.default_rng(2), {}
    w, v = rng.normal(size=60_000).astype(np.float32), np.zeros(60_000, dtype=np.float32)
    for step in range(4):
        g = np.where(rng.random(60_000) < 0.7, 0, 10.0 ** rng.uniform(-6, 1, 60_000)).astype(np.float32)
        arrays |= {f"step/{step}/before/w/k": w, f"step/{step}/before/v/k": v, f"step/{step}/gradient/k": g}
        mean = np.mean(np.square(g.astype(np.float64))).astype(np.float32)
        v = np.float32(0.9) * v + np.float32(1 - 0.9) * mean
        w = w - np.float32(0.001) * g / np.sqrt(v + np.float32(1e-7))
        arrays |= {f"step/{step}/after/w/k": w, f"step/{step}/after/v/k": v}
    _, document = judge.json(arrays)
    assert cause(document) == ({"moment_of": "mean"}, {})


def test_the_text_says_verdict_place_cause_and_what_it_rests_on(judge: Judge) -> None:
    status, out, _ = judge.text(log(GAPS, fault="outside"))
    lines = iter(out.splitlines())
    for words in (
        f"{judge.path}: DIVERGED",
        "  A difference exceeds what rounding can explain",
        "first divergence: step 0, slot parameter, tensor kernel, index [4, 1], stage denominator",
        "  obtained ",
        "  expected ",
        "  bound ",
        "Cause: Epsilon is added after the root instead of under it.",
        "    it has    u = L·g / (√v + epsilon)",
        "  It fits the log on all 4 steps that were judged: every bit is equal; not confirmed on other inputs",
        "Judged: 4 steps, 0 to 30; 2 tensors, 36 float32 values; parameter, second_moment.",
        "  By rmsprop with learning_rate 0.001, rho 0.9, epsilon 1e-07 (Keras' default).",
    ):
        assert any(line.startswith(words) for line in lines), words
    assert status == 1
