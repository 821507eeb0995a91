"""Twenty ends that the output of a command may come to, and commands with the statuses that they have without them."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
OPTIMIZER = """
import numpy as np


class Mine:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon

    def init(self, params):
        return {name: np.zeros_like(w) for name, w in params.items()}

    def step(self, params, grads, state):
        new_params, new_state = {}, {}
        for name, g in grads.items():
            v = new_state[name] = self.rho * state[name] + (1 - self.rho) * (g * g)
            new_params[name] = params[name] - self.learning_rate * g / ROOT
        return new_params, new_state
"""
CASE = "rmsprop/plain[float32]"


class End(NamedTuple):
    """What becomes of a command: redirections and limits of a shell around it, variables, and where it runs."""

    shell: str = "{}"
    variables: Mapping[str, str | None] = MappingProxyType({})
    folder: str = ""


PLAIN: dict[str, str | None] = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ENDS = {
    "full output": End("{} > /dev/full"),
    "full error": End("{} 2> /dev/full"),
    "both full": End("{} > /dev/full 2> /dev/full"),
    "closed output": End("{} >&-"),
    "closed error": End("{} 2>&-"),
    "closed input": End("{} <&-"),
    "all closed": End("{} <&- >&- 2>&-"),
    "output that can only be read": End("{} 1< /dev/null"),
    "no reader of the output": End("{{ {}; echo $? >&3; }} 3>&2 | true"),
    "no reader of the errors": End("{{ {} 2>&1 >&4; echo $? >&3; }} 4>&1 3>&2 | true"),
    "a limit on files": End("ulimit -f 0; {}"),
    "no UTF-8": End("{}", {**PLAIN, "LC_ALL": "C"}),
    "Latin-1": End("{}", {"PYTHONIOENCODING": "latin-1"}),
    "strict ASCII": End("{}", {"PYTHONIOENCODING": "ascii:strict"}),
    "no home": End("{}", {"HOME": None}),
    "a home that is not there": End("{}", {"HOME": "/proc/nowhere"}),
    "no folder for temporary files": End("{}", {"TMPDIR": "/proc/nowhere"}),
    "no variables": End(f"env -i PYTHONPATH={shlex.quote(str(ROOT))} {{}}"),
    "a folder that cannot be written": End("{}", folder="/proc"),
    "a folder that is gone": End("mkdir gone && cd gone && rmdir ../gone && {}"),
    "a terminal of one column": End("{}", {"COLUMNS": "1", "TERM": "dumb"}),
}


class Call(NamedTuple):
    """A command and its status where nothing is in its way."""

    words: tuple[str, ...]
    status: int


def calls(folder: Path) -> dict[str, Call]:
    """Write what commands need into a folder and return them by name, each with and without a divergence."""
    for name, root in (("right", "np.sqrt(v + self.epsilon)"), ("wrong", "(np.sqrt(v) + self.epsilon)")):
        (folder / f"{name}.py").write_text(OPTIMIZER.replace("ROOT", root), encoding="utf-8")
    write_log(folder / "right.npz", 0.0)
    write_log(folder / "wrong.npz", 0.25)
    right, wrong = (("--subject", f"{folder / name}.py:Mine") for name in ("right", "wrong"))
    gate = ("--baseline", str(folder / "baseline"))
    return {
        "list": Call(("list",), 0),
        "help": Call(("run", "--help"), 0),
        "a mistake": Call(("run", "rmsprop/plane"), 2),
        "run": Call(("run", CASE, *right), 0),
        "run that diverges": Call(("run", CASE, *wrong), 1),
        "run in JSON": Call(("run", CASE, *wrong, "--json"), 1),
        "run of nothing": Call(("run", "rmsprop/centered", *right), 3),
        "check": Call(("check", CASE, *right, *gate), 0),
        "check that changed": Call(("check", CASE, *wrong, *gate), 1),
        "accept of nothing": Call(("accept", "--baseline", str(folder / "nowhere")), 2),
        "report": Call(("report", CASE, *wrong, "--output", str(folder / "report")), 1),
        "diagnose": Call(("diagnose", right[1]), 0),
        "diagnose what diverges": Call(("diagnose", wrong[1]), 1),
        "judge": Call(("judge", str(folder / "right.npz")), 0),
        "judge what diverges": Call(("judge", str(folder / "wrong.npz")), 1),
        "reproduce": Call(("reproduce", CASE, *wrong), 0),
        "record": Call(("record", CASE, *right, "--output", str(folder / "golden")), 0),
        "export": Call(("export", CASE, "--output", str(folder / "set")), 0),
        "matrix": Call(("matrix", "--subject", "reference", "--subject", "posted"), 0),
        "explain": Call(("explain", str(ROOT / "cases/question/question.toml"), "--features"), 0),
        "fuzz": Call(("fuzz", "--runs", "2", "--seed", "1", *right, "--relation", "permute"), 0),
    }


def accept(folder: Path) -> None:
    """Make what the right optimizer does the baseline of both."""
    for name in ("right", "wrong"):
        target = folder / f"{name}.py"
        text = target.read_text(encoding="utf-8")
        target.write_text((folder / "right.py").read_text(encoding="utf-8"), encoding="utf-8")
        gate = ("--baseline", str(folder / "baseline"))
        ended("{}", ("check", CASE, "--subject", f"{target}:Mine", *gate), folder)
        ended("{}", ("accept", *gate), folder)
        target.write_text(text, encoding="utf-8")


def ended(shell: str, words: tuple[str, ...], folder: Path, **variables: str | None) -> tuple[int, str, str]:
    """Return the status of a command within a shell's words, and what it wrote to its output and errors."""
    around: dict[str, str | None] = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    command = shlex.join([sys.executable, "-m", "parity", *words])
    done: Any = subprocess.run(
        ["bash", "-c", shell.format(command)],
        cwd=folder,
        env={name: value for name, value in around.items() if value is not None},
        capture_output=True,
        timeout=300,
        check=False,
    )
    out, error = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    if ">&3" in shell:  # the status of what stands before the pipe
        error, _, last = error.rstrip("\n").rpartition("\n")
        return int(last), out, error
    return done.returncode, out, error


def write_log(path: Path, off: float) -> None:
    """Write the log of three steps of plain RMSprop, its weights off by a part of each step."""
    rng = np.random.default_rng(1)
    w, v = rng.standard_normal(5).astype(np.float32), np.zeros(5, np.float32)
    weights, moments, gradients = [w], [v], []
    for _ in range(3):
        g = rng.standard_normal(5).astype(np.float32)
        v = np.float32(0.9) * v + np.float32(1 - 0.9) * (g * g)
        w = w - np.float32(0.001 * (1 + off)) * g / np.sqrt(v + np.float32(1e-7))
        weights.append(w)
        moments.append(v)
        gradients.append(g)
    columns = {"parameter/w": weights, "second_moment/w": moments, "gradient/w": gradients}
    np.savez(path, **{name: np.stack(rows) for name, rows in columns.items()})
