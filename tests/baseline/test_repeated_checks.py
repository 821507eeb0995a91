"""In somebody else's repository a plain check repeats what its baseline holds, and says how to go on without it."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from gating import Line, optimizer

from parity.case.places import CASES

CELL = "rmsprop/plain[float32]"
MINE = ("--subject", "mine.py:RMSprop")


def own_case(path: Path, name: str = "own", steps: int = 4) -> None:
    """Write a case file of one's own."""
    text = (CASES / "rmsprop" / "defaults.toml").read_text(encoding="utf-8")
    named = text.replace('id = "defaults"', f'id = "{name}"').replace("steps = 60", f"steps = {steps}")
    path.parent.mkdir(exist_ok=True)
    path.write_text(named, encoding="utf-8")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the project is kept once it was checked."""
    return tmp_path_factory.mktemp("kept") / "project"


@pytest.fixture
def guarded(line: Line, tmp_path: Path, kept: Path) -> Line:
    """A project whose baseline holds a shipped case and one of its own, of an optimizer that passes."""
    if kept.exists():
        shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
        return line
    optimizer(tmp_path / "mine.py", "identical")
    own_case(tmp_path / "own.toml")
    assert line("check", CELL, "own.toml", *MINE) == 1
    assert line("accept") == 0
    shutil.copytree(tmp_path, kept)
    return line


def goes_on(line: Line) -> None:
    """Run the command that the one message names, and check again."""
    assert line.err.count("parity: error:") == 1
    command = shlex.split(line.err.partition(" now: ")[2].partition("; if it is gone")[0])
    assert command[:3] == ["parity", "accept", "--moved"]
    assert line(*command[1:]) == 0
    assert line("check") == 0
    assert line.out == "All 4 comparisons are as accepted.\n"


def test_a_plain_check_repeats_subjects_cases_and_files_of_ones_own(guarded: Line, tmp_path: Path) -> None:
    assert guarded("check") == 0
    assert guarded.out == "All 4 comparisons are as accepted.\n"
    assert guarded("check", "own.toml") == 0, "the case alone"
    assert guarded.out == "All 2 comparisons are as accepted.\n"
    optimizer(tmp_path / "mine.py", "rounding")
    assert guarded("check") == 1
    assert guarded.out.count("CHANGED") == 4


def test_each_subject_has_its_own_cases(guarded: Line, tmp_path: Path) -> None:
    assert guarded("check", CELL, "--subject", "reference") == 1
    assert guarded("accept") == 0
    assert guarded("check") == 0
    assert guarded.out == "All 6 comparisons are as accepted.\n", "the reference is not asked for the other file"


def test_what_is_bound_is_repeated(line: Line, tmp_path: Path) -> None:
    optimizer(tmp_path / "mine.py", "identical")
    text = (tmp_path / "mine.py").read_text(encoding="utf-8")
    bound = text.replace("rho=0.9", "forget=0.9").replace("learning_rate, rho, eps", "learning_rate, forget, eps")
    (tmp_path / "mine.py").write_text(bound, encoding="utf-8")
    assert line("check", CELL, *MINE, "--bind", "rho=forget") == 1
    assert line.out.count("MISSING") == 2
    assert line("accept") == 0
    assert line("check") == 0
    assert line.out == "All 2 comparisons are as accepted.\n"


@pytest.mark.parametrize("name", ["mine.py:RMSporp", "mnie.py:RMSprop", "mine:RMSporp", "keras-graph:mine.py:RMSporp"])
def test_a_misspelt_name_is_no_verdict_and_nothing_to_accept(line: Line, tmp_path: Path, name: str) -> None:
    optimizer(tmp_path / "mine.py", "identical")
    assert line("check", CELL, "--subject", name) == 2
    assert line.err.count("\n") == 1
    assert line.out == ""
    assert line("accept") == 2
    assert line("check", CELL, "--subject", name) == 2


def test_a_file_that_moved_is_found_and_keeps_its_baseline(guarded: Line, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "mine.py").rename(tmp_path / "src" / "mine.py")
    assert guarded("check") == 2
    assert "no file 'mine.py'" in guarded.err
    goes_on(guarded)


def test_a_module_that_moved_is_named_with_the_way_on(line: Line, tmp_path: Path) -> None:
    optimizer(tmp_path / "moving_module.py", "identical")
    assert line("check", CELL, "--subject", "moving_module:RMSprop") == 1
    assert line("accept") == 0
    (tmp_path / "moving_module.py").rename(tmp_path / "moved_module.py")
    assert line("check") == 2
    assert "parity accept --moved OLD NEW" in line.err
    assert line("accept", "--moved", "moving_module:RMSprop", "moved_module:RMSprop") == 0
    assert line("check") == 0


@pytest.mark.parametrize("what", ["moved", "renamed"])
def test_a_case_file_that_moved_and_a_case_that_was_renamed_keep_their_baseline(
    guarded: Line, tmp_path: Path, what: str
) -> None:
    (tmp_path / "own.toml").unlink()
    own_case(
        tmp_path / "cases" / "own.toml" if what == "moved" else tmp_path / "own.toml",
    )
    if what == "renamed":
        own_case(tmp_path / "own.toml", "other")
    assert guarded("check") == 2
    assert guarded.out == "All 2 comparisons are as accepted.\n", "the rest is checked all the same"
    goes_on(guarded)


def test_a_shipped_case_that_is_gone_is_named_with_the_way_on(guarded: Line) -> None:
    (record,) = guarded.baseline.glob("*.json")
    record.write_text(record.read_text(encoding="utf-8").replace("rmsprop/plain", "rmsprop/plane"), encoding="utf-8")
    assert guarded("check") == 2
    assert "there is no case 'rmsprop/plane'" in guarded.err
    assert guarded("accept", "--moved", "rmsprop/plane", "rmsprop/plain") == 0
    assert guarded("check") == 0


def test_what_is_gone_for_good_is_removed_by_the_command_that_the_message_names(guarded: Line, tmp_path: Path) -> None:
    (tmp_path / "own.toml").unlink()
    (tmp_path / "other.py").write_text((tmp_path / "mine.py").read_text(encoding="utf-8"), encoding="utf-8")
    guarded("check", CELL, "--subject", "other.py:RMSprop")
    guarded("accept")
    (tmp_path / "other.py").unlink()
    assert guarded("check") == 2
    for told in [line for line in guarded.err.splitlines() if "for good: " in line]:
        assert guarded(*shlex.split(told.partition("for good: ")[2])[1:]) == 0
    assert guarded("check") == 0
    assert guarded.out == "All 2 comparisons are as accepted.\n"


def test_a_case_that_its_file_does_not_hold_any_more_is_pruned(guarded: Line, tmp_path: Path) -> None:
    own_case(tmp_path / "own.toml", "other")
    assert guarded("accept", "--prune") == 0
    assert "2 entries removed: own free, own lockstep" in guarded.out


def test_a_broken_case_file_is_told_as_what_it_is_and_not_as_gone(guarded: Line, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("=", encoding="utf-8")
    assert guarded("check") == 2
    assert "own.toml:1: not valid TOML" in guarded.err
    assert "--moved" not in guarded.err
    assert guarded("accept", "--prune") == 0
    assert "removed" not in guarded.out


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("mine.py:RMSprop", "mine.py:RMSporp", "no class 'RMSporp'. Did you mean 'RMSprop'?"),
        ("mine.py:RMSporp", "mine.py:RMSprop", "holds nothing of 'mine.py:RMSporp'. Did you mean 'mine.py:RMSprop'?"),
        ("own", "other", "own.toml holds no case 'other'"),
        ("own.toml", "other.toml", "other.toml: "),
        (CELL, "own", "holds 'own' already"),
    ],
)
def test_a_move_to_where_nothing_is_changes_nothing(guarded: Line, old: str, new: str, says: str) -> None:
    before = [path.read_bytes() for path in guarded.baseline.glob("*.json")]
    assert guarded("accept", "--moved", old, new) == 2
    assert says in guarded.err
    assert [path.read_bytes() for path in guarded.baseline.glob("*.json")] == before


def test_a_move_is_one_document_for_programs(guarded: Line, tmp_path: Path) -> None:
    (tmp_path / "mine.py").rename(tmp_path / "yours.py")
    assert guarded("accept", "--moved", "mine.py:RMSprop", "yours.py:RMSprop", "--json") == 0
    assert json.loads(guarded.out)["moved"] == {"yours.py:RMSprop": 4}


def test_git_sees_the_baseline_and_nothing_that_is_made_again(line: Line, tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    optimizer(tmp_path / "mine.py", "identical")
    assert line("check", CELL, *MINE, "--report", "reports/latest") == 1
    from parity.explain.store import Store

    Store()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    listed = subprocess.run(["git", "status", "--short", "-uall"], cwd=tmp_path, capture_output=True, text=True).stdout
    assert listed.split() == ["??", "mine.py", "??", "reports/baseline/.gitignore"]
    assert line("accept") == 0
    listed = subprocess.run(["git", "status", "--short", "-uall"], cwd=tmp_path, capture_output=True, text=True).stdout
    (record,) = line.left()
    assert f"reports/baseline/{record}" in listed.split()
