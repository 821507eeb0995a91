"""The page of a rule as the few NumPy lines that a case needs of it, its arguments decided."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from parity.bounds.rule import page, plain_arguments
from parity.export.script.literals import number
from parity.export.script.symbols import Kind, Node, Number, Symbol, Whole, filled, leaf, told
from parity.problem.problems import Problem
from parity.reference.optimizer import Optimizer

Statements = tuple[tuple[str, ast.expr], ...]
"""Assignments in their order: a name, and what it is assigned."""
_OLD = "old "
"""Stands before the name of what a step starts from, until it is known whether a new value may take that name."""
_IN_A_LINE = 4


class Told(Optimizer):
    """A page whose stages, learning rate and count are told: put before it among the bases of a class."""

    def stages(self, params: Any, grads: Any, state: Any) -> dict[str, Any] | None:
        """Return the inside of one step and keep it."""
        self.seen = super().stages(params, grads, state)
        return self.seen

    def update(self, w: Any, g: Any, slots: Mapping[str, Any], learning_rate: float, count: int) -> Any:
        """Apply the rule to one tensor; the count knows its name."""
        return super().update(w, g, slots, learning_rate, told(count, ast.Name("count")))

    def _learning_rate_at(self, iterations: int) -> float:
        rate: float = told(super()._learning_rate_at(iterations), ast.Name("learning_rate"))
        return rate


@dataclass(frozen=True, slots=True)
class Step:
    """One step written down, and the learning rate that it has, as text."""

    statements: Statements
    rate: str
    count: int


class Formula:
    """The page of a problem's rule, written down over some steps.

    Args:
        problem: weights, gradients and hyperparameters.
        steps: how many steps are written down.
    """

    def __init__(self, problem: Problem, steps: int) -> None:
        self._problem = problem
        self._names = list(problem.params)
        given = plain_arguments(problem.cell.hyperparameters)
        self._known = {n: told(v, ast.Name(n)) for n, v in given.items() if n != "learning_rate"}
        self._known = {n: v for n, v in self._known.items() if isinstance(v, Number | Whole)}
        kind: Any = page(problem.cell.rule, problem.cell.folder)
        self._rule = type(f"Told{kind.__name__}", (Told, kind), {})(**{**given, **self._known})
        self._first, self._steps = self._trace(steps)

    def variable(self, slot: str, tensor: str) -> str:
        """Return what a slot of a tensor is called; with one tensor its name goes without saying."""
        return slot if len(self._names) == 1 else f"{slot}_{_word(tensor)}"

    def lines(self, slot: str, tensor: str, place: str) -> list[str]:
        """Return the body of a function that returns a slot of a tensor, at ``place``, after all steps."""
        wanted = self.variable(slot, tensor)
        needed = self._fixpoint({wanted})
        steps = [Step(_needed(each.statements, needed)[0], each.rate, each.count) for each in self._steps]
        first, at_start = _needed(self._first, needed)
        used = {name for each in (first, *(step.statements for step in steps)) for _, e in each for name in _names(e)}
        body = self._numbers(used, steps)
        weights = {self.variable("parameter", name): name for name in self._names}
        body += [f'{own} = start["{name}"]' for own, name in weights.items() if own in at_start]
        body += [_text(each) for each in first]
        done = 0
        for (statements, varying), group in groupby(enumerate(steps), lambda each: self._alike(each[1], steps)):
            count = len(list(group))
            body += self._loop(statements, varying, steps, done, done + count)
            done += count
        return self._plainly([*body, f"return {wanted}{place}"])

    def _plainly(self, lines: list[str]) -> list[str]:
        """Return lines without the name of their tensor, where they are about one alone."""
        names = {node.id for node in ast.walk(ast.parse(_function(lines))) if isinstance(node, ast.Name)}
        own = {name: {each for each in names - {*self._known, "learning_rate"} if each.endswith(f"_{_word(name)}")}
               for name in self._names}  # fmt: skip
        used = [name for name in self._names if own[name]]
        if len(self._names) == 1 or len(used) != 1:
            return lines
        plain = {each: each.removesuffix(f"_{_word(used[0])}") for each in own[used[0]]}
        if names & set(plain.values()):
            return lines
        pattern = re.compile(rf"\b({'|'.join(map(re.escape, plain))})\b(?!\")")
        return [pattern.sub(lambda found: plain[found[0]], line) for line in lines]

    def _alike(self, step: Step, steps: Sequence[Step]) -> tuple[Statements, tuple[str, ...]]:
        """Return what steps of one loop share: their statements, as they read, and what changes between them."""
        used = {name for _, expression in step.statements for name in _names(expression)}
        changes = {"learning_rate": len({each.rate for each in steps}) > 1, "count": True}
        return _Read(step.statements), tuple(name for name in changes if name in used and changes[name])

    def _loop(
        self, statements: Statements, varying: Sequence[str], steps: Sequence[Step], start: int, stop: int
    ) -> list[str]:
        used = {name for _, expression in statements for name in _names(expression)}
        whole = (start, stop) == (0, len(steps))
        gradients = "gradients" if whole else f"gradients[{start}:{stop}]"
        values = {"learning_rate": [each.rate for each in steps], "count": [str(each.count) for each in steps]}
        columns = [f"[{', '.join(values[name][start:stop])}]" for name in varying]
        if not varying:
            head = f"for grads in {gradients}:"
        else:
            head = f"for grads, {', '.join(varying)} in zip({gradients}, {', '.join(columns)}):"
        body = [
            line for name in self._names if self.variable("gradient", name) in used for line in self._gradient(name)
        ]
        body += [_text(each) for each in statements]
        if len(steps) == 1:
            return [*(f"{name} = {values[name][0]}" for name in varying), *body]
        return [head, *(f"    {line}" for line in body)] if body else []

    def _gradient(self, tensor: str) -> list[str]:
        own = self.variable("gradient", tensor)
        if tensor not in self._problem.slices(0):
            return [f'{own} = grads["{tensor}"]']
        shape = self._problem.shapes[tensor]
        return [f"{own} = np.zeros({shape}, f)  # rows that repeat add up", f'np.add.at({own}, *grads["{tensor}"])']

    def _numbers(self, used: set[str], steps: Sequence[Step]) -> list[str]:
        values = {name: repr(value) for name, value in self._known.items() if name in used}
        if "learning_rate" in used and len({each.rate for each in steps}) == 1:
            values = {"learning_rate": steps[0].rate, **values}
        pairs = list(values.items())
        parts = [pairs[at : at + _IN_A_LINE] for at in range(0, len(pairs), _IN_A_LINE)]
        return [f"{', '.join(n for n, _ in part)} = {', '.join(v for _, v in part)}" for part in parts]

    def _fixpoint(self, needed: set[str]) -> set[str]:
        """Return everything that a step must hand on, so that what is wanted comes out of the last one."""
        while True:
            before = set(needed)
            for step in self._steps:
                needed |= _needed(step.statements, needed)[1] & self._state
            if needed == before:
                return needed

    def _trace(self, steps: int) -> tuple[Statements, list[Step]]:
        problem, rule = self._problem, self._rule
        kind = self._kind("0.0")
        params = {n: leaf(self.variable("parameter", n), w, kind) for n, w in problem.params.items()}
        state = rule.init(params)
        writer = _Writer()
        slots = {
            slot: {name: filled(symbol, kind) for name, symbol in tensors.items()}
            for slot, tensors in state.items()
            if slot != "iterations"
        }
        for slot, tensors in slots.items():
            for name, symbol in tensors.items():
                writer.assign(self.variable(slot, name), symbol)
        self._state = {self.variable(s, n) for s, tensors in {**slots, "parameter": params}.items() for n in tensors}
        first, found = writer.statements, []
        values = {"parameter": params, **slots}
        for number_ in range(steps):
            values, step = self._step(values, number_)
            found.append(step)
        return first, found

    def _step(self, values: Mapping[str, Mapping[str, Symbol]], at: int) -> tuple[dict[str, Any], Step]:
        rule, problem = self._rule, self._problem
        rate = _rate_text(float(Optimizer._learning_rate_at(rule, at)), problem.dtype)
        kind = self._kind(rate)
        named = {
            slot: {n: leaf(_OLD + self.variable(slot, n), symbol.value, kind) for n, symbol in tensors.items()}
            for slot, tensors in values.items()
        }
        params, writer = named.pop("parameter"), _Writer()
        gradients = {n: leaf(_OLD + self.variable("gradient", n), g, kind) for n, g in problem.gradients(at).items()}
        after, state = rule.step(params, {n: gradients[n] for n in params}, {"iterations": at, **named})
        ends = {"parameter": after, **{slot: state[slot] for slot in named}}
        self._stages(writer, rule.seen, ends)
        for slot, tensors in ends.items():
            for name, symbol in tensors.items():
                writer.assign(self.variable(slot, name), symbol)
        every = problem.cell.hyperparameters.gradient_accumulation_steps or 1
        return ends, Step(_settled(writer.statements, self._state), rate, (at + 1) // every)

    def _stages(self, writer: "_Writer", seen: Mapping[str, Any] | None, ends: Mapping[str, Any]) -> None:
        """Write the stages of a step down under their names."""
        for tensor, update in (seen or {}).items():
            for stage, symbol in zip(update._fields, update, strict=True):
                if not isinstance(symbol, Symbol):
                    continue
                end = ends.get(stage, {}).get(tensor)
                ends_otherwise = end is not None and end.node is not symbol.node
                writer.assign(self.variable(f"updated_{stage}" if ends_otherwise else stage, tensor), symbol)

    def _kind(self, rate: str) -> Kind:
        value = told(float(eval(rate, {"np": np})), ast.Name("learning_rate"))
        return Kind(self._problem.dtype, [value, *self._known.values()])


class _Read(tuple[tuple[str, ast.expr], ...]):
    """Statements that are equal where they read alike."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple) and list(map(_text, self)) == list(map(_text, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(tuple(map(_text, self)))


