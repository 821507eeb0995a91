"""Values on their way to a page: strict JSON, digits that round-trip, and text that no terminal or browser obeys."""

import math
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec
import numpy as np

# What XML 1.0 forbids (https://www.w3.org/TR/xml/#charsets), lone surrogates, and the marks that reverse text.
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_DIGITS = {"float64": 17}


def clean(text: object) -> str:
    """Return text without terminal colours; other control characters become U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", _TERMINAL_CODES.sub("", str(text)))


def plain(value: Any) -> Any:
    """Return what strict JSON can hold: floats that are not finite become "NaN", "Infinity" or "-Infinity"."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _not_finite(value)
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value), key=str)
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.to_builtins(value))
    return plain(str(value))


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def exact(value: float | str | None, dtype: str = "float64") -> str:
    """Return a value of a trajectory with the digits that read back as the same bits: 17 for float64, else 9."""
    if isinstance(value, int | float):
        return f"{value:.{_DIGITS.get(dtype, 9)}g}" if math.isfinite(value) else _not_finite(value)
    return "" if value is None else clean(value)


def short(value: float | str | None) -> str:
    """Return a measure of an error in three digits, for people."""
    if isinstance(value, int | float):
        return f"{value:.3g}" if math.isfinite(value) else _not_finite(value)
    return "" if value is None else clean(value)


def real(value: float | str | None) -> float:
    """Return a field that holds a float or its name as a float; NaN where it holds neither."""
    try:
        return float(value) if value is not None else math.nan
    except ValueError:
        return math.nan


def times(value: float | str | None) -> str:
    """Return a ratio in words: ``0.83``, ``1,250``, ``3.4 million``."""
    ratio = real(value)
    if not math.isfinite(ratio) or abs(ratio) >= 1e15 or 0 < abs(ratio) < 1e-3:
        return short(ratio)
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if abs(ratio) >= size:
            return f"{ratio / size:.3g} {word}"
    return f"{ratio:,.0f}" if abs(ratio) >= 100 else f"{ratio:.3g}"


def many(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: ``1 case``, ``1,200 cases``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def begun(sentence: str) -> str:
    """Return a sentence with a capital letter, unless it begins with a tensor's name."""
    return sentence if "/" in sentence.partition(" ")[0] else f"{sentence[0].upper()}{sentence[1:]}"
