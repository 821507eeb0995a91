"""Bounds as one loop: the bounded page runs on symbols, its exact values and errors those of one element in float64.

tests/core/test_compiled.py holds the loop to the bits of the bounded page.
"""

from typing import Any

import numpy as np

from parity.bounds.compiled.kinds import BoundedStep, Predict, Rows
from parity.bounds.compiled.symbols import NotElementwiseError, Record, Symbol
from parity.bounds.numerics import format_of
from parity.bounds.rule import Predicted


def compiled_bounds(step: BoundedStep, rows: Rows) -> Predict | None:
    """Return a compiled form of a bounded step on rows of these names and dtypes, which takes all tensors as one.

    None where the step does more than arithmetic by elements, or where its exact values are wider than float64.
    """
    if format_of(rows["parameter"].dtype).wide != np.float64:
        return None
    record = Record()
    symbols = {name: Symbol(f"x{i}", row.dtype, record, strict=False) for i, (name, row) in enumerate(rows.items())}
    try:
        with np.errstate(all="ignore"):
            made = {slot: tensors[""] for slot, tensors in step(symbols).items()}
        names = [_name(part, record) for bounded in made.values() for part in (bounded.value, bounded.error)]
    except NotElementwiseError:
        return None
    loop = record.loop(len(symbols), tuple(names))

    def predict(given: Rows) -> Predicted:
        results = np.empty((len(names), given["parameter"].size), dtype=np.float64)
        loop(*(given[name] for name in symbols), *record.constants, *results)
        return {slot: (results[2 * i], results[2 * i + 1]) for i, slot in enumerate(made)}

    return predict


def _name(part: Any, record: Record) -> str:
    return part.name if isinstance(part, Symbol) else record.constant(np.float64(part))
