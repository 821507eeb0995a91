"""A class whose values are wider than its weights in, the line out that makes float64 of them.

What makes an array of float64 by itself is read from the text. What makes a number of float64, which NumPy 2 multiplies
float32 arrays to float64 by, is looked at while a step is made: only then is it known what is a number.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, Final

import numpy as np

from parity.diagnosis.observe import Make
from parity.diagnosis.probes import Probe, ProbeProblem
from parity.subjects.numpy_class import NumpySubject

SHOWS_LOCALS: Final = sys.version_info[:3] != (3, 13, 0)
"""Whether a traced function may be asked for its locals: where a comprehension closes over one, 3.13.0 crashes."""
_DOUBLE: Final = frozenset({"float", "float64", "double", "d", "f8"})
_WIDE: Final = {"zeros": 1, "ones": 1, "empty": 1, "full": 2}
"""What makes an array without a dtype, and how many arguments come before that."""


def made_in_float64(kind: Any) -> str:
    """Return the line of a class or function that makes arrays of float64, empty if none is seen."""
    tree, first, _ = _text(kind)
    for node in ast.walk(tree):
        said = _widens(node) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
        if said:
            return f"line {first + getattr(node, 'lineno', 1) - 1}: {said}"
    return ""


def numbers_in_float64(make: Make, kind: Any, probe: Probe) -> str:
    """Return the line of a class or function in which NumPy makes a number of float64, empty if none is seen.

    Args:
        make: returns a fresh adapter of the class.
        kind: the class or function.
        probe: what its first step is made of.
    """
    if not SHOWS_LOCALS:
        return ""
    tree, first, file = _text(kind)
    calls: dict[int, list[ast.Call]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            calls.setdefault(first + node.lineno - 1, []).append(node)
    found = list[str]()

    def look(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != file:
            return None
        for call in calls.get(frame.f_lineno, []) if event == "line" and not found else []:
            if _is_a_number(call, {**frame.f_globals, **frame.f_locals}):
                said = f"{ast.unparse(call)[:60]} is a number of float64, which makes float64 of arrays that it meets"
                found.append(f"line {frame.f_lineno}: {said}; as a Python number, float(...), it keeps their dtype")
        return look

    before = sys.gettrace()
    with suppress(Exception):  # the diagnosis says what it raises
        adapter, problem = make(), ProbeProblem(probe)
        adapter.open(problem)
        try:
            sys.settrace(look)
            adapter.step(0, problem.gradients(0))
        finally:
            sys.settrace(before)
            adapter.close()
    return found[0] if found else ""


def kept_wider(subject: NumpySubject) -> str:
    """Return that a class keeps arrays of float64 for weights that are none, in words, empty if none is seen.

    Weights that change in place keep their dtype, and hide it.
    """
    shown = subject.read()["parameter"]
    shapes = {array.shape for array in shown.values() if array.ndim}
    if any(array.dtype == np.float64 for array in shown.values()):
        return ""
    wide = [each for each in subject.kept() if each.dtype == np.float64 and each.shape in shapes]
    dtype = next(iter(shown.values())).dtype
    line = made_in_float64(subject.kind) if wide else ""
    return f"what it keeps is float64; the weights are {dtype}{f' ({line})' if line else ''}" if wide else ""


def _text(kind: Any) -> tuple[ast.AST, int, str]:
    """Return the text of a class or function, the line that it begins in, and the path of its file."""
    try:
        lines, first = inspect.getsourcelines(kind)
        return ast.parse(textwrap.dedent("".join(lines))), first, inspect.getsourcefile(kind) or ""
    except (OSError, TypeError, SyntaxError):
        return ast.Module([], []), 1, ""


def _widens(call: ast.Call) -> str:
    """Return by what a call makes float64 whatever it is given, empty if it does not."""
    assert isinstance(call.func, ast.Attribute)
    name, position = call.func.attr, _WIDE.get(call.func.attr, 1)
    given = [word.value for word in call.keywords if word.arg == "dtype"] + call.args[position : position + 1]
    if name in _WIDE and not given:
        return f"np.{name} without a dtype makes float64, whatever the weights are; np.{name}_like keeps theirs"
    if name == "astype":
        given = call.args[:1] or given
    if any(ast.unparse(each).strip("'\"").rpartition(".")[2] in _DOUBLE for each in given):
        return f"{ast.unparse(call)[:60]} is float64, whatever the weights are; their own dtype is w.dtype"
    return ""


def _is_a_number(call: ast.Call, names: Mapping[str, Any]) -> bool:
    """Return whether NumPy makes a number of float64 of numbers alone in a call."""
    made = _found(call.func, names)
    if made is not np.float64 and not isinstance(made, np.ufunc):
        return False
    return bool(call.args) and not call.keywords and all(_of_numbers(each, names) for each in call.args)


def _of_numbers(node: ast.expr, names: Mapping[str, Any]) -> bool:
    """Return whether an expression is computed from Python's numbers alone; one of a tensor is NumPy's."""
    if isinstance(node, ast.BinOp):
        return _of_numbers(node.left, names) and _of_numbers(node.right, names)
    if isinstance(node, ast.UnaryOp):
        return _of_numbers(node.operand, names)
    if isinstance(node, ast.Call):
        return _is_a_number(node, names)
    found = node.value if isinstance(node, ast.Constant) else _found(node, names)
    return type(found) in (int, float)


def _found(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return what a name, an attribute or an entry of a mapping is, None where that takes more than looking."""
    return next(_looked_up(node, names), None)


def _looked_up(node: ast.expr, names: Mapping[str, Any]) -> Iterator[Any]:
    if isinstance(node, ast.Name):
        yield names.get(node.id)
    elif isinstance(node, ast.Attribute):
        # What an attribute computes is not asked for.
        yield inspect.getattr_static(_found(node.value, names), node.attr, None)
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        within = _found(node.value, names)
        yield within.get(node.slice.value) if type(within) is dict else None
