"""What counts as a change, on the baseline's processor and on another one, and what a check says of it."""

import json
from typing import Any

import pytest
from gating import ELSEWHERE, HERE, Line, made

from parity.case.cells import select

A, B = "rmsprop/defaults", "rmsprop/plain[float32]"
ONLY = {"words": (A,)}
NORM = {"hyperparameters": {"clipnorm": 1.0}}
NETWORK = {"problem": {"kind": "mlp"}}
POWERS = {"hyperparameters": {"learning_rate": {"schedule": "ExponentialDecay"}}}


def xla(verdict: str = "IDENTICAL", case: str = A, **more: Any) -> Any:
    """Make up a comparison of a compiled subject."""
    return made(case, verdict, subject="keras-xla", **more)


def test_the_first_divergence_of_bits_is_told_by_slot_tensor_and_step(line: Line) -> None:
    line.accepted(made(A))
    table = {
        "step": [2, 3, 3, 4],
        "slot": ["second_moment"] * 3 + ["parameter"],
        "tensor": ["w1", "w1", "w2", "w1"],
        "differing": [0, 5, 1, 2],
    }
    assert line.check(made(A, "ROUNDING", ratio=0.4, table=table)) == 1
    assert "second_moment of w1 was IDENTICAL, now ROUNDING, 0.4 of the bound, since step 3; 2 other " in line.out


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("before", "now", "word", "says"),
    [
        (made(A), made(A, digest="other"), "CHANGED", "still IDENTICAL, but with other bits"),
        (made(A, "ROUNDING", ratio=0.4), made(A, "ROUNDING", ratio=0.9), "CHANGED", "it needs more: 0.9 of the bound"),
        (made(A, "ROUNDING", ratio=0.9), made(A, "ROUNDING", ratio=0.4), "BETTER", "it needs less: 0.4 of the bound"),
        (made(A, "ROUNDING", ratio=0.9), made(A), "BETTER", "was ROUNDING, 0.9 of the bound"),
        (made(A, "UNDECIDED"), made(A, "ROUNDING", ratio=0.4), "BETTER", "was UNDECIDED, now ROUNDING"),
        (made(A, "DIVERGED", parts=2), made(A, "UNSUPPORTED", compared=0), "CHANGED", "now UNSUPPORTED"),
        (made(A, "UNSUPPORTED", compared=0), made(A), "BETTER", "was UNSUPPORTED, now IDENTICAL"),
        (made(A, "ROUNDING", ratio=0.4), made(A, compared=7), "CHANGED", "compared 7 values, before 100"),
        (made(A, "DIVERGED", parts=2), made(A, "DIVERGED", parts=0), "CHANGED", "parts from step 0"),
        (made(A, "KNOWN_DIVERGENCE", parts=2), made(A, "DIVERGED", parts=2), "CHANGED", "was KNOWN_DIVERGENCE"),
    ],
)
def test_on_the_same_processor_everything_is_judged(line: Line, before: Any, now: Any, word: str, says: str) -> None:
    line.accepted(before)
    assert line.check(now) == 1
    assert line.out.startswith(word)
    assert says in line.out


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("before", "now"),
    [
        (xla(), xla("ROUNDING", ratio=0.9)),
        (xla("ROUNDING", ratio=0.9), xla()),
        (xla("ROUNDING", ratio=0.4), xla("UNDECIDED", ratio="Infinity")),
        (xla("KNOWN_DIVERGENCE", ratio=7.0, parts=2), xla("ROUNDING", ratio=0.7)),
        (xla("ROUNDING", ratio="NaN"), xla("ROUNDING", ratio="NaN", digest="other")),
    ],
)
def test_on_another_processor_what_only_agrees_is_counted_and_not_judged(line: Line, before: Any, now: Any) -> None:
    line.accepted(before, xla(case=B))
    assert line.check(now, xla(case=B), circumstances=ELSEWHERE) == 0
    assert "Not judged, but for that they agree, 1 comparison: " in line.out
    assert "All 2 comparisons are as accepted, 1 as far as that they agree." in line.out
    assert line.left() == ["keras-xla.json"], "nothing waits, since nothing is to be accepted"
    assert line.check(now, xla(case=B), circumstances=ELSEWHERE, words=("--strict",)) == 1
    assert "processor was Model A fma avx2, is Model B fma avx2 avx512f" in line.out


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("before", "now", "cell", "by"),
    [
        (xla("ROUNDING", ratio=0.4), xla("ROUNDING", ratio=0.9), {}, "a compiler that contracts"),
        (xla("KNOWN_DIVERGENCE", ratio=7.0, parts=2), xla("KNOWN_DIVERGENCE", ratio=8.0, parts=2), {}, "a compiler"),
        (made(A, "ROUNDING", ratio=0.4), made(A, "ROUNDING", ratio=0.9), NORM, "sums, whose order"),
        (made(A), made(A, digest="other"), NETWORK, "sums, whose order"),
        (made(A), made(A, digest="other"), POWERS, "powers and cosines"),
    ],
)
def test_on_another_processor_verdict_bound_and_place_are_judged_and_bits_are_not_where_it_decides_them(
    line: Line, before: Any, now: Any, cell: Any, by: str
) -> None:
    line.accepted(before, **cell)
    assert line.check(now, circumstances=ELSEWHERE, **cell) == 0
    assert f"Bits not judged in 1 comparison, decided by {by}" in line.out
    assert line.check(now, circumstances=ELSEWHERE, words=("--strict",), **cell) == 1


