"""A project of somebody else, in an empty folder: an optimizer, its test, and pytest in a process of its own."""

import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from optimizer_source import OPTIMIZERS  # found by the line above

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Write ``test_mine.py`` after the optimizers and run pytest with these arguments on it."""
    installed = any(point.name == "parity" for point in entry_points(group="pytest11"))
    # His project has no Hypothesis, whose import takes as long as all the rest of a short test run.
    plugin = ("-p", "no:hypothesispytest", *(() if installed else ("-p", "parity.testing.plugin")))

    def run_tests(source: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(optimizers=OPTIMIZERS)
        if source:
            head = "from optimizers import Right, Wrong" if "Right" in source or "Wrong" in source else ""
            pytester.makepyfile(test_mine=f"import pytest\n{head}\n\n{source}")
        return pytester.runpytest_subprocess(*plugin, *arguments)

    return run_tests
