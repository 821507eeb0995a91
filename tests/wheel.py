"""Runs the suite against the installed wheel, without TensorFlow: ``python tests/wheel.py PYTHON FOLDER [WORD…]``.

The wheel is built from a copy of this tree; in FOLDER, which must not be there yet or be of an earlier run, are made an
environment of that Python and a copy of what the tests read. The package is not among it, so that they import what was
installed. Words go to pytest.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "plugin"))

from second_project import BUILT, build_wheel, call  # noqa: E402  # which lies beside the tests that it is for

READ = (
    *("tests", "cases", "reference", "reports", ".ci", ".github", "pyproject.toml", "Makefile"),
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"),
)
EXTRAS = "dev,fast"
LOOK = """
import sys
from importlib.util import find_spec
from pathlib import Path
import parity
place = Path(parity.__file__)
assert place.is_relative_to(sys.prefix), f"it is not the installed wheel that is imported, but {place}"
assert find_spec("tensorflow") is None, "TensorFlow is installed there"
print(f"Python {sys.version.split()[0]}, {place.parent}")
"""


def installed(python: str, folder: Path, wheel: Path) -> Path:
    """Return the Python of a new environment that has the wheel and what the suite needs, in the pinned versions."""
    call([python, "-m", "venv", str(folder / "environment")], folder)
    found = folder / "environment" / "bin" / "python"
    pins = ROOT / ".ci" / "constraints.txt"
    pip = [str(found), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    call([*pip, "-c", str(pins), f"{wheel}[{EXTRAS}]"], folder)
    return found


def copied(folder: Path) -> Path:
    """Return a copy of what the suite reads of this tree, without the package."""
    suite = folder / "suite"
    ignored = shutil.ignore_patterns("__pycache__", "latest")
    for name in READ:
        source, target = ROOT / name, suite / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=ignored)
        else:
            shutil.copy(source, target)
    return suite


def main(words: list[str]) -> int:
    """Make the environment and the copy, and run the suite there; return its status, 2 for a mistake in the call."""
    if len(words) < 2:
        print(f"{__doc__}\nReceived: {' '.join(words) or 'nothing'}.", file=sys.stderr)
        return 2
    python, folder = words[0], Path(words[1]).resolve()
    for part in ("built", "environment", "suite"):
        shutil.rmtree(folder / part, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "built").mkdir()
    wheel = build_wheel(folder / "built")
    found, suite = installed(python, folder, wheel), copied(folder)
    print(call([str(found), "-c", LOOK], suite), end="", flush=True)
    command = [str(found), "-m", "pytest", "-n", "1", "--dist", "loadgroup", "-m", "not exhaustive", *words[2:]]
    return subprocess.run(command, cwd=suite, env={**os.environ, BUILT: str(wheel)}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
