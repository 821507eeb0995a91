"""A mistake in the call is refused once, before anything runs: status 2 and one message."""

import subprocess
import sys
from pathlib import Path

import pytest
from driving import cell, optimizer

import parity
from parity.api import Session, run_all
from parity.commands.cli import main
from parity.errors import SubjectError
from parity.subjects import check_name

MISBEHAVING = optimizer("misbehaving", "")

# what is wrong with the name of a subject: the name, then parts of the one message
WRONG = {
    "no file": ("nowhere.py:RMSprop", "no file 'nowhere.py'. Name a subject as path/to/file.py:Class."),
    "misspelt file": (
        optimizer("misbehavin", "Right"),
        "misbehavin.py'. Did you mean 'misbehaving.py'?",
    ),
    "misspelt class": (f"{MISBEHAVING}Rigt", "has no class 'Rigt'. Did you mean 'Right'? It defines: Right, Raises,"),
    "no class": (f"{MISBEHAVING}NOT_CALLABLE", "has no class 'NOT_CALLABLE'"),
    "a function": (f"{MISBEHAVING}not_a_class", "has no shape that can be driven"),
    "no methods": (f"{MISBEHAVING}HasNoMethods", "HasNoMethods has no shape that can be driven"),
    "no module": ("no_such_module:RMSprop", "module 'no_such_module' cannot be imported: ModuleNotFoundError"),
}
COMMANDS = {
    "run": ["run", "rmsprop/defaults", "--subject"],
    "report": ["report", "rmsprop/defaults", "--subject"],
    "check": ["check", "rmsprop/defaults", "--subject"],
    "record": ["record", "rmsprop/defaults", "--subject"],
    "diagnose": ["diagnose"],
    "matrix": ["matrix", "--subject"],
    "fuzz": ["fuzz", "--runs", "1", "--subject"],
}
FILES = {
    "import that fails": ("import no_such_module\nclass RMSprop: pass\n", "cannot be imported: ModuleNotFoundError"),
    "syntax": ("class RMSprop(:\n", "cannot be imported: SyntaxError"),
    "exits": ("raise SystemExit(5)\nclass RMSprop: pass\n", "cannot be imported: SystemExit"),
    "dies": ("import os\nos._exit(0)\nclass RMSprop: pass\n", "its process ended with exit status 0 while"),
    "no text": ("\0\0\0", "cannot be imported"),
    "empty": ("", "has no class 'RMSprop'. It defines: no class."),
}
# ways to name a class at the top of a file that its text shows, or hides
NAMING = {
    "class": "class Mine: pass",
    "assignment": "Other = Mine = object",
    "annotated": "Mine: type = object",
    "import": "from collections import OrderedDict as Mine",
    "condition": "if True:\n    class Mine: pass\nelse:\n    pass",
    "attempt": "try:\n    import no_such_module\nexcept ImportError:\n    class Mine: pass",
    "loop": "for Mine in [object]: pass",
    "star": "from collections import *",
    "globals": "globals()['Mine'] = object",
    "module function": "def __getattr__(name): return object",
}


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.sampled(5)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("wrong", ["no file", "misspelt class", "no methods"])
def test_every_command_refuses_it_once_with_status_2(elsewhere, capsys, command, wrong):
    name, message = WRONG[wrong]
    assert main([*COMMANDS[command], name]) == 2
    told = capsys.readouterr()
    lines = [line for line in told.err.splitlines() if not line.endswith(" …")]
    assert [line.startswith("parity: error: ") for line in lines].count(True) == 1
    assert message in lines[0]
    assert "FAILED" not in told.out
    assert not any(elsewhere.iterdir()) or command == "check"


@pytest.mark.parametrize("wrong", WRONG)
def test_a_run_says_what_is_wrong_and_what_there_is(elsewhere, wrong):
    name, message = WRONG[wrong]
    begun = []
    with pytest.raises(SubjectError) as caught:
        run_all([cell(steps=2)], ["reference", name], progress=begun.append)
    assert message in str(caught.value)
    assert begun == []


@pytest.mark.parametrize("wrong", FILES)
def test_a_file_that_cannot_be_imported_is_refused_before_anything_runs(tmp_path, wrong):
    text, message = FILES[wrong]
    (tmp_path / "mine.py").write_text(text)
    begun = []
    with pytest.raises(SubjectError) as caught:
        run_all([cell(steps=2)], ["reference", f"{tmp_path / 'mine.py'}:RMSprop"], progress=begun.append)
    assert message in str(caught.value)
    assert begun == []


@pytest.mark.parametrize("way", NAMING)
def test_a_name_that_a_file_may_have_is_left_to_whoever_imports_it(tmp_path, way):
    path = tmp_path / "mine.py"
    path.write_text(NAMING[way])
    check_name(f"{path}:Mine")


def test_a_name_inside_a_function_or_a_class_is_none_of_the_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def f():\n    Mine = 3\nclass Other:\n    class Mine: pass\n    if True:\n        Mine = 3\n")
    with pytest.raises(SubjectError, match=r"has no class 'Mine'\. It defines: Other"):
        check_name(f"{path}:Mine")


def test_a_class_object_without_methods_is_refused_too():
    class Mine:
        def go(self):
            """Not a method of any style."""

    for call in (parity.run, lambda cells, kind: parity.assert_parity(kind, cells)):
        with pytest.raises(SubjectError, match=r"Mine has no shape that can be driven"):
            call([cell(steps=2)], Mine)


def test_what_raises_in_some_case_only_is_failed_there(tmp_path):
    cells = [cell(steps=2), cell(steps=2, momentum=0.5, learning_rate=0.5)]
    run = run_all(cells, [f"{Path(__file__).with_name('unrepeatable.py')}:RaisesWithMomentum"])
    assert [pair.verdict.name for pair in run.pairs] == ["ROUNDING", "FAILED"]


def test_a_name_is_checked_without_a_library_that_computes(tmp_path):
    code = (
        "import sys; from parity.errors import SubjectError; from parity.subjects import check_name\n"
        "try: check_name(sys.argv[1])\n"
        "except SubjectError: print(sorted({'numpy', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, WRONG["misspelt class"][0]], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_session_refuses_it_each_time_that_it_is_asked(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("class Mine:\n    def go(self): pass\n")
    session = Session()
    try:
        for _ in range(2):
            with pytest.raises(SubjectError, match="no shape that can be driven"):
                session.run(cell(steps=2), f"{path}:Mine")
    finally:
        session.close()
