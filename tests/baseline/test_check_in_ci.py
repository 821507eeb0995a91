"""A check as a job in GitHub Actions sees it: annotations, the summary, one JSON document, and the script."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from gating import Line, made

from parity.baseline.github import MAX_ANNOTATIONS
from parity.case.cells import select
from parity.case.places import CASES

ROOT = Path(__file__).parents[2]
A, B = "rmsprop/defaults", "rmsprop/plain[float32]"


@pytest.fixture
def job(line: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(CASES.resolve().parent))
    return line


def test_an_annotation_points_at_the_case_file(job: Line) -> None:
    job.check(made(A), made(B), made(B, mode="free"))
    assert job.err.splitlines() == [
        "::error file=cases/rmsprop/defaults.toml,title=rmsprop/defaults%3A 1 comparison not as accepted::"
        "rmsprop/defaults · reference · lockstep: IDENTICAL",
        "::error file=cases/rmsprop/plain.toml,title=rmsprop/plain%3A 2 comparisons not as accepted::"
        "rmsprop/plain[float32] · reference · free: IDENTICAL%0A"
        "rmsprop/plain[float32] · reference · lockstep: IDENTICAL",
    ]


def test_a_hostile_reason_or_name_stays_inside_its_annotation(job: Line) -> None:
    evil = made("x\n::error::y", "FAILED", subject="a,b:c%\r\n::set-output", reason="50%\r\n::stop-commands::z\x1b[2J")
    job.check(evil, words=(A,))
    (told,) = job.err.splitlines()
    assert told.startswith("::error title=")
    title, message = told.removeprefix("::error title=").split("::", 1)
    assert not {",", ":", "\r"} & set(title)
    assert "%25" in message
    assert not {"\n", "\r", "\x1b"} & set(message)


def test_many_cases_fit_into_what_github_shows(job: Line) -> None:
    cases = sorted({(cell.folder, cell.file): cell.id for cell in select([])}.values())[:30]
    job.check(*(made(case) for case in cases))
    lines = job.err.splitlines()
    assert len(lines) == MAX_ANNOTATIONS
    assert lines[-1].endswith("30 missing from the baseline; 0 as accepted. 21 more cases: see the job summary.")


def test_unused_entries_are_a_warning_at_the_record(job: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(job.folder))
    job.accepted(made(A), made("rmsprop/gone"))
    assert job.check(made(A)) == 0
    (told,) = job.err.splitlines()
    assert told.startswith("::warning file=reports/baseline/reference.json,title=unused entries of reference::")


def test_nothing_to_tell_prints_no_annotation(job: Line) -> None:
    job.accepted(made(A))
    job.check(made(A))
    assert job.err == ""


def test_json_is_one_document_also_inside_a_job(job: Line) -> None:
    job.accepted(made(A))
    assert job.check(made(A, "ROUNDING", ratio=float("nan")), made(B), words=("--json",)) == 1
    document = json.loads(job.out)
    assert document["status"] == 1
    assert document["counts"]["changed"] == document["counts"]["missing"] == 1
    assert [finding["kind"] for finding in document["findings"]] == ["changed", "missing"]
    changed = document["findings"][0]
    assert (changed["accepted"]["verdict"], changed["obtained"]["verdict"]) == ("IDENTICAL", "ROUNDING")
    assert changed["obtained"]["required"]["ratio"] == "NaN"
    assert document["obtained"] == ["reports/baseline/reference.json.obtained"]


def test_the_summary_says_what_why_and_how_to_go_on(line: Line) -> None:
    line.accepted(made(A))
    evil = made("x|<script>`", "FAILED", reason="<b>|")
    line.check(made(A, "ROUNDING", ratio=0.4), evil, words=("--report", "out"))
    page = (line.folder / "out" / "check.md").read_text(encoding="utf-8")
    assert page.startswith("# Check: 1 changed, 1 missing from the baseline; 0 as accepted.")
    assert "| **changed** | `rmsprop/defaults` | `reference` | lockstep |" in page
    assert "it is the code that changed" in page
    assert "parity accept" in page
    assert "<" not in re.sub(r"``.*?``", "", page).replace("\\<", ""), "a name is code, a reason escaped"
    rows = [text for text in page.splitlines() if text.startswith("| **")]
    assert all(text.replace("\\|", "").count("|") == 7 for text in rows)


def test_a_large_failure_stays_small_in_the_summary(line: Line) -> None:
    line.check(
        *(made(f"x/{number}", "FAILED", reason="long " * 500) for number in range(900)), words=("--report", "out")
    )
    assert len((line.folder / "out" / "check.md").read_bytes()) < 48_000


def test_a_failing_check_still_writes_the_summary_and_fails(tmp_path: Path) -> None:
    """Run the project's own script with a ``make`` that does what a failing check does."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_text((ROOT / ".ci" / "run").read_text(encoding="utf-8"), encoding="utf-8")
    tools = tmp_path / "bin"
    tools.mkdir()
    make = "#!/bin/sh\necho $1 >> made\n[ $1 = check ] || exit 0\nmkdir -p reports/latest\n"
    make += "echo gate > reports/latest/check.md; echo report > reports/latest/summary.md\nexit 2\n"
    for name, text in (("make", make), ("chromium", "#!/bin/sh\n")):
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    environment = {"PATH": f"{tools}:/usr/bin:/bin", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    done = subprocess.run(["bash", ".ci/run"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert (tmp_path / "made").read_text().split() == ["lint", "test", "check"]
    assert (tmp_path / "summary").read_text().split() == ["gate", "report"]
