"""A page runs on arrays that remember how they came about, so that what it did can be written down as it stands.

Each carries its values, so that a page may branch on what it sees; each operation is NumPy's own, so that what is
written down has the bits of what was done.
"""

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from parity.export.script.literals import literal, number
from parity.reference.optimizer import as_float32

_BINARY: Final[dict[Any, type[ast.operator]]] = {
    np.add: ast.Add,
    np.subtract: ast.Sub,
    np.multiply: ast.Mult,
    np.divide: ast.Div,
    np.power: ast.Pow,
}
_COMPARED: Final[dict[Any, type[ast.cmpop]]] = {
    np.greater: ast.Gt,
    np.greater_equal: ast.GtE,
    np.less: ast.Lt,
    np.less_equal: ast.LtE,
    np.equal: ast.Eq,
}


class Number(float):
    """A Python float that knows its expression, as does what is made of it: ``1 - rho``."""

    expression: ast.expr


class Whole(int):
    """A Python int that knows its expression."""

    expression: ast.expr


def told(value: Any, expression: ast.expr) -> Any:
    """Return a number with its expression; what is no number stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    new = Whole(value) if isinstance(value, int) else Number(value)
    new.expression = expression
    return new


def _expression(value: Any) -> ast.expr:
    return value.expression if isinstance(value, Number | Whole) else literal(value)


def _arithmetic(base: type, name: str, operator: ast.operator, reflected: bool) -> Callable[[Any, Any], Any]:
    def operate(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented
        plain = float if isinstance(other, float) else base
        value = getattr(plain, name)(plain(self), other)
        left, right = (other, self) if reflected else (self, other)
        return told(value, ast.BinOp(_expression(left), operator, _expression(right)))

    return operate


for _base, _kind in ((float, Number), (int, Whole)):
    for _word, _operator in (
        ("add", ast.Add),
        ("sub", ast.Sub),
        ("mul", ast.Mult),
        ("truediv", ast.Div),
        ("pow", ast.Pow),
    ):
        setattr(_kind, f"__{_word}__", _arithmetic(_base, f"__{_word}__", _operator(), False))
        setattr(_kind, f"__r{_word}__", _arithmetic(_base, f"__r{_word}__", _operator(), True))
    _kind.__neg__ = lambda self, base=_base: told(-base(self), ast.UnaryOp(ast.USub(), self.expression))  # type: ignore


@dataclass(frozen=True, slots=True)
class Kind:
    """Stands where a page asks an array for its dtype: ``type(x)`` makes a constant, written ``f(x)``.

    ``known`` are the rule's own numbers, by which a constant is recognised that lost its expression on the way.
    """

    dtype: np.dtype[Any]
    known: Sequence[Any] = field(compare=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dtype, name)

    def __str__(self) -> str:
        return str(self.dtype)

    def type(self, value: Any) -> "Symbol":
        """Return a constant in the dtype."""
        constant = self.dtype.type(value)
        texts = [value.expression] if isinstance(value, Number | Whole) else self._likely(value)
        plain = [_call("f", text) for text in texts]
        narrow = [_call("f", _call("np.float32", text)) for text in texts]
        fitting = [text for text in (*plain, *narrow) if self._yields(text, constant)]
        unknown = _call("f", ast.parse(number(constant, self.dtype), mode="eval").body)
        return Symbol(np.asarray(constant)[()], Node(lambda: fitting[0] if fitting else unknown), self)

    def _yields(self, text: ast.expr, constant: Any) -> bool:
        names = {each.expression.id: float(each) for each in self.known if isinstance(each.expression, ast.Name)}
        missing = {node.id for node in ast.walk(text) if isinstance(node, ast.Name)} - {*names, "f", "np"}
        if missing:  # a count, which is exact in any dtype that it fits
            return True
        made = eval(ast.unparse(text), {"f": self.dtype.type, "np": np, **names})
        return bool(np.asarray(made).tobytes() == np.asarray(constant).tobytes())

    def _likely(self, value: Any) -> list[ast.expr]:
        """Return the one expression that a number without any has among the rule's own, or nothing."""
        if not np.isfinite(value) or float(value).is_integer():
            return []
        for numbers in (self.known, [1 - each for each in self.known]):
            found = [each.expression for each in numbers if float(value) in (float(each), as_float32(each))]
            if found:
                return found if len(found) == 1 else []
        return []


@dataclass(eq=False, slots=True)
class Node:
    """How a value came about: what makes its expression of those of its operands."""

    make: Callable[..., ast.expr]
    operands: tuple["Node", ...] = ()


