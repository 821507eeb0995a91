"""How somebody's optimizer was driven and what it was passed, in words, as circumstances of a pair hold them."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from parity.subjects.binding.bound import Bound

DRIVEN: Final = "driven as"
PASSED: Final = "passed as"
LEFT: Final = "left at its own default"
MOVED: Final = "a rate that changes is set as"
DEFAULTS: Final = "its defaults (Keras')"
SWALLOWED: Final = "of no effect in a trial"


def circumstances(
    title: str,
    bound: Bound,
    by_hand: Mapping[str, str],
    settled: Mapping[str, str],
    hands: Collection[str] = (),
) -> dict[str, str]:
    """Return the shape, what was passed under another name, what was not passed, and defaults that are not Keras'.

    Args:
        title: how it is driven.
        bound: what was passed.
        by_hand: Keras' names to the class's own, as far as a person bound them.
        settled: the same, as far as a person or a trial did.
        hands: its own names of what it is handed beside that.
    """
    tried = [name for name, own in settled.items() if bound.spelled.get(name) == own]
    how = {**dict.fromkeys(tried, " (by a trial)"), **dict.fromkeys(by_hand, " (as bound)")}
    renamed = [
        f"{name} as {own}{how.get(name, '')}"
        for name, own in bound.spelled.items()
        if own != name and own in bound.values
    ]
    left = [f"{name}={value!r}" for name, value in bound.left.items() if name not in hands]
    others = [f"{name} {own!r} ({keras!r})" for name, (own, keras) in bound.departures.items()]
    swallowed = [f"other numbers in **{bound.swallows}, by the names that people use"] if bound.swallows else []
    texts = {PASSED: renamed, LEFT: left, SWALLOWED: swallowed, DEFAULTS: others}
    return {DRIVEN: title, **{key: ", ".join(parts) for key, parts in texts.items() if parts}}


def of(known: Mapping[str, Any]) -> dict[str, str]:
    """Return what of the circumstances of a pair says how it was driven and what it was passed."""
    return {key: known[key] for key in (DRIVEN, PASSED, LEFT, SWALLOWED, MOVED, DEFAULTS) if key in known}


def lines(known: Mapping[str, Any]) -> list[str]:
    """Return the sentences for people; nothing where the subject is nobody's own."""
    if DRIVEN not in known:
        return []
    parts = [f"driven as {known[DRIVEN]}"]
    parts += [f"passed {known[PASSED]}"] if PASSED in known else []
    parts += [f"{MOVED} {known[MOVED]}"] if MOVED in known else []
    parts += [f"{LEFT}: {known[LEFT]}"] if LEFT in known else []
    parts += [f"{SWALLOWED}: {known[SWALLOWED]}"] if SWALLOWED in known else []
    found = ["; ".join(parts)]
    if DEFAULTS in known:
        found.append(f"your defaults differ from Keras' (in brackets): {known[DEFAULTS]}")
    return found