@pytest.mark.parametrize("other", [{"cores": 64}, {"system": "Linux x86_64, Another OS"}])
def test_cores_and_system_make_another_machine_too(line: Line, other: dict[str, Any]) -> None:
    line.accepted(made(A), **NORM)
    assert line.check(made(A, digest="other"), circumstances=HERE | other, **NORM) == 0


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("before", "now"),
    [
        (made(A), made(A, digest="other")),
        (made(A), made(A, "ROUNDING", ratio=0.9)),
        (made(A, "ROUNDING", ratio=0.4), made(A, "ROUNDING", ratio=0.9)),
        (xla(), xla(digest="other")),
        (xla("ROUNDING", ratio=0.4), xla("DIVERGED", ratio=1.1)),
        (made(A), made(A, "DIVERGED", parts=0)),
        (made(A), made(A, "FAILED")),
        (made(A), made(A, "NON_FINITE", parts=0)),
        (made(A), made(A, compared=99)),
        (made(A), made(A, "UNSUPPORTED")),
        (made(A, "DIVERGED", parts=2), made(A)),
        (made(A, "KNOWN_DIVERGENCE", parts=2), made(A, "KNOWN_DIVERGENCE", parts=3)),
        (made(A, "KNOWN_DIVERGENCE", parts=2), made(A, "FIXED")),
        (made(B), made(A)),
    ],
)
def test_on_another_processor_what_none_may_change_still_fails(line: Line, before: Any, now: Any) -> None:
    line.accepted(before)
    assert line.check(now, circumstances=ELSEWHERE, **ONLY) == 1


PATHS = [
    {"NPY_DISABLE_CPU_FEATURES": "X86_V4"},
    {"OPENBLAS_CORETYPE": "Haswell"},
    {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    {"TF_ENABLE_ONEDNN_OPTS": "0"},
    {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA"},
    {"XLA_FLAGS": "--xla_dump_to=<path> --xla_cpu_max_isa=AVX2"},
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("narrowed", PATHS, ids=lambda narrowed: next(iter(narrowed)))
def test_a_setting_that_narrows_the_processor_makes_another_machine_of_it(line: Line, narrowed: dict[str, str]) -> None:
    line.accepted(made(A), **NORM)
    assert line.check(made(A, digest="other"), circumstances=HERE | {"environment": narrowed}, **NORM) == 0
    assert line.check(made(A, "DIVERGED", parts=0), circumstances=HERE | {"environment": narrowed}, **NORM) == 1


def test_a_setting_that_lets_a_compiler_be_inexact_excuses_nothing(line: Line) -> None:
    line.accepted(made(A), **NORM)
    inexact = HERE | {"environment": {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}}
    assert line.check(made(A, digest="other"), circumstances=inexact, **NORM) == 1


def test_an_entry_is_judged_by_the_machine_that_it_was_made_on(line: Line) -> None:
    line.accepted(made(A), **NORM)
    line.accepted(made(A), made(B), circumstances=ELSEWHERE, **NORM)
    table = json.loads(line.record().read_text(encoding="utf-8"))
    assert len(table["circumstances"]) == 2
    assert line.check(made(A, digest="other"), made(B), circumstances=ELSEWHERE, **NORM) == 0
    assert line.check(made(A), made(B, digest="other"), circumstances=ELSEWHERE, **NORM) == 1


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"packages": HERE["packages"] | {"numpy": "2.5.0"}}, "Likely reason: numpy was 2.4.6, is 2.5.0\n"),
        ({"packages": {}}, "Likely reason: numpy was 2.4.6, is not installed\n"),
        ({"python": "3.12.1"}, "Likely reason: Python was 3.11.7, is 3.12.1\n"),
        ({"environment": {"OMP_NUM_THREADS": "1"}}, "Likely reason: OMP_NUM_THREADS was not set, is 1\n"),
        ({"packages": HERE["packages"] | {"pandas": "9", "tensorflow": "9"}}, "it is the code that changed\n"),
    ],
)
def test_other_versions_excuse_nothing_and_are_named(line: Line, other: dict[str, Any], reason: str) -> None:
    line.accepted(made(A))
    assert line.check(made(A, "ROUNDING", ratio=0.4), circumstances=HERE | other) == 1
    assert reason in line.out
    assert line.check(made(A), circumstances=HERE | other) == 0, "the same outcome under other versions passes"


