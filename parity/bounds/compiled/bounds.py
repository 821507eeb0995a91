"""Bounds as one loop: the bounded page runs on symbols, its exact values and errors those of one element in float64.

tests/core/test_compiled.py holds the loop to the bits of the bounded page.
"""

from typing import Any

import numpy as np

from parity.bounds.compiled.kinds import BoundedLoop, BoundedStep
from parity.bounds.compiled.symbols import NotElementwiseError, Symbol, Tape
from parity.bounds.numerics import format_of
from parity.bounds.rule import Enclosures, SlotRows


def compiled_bounds(step: BoundedStep, rows: SlotRows, errors: SlotRows) -> BoundedLoop | None:
    """Return a compiled form of a bounded step on rows of these slots and dtypes, which takes all tensors as one.

    None where the step does more than arithmetic by elements, or where its exact values are wider than float64.
    """
    if format_of(rows["parameter"].dtype).wide != np.float64:
        return None
    tape = Tape()
    inputs = [*rows.values(), *errors.values()]
    symbols = [Symbol(f"x{i}", row.dtype, tape, strict=False) for i, row in enumerate(inputs)]
    try:
        with np.errstate(all="ignore"):
            after = step(dict(zip(rows, symbols, strict=False)), dict(zip(errors, symbols[len(rows) :], strict=True)))
        bounded = {slot: tensors[""] for slot, tensors in after.items()}
        names = [_name(part, tape) for pair in bounded.values() for part in (pair.value, pair.error)]
    except NotElementwiseError:
        return None
    loop = tape.loop(len(symbols), tuple(names))

    def enclose(rows: SlotRows, errors: SlotRows) -> Enclosures:
        results = np.empty((len(names), rows["parameter"].size), dtype=np.float64)
        loop(*rows.values(), *errors.values(), *tape.constants, *results)
        return {slot: (results[2 * i], results[2 * i + 1]) for i, slot in enumerate(bounded)}

    return enclose


def _name(part: Any, tape: Tape) -> str:
    return part.name if isinstance(part, Symbol) else tape.constant(np.float64(part))