class Symbol(NDArrayOperatorsMixin):
    """An array with its values, and how it came about."""

    __array_priority__ = 1000.0

    def __init__(self, value: Any, node: Node, kind: Kind) -> None:
        self.value, self.node, self.kind = value, node, kind

    @property
    def dtype(self) -> Any:
        """What the page takes for a NumPy dtype."""
        return self.kind if self.value.dtype == self.kind.dtype else self.value.dtype

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if "out" in kwargs:
            return NotImplemented
        with np.errstate(all="ignore"):
            value = getattr(ufunc, method)(*map(_value, inputs), **{k: _value(v) for k, v in kwargs.items()})
        if method == "__call__" and not kwargs and ufunc in _BINARY:
            return self._made(value, lambda a, b: ast.BinOp(a, _BINARY[ufunc](), b), inputs)
        if method == "__call__" and not kwargs and ufunc in _COMPARED:
            return self._made(value, lambda a, b: ast.Compare(a, [_COMPARED[ufunc]()], [b]), inputs)
        if method == "__call__" and not kwargs and ufunc is np.negative:
            return self._made(value, lambda a: ast.UnaryOp(ast.USub(), a), inputs)
        name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        return self._called(value, name, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        plain = [_value(each) for each in args], {k: _value(v) for k, v in kwargs.items()}
        with np.errstate(all="ignore"):
            value = function(*plain[0], **plain[1])
        return self._called(value, f"np.{function.__name__}", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.value, name)
        if not callable(found):
            return self._made(found, lambda a: ast.Attribute(a, name), (self,)) if name == "T" else found

        def method(*args: Any, **kwargs: Any) -> Any:
            value = found(*map(_value, args), **{k: _value(v) for k, v in kwargs.items()})
            words = list(kwargs)

            def make(own: ast.expr, *others: ast.expr) -> ast.expr:
                given = dict(zip(words, others[len(args) :], strict=True))
                return _call(ast.Attribute(own, name), *others[: len(args)], **given)

            return self._made(value, make, (self, *args, *kwargs.values()))

        return method

    def __getitem__(self, key: Any) -> Any:
        return self._made(self.value[key], lambda a: ast.Subscript(a, literal(key)), (self,))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def _called(self, value: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        words = list(kwargs)

        def make(*operands: ast.expr) -> ast.expr:
            own = dict(zip(words, operands[len(args) :], strict=True))
            return _call(name, *operands[: len(args)], **own)

        return self._made(value, make, (*args, *kwargs.values()))

    def _made(self, value: Any, make: Callable[..., ast.expr], operands: Sequence[Any]) -> Any:
        if not isinstance(value, np.ndarray | np.generic):
            return value
        return Symbol(value, Node(make, tuple(map(_node, operands))), self.kind)


def _value(item: Any) -> Any:
    if isinstance(item, Kind):
        return item.dtype
    if isinstance(item, list | tuple):
        return type(item)(_value(each) for each in item)
    return item.value if isinstance(item, Symbol) else item


def _node(item: Any) -> Node:
    if isinstance(item, Symbol):
        return item.node
    if isinstance(item, Kind):
        return Node(lambda: ast.Name("f"))
    if isinstance(item, list | tuple):
        return Node(lambda *each: ast.List(list(each)), tuple(map(_node, item)))
    if isinstance(item, type | np.dtype):
        return Node(lambda: _dotted(f"np.{np.dtype(item).name}"))
    return Node(lambda: _expression(item))


def leaf(name: str, value: Any, kind: Kind) -> Symbol:
    """Return an array that is called by a name."""
    return Symbol(value, Node(lambda: ast.Name(name)), kind)


def filled(value: Any, kind: Kind) -> Symbol:
    """Return an array that a page fills with one number by itself, as it does where a slot has a shape of its own."""
    if isinstance(value, Symbol):
        return value
    first = np.ravel(value)[0] if np.size(value) else value.dtype.type(0)
    if not np.all(value == first):
        raise ValueError("an array of its own that is not filled with one number")
    text = f"np.zeros({value.shape}, f)" if not first else f"np.full({value.shape}, {float(first)!r}, f)"
    return Symbol(value, Node(lambda: _dotted(text)), kind)


def _call(function: str | ast.expr, *operands: ast.expr, **named: ast.expr) -> ast.expr:
    own = _dotted(function) if isinstance(function, str) else function
    return ast.Call(own, list(operands), [ast.keyword(name, value) for name, value in named.items()])


def _dotted(name: str) -> ast.expr:
    return ast.parse(name, mode="eval").body
