"""What a case may hold: the records of a case file and of its cells, and the JSON Schema that they generate.

Nothing here imports NumPy: listing cases has to be instant. ``python -m parity.case.spec`` prints the schema.
"""

import math
from collections.abc import Mapping
from functools import cache
from inspect import cleandoc
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, Union, cast

import msgspec
from msgspec import Meta, Struct

from parity.case.page import REQUIRED, Parameter
from parity.case.rule import DEFAULT, find, names
from parity.case.schedule import Schedule as Known
from parity.case.schedule import schedules
from parity.case.words import PROBES, Dtype, Mode, Source

MAX_ELEMENTS = 1_000_000_000_000
"""What a shape may say; how many of them a machine can hold is found out where they are made."""

# `$` also matches before a final newline; a lookahead that finds nothing at all means the end to Python and ECMAScript.
_END = r"(?![\s\S])"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.\-]*" + _END
_TENSOR_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.\-]*(/[A-Za-z0-9][A-Za-z0-9_.\-]*)*" + _END
_RULE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*(\.py)?" + _END
_LINE = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+" + _END
PATTERNS: Final[dict[str, str]] = {
    _NAME: "a name: letters, digits, '_', '.' and '-', the first a letter or digit, at most 80 characters",
    _TENSOR_NAME: "a tensor's name: letters, digits, '_', '.', '-' and single '/', at most 80 characters",
    _RULE_NAME: "a rule, such as rmsprop, or a page beside the case, such as my_rule.py",
    _LINE: "one line of printable text",
}
"""What each pattern means, in words for an error message."""

