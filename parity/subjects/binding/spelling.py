"""Keras' names to somebody's own: which of several names is meant, by the names and by the defaults."""

import string
from collections.abc import Collection, Mapping
from typing import Any, Final

from parity.reference.arguments import ARGUMENTS, BY_NAME
from parity.subjects.binding.asked import HYPERPARAMETERS
from parity.subjects.binding.parts import NONE, UNKNOWN

AMBIGUOUS: Final = {"rho": "memory", "momentum": "momentum", "learning_rate": "rate"}
"""Keras' names that people's own may be taken for by mistake, and what an argument does that is the one."""
_KEPT: Final = 0.3
"""A default below this is no weight of an old moment: `decay=0.0` is how fast the learning rate decays."""
SAYS_LITTLE: Final = ("alpha", "beta", "gamma")
"""Names of a number that weighs something old, or something else: which it is only a trial tells."""
NO_RATES: Final = ("rate", "eta")
"""Names of a learning rate that may be any rate where their default is none of a learning rate."""


def is_several(default: Any) -> bool:
    """Whether a default is several numbers, which no argument of Keras' is."""
    numbers = isinstance(default, tuple | list) and all(isinstance(each, bool | int | float) for each in default)
    return numbers and bool(default)


def spelled_in(named: Mapping[str, Any], chosen: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Return Keras' names to a constructor's own; what was chosen is settled, and so is the argument that it took.

    ``known`` are those of the rule; what another rule calls so is another name of one of them, a switch, or nothing.
    """
    free = {name: value for name, value in named.items() if name not in chosen.values() and not is_several(value)}
    others = {word for argument in ARGUMENTS if argument.name in known for word in argument.aliases}
    switches = (name for name, argument in BY_NAME.items() if argument.domain == "flag" and name not in others)
    own = dict.fromkeys((*(name for name in BY_NAME if name in known), *switches, *known))
    found: dict[str, str] = {name: name for name in own if name in free and name not in chosen}
    for argument in ARGUMENTS:
        if argument.name not in chosen and argument.name in known:
            words = [word for word in argument.aliases if word in free]
            may_be = {"rho": keeps, "epsilon": _is_small}.get(argument.name, lambda default: True)
            _first(found, argument.name, [word for word in words if may_be(free[word])])
    _misspelled(found, free, known)
    momentum = free.get("momentum", NONE) if "momentum" in found else NONE
    if "rho" in known and "rho" not in {*found, *chosen} and momentum is not NONE and keeps(momentum):
        # Without another weight of the old moment, "momentum" that is on by default is that weight.
        found["rho"] = found.pop("momentum")
    return {**found, **{keras: own for keras, own in chosen.items() if own}}


def _misspelled(found: dict[str, str], free: Mapping[str, Any], known: Collection[str]) -> None:
    """Add the arguments whose names are one letter away from what people call one that is not found yet."""
    for keras in (name for name in ("learning_rate", "rho", "epsilon") if name in known):
        words = [word for word in (keras, *BY_NAME[keras].aliases) if len(word) >= _LONG]
        near = [
            own
            for own, default in free.items()
            if own not in (*found.values(), *HYPERPARAMETERS) and (keras != "rho" or keeps(default))
            if isinstance(default, float) and any(_one_letter_away(own, word) for word in words)
        ]
        if keras not in found and len(near) == 1:
            found[keras] = near[0]


_LONG: Final = 4
"""Letters of a name that a misspelled one may still be told from."""


def _one_letter_away(own: str, word: str) -> bool:
    """Whether a letter is another, missing, or too many, or two have changed places; a digit is no letter."""
    before = _alike(own, word)
    rest, meant = own[before:], word[before:]
    after = _alike(rest[::-1], meant[::-1])
    rest, meant = rest[: len(rest) - after], meant[: len(meant) - after]
    swapped = len(rest) == 2 and rest == meant[::-1]
    return not set(rest + meant) & set(string.digits) and (swapped or max(len(rest), len(meant)) == 1)


def _alike(one: str, other: str) -> int:
    """Return how many letters two names begin with together."""
    return next(
        (place for place, two in enumerate(zip(one, other, strict=False)) if len({*two}) > 1), min(len(one), len(other))
    )


def _first(found: dict[str, str], name: str, words: list[str]) -> None:
    free = [word for word in words if word not in found.values()]
    if name not in found and free:
        found[name] = free[0]


def says_little(word: str) -> bool:
    """Whether a name may be that of any number that weighs something old, as each of a pair may."""
    return word in (*SAYS_LITTLE, *NO_RATES) or "[" in word


def is_no_rate(default: Any) -> bool:
    """Whether a default is no learning rate's: nothing moves with it, or it is the weight of an old moment."""
    return isinstance(default, float) and (default == 0 or keeps(default))


def _is_small(default: Any) -> bool:
    """Whether an argument with this default may be what a division is kept from zero by: `e=10` are epochs."""
    return not isinstance(default, int) or default < 1


def keeps(default: Any) -> bool:
    """Whether an argument with this default may be the weight of an old moment."""
    return default in (NONE, UNKNOWN) or (isinstance(default, float) and _KEPT <= default < 1)
