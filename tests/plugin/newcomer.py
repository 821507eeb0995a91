"""What a newcomer does with the wheel alone, a step a line of README.md, with mistakes on the way."""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from parity.trajectory.log import names

ROOT = Path(__file__).resolve().parents[2]
LOG = Path(names.__file__).with_name("README.md")
CASE = "rmsprop/plain[float32]"
NOTEBOOK = """
import parity
from mine import RMSprop

results = parity.run("rmsprop/plain[float32]", RMSprop)
assert results.verdict.name == "DIVERGED"
assert len(results.frame().query("ratio > 1"))
assert "DIVERGED" in results._repr_html_()
assert "<svg" in results.plot()._repr_svg_()
print(parity.diagnose(RMSprop))
"""
PARTS = "import numpy as np\n\n\ndef root(v, epsilon):\n    return np.sqrt(v + epsilon)\n"


class Done(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


class Newcomer:
    """A folder of somebody's own and the commands that he runs there.

    Args:
        folder: an empty folder outside of the checkout.
        python: the Python of an environment that has the wheel.
    """

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder, self.python = folder, python
        around = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "VIRTUAL"))}
        self._around = around | {"PATH": f"{python.parent}{os.pathsep}{around.get('PATH', '')}"}

    def write(self, name: str, text: str) -> None:
        """Write a file, and the folder that it is in."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *words: str, **variables: str) -> Done:
        """Run a command; the first word is a program of the environment."""
        command = [str(self.python.with_name(words[0])), *words[1:]]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, env=self._around | variables, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def parity(self, *words: str, ends: int = 0, says: str = "") -> Done:
        """Run ``parity``, which must end with a status, say something, and, where it refuses, say it in one line."""
        done = self.run("parity", *words)
        assert done.status == ends, (
            f"parity {' '.join(words)}: status {done.status}: {done.out[-800:]}{done.err[-800:]}"
        )
        assert "Traceback" not in done.err, done.err
        assert says in (done.err if ends == 2 else done.out), f"{says!r} is not in {done.out[-1500:]}{done.err[-800:]}"
        assert ends != 2 or done.err.count("parity: error: ") == 1, done.err
        return done


def blocks() -> list[str]:
    """Return what stands between fences in README.md."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```[a-z]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block(start: str) -> str:
    """Return the one block of README.md that begins so."""
    (found,) = (text for text in blocks() if text.startswith(start))
    return str(found)


def mended(root: str) -> str:
    """Return the class of the README with another denominator, which is right."""
    text = block("# mine.py\n")
    wrong = "(np.sqrt(self.v) + self.eps)"
    assert wrong in text
    return text.replace(wrong, root)


def runs_and_asks_why(who: Newcomer) -> None:
    """Write the class of the README, misspell it, run it, ask why, hand out a script, and look at the lists."""
    who.write("mine.py", block("# mine.py\n"))
    who.parity("run", CASE, "--subject", "mine.py:RMSporp", ends=2, says="Did you mean 'RMSprop'?")
    who.parity("run", CASE, "--subject", "mnie.py:RMSprop", ends=2, says="Did you mean 'mine.py'?")
    done = who.parity("run", CASE, "--subject", "mine.py:RMSprop", ends=1, says=block("mine.py:RMSprop: driven as"))
    assert block("In mine.py:RMSprop epsilon") in done.out
    who.parity("diagnose", "mine.py:RMSprop", ends=1, says="psilon is added after the root")
    who.parity("reproduce", CASE, "--subject", "mine.py:RMSprop", "--output", "issue.py")
    shown = who.run("python", "issue.py")
    assert (shown.status, "obtained " in shown.out) == (1, True)
    who.parity("list", says="golden:keras-eager")
    who.parity("doctor", says="NumPy")
    who.parity("matrix", "--subject", "reference", "--subject", "mine.py:RMSprop", says="mine.py:RMSprop")
    who.parity("explain", "question", "--features", says="feature")
    who.parity("explain", "qestion", ends=2, says="Did you mean 'question'?")


