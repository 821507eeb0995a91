"""Case files as pytest items: what is collected, how it is called, and how verdicts become outcomes."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from parity.case.places import CASES
from parity.testing.plugin import _is_case

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., pytest.RunResult]

WRONG, RIGHT = "optimizers.py:Wrong", "optimizers.py:Right"


@pytest.fixture
def cases(pytester: pytest.Pytester) -> Path:
    folder = pytester.mkdir("my_cases")
    for name in ("plain", "clipvalue"):
        (folder / f"{name}.toml").write_bytes((ROOT / "cases" / "rmsprop" / f"{name}.toml").read_bytes())
    return folder


def test_every_shipped_case_is_recognised_and_no_other_file() -> None:
    others = {"known_divergences.toml", "question.toml", "torch_rule.toml"}
    for path in (ROOT / "cases").rglob("*.toml"):
        assert _is_case(path) == (path.name not in others or path.parent.name == "network"), path
    assert not _is_case(ROOT / "pyproject.toml")


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "x"\n\n[tool.x]\nid = "x"\nsummary = "y"\nprobes = []\n',
        'id = "x"\nsummary = "a blog post"\n',
        "",
        "\x00\xff = [",
        "id = " * 100_000,
    ],
)
def test_other_toml_files_are_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    assert not _is_case(path)


def test_ids_read_like_sentences_and_select_again(run: Run, cases: Path) -> None:
    listed = run("", "--collect-only", "-q", "--parity-subject", "reference").stdout
    listed.fnmatch_lines(["my_cases/plain.toml::reference equals the reference with float16"])
    one = run("", "my_cases/plain.toml::reference equals the reference with float16", "--parity-subject", "reference")
    one.assert_outcomes(passed=1)


def test_cases_run_in_parallel_and_by_keyword(run: Run, cases: Path) -> None:
    result = run("", "-n", "2", "-k", "plain or 1.0", "--parity-subject", "reference")
    result.assert_outcomes(passed=5)


def test_verdicts_become_outcomes(run: Run, cases: Path) -> None:
    result = run("", "-rs", "-k", "float32 or clipvalue", "--parity-subject", WRONG, "--parity-subject", RIGHT)
    result.assert_outcomes(passed=1, failed=1, skipped=4)
    result.stdout.fnmatch_lines(
        [
            "*plain: optimizers.py:Wrong equals the reference with float32*",
            "case plain?float32?, subject optimizers.py:Wrong*",
            "likeliest explanation: epsilon is added after the root*",
            "reproduce: parity run 'my_cases/plain.toml?float32?' --subject optimizers.py:Wrong",
            "SKIPPED*my_cases/clipvalue.toml*no argument 'clipvalue'*",
        ]
    )
    assert "Traceback" not in result.stdout.str()


@pytest.mark.exhaustive
def test_what_failed_last_runs_alone(run: Run, cases: Path) -> None:
    arguments = "--parity-subject", WRONG, "--parity-subject", "reference", "-k", "float32"
    run("", *arguments).assert_outcomes(passed=1, failed=1)
    run("", *arguments, "--lf").assert_outcomes(failed=1)


def test_subjects_may_stand_in_the_settings(run: Run, cases: Path, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nparity_subjects =\n    optimizers.py:Right\n    reference\n")
    run("", "-k", "float32").assert_outcomes(passed=2)


def test_a_recorded_library_is_a_subject_and_skips_what_was_not_recorded(run: Run, pytester: pytest.Pytester) -> None:
    result = run("", str(CASES.resolve() / "rmsprop" / "plain.toml"), "--parity-subject", "golden:keras-eager")
    result.assert_outcomes(passed=4)
    (pytester.path / "own.toml").write_text(
        (ROOT / "cases" / "rmsprop" / "plain.toml").read_text(encoding="utf-8").replace('"plain"', '"own"'),
        encoding="utf-8",
    )
    result = run("", "own.toml", "-rs", "--parity-subject", "golden:keras-eager")
    result.assert_outcomes(skipped=4)
    result.stdout.fnmatch_lines(["SKIPPED*own.toml*"])


def test_a_broken_case_is_a_collection_error_with_one_message(run: Run, pytester: pytest.Pytester) -> None:
    text = (ROOT / "cases" / "rmsprop" / "plain.toml").read_text(encoding="utf-8")
    for name, broken in {"word": text.replace('"rho_role"', '"rho_rolle"'), "syntax": text + "\n= 3"}.items():
        pytester.path.joinpath(f"{name}.toml").write_text(broken, encoding="utf-8")
    result = run("", "--parity-subject", "reference")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["syntax.toml:*: not valid TOML*", "word.toml:*: probes: *Did you mean 'rho_role'?*"])
    assert "Traceback" not in result.stdout.str()


def test_a_subject_that_does_not_exist_is_refused_before_anything_runs(run: Run, cases: Path) -> None:
    result = run("", "--parity-subject", "keras-eagre")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: parity: no subject 'keras-eagre'. Did you mean 'keras-eager'?*"])


def test_a_known_divergence_is_an_expected_failure(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "from parity.case import known\n"
        "entry = known.Known('plain*', 'optimizers.py:Wrong', 'DIVERGED', 'on purpose', 'https://example.org')\n"
        "known.load = lambda: [entry]\n"
    )
    pytester.path.joinpath("plain.toml").write_bytes((ROOT / "cases" / "rmsprop" / "plain.toml").read_bytes())
    arguments = "plain.toml", "-rx", "-k", "float32", "--parity-subject", WRONG
    result = run("", *arguments)
    result.assert_outcomes(xfailed=1)
    result.stdout.fnmatch_lines(["XFAIL*on purpose*"])
    run("", *arguments, "--runxfail").assert_outcomes(failed=1)


def test_the_junit_record_holds_an_item_for_each_cell(run: Run, cases: Path, pytester: pytest.Pytester) -> None:
    run("", "-k", "plain", "--parity-subject", "reference", "--junitxml=junit.xml").assert_outcomes(passed=4)
    text = (pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert len(re.findall('<property name="parity.verdict" value="IDENTICAL"', text)) == 4


def test_without_the_plugin_case_files_are_files(run: Run, cases: Path) -> None:
    result = run("", "-p", "no:parity", "-p", "no:parity.testing.plugin")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
