"""Which tests share a worker of pytest-xdist, that these start first, and which of many are left to `make exhaustive`.

pytest-xdist 3.8 writes the group of a test behind its node id, in an attribute that pytest 9 no longer reads, so that
the marker alone groups nothing. Here the whole file goes where its first marker says, and a file without one to one
worker, too: what its tests share, a run, a search or what was compiled, is made once.
"""

import gc
import re
import signal
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
_GROUP = re.compile(r'xdist_group\("(\w+)"\)')


@cache
def group_of(path: Path) -> str:
    """Return the group that a file of tests names, or nothing."""
    found = _GROUP.search(path.read_text(encoding="utf-8")) if path.suffix == ".py" else None
    return found[1] if found else ""


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is marked
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start the groups first, those of TensorFlow before all: what is left is small and evens out."""
    leave_to_exhaustive(items)
    if hasattr(config, "workerinput"):
        order = {"tensorflow": 0, "": 2}
        items.sort(key=lambda item: order.get(group_of(item.path), 1))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what stays until the end, and come by less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def leave_to_exhaustive(items: list[pytest.Item]) -> None:
    """Keep in the suite every nth of the parameters of a test that is ``sampled(n)``, the first among them."""
    counted = Counter[str]()
    for item in items:
        sampled = item.get_closest_marker("sampled")
        if sampled is None or item.get_closest_marker("exhaustive") is not None:
            continue
        test = item.nodeid.partition("[")[0]
        if counted[test] % sampled.args[0]:
            item.add_marker(pytest.mark.exhaustive)
        counted[test] += 1


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Hear an interruption also where the suite was started by what ignores it, such as a script in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the files of a group to one worker, and every other file to whoever is free."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            # An older pytest leaves the group behind the node id.
            file = nodeid.partition("::")[0]
            return group_of(ROOT / file) or file

    return Grouped(config, log)
