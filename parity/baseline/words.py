"""A change in a sentence that needs no legend: what it was, what it is, by how much of the bound, and since when."""

import math
from collections.abc import Iterator
from typing import Any

from parity.baseline.record import Circumstances, Entry, Place, Required
from parity.report.facts import name
from parity.report.numbers import clean, real, short, times
from parity.verdicts.results import Comparison
from parity.verdicts.verdict import Verdict

_AGREED = (Verdict.ROUNDING, Verdict.UNDECIDED)


def sentence(before: Entry | None, now: Entry, item: Comparison) -> str:
    """Return how a comparison differs from its accepted outcome, or what it is where none was accepted."""
    if before is None:
        return f"{_described(now)}{_because(item)}"
    if before.verdict == now.verdict:
        return f"still {now.verdict}, but {'; '.join(_details(before, now)) or 'with other bits'}"
    if before.outcome is Verdict.IDENTICAL and now.outcome in _AGREED:
        return _lost(now, item) + _fewer(before, now)
    return f"was {_described(before)}, now {_described(now)}{_because(item)}{_fewer(before, now)}"


def differing(then: Circumstances, here: Circumstances) -> Iterator[str]:
    """Yield the circumstances that differ, those that change numbers most often first."""
    for package in sorted(then.packages.keys() | here.packages.keys()):
        yield from _differs(package, then.packages.get(package), here.packages.get(package), "not installed")
    for variable in sorted(then.environment.keys() | here.environment.keys()):
        yield from _differs(variable, then.environment.get(variable), here.environment.get(variable), "not set")
    yield from _differs("parity", then.parity, here.parity)
    yield from _differs("Python", then.python, here.python)
    yield from _differs("processor", then.cpu, here.cpu)
    yield from _differs("cores", then.cores, here.cores)
    yield from _differs("system", then.system, here.system)


def _differs(what: str, then: object, here: object, absent: str = "") -> Iterator[str]:
    if then != here:
        yield clean(f"{what} was {absent if then is None else then}, is {absent if here is None else here}")


def _described(entry: Entry) -> str:
    if entry.first_divergence is not None:
        worst = f", at worst {times(entry.required.ratio)} times the bound" if entry.required else ""
        return f"{entry.verdict} {_from(entry.first_divergence)}{worst}"
    if entry.required is not None and entry.outcome in _AGREED:
        return f"{entry.verdict}, {_needed(entry.required)}"
    return entry.verdict


def _needed(required: Required) -> str:
    """Return how much of the bound was needed; runs that drift freely on gradients of their own have none."""
    if math.isnan(real(required.ratio)):
        return f"a difference of {short(required.difference)} ({_spot(required)}, step {required.step})"
    return f"{times(required.ratio)} of the bound ({_spot(required)}, step {required.step})"


def _from(place: Place) -> str:
    return f"from step {place.step} ({_spot(place)}, stage {name(place.stage)})"


def _spot(at: Required | Place) -> str:
    return clean(f"{at.slot} of {at.tensor} at {at.index}")


def _because(item: Comparison) -> str:
    """Return the reason of an outcome that no number explains."""
    plain = item.reason in ("", item.outcome.value) or item.outcome is Verdict.ROUNDING
    return "" if plain or item.first_divergence else f": {clean(item.reason)}"


def _fewer(before: Entry, now: Entry) -> str:
    return "" if before.compared == now.compared else f"; compared {now.compared:,} values, before {before.compared:,}"


def _lost(now: Entry, item: Comparison) -> str:
    """Say where bits that were equal are not, at the tensor that comes nearest its bound."""
    since = _onsets(item)
    if now.required is None or not since:
        return f"was IDENTICAL, now {_described(now)}"
    where, size = (now.required.slot, now.required.tensor), _needed(now.required).partition(" (")[0]
    more = len(since) - 1
    others = f"; {more} other {'tensor' if more == 1 else 'tensors and slots'} too" if more else ""
    return (
        f"{clean(where[0])} of {clean(where[1])} was IDENTICAL, now {now.verdict}, {size}, "
        f"since step {since.get(where, now.required.step)}{others}"
    )


def _onsets(item: Comparison) -> dict[tuple[str, str], int]:
    """Return the first step at which each slot of each tensor differs in any bit."""
    table: dict[str, Any] = item.table or {}
    found: dict[tuple[str, str], int] = {}
    columns = (table.get(column, ()) for column in ("step", "slot", "tensor", "differing"))
    for step, slot, tensor, count in zip(*columns, strict=True):
        where = (str(slot), str(tensor))
        if count and step < found.get(where, step + 1):
            found[where] = int(step)
    return found


def _details(before: Entry, now: Entry) -> Iterator[str]:
    old, new = before.required, now.required
    if old and new and old != new and not now.first_divergence:
        more, less = real(new.ratio) > real(old.ratio), real(new.ratio) < real(old.ratio)
        what = "it needs more" if more else "it needs less" if less else "its worst difference is another"
        yield f"{what}: {_needed(new)}, before {_needed(old)}"
    first, moved = before.first_divergence, now.first_divergence
    if first != moved and first and moved:
        same = _from(first) == _from(moved)
        yield "parts there with other values" if same else f"parts {_from(moved)}, before {_from(first)}"
    if before.compared != now.compared:
        yield f"compared {now.compared:,} values, before {before.compared:,}"
