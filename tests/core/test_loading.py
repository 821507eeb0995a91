"""A file is imported under its package, beside its own project's modules, and hides nothing that is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from parity.api import run_all
from parity.case.cells import select
from parity.errors import SubjectError
from parity.subjects import create, loading
from parity.subjects.importing import folders_above
from parity.subjects.source import require_named

BODY = """
import numpy as np
{imports}
class RMSprop(Base):
    def __init__(self, lr=0.001, rho=0.9, eps=1e-7):
        {first}
        self.lr, self.rho, self.eps, self.v = lr, rho, eps, 0.0
    def update(self, w, g):
        self.v = self.rho * self.v + (1 - self.rho) * g * g
        return w - self.lr * g / np.sqrt(self.v + self.eps)
"""
BASE = "class Base:\n    pass\n"


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    """Leave no module of a test to the next one, and stand where none of its files lies."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "setup.cfg").touch()
    monkeypatch.chdir(tmp_path / "elsewhere")
    finders, places = list(sys.meta_path), list(sys.path)
    yield
    assert sys.path == places, "sys.path is left as it was found"
    places = {
        name: [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
        for name, module in list(sys.modules.items())
    }
    for name in [name for name, found in places.items() if any(str(tmp_path) in str(place) for place in found)]:
        del sys.modules[name]
    sys.meta_path[:] = finders


def written(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def body(imports: str, first: str = "pass") -> str:
    return BODY.format(imports=imports, first=first)


# a project's files, of which mine is in src/optim/mine.py
PROJECTS = {
    "one dot": {
        "src/optim/__init__.py": "",
        "src/optim/base.py": BASE,
        "src/optim/mine.py": body("from .base import *"),
    },
    "one dot without __init__": {"src/optim/base.py": BASE, "src/optim/mine.py": body("from .base import Base")},
    "two dots": {
        "src/__init__.py": "",
        "src/core/__init__.py": BASE,
        "src/optim/__init__.py": "",
        "src/optim/mine.py": body("from ..core import Base"),
    },
    "two dots without __init__": {"src/core/base.py": BASE, "src/optim/mine.py": body("from ..core.base import Base")},
    "a sibling has more dots": {
        "src/core.py": BASE,
        "src/optim/base.py": "from ..core import Base\n",
        "src/optim/mine.py": body("from .base import Base"),
    },
    "the package imports it first": {
        "src/optim/__init__.py": "from .base import Base\nfrom .mine import RMSprop\n",
        "src/optim/base.py": BASE,
        "src/optim/mine.py": body("from . import Base"),
    },
    "the package cannot be imported": {
        "src/__init__.py": "import a_library_that_is_not_here\n",
        "src/optim/__init__.py": "",
        "src/optim/base.py": BASE,
        "src/optim/mine.py": body("from .base import Base"),
    },
    "its own name": {"src/core/base.py": BASE, "src/optim/mine.py": body("from src.core.base import Base")},
    "a name of its project": {"src/core.py": BASE, "src/optim/mine.py": body("from core import Base")},
    "a name beside it": {"src/optim/base.py": BASE, "src/optim/mine.py": body("from base import Base")},
    "both": {
        "src/__init__.py": "",
        "src/optim/__init__.py": "",
        "src/optim/base.py": "from src.core import Base\n",
        "src/core.py": BASE,
        "src/optim/mine.py": body("from .base import Base\nfrom src.core import Base as Same\nassert Base is Same"),
    },
    "in the constructor": {
        "src/optim/base.py": BASE,
        "src/optim/mine.py": body(BASE, "from .base import Base as kind"),
    },
    "by name in the constructor": {
        "src/core.py": BASE,
        "src/optim/mine.py": body(BASE, "from core import Base as kind"),
    },
    "a folder that is no name": {
        "src-1.0/core.py": BASE,
        "src/__init__.py": "",
        "src/optim/mine.py": body(BASE),
    },
}


@pytest.mark.parametrize("project", PROJECTS)
def test_it_is_driven_from_elsewhere(tmp_path, project):
    written(tmp_path, PROJECTS[project])
    name = f"{tmp_path}/src/optim/mine.py:RMSprop"
    for _ in range(2):  # a process loads a class more than once
        adapter = create(name)
        assert adapter.shape().title.startswith("update(params, grads)")
        assert adapter.resolved == name


def test_a_folder_whose_name_is_none_is_a_package_all_the_same(tmp_path):
    folder = tmp_path / "my-optimizers-1.0"
    written(folder, {"core.py": BASE, "optim/mine.py": body("from ..core import Base")})
    assert create(f"{folder}/optim/mine.py:RMSprop").shape().title.startswith("update(params, grads)")


def test_a_worker_loads_it_the_same_way(tmp_path):
    written(tmp_path, PROJECTS["two dots without __init__"])
    (cell,) = select(["rmsprop/defaults"])
    name = f"{tmp_path}/src/optim/mine.py:RMSprop"
    (pair,) = run_all([cell], [name]).pairs
    assert pair.verdict.name in ("IDENTICAL", "ROUNDING")
    assert pair.subject == name


TAKEN = {"ours": "parity", "the standard library": "colorsys", "what is installed": "msgspec"}


@pytest.mark.parametrize("whose", TAKEN)
@pytest.mark.parametrize("relative", [False, True])
def test_a_strangers_module_hides_nothing(tmp_path, whose, relative):
    name = TAKEN[whose]
    folder = tmp_path / name if relative else tmp_path
    mine = body("from .base import Base" if relative else BASE, f"import {name}; assert {name}.__file__ != __file__")
    written(folder, {f"{name}.py": "raise SystemExit(9)\n", "base.py": BASE, "mine.py": mine})
    if relative:
        (folder / "__init__.py").touch()
    code = (
        "import sys; from parity.subjects import create\n"
        "assert create(sys.argv[1]).shape().title.startswith('update(params, grads)')\n"
        f"import {name}; print({name}.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"{folder}/mine.py:RMSprop"], capture_output=True, text=True, check=True
    )
    assert not done.stdout.startswith(str(tmp_path))


def test_what_hides_a_module_of_the_project_is_said(tmp_path):
    written(tmp_path, {"colorsys.py": BASE, "optim/mine.py": body("from colorsys import Base")})
    with pytest.raises(SubjectError, match=r"found before the one in .*: rename that one, or have its folder .*"):
        create(f"{tmp_path}/optim/mine.py:RMSprop")


def test_what_is_nowhere_is_said_once_with_where_it_was_looked_for(tmp_path):
    written(tmp_path, {"src/optim/mine.py": body("from core_of_it import Base")})
    with pytest.raises(SubjectError) as caught:
        create(f"{tmp_path}/src/optim/mine.py:RMSprop")
    assert str(caught.value).endswith(
        f"No module named 'core_of_it'. It lies neither here nor in {tmp_path}/src/optim or {tmp_path} or between them:"
        " run from the folder that holds core_of_it, or install it if it is a library."
    )


def test_what_a_package_raises_is_told_where_the_file_needs_it(tmp_path):
    files = {"src/__init__.py": "import a_library_that_is_not_here\n", "src/mine.py": body("from . import Base")}
    written(tmp_path, files)
    with pytest.raises(SubjectError, match="No module named 'a_library_that_is_not_here'"):
        create(f"{tmp_path}/src/mine.py:RMSprop")
    assert "src" not in sys.modules


def test_two_projects_with_modules_of_one_name_do_not_mix(tmp_path):
    for number in (1, 2):
        mine = body(f"from base import NUMBER\nassert NUMBER == {number}\n{BASE}")
        written(tmp_path / f"p{number}", {"base.py": f"NUMBER = {number}\n", "mine.py": mine, "setup.cfg": ""})
    for number in (1, 2, 1):
        create(f"{tmp_path}/p{number}/mine.py:RMSprop")


def test_two_packages_of_one_name_do_not_mix(tmp_path):
    for number in (1, 2):
        mine = body(f"from .base import NUMBER\nassert NUMBER == {number}\n{BASE}")
        written(tmp_path / f"p{number}/optim", {"base.py": f"NUMBER = {number}\n", "mine.py": mine})
    for number in (1, 2, 1):
        create(f"{tmp_path}/p{number}/optim/mine.py:RMSprop")


def test_the_search_ends_at_the_projects_top_and_is_bounded(tmp_path):
    deep = tmp_path / "a/b/c/d/e/f/g/h"
    assert len(folders_above(deep / "mine.py")) == 6
    assert folders_above(tmp_path / "a/mine.py") == (tmp_path / "a", tmp_path)


def test_a_module_is_found_from_this_folder(tmp_path, monkeypatch):
    written(tmp_path, {"my_project/mine.py": body("from .base import Base"), "my_project/base.py": BASE})
    monkeypatch.chdir(tmp_path)
    assert create("my_project.mine:RMSprop").shape().title.startswith("update(params, grads)")


def test_an_import_that_takes_long_is_said_and_that_it_is_over(tmp_path, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(loading, "tell", told.append)
    monkeypatch.setattr(loading, "_PATIENCE", 0.05)
    written(tmp_path, {"quick.py": body(BASE), "slow.py": f"import time; time.sleep(0.5)\n{body(BASE)}"})
    create(f"{tmp_path}/slow.py:RMSprop")
    assert told[0].startswith(f"{tmp_path}/slow.py has been importing for 0.05 s: what stands at the top level")
    assert told[0].endswith("put it below: if __name__ == '__main__':")
    assert told[1:] == [""]
    told.clear()
    monkeypatch.setattr(loading, "_PATIENCE", 20.0)
    create(f"{tmp_path}/quick.py:RMSprop")
    assert told == []


def test_a_folder_with_the_name_of_a_file_is_said_to_be_one(tmp_path):
    (tmp_path / "mine.py").mkdir()
    with pytest.raises(SubjectError, match=r"mine\.py' is a folder"):
        require_named(f"{tmp_path / 'mine.py'}:Mine")
