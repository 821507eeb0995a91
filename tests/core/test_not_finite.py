import msgspec
import numpy as np
import pytest
from driving import cell, judged, optimizer

import parity
from parity.api import describe
from parity.baseline.record import definition_of
from parity.case.cells import load_cells
from parity.case.spec import Quadratic, Replayed, Weights
from parity.commands.cli import main
from parity.judge.finite import first_not_finite
from parity.runner.loop import run_pair
from parity.subjects.numpy_class import NumpySubject

RIGHT = optimizer("right")
ZEROS = msgspec.structs.replace(
    cell(epsilon=0.0), problem=Replayed(generator="zeros", tensors={"kernel": [4, 3], "bias": [3]})
)
RUNAWAY = msgspec.structs.replace(
    cell(tensors={"w": [3]}, learning_rate=1e30), problem=Quadratic(tensors={"w": [3]}), gradients="computed"
)
FILE = """
id = "unsaid"
summary = "s"
probes = ["zero_gradient"]
steps = 2

[problem]
kind = "replayed"
generator = "zeros"
tensors = { kernel = [40] }

[hyperparameters]
epsilon = 0.0
"""


def recorded(tmp_path, *steps, **changes):
    """A cell whose gradients of two elements are these, a step each."""
    np.savez(tmp_path / "g.npz", w=np.array(steps, dtype=np.float32))
    spec = Replayed(generator="recorded", tensors={"w": [2]}, file="g.npz")
    return msgspec.structs.replace(cell(steps=len(steps)), problem=spec, folder=str(tmp_path), **changes)


def places(cell, subject):
    """The verdict of each comparison, with step, slot, index and stage of its first divergence."""
    found = judged(cell, subject)
    return {(c.verdict, f.step, f.slot, tuple(f.index), f.stage) for c in found.values() if (f := c.first_divergence)}


@pytest.mark.parametrize("subject", ["reference", RIGHT])
def test_nothing_divided_by_nothing_on_both_sides_is_not_finite_and_says_where(subject):
    for comparison in judged(ZEROS, subject).values():
        first = comparison.first_divergence
        assert (comparison.verdict, comparison.outcome.fails) == ("NON_FINITE", True)
        assert (first.step, first.slot, first.tensor, first.stage) == (0, "parameter", "kernel", "step")
        assert (first.obtained, first.expected) == ("NaN", "NaN")
        assert "non_finite = true" in first.note


def test_what_the_case_declares_may_be_equal():
    declared = msgspec.structs.replace(ZEROS, non_finite=True)
    assert {c.verdict for c in judged(declared, "reference").values()} == {"IDENTICAL"}


class HidesNan:
    """The rule, but what is no number counts as nothing."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon, self.v = learning_rate, rho, epsilon, {}

    def update(self, params, grads):
        for name, g in grads.items():
            self.v[name] = self.rho * self.v.get(name, 0 * g) + (1 - self.rho) * g * g
            with np.errstate(invalid="ignore"):
                params[name] -= np.nan_to_num(self.learning_rate * g / np.sqrt(self.v[name] + self.epsilon))


def test_a_number_where_nothing_is_divided_by_nothing_is_no_rounding_where_the_case_declares_nan():
    declared = msgspec.structs.replace(ZEROS, non_finite=True)
    pair = run_pair(declared, "its.py:HidesNan", NumpySubject(HidesNan, "its.py:HidesNan"))
    for comparison in pair.comparisons:
        first = comparison.first_divergence
        assert (comparison.verdict, first.step, first.expected, first.bound) == ("NON_FINITE", 0, "NaN", 0.0)


def test_a_square_that_overflows_is_found_where_it_does(tmp_path):
    overflowing = recorded(tmp_path, [1, 1], [1, 1], [1, -1e30], [1, 1])
    assert places(overflowing, RIGHT) == {("NON_FINITE", 2, "second_moment", (1,), "second_moment")}


def test_a_divergence_before_it_stays_the_verdict(tmp_path):
    overflowing = recorded(tmp_path, [1, 1], [1, 1], [1, 1e30])
    ((verdict, step, *_),) = places(overflowing, optimizer("rate_too_large"))
    assert (verdict, step) == ("DIVERGED", 0)


def test_it_is_the_verdict_before_a_divergence(tmp_path):
    late = recorded(tmp_path, *[[1, 1]] * 3, [1, 1e30], *[[1, 1]] * 50)
    ((verdict, step, slot, *_),) = places(late, optimizer("sly", "LateError"))
    assert (verdict, step, slot) == ("NON_FINITE", 3, "second_moment")


def test_weights_that_a_file_may_hold_are_declared_by_it(tmp_path):
    np.savez(tmp_path / "w.npz", w=np.array([np.nan, 1], dtype=np.float32))
    said = recorded(tmp_path, [1, 1], weights=Weights(kind="file", file="w.npz", non_finite=True))
    assert {c.verdict for c in judged(said, RIGHT).values()} == {"IDENTICAL"}


def test_weights_that_overflow_in_their_dtype_show_before_the_first_step(tmp_path):
    np.savez(tmp_path / "w.npz", w=np.array([1, 1e300], dtype=np.float64))
    start = recorded(tmp_path, [1, 1], weights=Weights(kind="file", file="w.npz"))
    for comparison in judged(start, "reference").values():
        assert comparison.verdict == "NON_FINITE"
        assert comparison.first_divergence.note.startswith("before the first step, both sides are Infinity")


def test_numbers_whose_squares_overflow_are_finite(tmp_path):
    large = recorded(tmp_path, [1, 1], [1, 1], weights=Weights(kind="constant", scale=1e30))
    assert {c.verdict for c in judged(large, "reference").values()} == {"IDENTICAL"}


def test_a_program_that_runs_away_on_both_sides_is_not_finite():
    found = judged(RUNAWAY, "reference")
    assert {c.verdict for c in found.values()} == {"NON_FINITE"}
    assert found["free"].first_divergence == found["lockstep"].first_divergence
    declared = msgspec.structs.replace(RUNAWAY, non_finite=True)
    assert {c.verdict for c in judged(declared, "reference").values()} == {"IDENTICAL"}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_value_that_is_not_finite_is_found_in_any_dtype(dtype, value):
    rows = np.full((3, 70), 60000.0, dtype=dtype)
    assert first_not_finite(rows) is None
    rows[1, 50] = rows[2, 3] = value
    assert first_not_finite(rows) == (1, 50)


def test_the_declaration_changes_no_digest_of_what_a_cell_computes():
    plain = cell()
    assert b"non_finite" not in msgspec.json.encode(plain)
    assert definition_of(describe(plain)) == definition_of(describe(msgspec.structs.replace(plain, non_finite=True)))


def test_the_command_fails_until_the_case_says_so(tmp_path, capsys):
    path = tmp_path / "unsaid.toml"
    path.write_text(FILE)
    assert main(["run", str(path), "--subject", "reference"]) == 1
    assert "both sides are NaN" in capsys.readouterr().out
    path.write_text(f"non_finite = true{FILE}")
    assert main(["run", str(path), "--subject", "reference"]) == 0


def test_exact_parity_is_not_claimed_of_what_is_not_finite(tmp_path):
    path = tmp_path / "unsaid.toml"
    path.write_text(FILE)
    with pytest.raises(parity.NotInParity, match=r"NON_FINITE(.|\n)*not sought; both sides agree"):
        parity.assert_parity("reference", load_cells(path), exact=True)
