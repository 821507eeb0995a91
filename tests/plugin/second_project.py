"""Building a wheel from a copy of this tree, and a virtual environment that holds nothing but what it depends on."""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("parity", "reference", "cases", "pyproject.toml", "README.md", "LICENSE")


BUILT = "PARITY_WHEEL"
"""Environment variable that says where the wheel is that is tested, where there is no tree to build another one of."""


def build_wheel(folder: Path) -> Path:
    """Return a wheel built in ``folder``; the checkout stays as it is, and no network is used."""
    if BUILT in os.environ:
        return Path(os.environ[BUILT])
    tree = folder / "tree"
    tree.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    # The pin is for releases; without isolation, whatever setuptools is at hand builds.
    flags = ["--wheel", "--no-isolation", "--skip-dependency-check", "--outdir", str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    said = call([sys.executable, "-m", "build", *flags, str(tree)], folder, environment)
    warned = [line for line in said.splitlines() if re.search(r"warning|deprecat", line, re.IGNORECASE)]
    assert not warned, said
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment(folder: Path, wheel: Path, also: Iterable[str]) -> Path:
    """Return the Python of a new environment: the wheel, what it depends on, ``also``, and nothing else."""
    # A pip of its own takes longer to make than all the rest, and ours installs there as well.
    ours = find_spec("pip") is not None
    venv.create(folder, with_pip=not ours, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)] if ours else [str(python), "-m", "pip"]
    call([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], folder)
    (site,) = folder.glob("lib/python*/site-packages")
    for dependency in _closure(["numpy", *_required(wheel), *also]).values():
        _link(dependency, site)
    return python


def call(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    """Run a command and return its output, which is the message if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def metadata_of(wheel: Path) -> str:
    """Return what a registry shows of a wheel."""
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def _required(wheel: Path) -> list[str]:
    lines = metadata_of(wheel).splitlines()
    fields = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist: ")]
    return [field for field in fields if "extra ==" not in field]


def _closure(requirements: Iterable[str]) -> dict[str, Distribution]:
    """Return the installed distributions that these requirements need, and what those need in turn."""
    from packaging.requirements import Requirement

    found: dict[str, Distribution] = {}
    waiting = list(requirements)
    while waiting:
        requirement = Requirement(waiting.pop())
        name = requirement.name.lower().replace("_", "-")
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError as error:
            raise AssertionError(f"{name} is not installed here, so that no environment can be made of it") from error
        waiting += found[name].requires or []
    return found


def _link(dependency: Distribution, site: Path) -> None:
    """Link the top-level files and folders of an installed distribution into another environment."""
    for file in {path.parts[0] for path in dependency.files or [] if path.parts[0] not in ("..", "__pycache__")}:
        source = Path(str(dependency.locate_file(file)))
        target = site / file
        if not target.exists() and source.exists():
            target.symlink_to(source)
