"""Plants small faults, one at a time, in a copy of the tree, and shows that the net is red for each: a table.

``python tests/net/planting.py KEPT`` compares with what ``net.py keep KEPT`` made; each fault is looked for in the item
that should show it alone, which is enough: an item that differs makes the whole red.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Fault(NamedTuple):
    """A text of a file, which stands there once, what takes its place, and the item that should show it."""

    what: str
    file: str
    old: str
    new: str
    item: str


FAULTS = (
    Fault("a constant of the estimate", "parity/diagnosis/estimate.py", "+ 3e-7", "+ 3e-3", "diagnose"),
    Fault("a sentence of a cause", "reference/switches.py", "added after the root", "added behind it", "plugin"),
    Fault("the order of explanations", "parity/diagnosis/search.py", "(member.size, repr(member))",
          "(member.size, repr(member)[::-1])", "diagnose"),
    Fault("a bound", "parity/circumstances/promises.py", "Fraction(3, 2**13)", "Fraction(5, 2**14)", "export"),
    Fault("a stage", "parity/judge/stage.py", "usable = np.abs(increment) > 4 * noise",
          "usable = np.abs(increment) > 4e9 * noise", "run"),
    Fault("a flag of a vector", "parity/export/index.py", "flags=vector.flags,", "flags=vector.flags[1:],", "export"),
    Fault("a relation of the search", "parity/fuzz/relations.py", "every = 2 if problem.cell.seed % 2 else 4",
          "every = 2 if problem.cell.seed % 2 else 3", "fuzz"),
    Fault("a line of the plugin", "parity/testing/cause.py", "no other set of choices fits", "no other fits", "plugin"),
    Fault("a help", "parity/commands/diagnose.py", "how torch departs", "how torch differs", "words"),
    Fault("a number of a case", "cases/numerics/zeros.toml", "steps = ", "steps = 1", "run"),
    Fault("a factor of what bounds would catch", "parity/judge/catch.py", "(sqrt(5) - 1) / 2", "0.7", "run"),
    Fault("a heading of the report", "parity/report/markdown.py", "## Circumstances", "## Around it", "report"),
)  # fmt: skip


def copied(folder: Path) -> Path:
    """Copy what the net needs, and return where."""
    for name in ("parity", "reference", "cases", "tests", "pyproject.toml"):
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True, ignore=ignore)
        else:
            shutil.copy(source, folder / name)
    return folder


def found(fault: Fault, tree: Path, kept: Path) -> bool:
    """Return whether the net of the copy is red with a fault in it, which is taken out again."""
    path = tree / fault.file
    text = path.read_text(encoding="utf-8")
    if text.count(fault.old) != 1:
        raise SystemExit(f"{fault.file}: {fault.old!r} stands there {text.count(fault.old)} times; allowed: once.")
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    words = [sys.executable, str(tree / "tests/net/net.py"), "compare", str(kept), f"--only={fault.item}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    path.write_text(text, encoding="utf-8")
    return done.returncode == 1 and f"--- {fault.item}" in done.stdout


def main(kept: Path) -> int:
    """Print the table; return 1 if a fault is not found, or the copy without a fault is red."""
    missed = 0
    with TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        for fault in FAULTS:
            start = time.monotonic()
            red = found(fault, tree, kept)
            missed += not red
            print(
                f"{fault.what:36} {fault.item:9} {'red' if red else 'GREEN':6} {time.monotonic() - start:4.0f} s",
                flush=True,
            )
        words = [sys.executable, str(tree / "tests/net/net.py"), "compare", str(kept)]
        clean = subprocess.run(words, capture_output=True, text=True, check=False)
        print(f"{'none':36} {'all':9} {'green' if clean.returncode == 0 else 'RED'}")
    return int(bool(missed) or clean.returncode != 0)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        raise SystemExit(f"{__doc__}\nReceived: {sys.argv[1:]}. Allowed: one folder that `net.py keep` wrote.")
    sys.exit(main(Path(sys.argv[1]).resolve()))