class _Writer:
    """Writes symbols down as assignments; what is used twice gets a name."""

    def __init__(self) -> None:
        self._named: dict[int, str] = {}
        self._kept: list[Node] = []
        self._pending: list[tuple[str, Node]] = []

    def assign(self, name: str, symbol: Symbol) -> None:
        """Let a name stand for a symbol."""
        self._pending.append((name, symbol.node))

    @property
    def statements(self) -> Statements:
        """Everything that was assigned, in order."""
        uses: dict[int, int] = {}
        seen: dict[int, Node] = {}

        def count(node: Node) -> None:
            uses[id(node)] = uses.get(id(node), 0) + 1
            if id(node) not in seen:
                seen[id(node)] = node
                for operand in node.operands:
                    count(operand)

        for node in dict.fromkeys(node for _, node in self._pending):
            count(node)
        given = {id(node) for _, node in self._pending}
        named: dict[int, str] = {}
        found: list[tuple[str, ast.expr]] = []

        def written(node: Node) -> ast.expr:
            if id(node) in named:
                return ast.Name(named[id(node)])
            expression = node.make(*map(written, node.operands))
            if uses[id(node)] > 1 and node.operands and id(node) not in given:
                named[id(node)] = f"part_{sum(name.startswith('part_') for name, _ in found) + 1}"
                found.append((named[id(node)], expression))
                return ast.Name(named[id(node)])
            return expression

        for name, node in self._pending:
            expression = written(node)
            own = ast.unparse(expression).removeprefix(_OLD)
            if own != name:
                found.append((name, expression))
            if node.operands:
                named.setdefault(id(node), name)
        return tuple(found)


