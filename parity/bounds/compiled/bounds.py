"""Bounds as one loop: the bounded page runs on symbols, its exact values and errors those of one element in float64.

tests/core/test_compiled.py holds the loop to the bits of the bounded page.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from parity.bounds.compiled.kinds import BoundedLoop, BoundedStep
from parity.bounds.compiled.measuring import Measured, gauge, limits_of, measured, tally, unsigned
from parity.bounds.compiled.symbols import PIECE, NotElementwiseError, Symbol, Tape, compiled, passes
from parity.bounds.numerics import Array, format_of
from parity.bounds.rule import Enclosures, SlotRows, reach_around


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
        pairs = {slot: (tensors[""].value, tensors[""].error) for slot, tensors in after.items()}
        names = {slot: (_name(value, tape), _name(error, tape)) for slot, (value, error) in pairs.items()}
        around = list[str]()
        for i, (slot, pair) in enumerate(pairs.items(), len(symbols)):
            expected = Symbol(f"x{i}", rows[slot].dtype, tape, strict=False)
            around.append(_name(reach_around(expected.astype(np.float64), *pair), tape))
    except NotElementwiseError:
        return None
    return _Bounds(tape, len(rows), len(errors), names, around)


class _Bounds:
    """What a tape has written down of a bounded step: pairs of value and error, and the bound ``around`` each value.

    The inputs are ``rows`` and ``errors`` of the step, then the expected values in the order of the slots.
    """

    def __init__(
        self, tape: Tape, rows: int, errors: int, pairs: Mapping[str, tuple[str, str]], around: Sequence[str]
    ) -> None:
        self._constants, self._slots, lines = tape.constants, tuple(pairs), tuple(tape.lines)
        self._enclosing = tape.loop(rows + errors, tuple(name for pair in pairs.values() for name in pair))
        makes = lines, len(tape.constants), (rows, errors), tuple(pairs.values()), tuple(around)
        self._make = partial(_gauging, *makes)
        self._gauging = self._make(gauge.loop)

    def __call__(self, rows: SlotRows, errors: SlotRows) -> Enclosures:
        results = np.empty((2 * len(self._slots), rows["parameter"].size), dtype=np.float64)
        self._enclosing(*rows.values(), *errors.values(), *self._constants, *results)
        return {slot: (results[2 * i], results[2 * i + 1]) for i, slot in enumerate(self._slots)}

    def gauge(
        self, rows: SlotRows, errors: SlotRows, obtained: SlotRows, expected: SlotRows, carries: bool, normal: float
    ) -> tuple[dict[str, Measured | None], dict[str, Array]]:
        mine, others = ([each[slot] for slot in self._slots] for each in (expected, obtained))
        sides = [*mine, *others, *map(unsigned, mine), *map(unsigned, others)]
        bounds = [np.empty(mine[0].size if carries else 0, dtype=np.float64) for _ in mine]
        tallies = [tally() for _ in mine]
        between = np.empty((3 * len(mine), PIECE), dtype=np.float64), np.empty(PIECE, dtype=np.bool_)
        inputs = *rows.values(), *errors.values(), *sides, *bounds, *self._constants
        self._gauging(
            carries, limits_of(mine[0], normal), *between, *inputs, *(part for one in tallies for part in one)
        )
        found = [measured(*each) for each in zip(tallies, others, mine, strict=True)]
        carried = dict(zip(self._slots, bounds, strict=True)) if carries else {}
        return dict(zip(self._slots, found, strict=True)), carried


@lru_cache(maxsize=64)
def _gauging(
    lines: tuple[Any, ...],
    constants: int,
    inputs: tuple[int, int],
    pairs: tuple[tuple[str, str], ...],
    around: tuple[str, ...],
    gauge: Any,
) -> Any:
    """Return a loop over pieces: the bounds of each slot, what of them is carried, and the measure of what differs.

    Its arguments are ``aI``, the inputs; of slot K ``oK``, what was obtained, ``eK`` and ``uK``, the bits of what was
    expected and obtained, and ``bK``, the bounds that are carried; constants; and a tally of each slot. ``vK``, ``fK``
    and ``lK``, its values, errors and bounds, are rows of ``between``.
    """
    every, known = range(len(pairs)), sum(inputs)
    rows = [*(f"a{i}" for i in range(known + len(pairs))), *(f"{letter}{k}" for letter in "oeub" for k in every)]
    others = [*(f"c{i}" for i in range(constants)), *(f"{letter}{k}" for k in every for letter in "nsw")]
    text = [f"def loop(carries, limits, between, marks, {', '.join([*rows, *others])}):"]
    text += [f"    {x}{k} = between[{3 * k + j}]" for k in every for j, x in enumerate("vfl")]
    # Unsigned, so that nothing asks whether an index counts from the end.
    text += [f"    for begin in range(0, a0.size, {PIECE}):", "        start = np.uint64(begin)"]
    text += [f"        stop, none = np.uint64(min(begin + {PIECE}, a0.size)), np.uint64(0)"]
    text += ["        zeros = none if carries else start"]
    places = {f"x{i}": f"a{i}[i]" for i in range(known + len(pairs))}
    # What is exact has errors that are a piece of zeros, whichever piece it is.
    places |= {f"x{i}": f"a{i}[i - zeros]" for i in range(inputs[0], known)}
    # Those of the first, the parameter, are needed nowhere else.
    wanted = [(name, f"{x}{k}[i - start]") for k in every if k for x, name in zip("vf", pairs[k], strict=True)]
    wanted += [(name, f"l{k}[i - start]") for k, name in enumerate(around)]
    text += passes(lines, places, wanted, "        for i in range(start, stop):")
    text += ["        if carries:", "            for i in range(start, stop):"]
    text += ["                marks[i - start] = " + " | ".join(f"(e{k}[i] != u{k}[i])" for k in every)]
    for k in every:
        text += ["            for i in range(start, stop):"]
        text += [f"                b{k}[i] = l{k}[i - start] if marks[i - start] else 0.0"]
    for k in every:
        sides, kept = f"o{k}, a{known + k}, u{k}, e{k}", f"limits, n{k}, s{k}, w{k}"
        text += ["        if carries:", f"            gauge(begin, stop, {sides}, b{k}, start, {kept})"]
        text += ["        else:", f"            gauge(begin, stop, {sides}, l{k}, none, {kept})"]
    return compiled("\n".join(text), gauge=gauge)


def _name(part: Any, tape: Tape) -> str:
    return part.name if isinstance(part, Symbol) else tape.constant(np.float64(part))
