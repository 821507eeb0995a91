"""The command line: exit status, streams and texts; nothing here imports TensorFlow."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parity.api import InterruptedRun
from parity.case.spec import Cell
from parity.circumstances import doctor
from parity.commands.cli import COMMANDS, main
from parity.errors import ParityError
from parity.verdicts.results import Comparison, Divergence, Pair, Run, Worst
from parity.verdicts.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2]
CASE = "rmsprop/defaults"
Runner = Callable[..., Run]


def comparison(cell: Cell, subject: str, verdict: Verdict) -> Comparison:
    place = worst = None
    if verdict is Verdict.DIVERGED:
        numbers: dict[str, Any] = {"obtained": 0.25, "expected": 0.5, "bound": 1e-7}
        where: dict[str, Any] = {"step": 1, "slot": "second_moment", "tensor": "kernel", "index": [0, 3]}
        place = Divergence(**where, **numbers, stage="second_moment")
        worst = Worst(**where, **numbers, difference=0.25, ratio=2.5e6, ulp=8388608.0)
    table = {
        "step": [0, 1],
        "slot": ["parameter"] * 2,
        "tensor": ["kernel"] * 2,
        "differing": [0, 1],
        "max_abs": [0.0, 0.25],
        "max_ulp": [0.0, 2.0],
        "ratio": [0.0, 2.5e6],
    }
    return Comparison(
        case=cell.id,
        subject=subject,
        gradients=cell.gradients,
        comparison="lockstep",
        verdict=verdict.name,
        reason=verdict.value,
        first_divergence=place,
        worst=worst,
        compared=100 if verdict.compared else 0,
        differing=1 if place else 0,
        table=table,
    )


def ending_in(verdict: Verdict, asked: list[Any] | None = None) -> Runner:
    def run_all(
        cells: list[Cell],
        subjects: list[str],
        jobs: int,
        progress: Any,
        time_limit: float,
        scheduler: str | None,
        only: Any,
    ) -> Run:
        assert scheduler is None
        if asked is not None:
            asked.append((cells, subjects, jobs, progress, time_limit))
        pairs = [
            Pair(cell.id, cell.summary, subject, "a.Class", [comparison(cell, subject, verdict)])
            for cell in cells
            for subject in subjects
        ]
        return Run(pairs, {"parity": "0"}, "2026-01-01T00:00:00Z", 1.0, [{"id": c.id, "dtype": c.dtype} for c in cells])

    return run_all


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runner], None]:
    return lambda run_all: monkeypatch.setitem(
        sys.modules, "parity.api", SimpleNamespace(run_all=run_all, InterruptedRun=InterruptedRun)
    )


@pytest.mark.parametrize("verdict", list(Verdict))
def test_the_exit_status_follows_the_verdict(
    verdict: Verdict, use: Callable[[Runner], None], capsys: pytest.CaptureFixture[str]
) -> None:
    use(ending_in(verdict))
    assert main(["run", CASE]) == (1 if verdict.fails else 0 if verdict.compared else 3)
    assert capsys.readouterr().err == ""


def test_a_broken_file_lets_the_other_cases_complete_and_ends_with_2(
    use: Callable[[Runner], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use(ending_in(Verdict.IDENTICAL))
    (tmp_path / "broken.toml").write_text("=", encoding="utf-8")
    assert main(["run", CASE, str(tmp_path / "broken.toml")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("parity: error: ")
    assert CASE in captured.out


def test_a_failure_is_told_in_a_fixed_order(use: Callable[[Runner], None], capsys: pytest.CaptureFixture[str]) -> None:
    use(ending_in(Verdict.DIVERGED))
    main(["run", CASE, "--subject", "keras-eager", "--steps", "5"])
    out = capsys.readouterr().out
    words = [f"case {CASE}", "DIVERGED: ", "step 1", "second_moment", "kernel", "[0, 3]", "obtained", "expected"]
    words += ["difference", "bound", f"reproduce: parity run {CASE} --subject keras-eager --steps 5"]
    failure = out[out.index(words[0]) :]
    position = 0
    for word in words:
        position = failure.index(word, position)


def test_a_case_file_elsewhere_is_reproduced_by_its_path(
    use: Callable[[Runner], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use(ending_in(Verdict.DIVERGED))
    path = tmp_path / "my case.toml"
    text = (ROOT / "cases" / f"{CASE}.toml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    main(["run", str(path), "--subject", "reference"])
    assert f"reproduce: parity run '{path}' --subject reference" in capsys.readouterr().out


def test_json_is_one_document_and_nothing_else(
    use: Callable[[Runner], None], capsys: pytest.CaptureFixture[str]
) -> None:
    use(ending_in(Verdict.DIVERGED))
    assert main(["run", CASE, "--json", "--subject", "reference"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    (result,) = document["results"]
    contract = {"case", "subject", "gradients", "comparison", "verdict", "first_divergence", "worst"}
    assert contract <= result.keys()
    assert {"step", "slot", "tensor", "index", "obtained", "expected", "bound"} <= result["first_divergence"].keys()


def test_verbose_logs_every_step(use: Callable[[Runner], None], capsys: pytest.CaptureFixture[str]) -> None:
    use(ending_in(Verdict.ROUNDING))
    main(["run", CASE, "--verbose", "--subject", "reference"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{CASE} reference lockstep: ")]
    assert [line.split(": ")[1].split()[0] for line in lines] == ["step=0", "step=1"]


def test_arguments_reach_the_runner(use: Callable[[Runner], None]) -> None:
    asked: list[Any] = []
    use(ending_in(Verdict.IDENTICAL, asked))
    words = ["--subject", "reference", "--subject", "x.y:C", "--subject", "reference"]
    main(["run", CASE, *words, "--jobs", "3", "--steps", "7", "--time-limit", "2.5"])
    ((cells, subjects, jobs, progress, limit),) = asked
    assert [cell.steps for cell in cells] == [7]
    assert callable(progress)
    assert (subjects, jobs, limit) == (["reference", "x.y:C"], 3, 2.5)


def test_a_hostile_summary_or_reason_sends_no_control_character(
    use: Callable[[Runner], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run_all(cells: list[Cell], *rest: Any) -> Run:
        hostile = Comparison("a\x1b[2J", "b\x07[red]", "replayed", "free", "FAILED", "raised \x1b]0;x\x07 [bold]")
        return Run([Pair("a", "s", "b", "c", [hostile])], {}, "", 0.0)

    use(run_all)
    assert main(["run", CASE, "--subject", "reference"]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "[bold]" in out


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["rn"], f"no command 'rn'. Did you mean 'run'? Allowed: {', '.join(COMMANDS)}"),
        (["run", "rmsprop/plane"], "Did you mean 'rmsprop/plain"),
        (["run", CASE, "--subject", "keras-eagre"], "no subject 'keras-eagre'. Did you mean 'keras-eager'?"),
        (["run", "none.toml"], "none.toml: cannot be read: No such file or directory"),
        (["list", "nothing"], "no case matches 'nothing'"),
        (["run", "\x1b[31m"], "no case matches '\\x1b[31m'"),
    ],
)
def test_a_mistake_in_the_call_is_one_line_and_status_2(
    argv: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("parity: error: ")
    assert expected in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["run", "--jobs", "0"],
        ["run", "--jobs", "-1"],
        ["run", "--steps", "x"],
        ["run", "--steps", "9" * 5000],
        ["run", "--time-limit", "nan"],
        ["run", "--time-limit", "0"],
        ["run", "--json", "--verbose"],
        ["run", "--jso"],
        ["doctor", "extra"],
    ],
)
def test_argparse_refuses_with_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error: " in captured.err


def test_an_interruption_is_one_line_and_status_130(
    use: Callable[[Runner], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run_all(*arguments: Any) -> Run:
        raise KeyboardInterrupt

    use(run_all)
    assert main(["run", CASE, "--subject", "reference"]) == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_an_error_of_the_project_is_status_2_and_its_breaks_are_kept(
    use: Callable[[Runner], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run_all(*arguments: Any) -> Run:
        raise ParityError("one\ntwo\x1b[0m")

    use(run_all)
    assert main(["run", CASE, "--subject", "reference"]) == 2
    assert capsys.readouterr().err == "parity: error: one\n  two\\x1b[0m\n"


def test_a_closed_pipe_is_silent() -> None:
    command = [sys.executable, "-m", "parity", "list", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_output_survives_a_terminal_that_knows_only_ascii() -> None:
    environment = {"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "parity", "list"]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"examples:\n  parity {command}" in capsys.readouterr().out


def test_list_names_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "rmsprop/plain", "--cells"]) == 0
    assert capsys.readouterr().out.split() == [
        f"rmsprop/plain[{dtype}]" for dtype in ("float64", "float32", "float16", "bfloat16")
    ]


def test_list_as_json_holds_cases_subjects_and_switches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"cases", "subjects", "switches"} <= document.keys()
    assert {subject["name"]: subject["installed"] for subject in document["subjects"]}["reference"] is True


def test_circumstances_name_neither_user_nor_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/home/somebody/x --xla_cpu_enable_fast_math=true")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    found = doctor.circumstances()
    assert found["environment"]["OMP_NUM_THREADS"] == "2"
    assert found["environment"]["XLA_FLAGS"] == "--xla_dump_to=<path> --xla_cpu_enable_fast_math=true"
    assert "/home/" not in json.dumps(found)
    assert str(ROOT) not in json.dumps(found)


def test_circumstances_are_the_same_twice() -> None:
    assert doctor.circumstances() == doctor.circumstances()


def test_doctor_tells_of_a_library_that_fails_without_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PROBE_NUMPY", "raise OSError('/opt/x.so: no')")
    assert doctor.examine.__module__ == "parity.circumstances.doctor"
    answer = doctor._ask(doctor._PROBE_NUMPY)
    assert answer == {"state": "installed, but it fails with status 1: OSError: <path>: no"}


def test_a_case_whose_data_cannot_be_used_leaves_the_other_cases_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "cases" / f"{CASE}.toml").read_text(encoding="utf-8")
    broken = tmp_path / "broken.toml"
    broken.write_text(text + '\n[weights]\nkind = "file"\nfile = "absent.npz"\n', encoding="utf-8")
    assert main(["run", str(broken), CASE, "--subject", "reference", "--steps", "2"]) == 2
    streams = capsys.readouterr()
    assert streams.err.count("parity: error:") == 1
    assert "no file 'absent.npz'" in streams.err
    assert "All 2 comparisons agree" in streams.out