NonNegative: TypeAlias = Annotated[float, Meta(ge=0)]
Positive: TypeAlias = Annotated[float, Meta(gt=0)]
Fraction: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=100_000_000)]
Steps: TypeAlias = Annotated[int, Meta(ge=0)]
Name: TypeAlias = Annotated[str, Meta(pattern=_NAME, max_length=80)]
TensorName: TypeAlias = Annotated[str, Meta(pattern=_TENSOR_NAME, max_length=80)]
Line: TypeAlias = Annotated[str, Meta(pattern=_LINE, max_length=300)]
FileName: TypeAlias = Annotated[str, Meta(pattern=_LINE, max_length=300)]
Shape: TypeAlias = Annotated[list[Annotated[int, Meta(ge=0, le=MAX_ELEMENTS)]], Meta(max_length=8)]
Rows: TypeAlias = Annotated[list[Annotated[int, Meta(ge=0, le=MAX_ELEMENTS)]], Meta(max_length=10_000)]
SomeSteps: TypeAlias = Annotated[list[Steps], Meta(min_length=1)]
Axis: TypeAlias = Annotated[int, Meta(ge=0, le=7)]
RuleName: TypeAlias = Annotated[str, Meta(pattern=_RULE_NAME, max_length=80)]
Values: TypeAlias = Annotated[list[Any], Meta(min_length=1)]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A record that refuses unknown keys and never changes."""


class Hyperparameters(_Strict, frozen=True):
    """The arguments of a rule, with Keras' names and defaults: ``hyperparameters(rule)`` is the record of one."""

    if TYPE_CHECKING:

        def __init__(self, **given: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

    def departures(self) -> dict[str, Any]:
        """Return the arguments that differ from Keras' defaults, in Keras' order."""
        pairs = zip(self.__struct_fields__, _unset(type(self)), strict=True)
        return {name: getattr(self, name) for name, default in pairs if getattr(self, name) != default}


@cache
def _unset(record: type[Hyperparameters]) -> tuple[Any, ...]:
    plain = record()
    return tuple(getattr(plain, name) for name in record.__struct_fields__)


_DOMAINS: Final[dict[str, Any]] = {
    "fraction": Fraction,
    "non_negative": NonNegative,
    "positive": Positive,
    "flag": bool,
    "count": Count,
    "several": Annotated[int, Meta(ge=2, le=100_000)],
    "patterns": list[str],
    "number": float,
    "integer": int,
    "steps": Steps,
    "boundaries": Annotated[list[Steps], Meta(min_length=1)],
    "rates": Annotated[list[NonNegative], Meta(min_length=1)],
    "pieces": Annotated[list[NonNegative], Meta(min_length=2)],
}
"""What the domain of an argument (``reference/arguments.py``) means in a case file."""


def _field(argument: Parameter) -> tuple[Any, ...]:
    """Return an argument as a field of a record: its name, what it may be, and its default unless it must be given."""
    name, domain, default = argument
    if default is REQUIRED:
        return name, _DOMAINS[domain]
    kind = _DOMAINS[domain] | None if default is None else _DOMAINS[domain]
    return name, kind, [] if default == () else default


def _schedule_record(known: Known) -> type[Any]:
    """Return the record of a schedule in a case, as its page has it: the key ``schedule`` names it."""
    fields = [_field(parameter) for parameter in known.parameters]
    return msgspec.defstruct(
        known.name,
        fields,
        bases=(_Strict,),
        module=__name__,
        namespace={"__doc__": known.sentence},
        frozen=True,
        tag_field="schedule",
        tag=True,
    )


SCHEDULES: Final[dict[str, Any]] = {name: _schedule_record(known) for name, known in schedules().items()}
"""The records of all schedules by name."""
LearningRateSchedule: Final = SCHEDULES["LearningRateSchedule"]
if TYPE_CHECKING:
    Schedule: TypeAlias = Any
else:
    Schedule = Union[tuple(SCHEDULES.values())]  # noqa: UP007  # of types that are made here
_DOMAINS["rate"] = NonNegative | Schedule


def hyperparameters(name: str = DEFAULT, folder: str = "") -> type[Hyperparameters]:
    """Return the record of a rule's arguments, as its page has them: one class a rule, so that records compare.

    Raises:
        SpecError: there is no such rule.
    """
    return _record(name, folder if name.endswith(".py") else "")


@cache
def _record(name: str, folder: str) -> type[Hyperparameters]:
    fields = [_field(parameter) for parameter in find(name, folder).parameters]
    record: Any = msgspec.defstruct("Hyperparameters", fields, bases=(Hyperparameters,), module=__name__, frozen=True)
    return cast(type[Hyperparameters], record)


class Replayed(_Strict, frozen=True, tag_field="kind", tag="replayed"):
    """Gradients that exist before the run, made by a generator or read from ``file``.

    ``log_spaced``: magnitudes from ``low`` to ``high`` spread over the elements, random signs, new draw each step.
    ``sign_flips``: fixed log-spaced magnitudes whose sign alternates, each element with its own period.
    ``zeros``: log-spaced, but whole steps and single elements are exactly zero. ``constant``: the same log-spaced
    gradient at every step. ``repeated``: one draw held for a few steps, then the next.
    ``recorded``: an NPZ file with one array ``[steps, *shape]`` for each tensor, finite unless ``non_finite``.

    ``sparse`` (recorded only) names for a tensor the rows, in ``tensors``, that its gradient consists of: the file then
    holds ``[steps, rows, *shape[1:]]``, and rows that repeat add up. A library that knows such gradients is given the
    rows (``tf.IndexedSlices``), everyone else the sum.

    ``absent`` names for a tensor the zero-based steps at which it has no gradient at all, which is not one of zeros.
    ``frozen`` names those at which it is not trained: it has a gradient, which nobody applies.
    ``overflow`` names those at which one element of it, another at each step, is in turn infinity, minus infinity, NaN.

    ``order``: at every step that of ``tensors``, or ``rotating``: each step begins one tensor later than the last one.
    A NumPy class that is handed mappings then gets its parameters in that order too, as arrays that it has not seen.
    """

    generator: Literal["log_spaced", "sign_flips", "zeros", "constant", "repeated", "recorded"]
    tensors: dict[TensorName, Shape] = {}
    low: Positive = 1e-7
    high: Positive = 10.0
    file: FileName | None = None
    non_finite: bool = False
    sparse: dict[TensorName, Rows] = {}
    absent: dict[TensorName, SomeSteps] = {}
    frozen: dict[TensorName, SomeSteps] = {}
    overflow: dict[TensorName, SomeSteps] = {}
    order: Literal["fixed", "rotating"] = "fixed"


class Quadratic(_Strict, frozen=True, tag_field="kind", tag="quadratic"):
    """``loss = sum(curvature * (w - target)**2) / 2`` with log-spaced curvatures from ``low`` to ``high``."""

    tensors: dict[TensorName, Shape]
    low: Positive = 1e-3
    high: Positive = 10.0


class Mlp(_Strict, frozen=True, tag_field="kind", tag="mlp"):
    """Softmax multilayer perceptron (ReLU hidden layers, categorical crossentropy) on a shipped data sample."""

    layers: Annotated[list[Count], Meta(min_length=2)] = msgspec.field(default_factory=lambda: [784, 512, 10])
    data: Literal["mnist_first_1000"] = "mnist_first_1000"
    examples: Annotated[int, Meta(ge=1, le=1000)] = 1000
    batch_size: Annotated[int, Meta(ge=1, le=1000)] = 1
    order: Literal["sequential", "shuffled"] = "shuffled"


class Weights(_Strict, frozen=True):
    """Initial parameters: drawn (``normal``, ``uniform``, ``glorot_uniform``), filled, or read from an NPZ ``file``.

    A file holds finite numbers unless ``non_finite``.
    """

    kind: Literal["normal", "uniform", "glorot_uniform", "constant", "file"] = "normal"
    scale: NonNegative = 1.0
    file: FileName | None = None
    non_finite: bool = False


class NonNeg(_Strict, frozen=True, tag_field="constraint", tag="NonNeg"):
    """No weight is negative."""


class MaxNorm(_Strict, frozen=True, tag_field="constraint", tag="MaxNorm"):
    """No norm along ``axis`` is above a value."""

    max_value: NonNegative = 2.0
    axis: Axis = 0


class UnitNorm(_Strict, frozen=True, tag_field="constraint", tag="UnitNorm"):
    """Each norm along ``axis`` is one."""

    axis: Axis = 0


class MinMaxNorm(_Strict, frozen=True, tag_field="constraint", tag="MinMaxNorm"):
    """Each norm along ``axis`` goes a part of the way, ``rate``, to what lies between two values."""

    min_value: NonNegative = 0.0
    max_value: NonNegative = 1.0
    rate: Fraction = 1.0
    axis: Axis = 0


Constraint: TypeAlias = NonNeg | MaxNorm | UnitNorm | MinMaxNorm
"""What ``keras.constraints`` has, with its names and defaults."""


class LossScale(_Strict, frozen=True):
    """The arguments of ``keras.optimizers.LossScaleOptimizer``, which stands around the rule of a case that has it."""

    initial_scale: Positive = 2.0**15
    dynamic_growth_steps: Count = 2000


class Cell(_Strict, frozen=True):
    """One combination of a case's values: everything that a run depends on.

    ``rule`` is a page of ``reference/``, or one beside the case. ``folder`` (absolute) and ``file`` say where it was
    read; files that the case names are relative to ``folder``. Of all its steps, every ``every``-th is judged, from the
    first on, and the last; of their elements as many as are ``drawn``, or all where that is 0.
    """

    id: str
    case: str
    summary: str
    probes: list[str]
    problem: Replayed | Quadratic | Mlp
    weights: Weights
    steps: Count
    dtype: Dtype
    hyperparameters: Hyperparameters
    gradients: Source
    comparisons: list[Mode]
    seed: int
    rule: str = DEFAULT
    folder: str = ""
    shortened: bool = False
    file: str = ""
    non_finite: bool = False
    every: int = 1
    drawn: int = 0
    loss_scale: LossScale | None = None
    constraints: dict[str, Constraint] = {}

    @property
    def surroundings(self) -> dict[str, str]:
        """What stands around an update here and not in every case, by what an adapter says that it can be driven with.

        Each with a clause that says so. Vectors, scripts, twins and probes know of none of them.
        """
        clauses = {
            "absent": (getattr(self.problem, "absent", None), "some tensors have no gradient at some steps"),
            "frozen": (getattr(self.problem, "frozen", None), "some tensors are not trained at some steps"),
            "constraints": (self.constraints, "weights are constrained after each step"),
            "loss_scale": (self.loss_scale, "a loss scale moves, and steps that overflow are skipped"),
        }
        return {name: clause for name, (there, clause) in clauses.items() if there}

    @property
    def judges_all(self) -> bool:
        """Whether every step and element of the case as it stands is judged."""
        return not self.shortened and self.every == 1 and not self.drawn

    @property
    def declares_non_finite(self) -> bool:
        """Whether values that are infinite or NaN on both sides are meant: the case says so, or its files hold some."""
        return self.non_finite or self.weights.non_finite or getattr(self.problem, "non_finite", False)

    @property
    def elements(self) -> int:
        """How many parameters the problem has; 0 where only its data file can tell."""
        if isinstance(self.problem, Mlp):
            return sum((a + 1) * b for a, b in pairwise(self.problem.layers))
        return sum(math.prod(shape) for shape in self.problem.tensors.values())

    @property
    def reads_data(self) -> bool:
        """Whether the cell needs a data file: one that it names, or the shipped images."""
        return (
            isinstance(self.problem, Mlp)
            or self.weights.file is not None
            or getattr(self.problem, "file", None) is not None
        )


class CaseFile(_Strict, frozen=True):
    """What a case file may hold, whatever its rule; ``cases/schema.json`` is generated from it.

    ``non_finite`` says that values which are infinite or NaN on both sides are meant. ``rule`` is "each" in a case for
    every rule but the first, or for those in ``only``, and ``where_taken`` has hyperparameters for those of them that
    take them. ``loss_scale`` puts the optimizer that scales the loss around the rule, and ``constraints`` says what is
    done to the weights of a tensor after each step.
    """

    id: Name
    summary: Line
    probes: Annotated[list[str], Meta(min_length=1)]
    problem: Replayed | Quadratic | Mlp
    steps: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None
    epochs: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    weights: Weights = Weights()
    dtype: Dtype = "float32"
    rule: RuleName = DEFAULT
    hyperparameters: Hyperparameters = Hyperparameters()
    gradients: Source = "replayed"
    comparisons: Annotated[list[Mode], Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["lockstep", "free"])
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    non_finite: bool = False
    loss_scale: LossScale | None = None
    constraints: dict[TensorName, Constraint] = {}
    matrix: dict[str, Values] = {}
    where_taken: dict[str, Any] = {}
    only: Annotated[list[RuleName], Meta(min_length=1)] | None = None


def case_file(name: str = DEFAULT, folder: str = "") -> type[CaseFile]:
    """Return the record of a case file whose case is for this rule: one class a rule, which costs a millisecond."""
    return _case_record(name, folder if name.endswith(".py") else "")


@cache
def _case_record(name: str, folder: str) -> type[CaseFile]:
    record = hyperparameters(name, folder)
    field = ("hyperparameters", record, record())
    kind: Any = msgspec.defstruct("CaseFile", [field], bases=(CaseFile,), module=__name__, frozen=True)
    return cast(type[CaseFile], kind)


def cell_of(plain: Mapping[str, Any]) -> Cell:
    """Return the cell that these builtins describe, as ``msgspec.to_builtins`` makes them."""
    record = hyperparameters(plain.get("rule", DEFAULT), plain.get("folder", ""))
    given = msgspec.convert(plain["hyperparameters"], record)
    return msgspec.structs.replace(msgspec.convert({**plain, "hyperparameters": {}}, Cell), hyperparameters=given)


def rule_schema(name: str = DEFAULT, folder: str = "") -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a case file of one rule."""
    document = msgspec.json.schema(case_file(name, folder))
    whole, record = document["$defs"]["CaseFile"], document["$defs"]["Hyperparameters"]
    whole["properties"]["probes"]["items"] = {"enum": sorted(PROBES)}
    whole["description"] = "What a case file may hold; `parity list --schema` generates this from its model."
    record["description"] = f"Every argument of the rule {name}, with the defaults of its page."
    return described({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A parity case", **document})


def described(document: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose descriptions, which are docstrings, are without indentation, whichever Python reads them.

    Since 3.13 the compiler takes it away.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {k: cleandoc(v) if k == "description" and isinstance(v, str) else plain(v) for k, v in value.items()}

    return {key: plain(value) for key, value in document.items()}


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a case file: of every shipped rule, and of a page that lies beside it."""
    document, choices = rule_schema(), []
    for rule in names():
        place = "Hyperparameters" if rule == DEFAULT else f"Hyperparameters of {rule}"
        document["$defs"][place] = rule_schema(rule)["$defs"]["Hyperparameters"]
        named = {"properties": {"rule": {"const": rule}}, **({} if rule == DEFAULT else {"required": ["rule"]})}
        choices.append({"if": named, "then": {"properties": {"hyperparameters": {"$ref": f"#/$defs/{place}"}}}})
    document["$defs"]["CaseFile"]["properties"]["hyperparameters"] = {"type": "object", "default": {}}
    document["$defs"]["CaseFile"]["allOf"] = choices
    return document


def schema_text() -> str:
    """Return the text of ``cases/schema.json``: the same bytes for the same model."""
    return msgspec.json.format(msgspec.json.encode(schema(), order="deterministic"), indent=2).decode() + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
