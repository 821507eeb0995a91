"""Known divergences: data with a reason and a link, which fail as FIXED when they are gone."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from parity.case.error import dotted, explain
from parity.case.places import CASES
from parity.case.tomlfile import read_toml
from parity.verdicts.results import Comparison, Pair
from parity.verdicts.verdict import Verdict

PATH = CASES / "known_divergences.toml"
Text = Annotated[str, Meta(min_length=1)]


class Known(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry: which comparisons (globs with ``*``), the verdict they end in, why, and where that is written down.

    ``only`` names the processors that show it, where not all do: elsewhere it is no news that it does not show. With a
    ``relation`` it is that relation between two runs which does not hold, and no comparison with the reference.
    """

    case: Text
    subject: Text
    verdict: Text
    reason: Text
    link: Text
    comparison: str = "*"
    only: str = ""
    relation: str = ""


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    known: int
    divergence: list[Known] = []


def load(path: Path = PATH) -> list[Known]:
    """Return the entries of the list; an absent file is an empty list.

    Raises:
        SpecError: the file is damaged, or names a verdict that does not exist.
    """
    if not path.exists():
        return []
    file = read_toml(path)
    try:
        entries = msgspec.convert(file.table, _File).divergence
    except msgspec.ValidationError as error:
        more = "Each entry has case, subject, verdict, reason and link."
        keys, message = explain(str(error), file.table, msgspec.json.schema(_File), more)
        raise file.mistake(message, keys) from error
    for number, entry in enumerate(entries):
        if entry.verdict not in Verdict.__members__ or not Verdict[entry.verdict].fails:
            keys = ("divergence", number, "verdict")
            text = f"received {entry.verdict!r}; allowed: a verdict that fails, such as DIVERGED."
            raise file.mistake(f"{dotted(keys)}: {text}", keys)
    return entries


def apply(entries: list[Known], pair: Pair, partly: bool = False) -> Pair:
    """Return the pair with listed divergences renamed KNOWN_DIVERGENCE, and those that are gone, FIXED.

    A run that was judged ``partly`` may not have seen a divergence, so there nothing counts as gone.
    """
    return msgspec.structs.replace(pair, comparisons=[_judged(entries, item, partly) for item in pair.comparisons])


def _judged(entries: list[Known], item: Comparison, partly: bool) -> Comparison:
    entry = entry_of(entries, item)
    if entry is None or item.outcome in (Verdict.NOT_INSTALLED, Verdict.UNSUPPORTED):
        return item
    if item.verdict == entry.verdict:
        note = f"{item.verdict}: {item.reason}"
        reason = f"{entry.reason} ({entry.link})"
        return msgspec.structs.replace(
            item, verdict=Verdict.KNOWN_DIVERGENCE.name, reason=reason, notes=[note, *item.notes]
        )
    if item.outcome.fails or partly:
        return item
    if entry.only:
        note = f"listed as {entry.verdict} on {entry.only}: it does not show here"
        return msgspec.structs.replace(item, notes=[note, *item.notes])
    reason = f"{Verdict.FIXED.value}; it was listed as {entry.verdict}: {entry.reason}"
    return msgspec.structs.replace(item, verdict=Verdict.FIXED.name, reason=reason)


def entry_of(entries: list[Known], item: Comparison) -> Known | None:
    """Return the first entry that is about a comparison, None if none is."""
    return next((entry for entry in entries if _covers(entry, item)), None)


def _covers(entry: Known, item: Comparison) -> bool:
    pairs = ((entry.case, item.case), (entry.subject, item.subject), (entry.comparison, item.comparison))
    return not entry.relation and all(_matches(text, pattern) for pattern, text in pairs)


def _matches(text: str, pattern: str) -> bool:
    # Only '*' is special: case ids hold brackets.
    return fnmatchcase(text, pattern.replace("[", "[[]"))
