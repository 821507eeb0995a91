"""``parity accept``: what the last check obtained in, the baseline out; the only way to change it."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.circumstances import terminal
from parity.commands.work import add_bind_argument, spelled
from parity.errors import UsageError

if TYPE_CHECKING:
    from parity.baseline.accepting import Accepted
    from parity.baseline.store import Change

EXAMPLES = """\
  parity accept                                    everything that `parity check` obtained
  parity accept 'rmsprop/*' --subject keras-graph  some of it; the rest still waits
  parity accept --prune                            and remove what no case asks for any more
  parity accept --moved opt.py:Mine src/opt.py:Mine    a file, class or case that is called otherwise now
"""
_SHOWN = 20


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a case id, a cell id, or a glob with '*'; else all")
    text = "whose outcomes; may be given again; unless given all that wait"
    parser.add_argument("--subject", action="append", metavar="NAME", help=text)
    add_bind_argument(parser)
    folder = "reports/baseline"
    parser.add_argument("--baseline", type=Path, default=Path(folder), metavar="DIR", help=f"unless given {folder}")
    parser.add_argument("--prune", action="store_true", help="remove entries that no case asks for any more")
    text = "another name for a subject, case or case file that the baseline holds; nothing else is accepted"
    parser.add_argument("--moved", nargs=2, metavar=("OLD", "NEW"), help=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def main(arguments: Namespace) -> int:
    """Accept, print what was accepted, and return 0, also where nothing waits."""
    from parity.baseline.accepting import accept

    if not os.path.lexists(arguments.baseline):
        raise _nothing(arguments.baseline)
    if arguments.moved:
        return _move(arguments)
    cells = _all_cells() if arguments.prune else None
    done = accept(arguments.baseline, arguments.cases, spelled(arguments.subject or (), arguments.bind), cells)
    if done.empty:
        raise _nothing(arguments.baseline)
    if arguments.json:
        import json

        print(json.dumps(_document(done), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(done, arguments.baseline)
    return 0


def _move(arguments: Namespace) -> int:
    from parity.baseline.moving import move
    from parity.report.numbers import clean, many

    if arguments.cases or arguments.subject or arguments.bind or arguments.prune:
        raise UsageError("--moved OLD NEW stands alone, but for --baseline and --json: it gives a name, and no more.")
    old, new = arguments.moved
    found = move(arguments.baseline, old, new)
    if arguments.json:
        import json

        print(json.dumps({"schema": 1, "moved": found, "from": old, "to": new}, indent=1, ensure_ascii=False))
        return 0
    for subject, count in found.items():
        whose = "" if subject == new else f" of {clean(subject)}"
        print(f"{many(count, 'comparison')}{whose}: {clean(old)} is {clean(new)} now")
    return 0


def _nothing(folder: Path) -> UsageError:
    return UsageError(
        f"there is neither a baseline in {str(folder)!r} nor anything to accept. `parity check` runs the cases and "
        f"leaves there what it obtained; name another folder with --baseline."
    )


def _all_cells() -> list[dict[str, Any]]:
    """Return every cell, described; a case file that cannot be read would look like one that is gone."""
    from parity.api import describe
    from parity.case.cells import all_cells

    return [describe(cell) for cell in all_cells()]


def _show(done: "Accepted", folder: Path) -> None:
    from parity.baseline.store import place
    from parity.case.tomlfile import show_path
    from parity.circumstances.doctor import commit
    from parity.report.numbers import clean, many

    columns = terminal.width()
    for subject, changes in sorted(done.taken.items()):
        terminal.say_in("bold", f"{clean(subject)}: {many(len(changes), 'comparison')} accepted", columns)
        for change in changes[:_SHOWN]:
            style = "bold red" if change.entry.outcome.fails else "green" if change.kind == "better" else ""
            terminal.say_in(
                style, clean(f"  {change.entry.case} · {change.entry.comparison}: {_news(change)}"), columns
            )
        if len(changes) > _SHOWN:
            terminal.say(
                [f"  and {len(changes) - _SHOWN:,} more; `git diff` shows {show_path(place(folder, subject))}"], columns
            )
        others = {change.commit for change in changes} - {commit() or "", ""}
        if others:
            terminal.say([f"  obtained at another commit than this one: {', '.join(sorted(others))}"], columns)
    for subject, entries in sorted(done.removed.items()):
        named = ", ".join(clean(f"{entry.case} {entry.comparison}") for entry in entries[:_SHOWN])
        count = many(len(entries), "entry", "entries")
        terminal.say([f"{clean(subject)}: {count} removed: {named}{', …' * (len(entries) > _SHOWN)}"], columns)
    if not done.taken and not done.removed:
        terminal.say(["Nothing waits to be accepted: the last check found everything as the baseline has it."], columns)
    if done.left:
        terminal.say([f"{many(done.left, 'comparison')} still wait{'s' * (done.left == 1)} to be accepted."], columns)


def _news(change: "Change") -> str:
    return f"new: {change.says}" if change.kind == "missing" else change.says


def _document(done: "Accepted") -> dict[str, Any]:
    from msgspec import to_builtins

    from parity.report.numbers import plain

    document: dict[str, Any] = plain(
        {
            "schema": 1,
            "accepted": {subject: to_builtins(changes) for subject, changes in sorted(done.taken.items())},
            "removed": {subject: to_builtins(entries) for subject, entries in sorted(done.removed.items())},
            "waiting": done.left,
        }
    )
    return document
