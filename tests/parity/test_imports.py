"""Imports follow the data's path and never run back, and what should be quick imports nothing that is slow."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# In the order of the data's path: a room may import those before it.
ROOMS = [
    "words",
    "errors",
    "files",
    "launch",
    "verdict",
    "results",
    "spec",
    "caseerror",
    "casecheck",
    "tomlfile",
    "casefile",
    "numerics",
    "promises",
    "portable",
    "bounds",
    "rulebounds",
    "forward_bounds",
    "archive",
    "data",
    "problem",
    "golden",
    "wire",
    "child",
    "subjects",
    "trajectory",
    "stage",
    "drift",
    "compiled",
    "catch",
    "diff",
    "fingerprints",
    "judge",
    "lockstep",
    "free",
    "judging",
    "runner",
    "doctor",
    "recording",
    "known",
    "worker",
    "pool",
    "cluster",
    "api",
    "diagnosis",
    "export",
    "fuzz",
    "report",
    "baseline",
    "testing",
    "explain",
    "cli",
    "commands",
    "__main__",
]
FILES = sorted(
    path
    for path in (ROOT / "parity").rglob("*.py")
    if not {"reference", "cases"} & set(path.relative_to(ROOT / "parity").parts) and path.name != "__init__.py"
)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "parity").with_suffix("").parts[0]


def parity_imports(path: Path) -> Iterator[str]:
    """Yield the rooms that a file imports when it runs; imports for the type checker alone do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checking = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    ignored = {id(inner) for node in checking for inner in ast.walk(node)}
    for node in ast.walk(tree):
        names: list[str] = []
        if id(node) not in ignored and isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif id(node) not in ignored and isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [f"parity.{alias.name}" for alias in node.names] if module == "parity" else [module]
        yield from (name.split(".")[1] for name in names if name.startswith("parity."))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "parity")))
def test_imports_never_run_back(path: Path) -> None:
    room = room_of(path)
    assert room in ROOMS, f"{path.name}: add the room {room!r} to ROOMS, at its place in the data's path"
    allowed = {*ROOMS[: ROOMS.index(room) + 1], "reference", "__version__"}
    assert set(parity_imports(path)) <= allowed


def test_the_reference_imports_numpy_and_the_standard_library_only() -> None:
    allowed = {"numpy", "ml_dtypes", "reference", *sys.stdlib_module_names}
    for path in (ROOT / "reference").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert {name.partition(".")[0] for name in names} <= allowed, path.name


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["list", "--json"], ["run", "--help"], ["report", "--help"]]
)
def test_a_quick_command_imports_no_library_that_computes(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom parity.cli import main\ntry:\n    status = main(sys.argv[1:])\nexcept SystemExit as end:\n"
        "    status = end.code\nprint(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    slow = {"tensorflow", "keras", "pandas", "numpy", "pyarrow", "rich", "ml_dtypes", "torch", "jax", "distributed"}
    assert not slow & set(ast.literal_eval(done.stderr))


def test_importing_parity_imports_none_of_its_rooms() -> None:
    program = "import parity, sys; print([name for name in sys.modules if name.startswith('parity.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_the_wheel_takes_every_package_along() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    homes = [ROOT / "parity", *(path for path in (ROOT / "parity").iterdir() if (path / "__init__.py").exists())]
    assert {".".join(home.relative_to(ROOT).parts) for home in homes} <= set(listed)
