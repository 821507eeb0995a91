"""How to see a failure again: a command that was tried, not one that ought to work."""

import inspect
import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from parity.api import Session
from parity.case.spec import Cell
from parity.case.tomlfile import show_path
from parity.errors import ParityError
from parity.report.facts import command
from parity.subjects.naming import split_bound, with_bound
from parity.verdicts.results import Pair

TIME_LIMIT = 60.0


def spoken(kind: Callable[..., Any]) -> str:
    """Return what a class object is called: ``tests/test_mine.py:MyRMSprop`` where its file is known."""
    name = getattr(kind, "__qualname__", type(kind).__name__)
    file = _file(kind)
    return f"{show_path(Path(file)) if file else getattr(kind, '__module__', '?')}:{name}"


def loadable(kind: Callable[..., Any], cell: Cell, pair: Pair, session: Session) -> tuple[str, str]:
    """Return the name by which another process loads this class and gets the same results, else "" and the reason."""
    reason = "it has no name in a module"
    chosen = split_bound(pair.subject)[1]
    for plain in _names(kind):
        name = with_bound(plain, chosen)
        try:
            other = session.run(cell, name, TIME_LIMIT)
        except ParityError as error:
            reason = str(error)
            continue
        if [(i.verdict, i.digest) for i in other.comparisons] == [(i.verdict, i.digest) for i in pair.comparisons]:
            return name, ""
        reason = next(
            (i.reason for i in other.comparisons if i.verdict == "FAILED"), "loaded anew it computes otherwise"
        )
    return "", reason


def how(selector: str, name: str, reason: str = "", test: str = "") -> str:
    """Return the command, or where no other process can load the class, the test that shows it and the way out."""
    if name:
        return f"reproduce: {command(selector, name)}"
    lines = [f"reproduce: pytest {shlex.quote(test)}"] * bool(test)
    return "\n".join(
        [
            *lines,
            f"{'  ' if test else 'reproduce: '}`parity run {shlex.quote(selector)} --subject FILE.py:CLASS` needs the "
            f"class at the top of a file that can be imported ({reason})",
        ]
    )


def running_test() -> str:
    """Return the id of the test that runs, as pytest names it; empty outside of pytest."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]


def _names(kind: Callable[..., Any]) -> Iterator[str]:
    name = getattr(kind, "__qualname__", "")
    if not inspect.isclass(kind) or not name.isidentifier():
        return
    file = _file(kind)
    if file:
        yield f"{show_path(Path(file))}:{name}"
    if kind.__module__ != "__main__":
        yield f"{kind.__module__}:{name}"


def _file(kind: Callable[..., Any]) -> str:
    try:
        return inspect.getsourcefile(kind) or ""
    except TypeError:  # built in, or an object without a file
        return ""
