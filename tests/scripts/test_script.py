"""A script shows by itself what a run shows: of every shape of optimizer, in at most sixty lines."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from parity.case.cells import select
from parity.commands.cli import main
from parity.errors import UnsupportedError
from parity.export.script import proof
from parity.export.script.drivers import WRITERS
from parity.export.script.inline import NotAloneError, inlined
from parity.export.script.libraries import library_side
from parity.export.script.reproduce import NOT_COMPARED, NOT_SHOWN, NOTHING, WRITTEN, Outcome, reproduce
from parity.export.script.side import Wish
from parity.export.script.text import LINES
from parity.problem import problems
from parity.subjects import create
from parity.subjects.binding.drivers import arrays, loops, objects, states, twos
from parity.subjects.numpy_class import NumpySubject

HERE = Path(__file__).parent
OPTIMIZERS = HERE.parent / "optimizers"
RULES = HERE.parent / "rules"
SHAPES = HERE / "every_shape.py"
KINDS = [
    *("StateHandedOn", "Transforms", "MappingInPlace", "MappingReturned", "MappingFirst", "ListReturned", "Pairs"),
    *("Called", "OneArray", "OneArrayByName", "OneArrayWithState", "Owns", "Objects", "SharedArrays", "OfLayers"),
    *("SharedMappings", "ArrayAndGradient", "ArrayAndGradientReturned", "FromAMapping", "FromAPair"),
    "NumbersWithEachStep",
    *("OfModel", "rule", "configured", "functions"),
    *("Nested", "OfLayerAndGradients", "HandsOut", "WeightsAndBiases"),
    *("ChangeToSubtract", "ChangesToAdd", "ListOfChanges", "numbers_first", "change_and_state", "state_last"),
    *("loop", "OwnsItsLoop", "yields", "is_sent", "is_sent_all", "asks_and_shows", "IsIterated", "OwnsItsGenerator"),
    *("pair", "pair_of_changes", "state_first", "unnamed_state", "UnnamedState", "UnnamedOfAll", "UnnamedOfTwos"),
]
FAULTS = [
    ("posted", "rmsprop/plain[float32]"),
    (f"{OPTIMIZERS}/epsilon_outside.py:RMSprop", "rmsprop/plain[float64]"),
    (f"{OPTIMIZERS}/rho_swapped.py:RMSprop", "rmsprop/plain[float16]"),
    (f"{OPTIMIZERS}/rate_outside.py:RMSprop", "rmsprop/momentum[float32,momentum=0.9]"),
    (f"{OPTIMIZERS}/decay_coupled.py:RMSprop", "rmsprop/weight_decay[weight_decay=0.004]"),
    (f"{OPTIMIZERS}/state_lost.py:RMSprop", "rmsprop/defaults"),
    (f"{OPTIMIZERS}/epsilon_outside.py:RMSprop", "schedule/piecewise"),
    (f"{OPTIMIZERS}/epsilon_outside.py:RMSprop", "network/quick[computed]"),
    (f"{HERE}/wrong.py:Forgets", "schedule/piecewise"),
    (f"{HERE}/wrong.py:OfAll", "rmsprop/defaults"),
    (f"{HERE}/wrong.py:ByPlace", "rmsprop/order_changes[float32]"),
    (f"{HERE}/wrong.py:Raises", "rmsprop/defaults"),
    (f"{HERE}/wrong.py:Long", "rmsprop/defaults"),
    (f"{RULES}/descent.py:Forgetful", f"{RULES}/heavy_ball.toml"),
]


MINE = """
import json
import math as m
from os import path, sep

A = 1
B = A + m.pi
C = 3


def helper():
    return B


class Mine:
    '''Words.'''

    x: int = helper()

    def f2(self, a: int) -> str:
        # a reason
        return sep
"""


@cache
def outcome(subject: str, case: str) -> Outcome:
    return reproduce(subject, select([case]), 20.0, lambda text: None)


def shown(text: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a script as its reader does, by a command of its own."""
    path = folder / "issue.py"
    path.write_text(text, encoding="utf-8")
    return subprocess.run([sys.executable, "-I", str(path)], cwd=folder, capture_output=True, text=True)


def value(line: str) -> float:
    return float.fromhex(line.split()[-1])