def test_a_library_is_named_for_the_subject_that_it_computes(line: Line) -> None:
    keras = {"subject": "keras-eager"}
    line.accepted(made(A, **keras))
    line.check(made(A, "ROUNDING", ratio=0.4, **keras), circumstances=HERE | {"packages": {"tensorflow": "2.22.0"}})
    assert "tensorflow was 2.21.0, is 2.22.0" in line.out
    assert "pandas" not in line.out


def test_a_case_that_was_edited_is_named_as_the_reason(line: Line) -> None:
    line.accepted(made(A))
    line.check(made(A, digest="other"), learning_rate=0.1)
    assert "the case itself is another than when this was accepted" in line.out
    assert line.check(made(A), learning_rate=0.1) == 0


def test_equal_bits_with_another_bound_point_at_the_reference(line: Line) -> None:
    line.accepted(made(A, "ROUNDING", ratio=0.4, digest="same"))
    line.check(made(A, "ROUNDING", ratio=0.5, digest="same"))
    assert (
        "the subject's bits are as accepted, so it is the reference, its bound, or the list of known divergences"
        in line.out
    )


def test_a_drift_without_a_bound_is_told_by_its_difference(line: Line) -> None:
    line.accepted(made(A, "ROUNDING", ratio="NaN"))
    line.check(made(A, "ROUNDING", ratio="NaN", digest="other"))
    assert "still ROUNDING, but with other bits" in line.out
    line.check(made(A, "DIVERGED", ratio="NaN", parts=1))
    assert "was ROUNDING, a difference of -1 (second_moment of w1 at [4], step 3), now DIVERGED from step 1" in line.out


def test_what_fails_is_told_first_however_much_else_changed(line: Line) -> None:
    cases = [f"x/{number}" for number in range(40)]
    line.accepted(*map(made, cases))
    line.check(*(made(case, "ROUNDING", ratio=0.4) for case in cases[:-1]), made(cases[-1], "DIVERGED", parts=0))
    assert line.out.startswith(f"CHANGED  {cases[-1]} · reference · lockstep\n         was IDENTICAL, now DIVERGED")
    assert "CHANGED  and 20 more: 20 ROUNDING; --json lists all\n" in line.out


def test_fixed_fails_and_cannot_be_accepted(line: Line) -> None:
    line.accepted(made(A, "KNOWN_DIVERGENCE", parts=2))
    kept = line.record().read_bytes()
    assert line.check(made(A, "FIXED")) == 1
    assert "Remove what is fixed from cases/known_divergences.toml; it cannot be accepted." in line.out
    assert line("accept") == 0
    assert "Nothing waits" in line.out
    assert line.record().read_bytes() == kept


def test_a_library_that_is_not_installed_is_no_pass_and_changes_nothing(line: Line) -> None:
    keras = {"subject": "keras-eager"}
    line.accepted(made(A), made(A, **keras))
    absent = made(A, "NOT_INSTALLED", compared=0, digest="", **keras)
    assert line.check(made(A), absent) == 1
    assert line.check(absent) == 3
    assert line.out.endswith("Nothing was compared, so nothing was checked.\n")
    assert line.left() == ["keras-eager.json", "reference.json"]
    assert line.check(made(B), made(B, "NOT_INSTALLED", compared=0, subject="torch")) == 1
    assert "torch" not in line.out, "it is neither here nor in the baseline"


def test_unused_entries_are_told_where_every_case_ran_and_removed_on_request(line: Line) -> None:
    line.accepted(made(A), made("rmsprop/gone"), made("rmsprop/gone", mode="free"))
    assert line.check(made(A)) == 0
    assert "Unused: 2 entries of the baseline, which no case asks for: rmsprop/gone of reference." in line.out
    assert line.check(made(A), words=("--strict",)) == 1
    assert line.check(made(A), words=(A,)) == 0
    assert "Unused" not in line.out
    assert line("accept") == 0
    assert line.check(made(A)) == 0
    assert "Unused" in line.out, "only --prune removes them"
    assert line("accept", "--prune") == 0
    assert "2 entries removed: rmsprop/gone free, rmsprop/gone lockstep" in line.out
    assert line.check(made(A)) == 0
    assert "Unused" not in line.out


def test_a_case_that_cannot_be_read_makes_nothing_unused(line: Line) -> None:
    line.accepted(made(A), made("rmsprop/gone"))
    (line.folder / "broken.toml").write_text("=", encoding="utf-8")
    assert line.check(made(A), words=("*", "broken.toml")) == 2
    assert "Unused" not in line.out


def test_a_subject_that_is_gone_is_named_and_unused_whole(line: Line) -> None:
    line.accepted(made(A), made(A, subject="gone"), made(A, subject="torch"))
    line.check(made(A))
    assert line("check") == 2
    assert line.err.startswith("parity: error: no subject 'gone'.")
    assert "parity accept --prune --subject gone" in line.err
    assert line.err.count("\n") == 1
    assert line("accept", "--prune") == 0
    assert line.left() == ["reference.json", "torch.json"]


def test_a_whole_baseline_names_only_cells_that_exist() -> None:
    assert {A, B} <= {cell.id for cell in select([])}
