"""Numbers and arrays as Python text that reads back to the same bits, in as few digits as that takes."""

import ast
from typing import Any

import numpy as np

from parity.bounds.numerics import Array

LONG = 4
"""Elements above which an array of one value is written by ``np.full``."""


def number(value: Any, dtype: np.dtype[Any]) -> str:
    """Return the shortest decimal that ``dtype.type(float(text))`` reads back to a value's bits."""
    wide = float(value)
    if not np.isfinite(wide):
        return {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}[str(wide)]
    for digits in range(1, 18):
        text = repr(float(f"{wide:.{digits}g}"))
        with np.errstate(over="ignore"):  # few digits may round a large number beyond the dtype's largest
            if _same(dtype.type(float(text)), dtype.type(value)):
                return text
    return repr(wide)


def array(values: Array, kind: str) -> str:
    """Return an expression that makes an array; ``kind`` is how its dtype is called."""
    shape = values.shape
    spelled = f"({shape[0]},)" if len(shape) == 1 else str(shape)
    if not values.size:
        return f"np.zeros({spelled}, {kind})"
    texts = {number(value, values.dtype) for value in values.reshape(-1)}
    if values.size > LONG and len(texts) == 1:
        return f"np.full({spelled}, {texts.pop()}, {kind})"
    return f"np.array({nested(values)}, {kind})"


def nested(values: Array) -> str:
    """Return an array's values as nested lists."""
    if not values.ndim:
        return number(values[()], values.dtype)
    return f"[{', '.join(nested(part) for part in values)}]"


def literal(value: Any) -> ast.expr:
    """Return a plain value as an expression."""
    return ast.parse(repr(value), mode="eval").body


def _same(a: Any, b: Any) -> bool:
    return bool(np.asarray(a).tobytes() == np.asarray(b).tobytes())