def require_alone(script: str, subject: str) -> None:
    """A script has at most sixty lines, and imports nothing but NumPy, Python's own, and the file it is about."""
    assert script.count("\n") <= LINES == 60
    found = set()
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    assert found <= {"numpy", Path(subject.rpartition(":")[0]).stem, *sys.stdlib_module_names}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("kind", KINDS)
def test_each_shape_of_optimizer_has_a_script_that_shows_the_bits_of_the_run(kind: str) -> None:
    subject = f"{SHAPES}:{kind}"
    found = outcome(subject, "rmsprop/defaults")
    assert (found.status, found.reason) == (WRITTEN, "")
    require_alone(found.script, subject)
    assert f"every_shape.py:{kind} parts from keras.optimizers.RMSprop: its parameter after 1 step." in found.script


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("subject", "case"), FAULTS, ids=lambda text: Path(text).name)
def test_a_script_shows_by_itself_what_the_run_shows(subject: str, case: str, tmp_path: Path) -> None:
    found = outcome(subject, case)
    assert (found.status, found.reason) == (WRITTEN, "")
    require_alone(found.script, subject)
    done = shown(found.script, tmp_path)
    assert done.returncode == 1, done.stderr
    obtained, expected = done.stdout.splitlines()[:2]
    assert obtained.startswith("obtained")
    assert expected.startswith("expected")
    if not subject.endswith("Raises"):
        assert abs(value(obtained) - value(expected)) > float(done.stdout.split()[-1])


def test_every_shape_that_is_driven_is_written_down() -> None:
    held = [kind for module in (arrays, objects, states, twos) for kind in vars(module).values()]
    drivers = {kind for kind in held if isinstance(kind, type) and hasattr(kind, "step")}
    drivers = drivers - {states._Stateful} | {loops.Loops, loops.Generators}
    assert set(WRITERS) == drivers
    driven = {create(f"{SHAPES}:{kind}").shape().driver for kind in KINDS}  # type: ignore[attr-defined]
    assert driven == drivers


def test_a_loop_whose_script_nobody_wrote_down_is_refused_with_what_can_be() -> None:
    found = outcome(f"{SHAPES}:loop_over_all", "rmsprop/defaults")
    assert found.status == NOT_SHOWN
    assert found.reason.endswith("a method update(params, grads) that makes one step of it can be written down.")


