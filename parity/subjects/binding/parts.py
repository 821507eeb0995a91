"""Arguments that hold several hyperparameters, a pair or a mapping: taken apart to be bound, put together to be passed.

A part is called as people read it: ``betas[0]``, ``config[lr]``, ``config[betas][1]``, of an object ``args.lr``.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from inspect import Parameter
from types import SimpleNamespace
from typing import Any, Final

from parity.reference.arguments import ARGUMENTS

NONE: Final = Parameter.empty
UNKNOWN: Final = object()
"""The default of what a constructor takes although nothing of it can be read, as a trial showed."""
Kinds = Mapping[str, Callable[..., Any]]
"""What is taken apart to what makes it: ``tuple`` and ``list`` of two, anything else of its parts by keyword."""
_ALIASES: Final = frozenset(word for argument in ARGUMENTS for word in argument.aliases)
_TWO: Final = 2
_LAST: Final = re.compile(r"(.+)\[([^\[\]]+)\]|(\w+)\.(\w+)")
_KEYED: Final = re.compile(r"\w+(?:\[([^\[\]]*[^\[\]\d][^\[\]]*)\]|\.(\w+))(.*)")


def argument_of(own: str) -> str:
    """Return the argument that a part is of, or the argument itself."""
    return re.split(r"[\[.]", own, maxsplit=1)[0]


def word_of(own: str) -> str:
    """Return what names a part, wherever it lies: ``lr`` of ``config[lr]``, but ``betas[0]`` of ``betas[0]``."""
    found = _KEYED.fullmatch(own)
    return (found[1] or found[2]) + found[3] if found else own


def part_in(holder: str, word: str, made_by: Callable[..., Any]) -> str:
    """Return what a part is called that lies in an argument, such as ``config[betas][1]`` or ``args.betas[1]``."""
    key = argument_of(word)
    return f"{holder}[{key}]{word[len(key) :]}" if made_by is dict else f"{holder}.{word}"


def taken_apart(
    named: Mapping[str, Any], by_hand: Collection[str] = ()
) -> tuple[dict[str, Any], dict[str, Callable[..., Any]]]:
    """Return arguments with their defaults, each pair of weights as two, and what these pairs were.

    ``by_hand`` are parts that a person named: what they are of is a pair, whatever it is called.
    """
    pairs = {argument_of(own) for own in by_hand if own in _places(argument_of(own))}
    found, kinds = dict[str, Any](), dict[str, Callable[..., Any]]()
    for name, default in named.items():
        if not (_is_pair(name, default) or (name in pairs and _are_two(default))):
            found[name] = default
            continue
        kinds[name] = list if isinstance(default, list) else tuple
        found |= {place: NONE if default is NONE else default[number] for number, place in enumerate(_places(name))}
    return found, kinds


def _is_pair(name: str, default: Any) -> bool:
    """Whether an argument holds two weights: it is called so, and has two, or must be given and is in the plural."""
    if any(place not in _ALIASES for place in _places(name)):
        return False
    if default is NONE:
        return name.endswith("s")
    return _are_two(default) and all(isinstance(each, float | int) and 0 <= each < 1 for each in default)


def _are_two(default: Any) -> bool:
    return default is NONE or (isinstance(default, list | tuple) and len(default) == _TWO)


def _places(whole: str) -> list[str]:
    return [f"{whole}[{number}]" for number in range(_TWO)]


def put_together(values: Mapping[str, Any], defaults: Mapping[str, Any], kinds: Kinds) -> dict[str, Any]:
    """Return what is passed under the names of arguments; what is not passed of a pair is its default."""
    found = dict(values)
    for whole, parts in _wholes(found, kinds):
        if kinds[whole] not in (tuple, list):
            found[whole] = kinds[whole](**parts)
        elif parts:
            found[whole] = kinds[whole](
                [parts.get(str(number), defaults.get(place)) for number, place in enumerate(_places(whole))]
            )
    return found


def written(texts: Mapping[str, str], defaults: Mapping[str, Any], kinds: Kinds) -> dict[str, str]:
    """Return the same as expressions, of the expressions of what is passed."""
    found = dict(texts)
    for whole, parts in _wholes(found, kinds):
        if kinds[whole] in (dict, SimpleNamespace):
            text = f"{{{', '.join(f'{key!r}: {value}' for key, value in parts.items())}}}"
            found[whole] = text if kinds[whole] is dict else f'type("Config", (), {text})'
        elif kinds[whole] not in (tuple, list):
            given = ", ".join(f"{key}={value}" for key, value in parts.items())
            found[whole] = f"{getattr(kinds[whole], '__name__', 'Config')}({given})"
        elif parts:
            places = enumerate(_places(whole))
            inner = ", ".join(parts.get(str(number), repr(defaults.get(place))) for number, place in places)
            found[whole] = f"[{inner}]" if kinds[whole] is list else f"({inner})"
    return found


def _wholes(found: dict[str, Any], kinds: Kinds) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what was taken apart, the innermost first, with its parts by key, which are taken out of what is given."""
    for whole in sorted(kinds, key=lambda name: -len(re.findall(r"[\[.]", name))):
        matched = {part: [each for each in m.groups() if each] for part in found if (m := _LAST.fullmatch(part))}
        yield whole, {key: found.pop(part) for part, (holder, key) in matched.items() if holder == whole}
