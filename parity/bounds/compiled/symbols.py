"""Arithmetic by elements, written down: code runs on symbols instead of arrays, and Numba compiles the tape.

Only operations that IEEE 754 rounds correctly, or that do not round, are taken, without contraction: so a loop has the
bits of what NumPy does with the same code. Everything else raises ``NotElementwiseError``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

_FORMS: dict[Any, str] = {
    np.add: "{0} + {1}",
    np.subtract: "{0} - {1}",
    np.multiply: "{0} * {1}",
    np.divide: "{0} / {1}",
    np.square: "{0} * {0}",
    np.sqrt: "np.sqrt({0})",
    np.negative: "-{0}",
    np.absolute: "abs({0})",
    # As NumPy has it: that of -0.0 is 0.0.
    np.sign: "({0} - {0} if {0} == 0 else np.sign({0}))",
    # As NumPy has them: a NaN on either side stays.
    np.maximum: "({0} if ({0} >= {1}) | ({0} != {0}) else {1})",
    np.minimum: "({0} if ({0} <= {1}) | ({0} != {0}) else {1})",
    # A NaN on one side does not.
    np.fmin: "({0} if ({0} <= {1}) | ({1} != {1}) else {1})",
    np.greater: "{0} > {1}",
    np.greater_equal: "{0} >= {1}",
    np.less: "{0} < {1}",
    np.less_equal: "{0} <= {1}",
    np.equal: "{0} == {1}",
    np.bitwise_and: "{0} & {1}",
    np.where: "({1} if {0} else {2})",
    np.float64: "np.float64({0})",
}

_BESIDE_NUMBERS: dict[Any, tuple[str, str]] = {
    np.maximum: ("({0} if {0} >= {1} else {1})", "({1} if {0} < {1} else {0})"),
    np.minimum: ("({0} if {0} <= {1} else {1})", "({1} if {0} > {1} else {0})"),
}
"""The same of two, the first or the second of which is a constant and a number: one comparison tells as much."""

_Line = tuple[str, tuple[str, ...]]
"""An operation: its form, and the names of its operands. The i-th line makes ``ti``."""

PIECE = 2048
"""Elements that each loop over a result takes at a time."""


class NotElementwiseError(Exception):
    """The code did something that is not in ``_FORMS``."""


@dataclass(slots=True)
class Tape:
    """What was done to one element of the arrays ``x0``, ``x1``, …, and the constants in the order of their use.

    What is done a second time, and a constant of the same bits, has the name of the first.
    """

    lines: list[_Line] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    _names: dict[Any, str] = field(default_factory=dict)

    def constant(self, value: Any) -> str:
        """Return the name of a constant."""
        number = np.asarray(value)
        return self._named((number.dtype, number.tobytes()), "c", self.constants, value)

    def note(self, operation: Any, *operands: str) -> str:
        """Return the name of what an operation makes."""
        if operation not in _FORMS:
            raise NotElementwiseError
        line = self._form(operation, operands), operands
        return self._named(line, "t", self.lines, line)

    def _named(self, key: Any, letter: str, kept: list[Any], item: Any) -> str:
        if key not in self._names:
            self._names[key] = f"{letter}{len(kept)}"
            kept.append(item)
        return self._names[key]

    def _form(self, operation: Any, operands: tuple[str, ...]) -> str:
        for form, name in zip(_BESIDE_NUMBERS.get(operation, ()), operands, strict=False):
            if name[0] == "c" and not np.isnan(self.constants[int(name[1:])]):
                return form
        return _FORMS[operation]

    def loop(self, inputs: int, results: tuple[str, ...]) -> Any:
        """Return a compiled function of flat input arrays, the constants, and flat arrays for the named results."""
        return _loop(tuple(self.lines), inputs, len(self.constants), results)


class Symbol(NDArrayOperatorsMixin):
    """One element of an array, by its name on the tape.

    ``strict`` symbols meet symbols alone: in the page each constant is made by ``dtype.type``, and what is not may be
    rounded in another way. Others meet Python's and NumPy's floats, which are float64 as they are.

    ``value`` is that of a constant in its dtype: what is done to constants alone is done at once, as NumPy's scalars do
    it, and makes a constant.
    """

    __slots__ = ("dtype", "name", "strict", "tape", "value")
    shape = ()

    def __init__(self, name: str, dtype: Any, tape: Tape, strict: bool, value: Any = None) -> None:
        self.name, self.dtype, self.tape, self.strict, self.value = name, dtype, tape, strict, value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> "Symbol":
        if method != "__call__" or kwargs:
            raise NotElementwiseError
        return self._result(ufunc, inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if self.strict:
            raise NotElementwiseError
        if function is np.where and len(args) == 3:
            return self._result(function, args)
        if function is np.zeros_like:
            return np.float64(0)
        if function is np.max:
            return np.float64(np.nan)  # of no known array: a question whether all are small is answered with no
        raise NotElementwiseError

    @property
    def size(self) -> int:
        """How many elements there are is nothing that one element can tell."""
        raise NotElementwiseError

    def astype(self, dtype: Any) -> "Symbol":
        """Return the element in float64, which holds every float32."""
        if self.strict or dtype != np.float64:
            raise NotElementwiseError
        return self._result(np.float64, (self,))

    def any(self) -> bool:
        """Return that it may be so for some element."""
        return True

    def _result(self, operation: Any, operands: tuple[Any, ...]) -> "Symbol":
        values: list[Any] = [getattr(operand, "value", None) for operand in operands]
        if all(value is not None for value in values):
            # The power of NumPy's scalars is the C library's, that of its arrays its own (`reference.optimizer.power`).
            value = pow(*values) if operation is np.power else operation(*values)
            return Symbol(self.tape.constant(value), self.dtype, self.tape, self.strict, value)
        names = [operand.name if isinstance(operand, Symbol) else self._constant(operand) for operand in operands]
        return Symbol(self.tape.note(operation, *names), self.dtype, self.tape, self.strict)

    def _constant(self, value: Any) -> str:
        if self.strict or np.shape(value):
            raise NotElementwiseError
        return self.tape.constant(np.float64(value))

    def __getitem__(self, index: Any) -> "Symbol":
        raise NotElementwiseError

    def __bool__(self) -> bool:
        raise NotElementwiseError


@lru_cache(maxsize=64)
def _loop(lines: tuple[_Line, ...], inputs: int, constants: int, results: tuple[str, ...]) -> Any:
    """Return a function of input arrays, constants and result arrays that does ``lines`` to each element."""
    arrays = [f"a{i}" for i in range(inputs)]
    outputs = [f"r{i}" for i in range(len(results))]
    arguments = [*arrays, *(f"c{i}" for i in range(constants)), *outputs]
    text = [f"def loop({', '.join(arguments)}):", f"    for start in range(0, a0.size, {PIECE}):"]
    text += [f"        p{name} = {name}[start : start + {PIECE}]" for name in arguments if name[0] != "c"]
    places = {f"x{i}": f"p{name}[i]" for i, name in enumerate(arrays)}
    wanted = [(result, f"p{name}[i]") for result, name in zip(results, outputs, strict=True)]
    text += passes(lines, places, wanted, "        for i in range(pa0.size):")
    return compiled("\n".join(text))


def passes(
    lines: Sequence[_Line], places: Mapping[str, str], results: Iterable[tuple[str, str]], loop: str
) -> list[str]:
    """Return the lines of loops over a piece that make results of it.

    Each result has an inner loop of its own, which starts from inputs and earlier results: few arrays in a loop are
    what the compiler can prove apart and so vectorise. A piece stays in the innermost cache between the loops.

    Args:
        lines: what was done.
        places: where an element of what is there already stands, by its name on the tape.
        results: what is wanted, each with the place that it goes to.
        loop: the line that begins each loop.
    """
    text, at_hand = list[str](), dict(places)
    indent = " " * (len(loop) - len(loop.lstrip()) + 4)
    # In the order of computation, so that the new weights start from the new moments.
    for result, place in sorted(results, key=lambda pair: (pair[0][0], int(pair[0][1:]))):
        text += [loop, *(f"{indent}{line}" for line in [*_needed(lines, result, at_hand), f"{place} = {result}"])]
        at_hand.setdefault(result, place)
    return text


@lru_cache(maxsize=64)
def compiled(text: str, **names: Any) -> Any:
    """Return the function ``loop`` that a text defines, compiled; ``names`` are what it knows beside NumPy."""
    known: dict[str, Any] = {"np": np, **names}
    exec(text, known)
    return numba.njit(nogil=True, error_model="numpy")(known["loop"])


def _needed(lines: Sequence[_Line], wanted: str, at_hand: Mapping[str, str]) -> list[str]:
    """Return the statements that make a result of one element from arrays that are there, in order."""
    statements: dict[str, str] = {}

    def need(name: str) -> None:
        if name[0] == "c" or name in statements:
            return
        if name in at_hand:
            statements[name] = f"{name} = {at_hand[name]}"
            return
        form, operands = lines[int(name[1:])]
        for operand in operands:
            need(operand)
        statements[name] = f"{name} = {form.format(*operands)}"

    need(wanted)
    return list(statements.values())
