"""A script is run as anyone would run it: by itself, in an empty folder, where nothing of ours can be imported."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from parity.export.script.sample import Failure

SECONDS: Final = 300.0
_ALONE: Final = (
    "import runpy, sys; script, *places = sys.argv[1:]; sys.path += places; sys.modules.update(parity=None); "
    "sys.argv[:] = [script]; runpy.run_path(script, run_name='__main__')"
)


class Shown(NamedTuple):
    """What a script ended in: its exit status, what it printed, and the last line of its complaint."""

    status: int
    lines: tuple[str, ...]
    complaint: str

    def line(self, word: str) -> str:
        """Return what is printed behind a word at the beginning of a line."""
        return next((line[len(word) :].strip() for line in self.lines if line.startswith(word)), "")


def run(text: str, python: str = sys.executable, seconds: float = SECONDS) -> Shown:
    """Run a script by itself: without site hooks, current folder and environment, with installed libraries alone."""
    with tempfile.TemporaryDirectory(prefix="parity-script-") as folder:
        path = Path(folder, "script.py")
        path.write_text(text, encoding="utf-8")
        command = [python, "-I", "-S", "-c", _ALONE, str(path), *_libraries()]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Shown(-1, (), f"it took more than {seconds:g} s")
    complaint = done.stderr.strip().splitlines()
    return Shown(done.returncode, tuple(done.stdout.splitlines()), complaint[-1] if complaint else "")


def _libraries() -> list[str]:
    """Return where libraries are installed: without the links to other trees that a ``.pth`` file makes."""
    installed = [place for place in sys.path if Path(place).name in ("site-packages", "dist-packages")]
    return list(dict.fromkeys([*installed, str(Path(np.__file__).parents[1])]))


def objection(shown: Shown, failure: Failure, dtype: np.dtype[Any]) -> str:
    """Return what a script does not show of a failure in a dtype, nothing if it shows the same bits."""
    if shown.status != 1 or not shown.line("obtained"):
        return f"the script ended with status {shown.status}: {shown.complaint or 'it shows no difference'}"
    if failure.place is None:
        raised = failure.reason.partition(":")[0].removeprefix("raised ")
        said = shown.line("obtained").removeprefix("it raises ")
        return "" if said.startswith(raised) else f"it raises {said} by itself"
    for word, value in (("obtained", failure.place.obtained), ("expected", failure.place.expected)):
        printed, known = shown.line(word).split()[-1], float(dtype.type(float(value)))
        if printed != known.hex():
            return f"by itself the script has {word} {printed} where the run had {known.hex()}"
    return ""
