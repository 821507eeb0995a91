"""The page's step as one loop: the page runs on symbols, and its tape is compiled, each operation in its own dtype.

tests/core/test_compiled.py holds the loop to the bits of the page.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.bounds.compiled.kinds import Step
from parity.bounds.compiled.symbols import NotElementwiseError, Symbol, Tape
from parity.bounds.rule import ByTensor
from parity.reference.optimizer import Optimizer

_KNOWN = 64
"""Traces that a step keeps where each step has its own constants; else there is one for each tensor."""


@dataclass(frozen=True, slots=True)
class _SymbolDtype:
    """Stands where the page asks an array for its dtype; ``type(x)`` makes a constant."""

    dtype: np.dtype[Any]
    tape: Tape

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    def type(self, value: Any) -> Symbol:
        number = self.dtype.type(value)
        return Symbol(self.tape.constant(number), self, self.tape, strict=True, value=number)


def compiled_step(rule: Optimizer) -> Step | None:
    """Return ``rule.step`` as a compiled loop, or None where the page does more than arithmetic by elements.

    What it returns is new, and C-contiguous.
    """
    if rule.use_ema or rule.gradient_accumulation_steps:
        return None
    try:
        _traced(rule, "", np.dtype(np.float32), list(rule.slots(rule.init({}))), 0)
    except NotElementwiseError:
        return None

    known: dict[Any, tuple[Any, list[Any]]] = {}

    def step(params: ByTensor, grads: ByTensor, state: ByTensor) -> tuple[dict[str, Any], dict[str, Any]]:
        slots = [slot for slot in state if slot != "iterations"]
        after: dict[str, Any] = {}
        new: dict[str, Any] = {slot: {} for slot in slots}
        for name, w in params.items():
            key = name, w.dtype, 0 if rule.steps_alike else state["iterations"]
            if key not in known:
                if not rule.steps_alike and len(known) >= _KNOWN:
                    known.clear()
                known[key] = _traced(rule, name, w.dtype, slots, state["iterations"])
            kernel, constants = known[key]
            inputs = [w, grads[name], *(state[slot][name] for slot in slots)]
            results = [np.empty(w.shape, dtype=w.dtype) for _ in range(1 + len(slots))]
            kernel(*(array.reshape(-1) for array in inputs), *constants, *(array.reshape(-1) for array in results))
            after[name] = results[0]
            new |= {slot: {**new[slot], name: array} for slot, array in zip(slots, results[1:], strict=True)}
        return after, {"iterations": state["iterations"] + 1, **new}

    return step


def _traced(
    rule: Optimizer, name: str, dtype: np.dtype[Any], slots: list[str], iterations: int
) -> tuple[Any, list[Any]]:
    """Run the page on symbols; return the loop over what it did, and the constants that it used."""
    tape = Tape()
    kind = _SymbolDtype(dtype, tape)
    inputs = [Symbol(f"x{i}", kind, tape, strict=True) for i in range(2 + len(slots))]
    state: dict[str, Any] = {slot: {name: symbol} for slot, symbol in zip(slots, inputs[2:], strict=True)}
    after, new = rule.step({name: inputs[0]}, {name: inputs[1]}, {"iterations": iterations, **state})
    results = tuple(symbol.name for symbol in (after[name], *(new[slot][name] for slot in slots)))
    return tape.loop(len(inputs), results), tape.constants
