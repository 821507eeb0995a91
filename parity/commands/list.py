"""``parity list``: cases, rules, subjects and switches, without importing a single library that computes."""

from argparse import ArgumentParser, Namespace
from collections import Counter
from importlib.util import find_spec
from typing import Any

from parity import subjects
from parity.case.listing import ListedCell, ListedRule, Listing, listing
from parity.circumstances import terminal
from parity.commands.cli import complain
from parity.errors import ParityError
from parity.reference.switches import SWITCHES, spelled
from parity.trajectory.golden.place import PREFIX, shipped

EXAMPLES = """\
  parity list                        everything, one line each
  parity list 'numerics/*' --cells   every cell of the cases of a folder
  parity list --json                 for programs
  parity list --schema               the JSON Schema of a case file, for an editor
"""


def configure(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a case id, a glob with '*', or a .toml file")
    parser.add_argument("--cells", action="store_true", help="every cell id instead of every case")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON document on standard output")
    form.add_argument("--schema", action="store_true", help="the JSON Schema of a case file")


def main(arguments: Namespace) -> int:
    """Print the list; return 2 if a case file is broken, after the others were listed."""
    if arguments.schema:
        from parity.case.spec import schema_text

        print(schema_text(), end="")
        return 0
    found, problems = listing(arguments.cases)
    if problems and not found.cells:
        return report_problems(problems)
    if arguments.json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(_document(found)), indent=2).decode())
    elif arguments.cells:
        print("\n".join(cell.id for cell in found.cells))
    else:
        print("\n\n".join(sections(found, everything=not arguments.cases, columns=terminal.width())))
    return report_problems(problems)


def report_problems(problems: list[ParityError]) -> int:
    """Print the errors that kept files or patterns out; return 2 if there was one, else 0."""
    for problem in problems:
        complain(problem)
    return 2 if problems else 0


def sections(listed: Listing, everything: bool, columns: int) -> list[str]:
    """Return the tables of cases and, if asked for, of rules, subjects and switches, in at most ``columns``."""
    cells, rules = listed
    counts = Counter(cell.case for cell in cells)
    summaries = {cell.case: cell.summary for cell in cells}
    rows = [(case, str(count), summaries[case]) for case, count in counts.items()]
    sections = [_section(f"Cases ({len(counts)}, {len(cells)} cells)", ("", "cells", ""), rows, columns)]
    if everything:
        of, arguments = Counter(cell.rule for cell in cells), _own(rules)
        rows = [(rule.name, str(of[rule.name]), f"{rule.kind}: {', '.join(arguments[rule.name])}") for rule in rules]
        sections.append(_section(f"Rules ({len(rows)})", ("", "cells", ""), rows, columns))
        found = subjects.registered()
        rows = [(name, _installed(entry), entry.summary) for name, entry in found.items()]
        rows += [
            (f"{PREFIX}{name}", "recorded", f"{name} as recorded, cells: {count}") for name, count in shipped().items()
        ]
        own = [("golden:FOLDER", "", "recordings of your own"), ("FILE.py:CLASS", "", "a class of your own")]
        sections.append(_section("Subjects", ("", "", ""), [*rows, *own], columns))
        rows = [(s.name, " | ".join(map(spelled, s.values)), s.meaning) for s in SWITCHES]
        sections.append(_section("Switches", ("", "", ""), rows, columns))
    return sections


def _own(rules: list[ListedRule]) -> dict[str, list[str]]:
    """Return the arguments of each rule that it does not share with all others."""
    shared = set.intersection(*(set(rule.arguments) for rule in rules))
    return {rule.name: [argument for argument in rule.arguments if argument not in shared] for rule in rules}


def _installed(entry: subjects.Entry) -> str:
    return "installed" if all(find_spec(module) is not None for module in entry.requires) else "not installed"


def _section(title: str, heads: tuple[str, str, str], rows: list[tuple[str, str, str]], columns: int) -> str:
    return "\n".join([title, *terminal.table(heads, rows, columns)])


def _document(listed: Listing) -> dict[str, Any]:
    cells, rules = listed
    found, arguments = subjects.registered(), _own(rules)
    return {
        "schema": 1,
        "cases": [
            {
                "id": case,
                "rule": group[0].rule,
                "summary": group[0].summary,
                "probes": group[0].probes,
                "cells": [cell.id for cell in group],
            }
            for case, group in _grouped(cells).items()
        ],
        "rules": [
            {"name": rule.name, "class": rule.kind, "arguments": arguments[rule.name], "slots": rule.slots}
            for rule in rules
        ],
        "subjects": [
            {"name": name, "summary": entry.summary, "installed": _installed(entry) == "installed"}
            for name, entry in found.items()
        ],
        "goldens": [{"name": f"{PREFIX}{name}", "cells": count} for name, count in shipped().items()],
        "switches": {s.name: {"values": [*map(spelled, s.values)], "meaning": s.meaning} for s in SWITCHES},
    }


def _grouped(cells: list[ListedCell]) -> dict[str, list[ListedCell]]:
    groups: dict[str, list[ListedCell]] = {}
    for cell in cells:
        groups.setdefault(cell.case, []).append(cell)
    return groups
