"""Imports follow the data's path and never run back, and what should be quick imports nothing that is slow."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import parity

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(parity.__file__).resolve().parent

# In the order of the data's path: a folder, or a file of the root, may import those before it.
ORDER = [
    "errors",
    "verdicts",
    "circumstances",
    "case",
    "bounds",
    "problem",
    "trajectory",
    "subjects",
    "judge",
    "runner",
    "api",
    "diagnosis",
    "export",
    "fuzz",
    "report",
    "baseline",
    "testing",
    "explain",
    "commands",
    "__main__",
]
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if not {"reference", "cases"} & set(path.relative_to(PACKAGE).parts)
}
WITHIN = sorted(name for name in MODULES if name.count("."))


def folder_of(module: str) -> str:
    return module.split(".")[1]


def imports(module: str) -> set[str]:
    """Return the modules of parity that a module imports, for the type checker alone too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in inner}
    return {name for name in found if name in MODULES and name != "parity"}


@pytest.mark.parametrize("module", WITHIN)
def test_imports_never_run_back(module: str) -> None:
    folder = folder_of(module)
    assert folder in ORDER, f"add {folder!r} to ORDER, at its place in the data's path"
    assert {folder_of(name) for name in imports(module)} <= {*ORDER[: ORDER.index(folder) + 1]}


def test_no_imports_run_in_a_circle_inside_a_folder() -> None:
    graph = {module: {name for name in imports(module) if name != module} for module in WITHIN}
    assert list(circles(graph)) == []


def circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """Yield a circle of imports, if there is any."""
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        yield error.args[1]


def test_the_root_shows_the_path() -> None:
    # What is left of modules that went elsewhere, such as compiled ones, is no part of the tree.
    entries = [path for path in PACKAGE.iterdir() if path.is_file() or [*path.glob("*.py"), *path.glob("*.md")]]
    assert len(entries) <= 24
    folders = {path.name for path in entries if (path / "__init__.py").exists()}
    assert folders - {"reference", "cases"} <= {*ORDER}


@pytest.mark.parametrize("folder", [name for name in ORDER if (PACKAGE / name).is_dir()])
def test_a_folder_says_in_a_sentence_what_it_is(folder: str) -> None:
    text = (PACKAGE / folder / "__init__.py").read_text(encoding="utf-8")
    assert (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0].endswith((".", ":", ","))


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
        "import sys\nfrom parity.commands.cli import main\n"
        "try:\n    status = main(sys.argv[1:])\nexcept SystemExit as end:\n"
        "    status = end.code\nprint(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    slow = {"tensorflow", "keras", "pandas", "numpy", "pyarrow", "rich", "ml_dtypes", "torch", "jax", "distributed"}
    assert not (slow | {"jinja2"}) & set(ast.literal_eval(done.stderr))


def test_only_a_mistake_looks_for_lines() -> None:
    program = (
        "import sys\nfrom parity.case.cells import collect\ncollect([])\n"
        "print('parity.case.cells' in sys.modules, 'parity.case.lines' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr.strip() == "True False"


def test_a_list_that_is_kept_reads_no_case(tmp_path: Path) -> None:
    program = (
        "import sys\nsys.pycache_prefix = sys.argv[1]\nsys.dont_write_bytecode = True\n"
        "from parity.commands.cli import main\nmain(['list'])\n"
        "print({'msgspec', 'tomllib', 'parity.case.cells'} & {*sys.modules}, file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    first, second = (subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True) for _ in range(2))
    assert first.stdout == second.stdout
    assert "msgspec" in first.stderr
    assert second.stderr.strip() == "set()"


def test_importing_parity_imports_none_of_its_rooms() -> None:
    program = "import parity, sys; print([name for name in sys.modules if name.startswith('parity.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_the_wheel_takes_every_package_along() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    given = tools["setuptools"]["packages"]["find"]
    assert given.pop("namespaces")
    # Elsewhere: importing setuptools replaces distutils in the process that does so.
    program = (
        f"from setuptools import find_namespace_packages as find; print(*find({str(PACKAGE.parent)!r}, **{given}))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    homes = {path.parent for path in PACKAGE.rglob("*.py")} | {PACKAGE / "cases"}
    assert {".".join(home.relative_to(PACKAGE.parent).parts) for home in homes} <= set(found)
    assert all(name.split(".")[0] == "parity" for name in found)


def test_the_wheel_takes_every_template_along() -> None:
    taken = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    templates = {path for path in PACKAGE.rglob("templates/*") if path.is_file()}
    matched = {path for package in taken for glob in taken[package] for path in home(package).glob(glob)}
    assert templates
    assert templates <= matched


def home(package: str) -> Path:
    return PACKAGE.parent.joinpath(*package.split("."))
