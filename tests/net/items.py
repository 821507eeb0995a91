"""What the net holds: each item asks the product as a person would, and strips what is of one run or one place."""

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TESTS = "tests"
Texts = list["Future[str]"]

# Those that wait for a limit of time, draw at random or act on the machine; and one whose power has last bits of the
# processor's, which its residual shows.
NOT_DIAGNOSED = {"NeverReturns", "SleepsForever", "Noise", "Forks", "LeavesChild", "KillsItself", "PrintsMegabyte",
                 "ReciprocalHalfPower"}  # fmt: skip
FILES = ("optimizers/*.py", "diagnosis/outside.py", "fuzz/faulty.py")
CASES = ("rmsprop/plain[float32]", "rmsprop/everything[float16]", "rmsprop/centered_momentum[float32]",
         "rmsprop/weight_decay*", "rmsprop/ema*", "schedule/piecewise", "numerics/zeros*",
         "numerics/large")  # fmt: skip
RUN = ("posted", "tests/optimizers/right.py:RMSprop", "tests/optimizers/epsilon_outside.py:RMSprop",
       "tests/optimizers/rate_outside.py:RMSprop", "tests/optimizers/nan_and_wrong.py:RMSprop",
       "golden:keras-eager")  # fmt: skip
EXPORTED = ("rmsprop/plain[float32]", "rmsprop/plain[bfloat16]", "rmsprop/everything[float16]", "rmsprop/weight_decay*",
            "rmsprop/ema*", "schedule/piecewise", "numerics/zeros[float32]", "numerics/repeated[float32]")  # fmt: skip
_FAULTY = "tests/fuzz/faulty.py:"
SEARCHED = (("reference", ""), ("reference", "accumulate"), (f"{_FAULTY}SumsMicroBatches", "accumulate"),
            (f"{_FAULTY}MeanOverElements", "split"), (f"{_FAULTY}WeighsByPlace", "permute"),
            (f"{_FAULTY}StateAside", "resume"), (f"{_FAULTY}LosesLargeGradients", "reference"))  # fmt: skip
"""Subjects and the relation that is asked of them, unless given all."""
RUNS = 40
COMMANDS = ("list", "run", "explain", "report", "check", "accept", "diagnose", "judge", "fuzz", "matrix", "reproduce",
            "record", "export", "doctor", "program")  # fmt: skip