def goes_without_tensorflow(who: Newcomer) -> None:
    """Do what the README has for those without TensorFlow: recordings, vectors, a log, a report, a notebook."""
    who.write("mine.py", block("# mine.py\n"))
    who.parity("run", CASE, ends=3, says="--subject golden:keras-eager")
    who.parity("run", CASE, "--subject", "golden:keras-eager", says="agree")
    told = who.parity("record", CASE, "--subject", "mine.py:RMSprop", "--output", "own", says="golden:own/")
    who.parity("run", CASE, "--subject", told.out.split()[-1], ends=1)
    who.parity("export", CASE, "--output", "conformance")
    assert (who.folder / "conformance" / "example.c").is_file()
    (example,) = re.findall(r"^```python\n(.*?)^```$", LOG.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[:1]
    who.write("writes.py", example)
    assert who.run("python", "writes.py").status == 0
    who.parity("judge", "steps.npz", ends=1, says="psilon is added after the root")
    who.parity("report", CASE, "--subject", "mine.py:RMSprop", ends=1, says="reports/latest/index.html")
    who.write("notebook.py", NOTEBOOK)
    cells = who.run("python", "notebook.py")
    assert cells.status == 0, cells.err
    assert "psilon is added after the root" in cells.out
    who.write("test_mine.py", block("# test_mine.py\n"))
    tested = who.run("python", "-m", "pytest", "-p", "no:cacheprovider")
    assert tested.status == 1
    for line in block("case rmsprop/order_changes").splitlines():
        assert line in tested.out


def guards_it(who: Newcomer) -> None:
    """Guard a right optimizer by the gate, through a wrong edit, a moved file and a renamed case."""
    right = mended("np.sqrt(self.v + self.eps)")
    who.write("mine.py", right)
    shipped = who.run("python", "-c", "import parity.case.spec as s; print(s.CASES)").out.strip()
    who.write("own.toml", (Path(shipped) / "rmsprop/defaults.toml").read_text("utf-8").replace('"defaults"', '"own"'))
    subject = ("--subject", "mine.py:RMSprop")
    who.parity("check", CASE, "own.toml", "--subject", "mine.py:RMSporp", ends=2, says="Did you mean 'RMSprop'?")
    who.parity("accept", ends=2, says="nor anything to accept")
    who.parity("check", CASE, "own.toml", *subject, ends=1, says="4 missing from the baseline")
    who.parity("accept", says="4 comparisons accepted")
    who.parity("check", says="All 4 comparisons are as accepted.")
    who.write("mine.py", right.replace("grad**2", "grad * grad"))
    who.parity("check", ends=1, says="CHANGED")
    who.write("mine.py", right)
    who.parity("check", says="All 4 comparisons are as accepted.")
    (who.folder / "src").mkdir()
    (who.folder / "mine.py").rename(who.folder / "src" / "mine.py")
    who.parity("check", ends=2, says="parity accept --moved mine.py:RMSprop src/mine.py:RMSprop")
    who.parity("accept", "--moved", "mine.py:RMSprop", "src/mine.py:RMSprop")
    own = (who.folder / "own.toml").read_text("utf-8")
    who.write("own.toml", own.replace('"own"', '"other"'))
    who.parity("check", ends=2, says="parity accept --moved own other")
    who.parity("accept", "--moved", "own", "other")
    who.parity("check", says="All 4 comparisons are as accepted.")


def lays_it_out(who: Newcomer) -> None:
    """Keep the class in a subfolder, in a package with relative imports, and in a ``src`` layout."""
    right = mended("root(self.v, self.eps)")
    for folder, importing in (
        ("plain", "from parts import root"),
        ("package", "from .parts import root"),
        ("package/inner", "from ..parts import root"),
        ("src/project", "from project.parts import root"),
    ):
        home = folder.removesuffix("/inner")
        who.write(f"{home}/parts.py", PARTS)
        if home != "plain":
            who.write(f"{home}/__init__.py", "")
            who.write(f"{folder}/__init__.py", "")
        who.write(f"{folder}/mine.py", right.replace("import numpy as np\n", f"import numpy as np\n\n{importing}\n"))
        who.parity("run", CASE, "--subject", f"{folder}/mine.py:RMSprop", says="agree")
    who.parity("run", CASE, "--subject", "package.mine:RMSprop", says="agree")


STEPS = (runs_and_asks_why, goes_without_tensorflow, guards_it, lays_it_out)