def test_a_script_ends_with_0_once_the_fault_is_mended(tmp_path: Path) -> None:
    script = outcome(f"{SHAPES}:MappingReturned", "rmsprop/defaults").script
    assert script.count("(np.sqrt(v) + eps)") == 1
    done = shown(script.replace("(np.sqrt(v) + eps)", "np.sqrt(v + eps)"), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert value(done.stdout.splitlines()[0]) == pytest.approx(value(done.stdout.splitlines()[1]), rel=1e-6)


def test_what_raises_no_more_is_compared(tmp_path: Path) -> None:
    script = outcome(f"{HERE}/wrong.py:Raises", "rmsprop/defaults").script
    done = shown(script, tmp_path)
    assert "obtained   it raises RuntimeError: the moment is gone for good\n" in done.stdout
    assert re.search(r"^expected   no error, and of the parameter after \d+ steps? \[", done.stdout, re.M)
    mended = "\n".join(line for line in script.splitlines() if "raise RuntimeError" not in line).replace(
        "if n in self.v:", "if False: pass"
    )
    assert shown(mended, tmp_path).returncode == 0


def test_a_class_that_is_too_long_is_imported_from_where_it_lies() -> None:
    script = outcome(f"{HERE}/wrong.py:Long", "rmsprop/defaults").script
    assert "from wrong import Long" in script
    assert f"sys.path.insert(0, {str(HERE)!r})  # where wrong.py lies" in script


def test_the_formula_of_a_page_beside_its_case_is_that_pages() -> None:
    script = outcome(f"{RULES}/descent.py:Forgetful", f"{RULES}/heavy_ball.toml").script
    assert "momentum_buffer = momentum_buffer * f(momentum) - " in script
    assert "parts from HeavyBall" in script


def test_a_script_that_shows_something_else_is_refused() -> None:
    script = outcome(f"{SHAPES}:OneArray", "rmsprop/defaults").script
    problem = problems.make(select(["rmsprop/defaults"])[0])
    failure = _failure(f"{SHAPES}:OneArray", problem)
    other = script.replace("learning_rate, rho, epsilon = 0.001, 0.9,", "learning_rate, rho, epsilon = 0.001, 0.8,", 1)
    assert "shows no difference" in proof.objection(proof.run("print(1)"), failure, problem.dtype)
    assert "No module named 'parity'" in proof.run("import parity").complaint or "None in sys.modules" in (
        proof.run("import parity").complaint
    )
    assert "where the run had" in proof.objection(proof.run(other), failure, problem.dtype)


def _failure(subject: str, problem: Any) -> Any:
    from parity.export.script.sample import Judge, drawn

    return Judge(problem, create(subject), subject)(drawn(problem, problem.cell.steps))


def test_what_is_not_told_apart_by_a_script_is_said(tmp_path: Path) -> None:
    assert outcome(f"{HERE}/wrong.py:Right", "rmsprop/defaults").status == NOTHING
    assert "nothing to reproduce" in outcome(f"{HERE}/wrong.py:Right", "rmsprop/defaults").reason
    for subject, word in (("reference", "is the reference"), ("golden:keras-eager", "is a recording")):
        assert outcome(subject, "rmsprop/defaults").status == NOTHING
        assert word in outcome(subject, "rmsprop/defaults").reason
    lacking = outcome(f"{HERE}/wrong.py:Right", "rmsprop/momentum[float32,momentum=0.9]")
    assert lacking.status == NOT_COMPARED
    assert "UNSUPPORTED: the constructor has no argument 'momentum'" in lacking.reason
    for name, word in (("Wavers", "not repeatable"), ("Wide", "NOT_COMPARABLE")):
        found = outcome(f"{HERE}/wrong.py:{name}", "rmsprop/defaults")
        assert found.status == NOT_SHOWN
        assert word in found.reason


def test_the_plainest_failure_of_many_cases_is_shown() -> None:
    found = outcome(f"{HERE}/wrong.py:Forgets", "rmsprop/epsilon*")
    assert found.notes[0].startswith("rmsprop/epsilon_small_gradient[float32]: 2 of 60 steps, 1 of 145 ")


def test_a_class_brings_what_it_needs_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE, encoding="utf-8")
    whole = inlined(path, "Mine")
    assert whole.imports == ("import math as m", "from os import sep")
    text = "\n".join(whole.source)
    assert text.startswith("A = 1\nB = A + m.pi\n\ndef helper():")
    assert "# a reason" in text
    assert "C = 3" not in text
    bare = "\n".join(inlined(path, "Mine", bare=True).source)
    assert "Words" not in bare
    assert "def f2(self, a):\n        return sep" in bare


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("from beside import Base\nclass Mine(Base): pass\n", "mine.py imports beside"),
        ("from parity import run\nclass Mine:\n    r = run\n", "mine.py imports parity"),
        ("f = 1\nclass Mine:\n    r = f\n", "f is a name of the script's own"),
    ],
)
def test_a_class_that_needs_more_than_its_file_is_not_copied(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    with pytest.raises(NotAloneError, match=why):
        inlined(tmp_path / "mine.py", "Mine")


PROJECT = {
    "project/__init__.py": "",
    "project/rates.py": "from math import sqrt as root\n\nSMALL = 1e-7\n\n\ndef rooted(v):\n    return root(v)\n",
    "project/nn/__init__.py": "",
    "project/nn/base.py": """
from project.rates import SMALL


class Base:
    def __init__(self):
        self.eps = SMALL
""",
    "project/nn/mine.py": """
import numpy as np

from ..rates import rooted as r
from .base import Base as Parent


class Mine(Parent):
    def __init__(self, learning_rate=0.001, rho=0.9):
        super().__init__()
        self.rate, self.rho, self.v = learning_rate, rho, {}

    def update(self, params, grads):
        for n, g in grads.items():
            self.v[n] = self.rho * self.v.get(n, 0 * g) + (1 - self.rho) * g * g
            params[n] -= self.rate * g / (np.vectorize(r, otypes=[g.dtype])(self.v[n]) + self.eps)
""",
}


def written_into(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "project" / "nn" / "mine.py"


def test_a_class_brings_what_it_needs_of_the_other_files_of_its_project(tmp_path: Path) -> None:
    path = written_into(tmp_path, PROJECT)
    found = reproduce(f"{path}:Mine", select(["rmsprop/defaults"]), 20.0, lambda text: None)
    assert (found.status, found.reason) == (WRITTEN, "")
    require_alone(found.script, f"{path}:Mine")
    assert "sys.path" not in found.script
    lines = found.script.splitlines()
    order = [lines.index(each) for each in ("def rooted(v):", "r = rooted", "SMALL = 1e-7", "class Base:")]
    assert order == sorted(order)
    assert shown(found.script, tmp_path / "project").returncode == 1


def test_a_class_whose_project_does_not_fit_a_script_is_imported_from_its_package(tmp_path: Path) -> None:
    taken = PROJECT["project/nn/mine.py"].replace("class Mine", "def rooted(v):\n    return v\n\n\nclass Mine")
    path = written_into(
        tmp_path, {**PROJECT, "project/nn/mine.py": taken.replace("self.rate,", "rooted(0)\n        self.rate,")}
    )
    with pytest.raises(NotAloneError, match=r"rates\.py and mine\.py both have a rooted"):
        inlined(path, "Mine")
    found = reproduce(f"{path}:Mine", select(["rmsprop/defaults"]), 20.0, lambda text: None)
    assert (found.status, found.reason) == (WRITTEN, "")
    assert f"sys.path.insert(0, {str(tmp_path)!r})  # where project/nn/mine.py lies" in found.script
    assert "from project.nn.mine import Mine" in found.script


def test_an_adapter_that_nobody_wrote_down_is_refused_in_words() -> None:
    (cell,) = select(["rmsprop/defaults"])

    class Other(NumpySubject):
        pass

    subject: Any = Other(type("Mine", (), {}), "other")
    with pytest.raises(UnsupportedError, match=r"how .* is written in a script is not known"):
        library_side(subject, problems.make(cell), Wish("parameter", "kernel", False))


def test_what_the_readme_shows_of_a_script_is_what_it_prints(tmp_path: Path) -> None:
    readme = (HERE.parents[1] / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (mine,) = (text for text in blocks if text.startswith("# mine.py\n"))
    (printed,) = (text for text in blocks if text.startswith("obtained "))
    (tmp_path / "mine.py").write_text(mine, encoding="utf-8")
    found = reproduce(f"{tmp_path}/mine.py:RMSprop", select(["rmsprop/plain[float32]"]), 20.0, lambda text: None)
    assert shown(found.script, tmp_path).stdout == printed


def test_the_command_writes_a_file_or_prints_and_says_how_far_it_got(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["reproduce", "rmsprop/defaults", "--subject", f"{HERE}/wrong.py:Forgets"]
    assert main([*words, "--output", str(tmp_path / "out" / "issue.py")]) == 0
    kept = capfd.readouterr()
    assert kept.out == ""
    assert "rmsprop/defaults: 2 of 60 steps, 1 of 145 weights; run by itself, it shows the same bits" in kept.err
    assert main(words) == 0
    printed = capfd.readouterr().out
    assert printed == (tmp_path / "out" / "issue.py").read_text(encoding="utf-8")
    assert printed.startswith('"""wrong.py:Forgets parts from keras.optimizers.RMSprop: its parameter after 2 steps.')


def test_a_class_that_was_bound_by_hand_is_written_with_what_was_bound(capfd: pytest.CaptureFixture[str]) -> None:
    name = f"{SHAPES}:OddlyNamed"
    words = ["reproduce", "rmsprop/plain[float32]", "--subject", name]
    assert main([*words, "--bind", "epsilon=smooth", "--bind", "rho=forget"]) == 0
    script = capfd.readouterr().out
    assert script.startswith('"""every_shape.py:OddlyNamed parts from keras.optimizers.RMSprop: its parameter after 1 ')
    assert "class OddlyNamed(Base):" in script
    assert re.search(r"optimizer = OddlyNamed\(lr=.*, forget=.*, smooth=.*\)", script)
    assert main(["reproduce", "rmsprop/plain[float32]", "--subject", "posted", "--bind", "rho=forget"]) == 2
    assert "--bind is for a class of your own" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["rmsprop/defaults", "--subject", f"{HERE}/wrong.py:Right"], 2, "nothing to reproduce: "),
        (["rmsprop/defaults", "--subject", f"{HERE}/wrong.py:Wright"], 2, "Did you mean 'Right'?"),
        (["rmsprop/default", "--subject", "posted"], 2, "Did you mean 'rmsprop/defaults'?"),
        (["rmsprop/centered", "--subject", "posted"], 3, "UNSUPPORTED"),
        (["rmsprop/defaults", "--subject", f"{HERE}/wrong.py:Wide"], 1, "NOT_COMPARABLE"),
        (["rmsprop/defaults", "--subject", f"{OPTIMIZERS}/misbehaving.py:KillsItself"], 1, "SIGKILL"),
    ],
)
def test_a_mistake_and_what_no_script_shows_have_a_status_and_a_sentence(
    words: list[str], status: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", *words]) == status
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("parity: error: ")
    assert said in captured.err
    assert "Traceback" not in captured.err
