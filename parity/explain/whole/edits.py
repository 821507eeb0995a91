"""Small changes of a program's text, one line each: what a person would try, to be judged by what then agrees."""

import ast
import copy
from collections.abc import Iterator
from typing import Final, NamedTuple

_SIMPLE: Final = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)
_OTHER: Final = {"sum": "mean", "mean": "sum", "ones_like": "zeros_like", "ones": "zeros"}
_STARTS: Final = ("ones_like", "ones")


class Edit(NamedTuple):
    """A changed line: its number, what it was and becomes, and the whole text with it."""

    line: int
    was: str
    becomes: str
    text: str


def edits(text: str, numbers: tuple[float, ...] = ()) -> Iterator[Edit]:
    """Yield changed texts, those that take out one of the numbers first.

    Args:
        text: a program.
        numbers: factors that were measured, which a literal of the program may be.
    """
    found = list(_all(text))
    likely = [edit for edit, takes in found if any(_near(takes, number) for number in numbers)]
    yield from likely
    yield from (edit for edit, _ in found if edit not in likely)


def _near(number: float | None, factor: float) -> bool:
    return number is not None and factor != 0 and any(abs(number - f) <= 1e-9 * abs(f) for f in (factor, 1 / factor))


def _all(text: str) -> Iterator[tuple[Edit, float | None]]:
    tree = ast.parse(text)
    lines = text.splitlines(keepends=True)
    for statement, parameters in _statements(tree.body, ()):
        for place, node in enumerate(ast.walk(statement)):
            for new, takes in _changed(node, parameters):
                changed = _with(statement, place, new)
                becomes = ast.unparse(ast.fix_missing_locations(changed))
                first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
                indent = lines[first][: statement.col_offset]
                whole = [*lines[:first], f"{indent}{becomes}\n", *lines[last:]]
                was = "".join(lines[first:last]).strip()
                if becomes != was:
                    yield Edit(statement.lineno, was, becomes, "".join(whole)), takes


def _statements(body: list[ast.stmt], parameters: tuple[str, ...]) -> Iterator[tuple[ast.stmt, tuple[str, ...]]]:
    """Yield the simple statements of functions and of the file, with the parameters that they see."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef):
            own = tuple(argument.arg for argument in statement.args.args if argument.arg != "self")
            yield from _statements(statement.body, own)
        elif isinstance(statement, _SIMPLE):
            yield statement, parameters
        else:
            for name in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(statement, name, []), parameters)


def _with(statement: ast.stmt, place: int, new: ast.expr) -> ast.stmt:
    """Return a statement with another node in the place of one."""
    whole = copy.deepcopy(statement)
    old = list(ast.walk(whole))[place]

    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return new if node is old else self.generic_visit(node)

    result = Put().visit(whole)
    assert isinstance(result, ast.stmt)
    return result


def _changed(node: ast.AST, parameters: tuple[str, ...]) -> Iterator[tuple[ast.expr, float | None]]:
    """Yield what may stand in place of a node, and the number that is taken out with it."""
    match node:
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            yield left, _number(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield left, _number(right)
            yield right, _number(left)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant()):
            yield left, None
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield ast.BinOp(right, ast.Sub(), left), None
            for count in _counts(parameters):
                yield ast.BinOp(node, ast.Div(), count), None
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
            yield operand, None
            for count in _counts(parameters):
                yield ast.BinOp(node, ast.Div(), count), None
        case ast.Attribute(value=value, attr=name) if name in _OTHER:
            yield ast.Attribute(value, _OTHER[name], ast.Load()), None
        case ast.Constant(value=value) if type(value) is int and value in (0, 1):
            yield ast.Constant(1 - value), None
        case _:
            return


def _counts(parameters: tuple[str, ...]) -> Iterator[ast.expr]:
    """Yield how many examples there are, as rows or columns of a function's last parameter."""
    for name in parameters[-1:]:
        yield ast.parse(f"len({name})", mode="eval").body
        yield ast.parse(f"{name}.shape[1]", mode="eval").body


def _number(node: ast.expr) -> float | None:
    """Return a number that a node is, by itself or by arithmetic on numbers."""
    if not all(
        isinstance(each, ast.Constant | ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop) for each in ast.walk(node)
    ):
        return None
    try:
        value = eval(compile(ast.Expression(node), "", "eval"), {"__builtins__": {}})
    except Exception:  # a division by zero, or a text
        return None
    return float(value) if isinstance(value, int | float) else None


def starts(edit: Edit) -> bool:
    """Whether an edit changes what something begins as."""
    return any(word in edit.was and word not in edit.becomes for word in _STARTS)
