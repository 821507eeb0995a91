"""The pytest plugin (entry point ``parity``): case files as items, the ``parity`` fixture and the marker of cases.

It is loaded by every pytest of an environment, so it imports nothing but pytest until a test or a case asks for it.
"""

import os
import re
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from parity.api import Results
    from parity.testing.bench import Bench
    from parity.testing.choose import Cases

_HEAD_BYTES = 64_000
_KEYS = re.compile(r"""^[ \t]*["']?(id|summary|probes|problem)["']?[ \t]*[=.]""", re.MULTILINE)
_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)
_PROBLEM = re.compile(r"^[ \t]*\[problem\]", re.MULTILINE)
_ENOUGH_KEYS = 3  # of four, so that a case which lacks one is an error and not overlooked
_TOLD = {
    "parity: passed, but not compared for want of": "parity.not_compared",
    "parity: passed, and says nothing of": "parity.not_seen",
}
_BENCH = pytest.StashKey["Bench"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option and the setting that choose subjects for case files."""
    text = "what case files run against (may be given again); unless given, keras-eager or its recorded trajectories"
    group = parser.getgroup("parity", "optimizers against the reference")
    group.addoption("--parity-subject", action="append", metavar="NAME", help=f"parity: {text}")
    parser.addini("parity_subjects", type="linelist", default=[], help=f"parity: {text}")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and refuse a subject that does not exist before anything runs."""
    chosen = "*cases, rule=None, dtypes=None, gradients=None, comparisons=None"
    config.addinivalue_line("markers", f"parity_cases({chosen}): one test for each case, as parity_case")
    if _asked(config):
        from parity import subjects
        from parity.errors import ParityError

        try:
            for name in _asked(config):
                subjects.check_name(name)
        except ParityError as error:
            raise pytest.UsageError(f"parity: {error}") from error


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the worker processes."""
    if _BENCH in config.stash:
        config.stash[_BENCH].close()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take a TOML file that is a case; every other file is left alone."""
    if file_path.suffix != ".toml" or not _is_case(file_path):
        return None
    from parity.testing.items import CaseFile, default_subjects

    names = list(dict.fromkeys(_asked(parent.config))) or default_subjects()
    return CaseFile.of(parent, file_path, names, _bench(parent.config))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each case that the marker selects."""
    marker = metafunc.definition.get_closest_marker("parity_cases")
    if marker is None:
        return
    if "parity_case" not in metafunc.fixturenames:
        if marker in metafunc.definition.own_markers:
            pytest.fail("parity_cases: the test takes no argument parity_case, so it would run no case.", pytrace=False)
        return
    from parity.errors import ParityError
    from parity.testing.choose import choose

    try:
        cells = choose(marker.args or None, **marker.kwargs)
    except (ParityError, TypeError) as error:
        pytest.fail(f"parity_cases: {error}", pytrace=False)
    metafunc.parametrize("parity_case", cells, ids=[cell.id for cell in cells])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a skipped case be reported at its file, not at the line of this project that skipped it."""
    report = yield
    if report.skipped and item.path.suffix == ".toml" and isinstance(report.longrepr, tuple):
        report.longrepr = (str(item.path), 1, report.longrepr[2])
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say of each test that passed what it did not compare, so that nobody takes it for compared."""
    passed = terminalreporter.stats.get("passed", [])
    for title, key in _TOLD.items():
        lines = [f"{report.nodeid}: {said}" for report in passed if (said := _property(report, key))]
        if lines and terminalreporter.config.getoption("verbose") >= 0:
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.line(line)


@pytest.fixture
def parity(request: pytest.FixtureRequest) -> "Parity":
    """Check your own optimizer: ``parity.assert_parity(MyAdam, rule="adam", cases="adam/*")``."""
    return Parity(request)


@pytest.fixture
def parity_case() -> Any:
    """One case of those that ``@pytest.mark.parity_cases("rmsprop/*")`` names; each is a test of its own."""
    pytest.fail("parity_case needs a marker beside it, such as @pytest.mark.parity_cases('rmsprop/*').", pytrace=False)


class Parity:
    """What the fixture gives: ``parity.assert_parity`` with processes that stay, and properties for JUnit XML."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def assert_parity(self, subject: Any, cases: "Cases | None" = None, **options: Any) -> "Results":
        """Fail unless the optimizer equals that of tf.keras; arguments as in ``parity.assert_parity``.

        One case of ``parity_case`` that the optimizer does not support is skipped; a whole set of them is a failure.
        """
        __tracebackhide__ = True
        from parity.errors import printable
        from parity.testing.assertion import NothingCompared, NotInParity, assert_parity
        from parity.testing.record import properties

        node, bench = self._request.node, _bench(self._request.config)
        bench.test = _rerun(node)
        try:
            results = assert_parity(subject, cases, bench=bench, **options)
        except NotInParity as error:
            node.user_properties.extend(properties(error.results.comparisons))
            if isinstance(error, NothingCompared) and hasattr(cases, "hyperparameters"):
                pytest.skip(printable(error.results.comparisons[0].reason))
            raise
        finally:
            bench.test = ""
        # Of one case of several tests nobody knows here what the others saw.
        alone = hasattr(cases, "hyperparameters")
        node.user_properties.extend(properties(results.comparisons, () if alone else results.unseen))
        return results


def _bench(config: pytest.Config) -> "Bench":
    if _BENCH not in config.stash:
        from parity.testing.bench import Bench

        config.stash[_BENCH] = Bench()
    return config.stash[_BENCH]


def _asked(config: pytest.Config) -> list[str]:
    """Return the subjects of the command line, else those of the settings, whose paths are relative to the root."""
    given: list[str] = config.getoption("--parity-subject") or []
    found = given or [_rooted(name, config) for name in config.getini("parity_subjects")]
    return [str(name) for name in found]


def _rooted(name: str, config: pytest.Config) -> str:
    where, colon, kind = name.rpartition(":")
    return f"{os.path.relpath(config.rootpath / where)}:{kind}" if colon and where.endswith(".py") else name


def _is_case(path: Path) -> bool:
    """Whether a TOML file means to be a case: it has most of a case's keys before its first table."""
    try:
        with path.open("rb") as file:
            text = file.read(_HEAD_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return False
    table = _TABLE.search(text)
    keys = set(_KEYS.findall(text[: table.start()] if table else text))
    return len(keys | ({"problem"} if _PROBLEM.search(text) else set())) >= _ENOUGH_KEYS


def _rerun(node: pytest.Item) -> str:
    """Return the test as pytest is told to run it from the current folder."""
    return "::".join([os.path.relpath(node.path), *node.nodeid.split("::")[1:]])


def _property(report: Any, name: str) -> str:
    return next((str(value) for key, value in report.user_properties if key == name), "")
