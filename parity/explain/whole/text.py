"""An answer for people: what parts first, the stages as a ladder, why, what to change, and what was not seen."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from parity.report.numbers import begun

NO_REASON: Final = "no known mistake explains it"
_BESIDE: Final = 6
_COARSE: Final = 1e-4
"""What part of a derivative may be unknown before it is said: float64 knows far more, float32 less."""
_EXPLAINED: Final = frozenset({"layer", "prediction", "loss", "gradient", "update"})
"""Stages of which a mistake is sought."""
_HEADS: Final = {
    "DIVERGED": "they part",
    "NOT_COMPARABLE": "not all of it can be compared",
    "ROUNDING": "they agree in all that was seen",
    "UNDECIDED": "undecided",
    "UNSUPPORTED": "nothing was compared",
}


def render(document: Mapping[str, Any]) -> str:
    """Return the text of one answer, from its JSON form."""
    head = f"{document['program']} beside {document['keras']}: {document['verdict']}, {_HEADS[document['verdict']]}"
    lines = [head]
    first = document["first"]
    if first is not None:
        lines.append(f"  First: {_named(first['name'], first['tensor'])}.")
    lines += ["", *_ladder(document), ""]
    lines += list(_why(document))
    unseen = [(row["name"], row["tensor"], row["note"]) for row in document["quantities"] if row["outcome"] == "UNSEEN"]
    unlike = [row for row in document["quantities"] if row["outcome"] == "NOT_COMPARABLE"]
    lines += [f"  Not comparable: {_named(row['name'], row['tensor'])}: {row['note']}." for row in unlike]
    lines += [f"  Not seen: {_named(name, tensor)}: {note.rstrip('.')}." for name, tensor, note in unseen]
    lines += [f"  Beside it: {each.rstrip('.')}." for each in document["beside"][:_BESIDE]]
    more = len(document["beside"]) - _BESIDE
    lines += [f"  Beside it: {more} more (--json)."] if more > 0 else []
    lines.append(f"  Data: {document['data']}.")
    lines.append("  Asked by:")
    lines += [f"    --bind '{key}={text}'" for key, text in document["binding"].items()]
    return "\n".join(lines)


def _known(document: Mapping[str, Any]) -> str:
    """Return how well differences know a derivative, where a loss is rounded to less than float64."""
    slopes = (document["own_gradient"] or {}).values()
    parts = [each["unsure"] / abs(each["differences"]) for each in slopes if each["differences"]]
    coarse = max((part for part in parts if part < 1), default=0.0)
    return f", known to {coarse:.1g} of it" if coarse > _COARSE else ""


def _times(document: Mapping[str, Any]) -> str:
    """Return what a gradient is times the derivative, where that is one number."""
    rows = [row for row in document["quantities"] if row["name"] == "own gradient"]
    off = [row for row in rows if row["note"].startswith("it is ")]
    notes = {row["note"] for row in off}
    if len(notes) != 1:
        return ""
    whose = "" if len(off) == len(rows) else f"of {', '.join(row['tensor'] for row in off)} "
    number, _, beside = notes.pop().partition(" times the derivative of the program's own loss")
    return f": {whose}{number} times it{beside}"


def _named(name: str, tensor: str) -> str:
    return f"{name} of {tensor}" if tensor else name


def _ladder(document: Mapping[str, Any]) -> Iterator[str]:
    rows = document["quantities"]
    names = max((len(row["tensor"]) for row in rows), default=0)
    for row in rows:
        numbers = ""
        if row["outcome"] in ("DIVERGED", "NON_FINITE") and row["obtained"] is not None:
            numbers = f"  {_short(row['obtained'])} / {_short(row['expected'])}, bound {_short(row['bound'])}"
        factor = f"  × {row['factor']:.6g}" if isinstance(row["factor"], float) else ""
        yield f"  {row['name']:13} {row['tensor']:{names}} {row['outcome']:10}{factor}{numbers}".rstrip()


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float | int) else str(value)


def _why(document: Mapping[str, Any]) -> Iterator[str]:
    explanation = document["explanation"]
    for number, each in enumerate(explanation, start=1):
        yield f"{number}. {begun(each['sentence'])}."
        yield f"     Measured: {each['evidence']}."
        yield f"     Change: {each['repair']}."
        if not each["confirmed"]:
            yield "     Not confirmed on batches that were not searched on."
    for each in document["repairs"]:
        yield f"  Line {each['line']}, tried: {each['was']}"
        yield f"    → {each['becomes']}"
        yield f"    so changed, {' and '.join(each['agrees'])} agree{'s' if len(each['agrees']) == 1 else ''}."
    consistent = document["consistent"]
    if consistent is not None:
        says = "is" if consistent else "is not"
        own = f"the derivative of its own loss (central differences in float64{_known(document)}){_times(document)}"
        yield f"  The program's gradient {says} {own}."
    yield from (f"  {each}" for each in unexplained(document))


def unexplained(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence on each stage that parts and that no mistake explains."""
    parting = dict.fromkeys(row["name"] for row in document["quantities"] if row["outcome"] == "DIVERGED")
    explained = {each["stage"] for each in document["explanation"]}
    for name in [each for each in parting if each in _EXPLAINED - explained]:
        if name == "gradient" and document["consistent"] and "loss" in parting:
            yield "The gradient parts with the loss: it is the derivative of the program's own."
        else:
            yield f"No known mistake explains the {name}."
    if "gradient" in explained:
        left = [row["tensor"] for row in document["quantities"] if row["note"] == NO_REASON]
        if left:
            yield f"No known mistake explains the gradient of {', '.join(left)}."
