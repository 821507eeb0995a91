"""Files that are no log: one message, what, where, received, allowed, how to go on; status 2."""

import json
from pathlib import Path

import numpy as np
import pytest
from logs import Judge, log, stacked, states, without

K = "step/5/"


def changed(name: str, to) -> dict:
    arrays = log((0, 5))
    arrays[name] = to(arrays[name])
    return arrays


WRONG = {
    "a gradient is missing": (
        lambda: without(log((0, 5)), "step/5/gradient/bias"),
        "step/5/gradient/bias is missing; step 0 has it",
    ),
    "all gradients are missing": (lambda: without(log((0, 5)), "gradient"), "gradient/kernel is missing"),
    "an after is missing": (lambda: without(log((0, 5)), "after/parameter"), "after/parameter/kernel is missing"),
    "half a slot is missing": (
        lambda: without(log((0, 5)), "after/second"),
        "after/second_moment/kernel is missing; a field that is logged before a step is logged after it, too",
    ),
    "a slot of one tensor is missing": (
        lambda: without(log((0, 5)), "second_moment/bias"),
        "before/second_moment/bias is missing; kernel has it",
    ),
    "a word is misspelt": (
        lambda: {**without(log((0,)), "gradient/bias"), "step/0/gradiant/bias": np.zeros(12)},
        "'gradiant' is no field. Did you mean 'gradient'?",
    ),
    "a word is unknown": (lambda: {**log((0,)), "loss_scale": np.zeros(1)}, "'loss_scale' is no field"),
    "a tensor has no name": (lambda: {**log((0,)), "step/0/before/w": np.zeros(1)}, "names no tensor"),
    "neither before nor after": (
        lambda: {**log((0,)), "step/0/parameter/kernel": np.zeros(1)},
        "does not say whether it is from before the step or after it",
    ),
    "two names for one": (
        lambda: {**log((0,)), "step/0/before/w/kernel": np.zeros((6, 4), dtype=np.float32)},
        "mean the same, step/0/before/parameter/kernel",
    ),
    "two ways at once": (lambda: {**log((0,)), **states(log())}, "Write all of them in one way"),
    "another shape in a step": (
        lambda: changed(f"{K}gradient/bias", lambda a: a[:3]),
        "step/5/gradient/bias is float32 [3]; in step 0 it is float32 [12]",
    ),
    "another shape of a field": (
        lambda: {n: a.reshape(-1) if "gradient/kernel" in n else a for n, a in log((0, 5)).items()},
        "gradient/kernel has shape (24,); the parameter kernel has (6, 4)",
    ),
    "another dtype of a field": (
        lambda: {n: a.astype(np.float64) if "second_moment" in n else a for n, a in log((0, 5)).items()},
        "before/second_moment/kernel has dtype float64; kernel has float32. A log has one dtype",
    ),
    "integers": (lambda: {n: a.astype(np.int32) for n, a in log((0,)).items()}, "has dtype int32; allowed: float64"),
    "texts": (lambda: {**log((0,)), "step/0/gradient/kernel": np.array(["a", "b"])}, "allowed: real numbers"),
    "no step": (lambda: {"rule": np.array("rmsprop")}, "it holds no step"),
    "other lengths": (
        lambda: {n: a[:3] if n == "gradient/bias" else a for n, a in stacked(log()).items()},
        "gradient/bias has 3 steps, before/parameter/kernel has 12",
    ),
    "steps that turn back": (
        lambda: {**stacked(log((0, 5))), "steps": np.array([5, 0])},
        "'steps' must be whole numbers from 0 on, each larger than the one before it",
    ),
    "too few numbers": (lambda: {**stacked(log((0, 5))), "steps": np.array([5])}, "'steps' has 1 numbers"),
    "states with gaps": (
        lambda: {**states(log(range(3))), "steps": np.array([0, 1, 7])},
        "states of steps without a gap",
    ),
    "a scalar for a tensor": (lambda: {**stacked(log()), "gradient/bias": np.float32(1)}, "has no axis of steps"),
    "some rates": (lambda: {**log((0, 5)), "step/5/learning_rate": np.float64(1)}, "step/0/learning_rate is missing"),
    "two numbers for one": (lambda: {**log((0,)), "hyperparameter/rho": np.ones(2)}, "allowed: one number"),
    "rho of two": (lambda: {**log((0,)), "hyperparameter/rho": np.float64(2)}, "hyperparameter/rho: received 2.0"),
    "an unknown rule": (lambda: {**log((0,)), "rule": np.array("adamm")}, "rule: received 'adamm'"),
    "a negative rate": (lambda: {**log((0,)), "step/0/learning_rate": np.float64(-1)}, "do not go together"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_log_is_refused_in_one_message(judge: Judge, name: str) -> None:
    make, words = WRONG[name]
    assert words in judge.refusal(make())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rho=2"], "--set rho: received 2"),
        (["roh=0.9"], "no hyperparameter of rmsprop. Did you mean 'rho'?"),
        (["alpha=0.9"], "may mean learning_rate or rho"),
        (["momentum=much"], "--set momentum: received 'much'"),
        (["centered=2"], "--set centered: received 2"),
        (["clipnorm=1", "clipvalue=1"], "Only one of"),
        (["rho=0.9", "rho=0.8"], "received 2 times"),
        (["gradient_accumulation_steps=1"], "--set gradient_accumulation_steps: received 1"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_a_hyperparameter_that_cannot_be_is_refused(judge: Judge, words: list[str], said: str) -> None:
    assert said in judge.refusal(log((0,)), *(part for word in words for part in ("--set", word)))


@pytest.mark.parametrize("word", ["rho", "=0.9", "rho="])
def test_what_is_no_pair_is_refused_by_the_parser(judge: Judge, word: str) -> None:
    with pytest.raises(SystemExit) as ended:
        judge.text(log((0,)), "--set", word)
    assert ended.value.code == 2


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("word", "value"),
    [("centered=true", True), ("centered=1", True), ("clipnorm=none", None), ("weight_decay=1e-2", 0.01)],
)
def test_values_are_spelt_as_people_do(judge: Judge, word: str, value) -> None:
    document = judge.json(log((0,)), "--set", word)[1]
    assert document["hyperparameters"][word.partition("=")[0]] == {"value": value, "from": "set"}


def test_a_schedule_is_set_as_json(judge: Judge) -> None:
    schedule = {"schedule": "ExponentialDecay", "initial_learning_rate": 0.001, "decay_steps": 1, "decay_rate": 1.0}
    document = judge.json(log(), "--set", f"learning_rate={json.dumps(schedule)}")[1]
    assert document["verdict"] in ("IDENTICAL", "ROUNDING")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"PK" + bytes(100), bytes(8), (2**62).to_bytes(8, "little"), b"not a file of arrays at all"],
    ids=["nothing", "a zip's head", "no zip", "zeros", "endless header", "text"],
)
def test_a_damaged_file_is_refused_in_one_message(judge: Judge, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.npz"
    path.write_bytes(content)
    assert "damaged.npz: " in judge.refusal(path)


def test_a_file_that_is_none_is_refused_in_one_message(judge: Judge, tmp_path: Path) -> None:
    assert "No such file or directory" in judge.refusal(tmp_path / "none.npz")
    assert "not a file" in judge.refusal(tmp_path)


def test_objects_are_not_unpickled(judge: Judge, tmp_path: Path) -> None:
    path = tmp_path / "steps.npz"
    np.savez(path, **log((0,)), evil=np.array([print], dtype=object))
    assert "not a readable NPZ archive of plain numbers" in judge.refusal(path)


def test_numbers_of_another_byte_order_are_numbers(judge: Judge) -> None:
    arrays = {name: array.astype(array.dtype.newbyteorder(">")) for name, array in log((0, 5)).items()}
    assert judge.json(arrays)[1]["verdict"] == "IDENTICAL"
