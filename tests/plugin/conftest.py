"""A project of somebody else, in an empty folder: an optimizer, its test, and pytest in a process of its own."""

import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from optimizer_source import OPTIMIZERS  # found by the line above

Run = Callable[..., pytest.RunResult]


@pytest.fixture(scope="session")
def plugins() -> tuple[str, ...]:
    """Return the arguments that load our plugin where it is not installed, and no Hypothesis, which takes its time."""
    installed = any(point.name == "parity" for point in entry_points(group="pytest11"))
    return ("-p", "no:hypothesispytest", *(() if installed else ("-p", "parity.testing.plugin")))


@pytest.fixture
def run(pytester: pytest.Pytester, plugins: tuple[str, ...]) -> Run:
    """Write ``test_mine.py`` after the optimizers and run pytest with these arguments on it."""

    def run_tests(source: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(optimizers=OPTIMIZERS)
        if source:
            head = "from optimizers import Right, Wrong" if "Right" in source or "Wrong" in source else ""
            pytester.makepyfile(test_mine=f"import pytest\n{head}\n\n{source}")
        return pytester.runpytest_subprocess(*plugins, *arguments)

    return run_tests
