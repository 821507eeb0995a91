"""A TensorFlow graph in, the values of its outputs with their bounds out; weights and inputs are exact arrays.

Bounds of a whole graph grow with its depth. ``anchors`` put what was observed in place of what was computed, and hand
both to whoever judges: each part of the graph then shows its own rounding, as lockstep does with steps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from parity.bounds.bounded import Bounded, exact
from parity.bounds.graph import elementwise, losses, movement, products
from parity.bounds.graph.rules import Rule, UnruledError, sure
from parity.bounds.numerics import Array, format_of

RULES: Final[dict[str, Rule]] = {**elementwise.RULES, **products.RULES, **losses.RULES, **movement.RULES}
_CALLS: Final = ("PartitionedCall", "StatefulPartitionedCall")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Stands for a value that follows from operations without a rule, which are named."""

    operations: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Variable:
    """Stands where the graph hands the handle of a variable on."""

    place: int


class Interpreter:
    """Runs what the outputs of a concrete function need, on arrays with bounds.

    Args:
        function: a concrete function of TensorFlow, whose inputs are tensors and whose variables are captured.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        self._graph = function.graph
        self._library = {each.signature.name: each for each in self._graph.as_graph_def().library.function}
        self._called: dict[str, Any] = {}
        self._plans: dict[tuple[Any, ...], list[Any]] = {}
        self._places = {id(variable.handle): at for at, variable in enumerate(self._graph.variables)}

    @property
    def variables(self) -> list[Any]:
        """The variables that the graph reads, in an order of its own; ``__call__`` takes an array for each."""
        return list(self._graph.variables)

    def __call__(
        self,
        inputs: Sequence[Array | Bounded],
        variables: Sequence[Array | Bounded],
        anchors: Mapping[str, Array | Callable[[Any], Any]] | None = None,
        judge: Callable[[str, Any, Bounded], None] | None = None,
        wanted: Sequence[int] | None = None,
    ) -> list[Any]:
        """Return each output that is wanted: a bounded array, a plain one where it is no float, or ``Unknown``.

        Args:
            inputs: an array for each input, exact unless it has a bound of its own.
            variables: such an array for each of ``variables``.
            anchors: observed values by the name of a tensor, which go on in place of what is computed there; or what
                makes them of it.
            judge: is handed the name, what was computed and what was observed.
            wanted: numbers of outputs; unless given, all of them.
        """
        values: dict[str, Any] = {}
        for outer, inner in self._graph.captures:
            handle = self._places.get(id(outer))
            values[inner.name] = _leaf(outer) if handle is None else _Variable(handle)
        free = [tensor for tensor in self._graph.inputs if tensor.name not in values]
        values |= {tensor.name: _leaf(array) for tensor, array in zip(free, inputs, strict=True)}
        state = [_leaf(array) for array in variables]
        observed = {name: each if callable(each) else _leaf(each) for name, each in (anchors or {}).items()}
        outputs = [self.function.outputs[at] for at in wanted] if wanted is not None else self.function.outputs
        with np.errstate(all="ignore"):
            self._run(self._graph, outputs, values, state, (observed, judge))
        return [values[tensor.name] for tensor in outputs]

    def _run(self, graph: Any, outputs: Any, values: dict[str, Any], state: list[Any], anchored: Any) -> None:
        observed, judge = anchored
        for operation in self._plan(graph, outputs):
            if operation.outputs and operation.outputs[0].name in values:
                continue
            result = self._result(operation, [values[tensor.name] for tensor in operation.inputs], state)
            for tensor, value in zip(operation.outputs, result, strict=False):
                if tensor.name in observed:
                    seen = observed[tensor.name]
                    seen = seen(value) if callable(seen) else seen
                    if judge is not None:
                        judge(tensor.name, value, seen)
                    value = seen
                values[tensor.name] = value

    def _plan(self, graph: Any, outputs: Any) -> list[Any]:
        """Return the operations that outputs need, inputs before users."""
        key = id(graph), *(tensor.name for tensor in outputs)
        if key not in self._plans:
            done: set[Any] = set()
            order: list[Any] = []
            stack = [(tensor.op, False) for tensor in outputs]
            while stack:
                operation, ready = stack.pop()
                if ready:
                    order.append(operation)
                elif operation not in done:
                    done.add(operation)
                    before = [*(tensor.op for tensor in operation.inputs), *operation.control_inputs]
                    stack += [(operation, True), *((each, False) for each in before if each not in done)]
            self._plans[key] = order
        return self._plans[key]

    def _result(self, operation: Any, inputs: list[Any], state: list[Any]) -> tuple[Any, ...]:
        unknown = [each.operations for each in inputs if isinstance(each, Unknown)]
        if unknown:
            return (Unknown(frozenset().union(*unknown)),) * len(operation.outputs)
        try:
            result = self._apply(operation, inputs, state)
        except UnruledError as error:
            return (Unknown(frozenset({error.operation})),) * len(operation.outputs)
        return result if isinstance(result, tuple) else (result,)

    def _apply(self, operation: Any, inputs: list[Any], state: list[Any]) -> Any:
        kind = operation.type
        if kind == "Const":
            from tensorflow import make_ndarray

            return _leaf(make_ndarray(operation.get_attr("value")), constant=True)
        if kind == "ReadVariableOp":
            return state[inputs[0].place]
        if kind in _CALLS:
            return self._call(operation.get_attr("f").name, inputs, state)
        if kind in ("If", "StatelessIf"):
            branch = "then_branch" if bool(sure(inputs[0])) else "else_branch"
            return self._call(operation.get_attr(branch).name, inputs[1:], state)
        if kind not in RULES:
            raise UnruledError(kind)
        inputs = [state[each.place] if isinstance(each, _Variable) else each for each in inputs]
        return RULES[kind](operation.get_attr, *inputs)

    def _call(self, name: str, inputs: list[Any], state: list[Any]) -> tuple[Any, ...]:
        if name not in self._called:
            from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

            self._called[name] = function_def_to_graph(self._library[name])
        graph = self._called[name]
        values = dict(zip((tensor.name for tensor in graph.inputs), inputs, strict=True))
        self._run(graph, graph.outputs, values, state, ({}, None))
        return tuple(values[tensor.name] for tensor in graph.outputs)


def _leaf(array: Any, constant: bool = False) -> Any:
    """Return an array with a bound of zero where it holds floats; a compiler knows a constant without dimensions."""
    if isinstance(array, Bounded):
        return array
    plain = np.asarray(array)
    try:
        format_of(plain.dtype)
    except TypeError:
        return plain
    number = exact(plain)
    number.constant = constant and plain.ndim == 0
    return number