def _settled(statements: Statements, state: set[str]) -> Statements:
    """Return the statements of a step in which a new value takes the old one's name as soon as nobody asks for that."""
    changed: dict[str, str] = {}
    for at, (name, _) in enumerate(statements):
        asked = [n for _, expression in statements[at + 1 :] for n in _names(expression)]
        if _OLD + name in asked:
            changed[name] = f"new_{name}"

    def settle(node: ast.expr) -> ast.expr:
        for each in ast.walk(node):
            if isinstance(each, ast.Name):
                each.id = each.id.removeprefix(_OLD) if each.id.startswith(_OLD) else changed.get(each.id, each.id)
        return node

    found = [(changed.get(name, name), settle(expression)) for name, expression in statements]
    found += [(name, ast.Name(new)) for name, new in changed.items() if name in state]
    return tuple(found)


def _word(tensor: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in tensor)


def _function(lines: Sequence[str]) -> str:
    return "\n".join(["def f():", *(f"    {line}" for line in lines)])


def _needed(statements: Statements, wanted: Iterable[str]) -> tuple[Statements, set[str]]:
    """Return the statements that some names need, and the names that these need before the first of them."""
    left, found = set(wanted), []
    for name, expression in reversed(statements):
        if name in left:
            left = (left - {name}) | set(_names(expression))
            found.append((name, expression))
    return tuple(reversed(found)), left


def _names(expression: ast.expr) -> Iterator[str]:
    return (node.id for node in ast.walk(expression) if isinstance(node, ast.Name))


def _text(statement: tuple[str, ast.expr]) -> str:
    return f"{statement[0]} = {ast.unparse(statement[1])}"


def _rate_text(rate: float, dtype: np.dtype[Any]) -> str:
    """Return the learning rate, which Keras holds in float32, as a Python float; short where the dtype is no wider."""
    text = number(np.float32(rate), np.dtype(np.float32))
    same = dtype.type(float(text)) == dtype.type(rate)
    return text if same or not np.isfinite(rate) else f"float(np.float32({text}))"