_ONE_RUN = (
    (re.compile(r"\b\d+\.\d+ ?s\b|\bin \d+\.\d+s\b|\d+\.\d+ a second"), "TIME"),
    (re.compile(r"0x[0-9a-f]{6,}"), "ADDRESS"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\+\d\d:\d\d|recorded \d{4}-\d\d-\d\d"), "DATE"),
    (re.compile(r"(?<=commit )[0-9a-f]{7,}(?: · \d+ seconds?)?"), "COMMIT"),
    (re.compile(r"(?<=processes; unless given )\d+"), "CORES"),
    (re.compile(r"TIME \(\d+:\d\d:\d\d\)"), "TIME"),
    (re.compile(r"={3,}"), "==="),  # as many as are left beside the time
)


def said(*words: str, folder: Path | None = None, streams: bool = False) -> str:
    """Return what a command of parity prints, and its status; the current folder is the tree unless given."""
    return ran([sys.executable, "-m", "parity", *words], folder or ROOT, streams)


def ran(words: Sequence[str], folder: Path, streams: bool = False) -> str:
    """Return what a command prints in a folder, and its status, without what is of one run or one place."""
    # pytest prints its summary whole in CI, and a check annotates files in GitHub Actions.
    of_ci = ("CI", "BUILD_NUMBER", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "PYTEST_ADDOPTS")
    kept = {name: value for name, value in os.environ.items() if name not in of_ci}
    around = {**kept, "COLUMNS": "120", "NO_COLOR": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        list(words), cwd=folder, env=around, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    text = done.stdout + (done.stderr if streams else "")
    return f"status {done.returncode}\n{clean(text, folder)}"


def clean(text: str, folder: Path) -> str:
    """Return a text without what is of one run or one place."""
    for pattern, instead in _ONE_RUN:
        text = pattern.sub(instead, text)
    text = text.replace(str(folder), "FOLDER").replace(str(ROOT), "TREE")
    return "\n".join(line.rstrip() for line in text.splitlines())


def sorted_json(text: str) -> str:
    """Return the status line, and the JSON document behind it with its keys in order, one value a line."""
    status, _, body = text.partition("\n")
    return f"{status}\n{json.dumps(_lasting(json.loads(body)), indent=1, sort_keys=True, ensure_ascii=False)}"


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        dropped = ("seconds", "started", "circumstances", "resolved", "commit", "installed")
        return {key: _lasting(item) for key, item in value.items() if key not in dropped}
    return [_lasting(item) for item in value] if isinstance(value, list) else value


def optimizers() -> Iterator[str]:
    """Yield every public class in the files of optimizers, as a subject's name; right styles have their own tests."""
    for pattern in FILES:
        for path in sorted({*(ROOT / TESTS).glob(pattern)} - {ROOT / TESTS / "optimizers" / "right_styles.py"}):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in NOT_DIAGNOSED:
                    yield f"{path.relative_to(ROOT).as_posix()}:{node.name}"


def _diagnosis(subject: str) -> str:
    text = said("diagnose", subject, "--json")
    try:
        return f"# {subject}\n{sorted_json(text)}"
    except ValueError:
        return f"# {subject}\n{text}"


def diagnose(folder: Path, threads: Executor) -> Texts:
    """Every optimizer in tests/, diagnosed; and two of them as people read it."""
    people = ("tests/optimizers/epsilon_outside.py:RMSprop", "tests/diagnosis/outside.py:Adam")
    return [
        *(threads.submit(_diagnosis, subject) for subject in optimizers()),
        *(threads.submit(said, "diagnose", subject) for subject in people),
    ]


def explain(folder: Path, threads: Executor) -> Texts:
    """The configurations of the question, and its two rules feature by feature."""
    what = ["explain", "cases/question/question.toml"]
    return [
        threads.submit(said, *what, part, *form) for part in ("--config", "--features") for form in ([], ["--json"])
    ]


def _export(folder: Path) -> str:
    text = said("export", *EXPORTED, "--output", str(folder))
    lines = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        if not path.name.startswith("index"):  # it names the commit
            lines.append(f"{path.name} {hashlib.sha256(content).hexdigest()[:16]}")
        if path.suffix == ".json" and path.name != "index.schema.json":
            lines.append(json.dumps(_lasting(json.loads(content)), indent=1, sort_keys=True, ensure_ascii=False))
    return "\n".join([text.replace(str(folder), "FOLDER"), *lines])


def export(folder: Path, threads: Executor) -> Texts:
    """A conformance set: its index, its sheets, and a digest of every file, in dtypes whose bounds are float64's."""
    return [threads.submit(_export, folder)]


def fuzz(folder: Path, threads: Executor) -> Texts:
    """A seeded search of the page and of five optimizers with one fault each, shrunk findings included."""
    return [threads.submit(_search, folder / str(number), *asked) for number, asked in enumerate(SEARCHED)]


def _search(folder: Path, subject: str, relation: str) -> str:
    words = ["fuzz", "--runs", str(RUNS), "--seed", "7", "--jobs", "1", "--subject", subject]
    words += ["--relation", relation] if relation else []
    text = sorted_json(said(*words, "--json", "--output", str(folder)))
    found = [f"## {path.name}\n{path.read_text(encoding='utf-8')}" for path in sorted(folder.glob("*.toml"))]
    return f"# {subject}\n" + "\n".join([text, *found]).replace(str(folder), "FOLDER")


def plugin(folder: Path, threads: Executor) -> Texts:
    """What pytest prints for right and wrong optimizers, through the fixture, the function and case items."""
    folder.mkdir(parents=True)
    for name in ("right", "epsilon_outside", "rate_outside", "ones_init", "previous_moment", "right_tutorial"):
        (folder / f"{name}.py").write_text((ROOT / TESTS / "optimizers" / f"{name}.py").read_text(encoding="utf-8"))
    (folder / "test_ours.py").write_text(_OURS, encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return [threads.submit(_pytest, [*words, "-rA", "test_ours.py"], folder)]


def _pytest(words: list[str], folder: Path) -> str:
    lines = ran(words, folder).splitlines()
    head = ("platform ", "rootdir", "plugins", "configfile", "cachedir", "hypothesis")
    return "\n".join(line for line in lines if not line.startswith(head))


_OURS = """
import importlib

import pytest


def kind(name):
    found = importlib.import_module(name)
    return getattr(found, "RMSprop", None) or found.MyRMSProp


@pytest.mark.parametrize("name", ["right", "right_tutorial"])
def test_right(parity, name):
    parity.assert_parity(kind(name), cases="rmsprop/*")


@pytest.mark.parametrize("name", ["epsilon_outside", "rate_outside", "ones_init", "previous_moment"])
def test_wrong(parity, name):
    parity.assert_parity(kind(name), cases="rmsprop/*")


def test_exact(parity):
    parity.assert_parity(kind("right"), cases="rmsprop/plain", exact=True)


def test_nothing(parity):
    parity.assert_parity(kind("right_tutorial"), cases="rmsprop/clipnorm", allow_unsupported=[])


@pytest.mark.parity_cases("rmsprop/plain", "rmsprop/momentum")
def test_each(parity, parity_case):
    parity.assert_parity(kind("right"), parity_case)
"""


def run(folder: Path, threads: Executor) -> Texts:
    """Cases beside NumPy subjects and recordings: verdicts, places, ratios, notes; and the text of a few."""
    together = [threads.submit(_run, subject) for subject in RUN]
    text = partial(said, "run", "rmsprop/plain[float32]", "numerics/zeros[float32]", "--subject", RUN[2], streams=True)
    return [*together, threads.submit(text)]


def _run(subject: str) -> str:
    return f"# {subject}\n{sorted_json(said('run', *CASES, '--subject', subject, '--jobs', '1', '--json'))}"


def report(folder: Path, threads: Executor) -> Texts:
    """The Markdown and JUnit forms of a small run."""
    return [threads.submit(_report, folder)]


def _report(folder: Path) -> str:
    words = ("report", "rmsprop/plain", "rmsprop/epsilon*", "--subject", RUN[1], "--subject", RUN[2], "--jobs", "1")
    parts = [said(*words, "--output", str(folder)).replace(str(folder), "FOLDER")]
    for path in sorted(folder.iterdir()):
        if path.suffix in (".md", ".xml"):
            parts.append(f"## {path.name}\n{_without_circumstances(clean(path.read_text(encoding='utf-8'), folder))}")
    return "\n".join(parts)


def _without_circumstances(text: str) -> str:
    text = re.sub(r"<details><summary>Versions.*?</details>", "CIRCUMSTANCES", text, flags=re.DOTALL)
    text = re.sub(r"Started [^,]+, took \S+", "Started, took", text)
    return re.sub(r' (time|timestamp|hostname)="[^"]*"|<property [^>]*/>', "", text)


def words(folder: Path, threads: Executor) -> Texts:
    """Lists, the schema, and every help."""
    lists = [threads.submit(_list), threads.submit(lambda: sorted_json(said("list", "--json")))]
    helps = [threads.submit(said, command, "--help") for command in COMMANDS]
    wrong = [
        threads.submit(said, *call, streams=True) for call in (["rnu"], ["run", "rmsprop/plian"], ["diagnose", "x"])
    ]
    return [*lists, threads.submit(said, "list", "--schema"), threads.submit(said, "--help"), *helps, *wrong]


def _list() -> str:
    """Return the list without what is installed here, whose words also decide how wide their column is."""
    rows = re.sub(r"^(  [a-z0-9_-]+) +(?:not )?installed +", r"\1 ", said("list"), flags=re.MULTILINE)
    return re.sub(r"^(  golden:[\w-]+|  [\w.]+:[A-Z]+) +(?:recorded +)?", r"\1 ", rows, flags=re.MULTILINE)


ITEMS: dict[str, Callable[[Path, Executor], Texts]] = {
    "words": words,
    "explain": explain,
    "export": export,
    "fuzz": fuzz,
    "plugin": plugin,
    "run": run,
    "report": report,
    "diagnose": diagnose,
}
