"""The page's step as one loop: the page runs on symbols, which write down each operation; Numba compiles the record.

Only operations that IEEE 754 rounds correctly are taken, each in the page's dtype, without contraction: so the loop has
the bits of the page (tests/core/test_compiled.py holds it to that). Everything else is left to the page.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from parity.compiled import Named, Step
from parity.reference.rmsprop import RMSprop

_FORMS: dict[np.ufunc, str] = {
    np.add: "{0} + {1}",
    np.subtract: "{0} - {1}",
    np.multiply: "{0} * {1}",
    np.divide: "{0} / {1}",
    np.square: "{0} * {0}",
    np.sqrt: "np.sqrt({0})",
}

_Line = tuple[str, tuple[str, ...]]
"""An operation: its form, and the names of its operands. The i-th line makes ``ti``."""

_PIECE = 2048

_KNOWN = 64
"""Traces that a step keeps: one for each tensor, and with a schedule one for each of the last steps."""


class _NotElementwise(Exception):
    """The page did something that is not in ``_FORMS``."""


@dataclass(slots=True)
class _Record:
    """What the page did to one element: lines of a loop's body, and the constants in the order of their use."""

    lines: list[_Line] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _SymbolDtype:
    """Stands where the page asks an array for its dtype; ``type(x)`` makes a constant."""

    dtype: np.dtype[Any]
    record: _Record

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    def type(self, value: Any) -> "_Symbol":
        self.record.constants.append(self.dtype.type(value))
        return _Symbol(f"c{len(self.record.constants) - 1}", self)


class _Symbol(NDArrayOperatorsMixin):
    """One element of an array, by the name that it has in the loop."""

    __slots__ = ("dtype", "name")
    shape = ()

    def __init__(self, name: str, dtype: _SymbolDtype) -> None:
        self.name, self.dtype = name, dtype

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> "_Symbol":
        if ufunc not in _FORMS or method != "__call__" or kwargs or not all(isinstance(x, _Symbol) for x in inputs):
            raise _NotElementwise
        lines = self.dtype.record.lines
        lines.append((_FORMS[ufunc], tuple(x.name for x in inputs)))
        return _Symbol(f"t{len(lines) - 1}", self.dtype)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise _NotElementwise


def compiled_step(rule: RMSprop) -> Step | None:
    """Return ``rule.step`` as a compiled loop, or None where the page does more than arithmetic by elements.

    What it returns is new, and C-contiguous.
    """
    if rule.use_ema or rule.gradient_accumulation_steps:
        return None
    try:
        _traced(rule, "", np.dtype(np.float32), ["second_moment", *_optional(rule)], 0)
    except _NotElementwise:
        return None

    known: dict[Any, tuple[Any, list[Any]]] = {}

    def step(params: Named, grads: Named, state: Named) -> tuple[dict[str, Any], dict[str, Any]]:
        slots = [slot for slot in state if slot != "iterations"]
        after: dict[str, Any] = {}
        new: dict[str, Any] = {slot: {} for slot in slots}
        for name, w in params.items():
            key = name, w.dtype, state["iterations"] if callable(rule.learning_rate) else 0
            if key not in known:
                if len(known) >= _KNOWN:
                    known.clear()
                known[key] = _traced(rule, name, w.dtype, slots, state["iterations"])
            kernel, constants = known[key]
            inputs = [w, grads[name], *(state[slot][name] for slot in slots)]
            made = [np.empty(w.shape, dtype=w.dtype) for _ in range(1 + len(slots))]
            kernel(*(array.reshape(-1) for array in inputs), *constants, *(array.reshape(-1) for array in made))
            after[name] = made[0]
            new |= {slot: {**new[slot], name: array} for slot, array in zip(slots, made[1:], strict=True)}
        return after, {"iterations": state["iterations"] + 1, **new}

    return step


def _optional(rule: RMSprop) -> list[str]:
    used = {"first_moment": rule.centered, "momentum_buffer": rule.momentum > 0}
    return [slot for slot, is_used in used.items() if is_used]


def _traced(rule: RMSprop, name: str, dtype: np.dtype[Any], slots: list[str], iterations: int) -> tuple[Any, list[Any]]:
    """Run the page on symbols; return the loop over what it did, and the constants that it used."""
    record = _Record()
    kind = _SymbolDtype(dtype, record)
    inputs = [_Symbol(f"x{i}", kind) for i in range(2 + len(slots))]
    state: dict[str, Any] = {slot: {name: symbol} for slot, symbol in zip(slots, inputs[2:], strict=True)}
    after, new = rule.step({name: inputs[0]}, {name: inputs[1]}, {"iterations": iterations, **state})
    results = tuple(symbol.name for symbol in (after[name], *(new[slot][name] for slot in slots)))
    return _loop(tuple(record.lines), len(inputs), len(record.constants), results), record.constants


@lru_cache(maxsize=64)
def _loop(lines: tuple[_Line, ...], inputs: int, constants: int, results: tuple[str, ...]) -> Any:
    """Return a function of input arrays, constants and result arrays that does ``lines`` to each element.

    Each result has an inner loop of its own, which starts from inputs and earlier results: few arrays in a loop are
    what the compiler can prove apart and so vectorise. A piece stays in the innermost cache between the loops.
    """
    arrays = {f"x{i}": f"a{i}" for i in range(inputs)}
    arguments = [*arrays.values(), *(f"c{i}" for i in range(constants)), *(f"r{i}" for i in range(len(results)))]
    made: dict[str, str] = {}
    text = [f"def loop({', '.join(arguments)}):", f"    for start in range(0, a0.size, {_PIECE}):"]
    text += [f"        p{name} = {name}[start : start + {_PIECE}]" for name in arguments if name[0] != "c"]
    # In the order of computation, so that the new weights start from the new moments.
    for number, result in sorted(enumerate(results), key=lambda pair: (len(pair[1]), pair[1])):
        at_hand = {**arrays, **made}
        body = [*_needed(lines, result, at_hand), f"pr{number}[i] = {result}"]
        text += ["        for i in range(pa0.size):", *(f"            {line}" for line in body)]
        made.setdefault(result, f"r{number}")
    names: dict[str, Any] = {"np": np}
    exec("\n".join(text), names)
    return numba.njit(nogil=True, error_model="numpy")(names["loop"])


def _needed(lines: tuple[_Line, ...], wanted: str, at_hand: dict[str, str]) -> list[str]:
    """Return the statements that make a result of one element from arrays that are there, in order."""
    if wanted[0] == "c":
        return []
    if wanted in at_hand:
        return [f"{wanted} = p{at_hand[wanted]}[i]"]
    form, operands = lines[int(wanted[1:])]
    before = [statement for name in operands for statement in _needed(lines, name, at_hand)]
    return list(dict.fromkeys([*before, f"{wanted} = {form.format(*operands)}"]))
