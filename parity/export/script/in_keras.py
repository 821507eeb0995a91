"""An optimizer of tf.keras in a script, as who has Keras alone would write it: in a mode, or inside ``model.fit``."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from parity.case.spec import Hyperparameters
from parity.case.spec import LearningRateSchedule as Table
from parity.errors import UnsupportedError
from parity.export.script.side import Side, Wish
from parity.problem.problems import Problem
from parity.subjects import keras
from parity.subjects.adapter import Own
from parity.subjects.binding.parts import written
from parity.subjects.keras import KerasSubject, Mode
from parity.subjects.keras_fit import KerasFitSubject

_MODEL: Final = """
class Linear(keras.Model):  # its loss is the sum of its weights times its inputs, which thus are its gradients
    def __init__(self):
        super().__init__(dtype=f.__name__)
        self.tensors = {n: self.add_weight(shape=w.shape, dtype=f.__name__, name=NAME) for n, w in start.items()}
        self.built = True

    def call(self, inputs):
        products = [tf.reduce_sum(v.value * inputs[n][0]) for n, v in self.tensors.items()]
        return tf.reshape(tf.add_n(products), [1])
"""


def departures(given: Hyperparameters, left_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the arguments that a case sets, and the learning rate."""
    own = {"learning_rate": given.learning_rate, **given.departures()}
    return {name: value for name, value in own.items() if name not in left_out}


def schedule(value: Any, module: str) -> tuple[tuple[str, ...], str]:
    """Return definitions and the expression of a learning rate, a number or a schedule of ``module``."""
    if isinstance(value, float | int):
        return (), repr(float(value))
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    if not isinstance(value, Table):
        words = ", ".join(f"{n}={list(v) if isinstance(v, tuple | list) else v!r}" for n, v in fields.items())
        return (), f"{module}.{type(value).__name__}({words})"
    lines = (
        f"class Lookup({module}.LearningRateSchedule):",
        "    def __call__(self, step):",
        f"        values = tf.constant({list(value.values)!r}, tf.float32)",
        "        return tf.gather(values, tf.minimum(tf.cast(step, tf.int32), len(values) - 1))",
    )
    return lines, "Lookup()"


def as_arguments(arguments: Mapping[str, str]) -> str:
    """Return arguments as they stand in a call."""
    return ", ".join(f"{name}={text}" for name, text in arguments.items())


_IMPORTS: Final = ("import keras", "import tensorflow as tf")
_COMPILED: Final = {"graph": "tf.function({})", "xla": "tf.function({}, jit_compile=True)"}


class _Made(NamedTuple):
    """An optimizer of Keras as text: what it is called, definitions that it needs, and the lines that make it."""

    kind: str
    source: tuple[str, ...]
    lines: tuple[str, ...]


def _optimizer(own: Own | None, problem: Problem, name: str = "") -> _Made:
    """Return what makes an optimizer of Keras; ``name`` is that of somebody's own, which extends Keras' optimizer."""
    cell = problem.cell
    given = cell.hyperparameters
    bound = None if own is None else own.bound(given)
    values = departures(given) if bound is None else dict(bound.values)
    values.pop("exclude_from_weight_decay", None)
    source: tuple[str, ...] = ()
    texts = {word: repr(value) for word, value in values.items() if value is not None}
    for word, value in values.items():
        if callable(value) or hasattr(value, "__struct_fields__"):
            source, texts[word] = schedule(given.learning_rate, "keras.optimizers.schedules")
    if bound is not None:
        texts = written(texts, bound.defaults, bound.kinds)
    kind = f"keras.optimizers.{keras.row_of(cell.rule).kind}" if own is None else name
    lines = [f"optimizer = {kind}({as_arguments(texts)})"]
    if given.exclude_from_weight_decay:
        lines.append(f"optimizer.exclude_from_weight_decay(var_names={list(given.exclude_from_weight_decay)!r})")
    return _Made(kind, source, tuple(lines))


def _name_of_tensors(problem: Problem) -> str:
    """Return the expression of what Keras calls the variable of a tensor ``n``: its names have no slash."""
    return 'n.replace("/", "_")' if any("/" in tensor for tensor in problem.params) else "n"


def keras_side(adapter: KerasSubject | KerasFitSubject, problem: Problem, wish: Wish, name: str = "") -> Side:
    """Return a class of Keras, in a mode; ``name`` is that of somebody's own, which extends Keras' optimizer.

    Raises:
        UnsupportedError: what ``fit`` does at its end would be shown instead of the last step.
    """
    made = _optimizer(adapter.own, problem, name)
    value = _value(adapter.slots_of(problem.cell.rule), wish, list(problem.params))
    if isinstance(adapter, KerasFitSubject):
        return _fitted(made, problem, value)
    return _applied(made, adapter.mode, problem, value)


def _applied(made: _Made, mode: Mode, problem: Problem, value: str) -> Side:
    word = _name_of_tensors(problem)
    before = [
        *made.lines,
        f"variables = [keras.Variable(w, dtype=w.dtype.name, name={word}) for n, w in start.items()]",
        "optimizer.build(variables)",
    ]
    call = "optimizer.apply(now, variables)"
    if mode in _COMPILED:
        before.append(f"apply = {_COMPILED[mode].format('lambda now: optimizer.apply(now, variables)')}")
        call = "apply(now)"
    each = (f"now = [{_tensors(problem)}]", call)
    return Side(f"{made.kind}, {keras.WHERE[mode]},", _IMPORTS, made.source, tuple(before), each, value=value)


def _fitted(made: _Made, problem: Problem, value: str) -> Side:
    if problem.cell.hyperparameters.use_ema:
        raise UnsupportedError("model.fit overwrites the weights at its end (use_ema); reproduce it with keras-graph.")
    model = _MODEL.strip().replace("NAME", _name_of_tensors(problem)).splitlines()
    before = (
        "model = Linear()",
        "for n, v in model.tensors.items(): v.assign(start[n])",
        "variables, batches = model.trainable_variables, []",
        *made.lines,
        "model.compile(optimizer=optimizer, loss=lambda _, shown: shown)",
        "optimizer.build(variables)",
    )
    unscaled = "g" if problem.scale == 1 else f"g / f({problem.scale!r})"
    after = (
        f"inputs = {{n: np.stack([{unscaled} for g in (batch[n] for batch in batches)]) for n in start}}",
        "model.fit(inputs, np.zeros(len(batches), f), batch_size=1, shuffle=False, verbose=0)",
    )
    source = (*made.source, *[""] * bool(made.source), *model)
    title = f"{made.kind}, inside model.fit,"
    return Side(title, _IMPORTS, source, before, ("batches.append(grads)",), after, value)


def _tensors(problem: Problem) -> str:
    """Return the gradients of a step as TensorFlow takes them, in the order of the variables."""
    sparse = problem.slices(0)
    if not sparse:
        return "tf.constant(grads[n]) for n in start"
    texts = []
    for name, shape in problem.shapes.items():
        own = f'tf.constant(grads["{name}"])'
        if name in sparse:
            own = f'tf.IndexedSlices(*map(tf.constant, (*grads["{name}"][::-1], {shape})))'
        texts.append(own)
    return ", ".join(texts)


def _value(slots: Mapping[str, str], wish: Wish, names: list[str]) -> str:
    """Return the expression of what is shown of ``variables`` and ``optimizer``, by the attributes of its slots."""
    at = names.index(wish.tensor)
    if wish.slot == "parameter":
        return f"variables[{at}].numpy()"
    attribute = next(attribute for attribute, slot in slots.items() if slot == wish.slot)
    return f"optimizer.{attribute}[{at}].numpy()"
