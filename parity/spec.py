"""Case files in, validated cells out: a TOML file spans a matrix of values, and each combination is one cell.

Nothing here imports NumPy: listing cases has to be instant.
"""

import itertools
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from parity.errors import SpecError, UsageError, did_you_mean
from parity.words import MISTAKES, Dtype, Mode, Source

CASES = Path(__file__).parent / "cases"
MAX_FILE_BYTES = 1_000_000
MAX_CELLS = 2_000
MAX_ELEMENTS = 50_000_000

NonNegative: TypeAlias = Annotated[float, Meta(ge=0)]
Positive: TypeAlias = Annotated[float, Meta(gt=0)]
Fraction: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=100_000_000)]
Name: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", max_length=80)]
TensorName: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./\-]*$", max_length=80)]
Shape: TypeAlias = list[Annotated[int, Meta(ge=0, le=MAX_ELEMENTS)]]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A record that refuses unknown keys and never changes."""


class ExponentialDecay(_Strict, frozen=True, tag_field="schedule", tag=True):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``; source: keras.optimizers.schedules."""

    initial_learning_rate: NonNegative
    decay_steps: Count
    decay_rate: NonNegative
    staircase: bool = False


class PiecewiseConstantDecay(_Strict, frozen=True, tag_field="schedule", tag=True):
    """``values[i]`` up to and including step ``boundaries[i]``; one value more than boundaries."""

    boundaries: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(min_length=1)]
    values: Annotated[list[NonNegative], Meta(min_length=2)]


class PolynomialDecay(_Strict, frozen=True, tag_field="schedule", tag=True):
    """From the initial to the end learning rate along a power of the step."""

    initial_learning_rate: NonNegative
    decay_steps: Count
    end_learning_rate: NonNegative = 0.0001
    power: NonNegative = 1.0
    cycle: bool = False


class InverseTimeDecay(_Strict, frozen=True, tag_field="schedule", tag=True):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``."""

    initial_learning_rate: NonNegative
    decay_steps: Count
    decay_rate: NonNegative
    staircase: bool = False


class CosineDecay(_Strict, frozen=True, tag_field="schedule", tag=True):
    """Half a cosine, with an optional linear warm-up before it."""

    initial_learning_rate: NonNegative
    decay_steps: Count
    alpha: NonNegative = 0.0
    warmup_target: NonNegative | None = None
    warmup_steps: Annotated[int, Meta(ge=0)] = 0


class CosineDecayRestarts(_Strict, frozen=True, tag_field="schedule", tag=True):
    """Cosine periods that start again, each ``t_mul`` as long and ``m_mul`` as high as the one before."""

    initial_learning_rate: NonNegative
    first_decay_steps: Count
    t_mul: Positive = 2.0
    m_mul: NonNegative = 1.0
    alpha: NonNegative = 0.0


class LearningRateSchedule(_Strict, frozen=True, tag_field="schedule", tag=True):
    """A table: one learning rate for each step, the last one holds on; Keras' base class, subclassed by the adapter."""

    values: Annotated[list[NonNegative], Meta(min_length=1)]


Schedule: TypeAlias = (
    ExponentialDecay
    | PiecewiseConstantDecay
    | PolynomialDecay
    | InverseTimeDecay
    | CosineDecay
    | CosineDecayRestarts
    | LearningRateSchedule
)


class Hyperparameters(_Strict, frozen=True):
    """Every argument of ``tf.keras.optimizers.RMSprop``, with Keras' names and defaults."""

    learning_rate: NonNegative | Schedule = 0.001
    rho: Fraction = 0.9
    momentum: Fraction = 0.0
    epsilon: NonNegative = 1e-7
    centered: bool = False
    weight_decay: NonNegative | None = None
    clipnorm: Positive | None = None
    clipvalue: Positive | None = None
    global_clipnorm: Positive | None = None
    use_ema: bool = False
    ema_momentum: Fraction = 0.99
    ema_overwrite_frequency: Count | None = None
    loss_scale_factor: Positive | None = None
    gradient_accumulation_steps: Annotated[int, Meta(ge=2, le=100_000)] | None = None
    exclude_from_weight_decay: list[str] = []

    def departures(self) -> dict[str, Any]:
        """Return the arguments that differ from Keras' defaults, in Keras' order."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) != _DEFAULT[name]}


_DEFAULT: dict[str, Any] = {name: getattr(Hyperparameters(), name) for name in Hyperparameters.__struct_fields__}


class Replayed(_Strict, frozen=True, tag_field="kind", tag="replayed"):
    """Gradients that exist before the run, made by a generator or read from ``file`` (recorded: NPZ, one array a tensor).

    ``log_spaced``: magnitudes from ``low`` to ``high`` spread over the elements, random signs, new draw each step.
    ``sign_flips``: fixed log-spaced magnitudes whose sign alternates, each element with its own period.
    ``zeros``: log-spaced, but whole steps and single elements are exactly zero. ``constant``: the same log-spaced
    gradient at every step. ``repeated``: one draw held for a few steps, then the next.
    """

    generator: Literal["log_spaced", "sign_flips", "zeros", "constant", "repeated", "recorded"]
    tensors: dict[TensorName, Shape] = {}
    low: Positive = 1e-7
    high: Positive = 10.0
    file: str | None = None


class Quadratic(_Strict, frozen=True, tag_field="kind", tag="quadratic"):
    """``loss = sum(curvature * (w - target)**2) / 2`` with log-spaced curvatures from ``low`` to ``high``."""

    tensors: dict[TensorName, Shape]
    low: Positive = 1e-3
    high: Positive = 10.0


class Mlp(_Strict, frozen=True, tag_field="kind", tag="mlp"):
    """Softmax multilayer perceptron (ReLU hidden layers, categorical crossentropy) on a shipped data sample."""

    layers: Annotated[list[Count], Meta(min_length=2)] = [784, 512, 10]
    data: Literal["mnist_first_1000"] = "mnist_first_1000"
    examples: Annotated[int, Meta(ge=1, le=1000)] = 1000
    batch_size: Annotated[int, Meta(ge=1, le=1000)] = 1
    order: Literal["sequential", "shuffled"] = "shuffled"


class Weights(_Strict, frozen=True):
    """Initial parameters: drawn (``normal``, ``uniform``, ``glorot_uniform``), filled, or read from an NPZ ``file``."""

    kind: Literal["normal", "uniform", "glorot_uniform", "constant", "file"] = "normal"
    scale: NonNegative = 1.0
    file: str | None = None


class Cell(_Strict, frozen=True):
    """One combination of a case's values: everything that a run depends on."""

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
    folder: str = ""


class CaseFile(_Strict, frozen=True):
    """What a case file may hold; the JSON schema in ``cases/schema.json`` is generated from this class."""

    id: Name
    summary: Annotated[str, Meta(min_length=1, max_length=300)]
    probes: Annotated[list[str], Meta(min_length=1)]
    problem: Replayed | Quadratic | Mlp
    steps: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None
    epochs: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    weights: Weights = Weights()
    dtype: Dtype = "float32"
    hyperparameters: Hyperparameters = Hyperparameters()
    gradients: Source = "replayed"
    comparisons: Annotated[list[Mode], Meta(min_length=1)] = ["lockstep", "free"]
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    matrix: dict[str, Annotated[list[Any], Meta(min_length=1)]] = {}


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a case file."""
    document = msgspec.json.schema(CaseFile)
    document["$defs"]["CaseFile"]["properties"]["probes"]["items"] = {"enum": sorted(MISTAKES)}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A parity case", **document}


def case_paths(folder: Path | None = None) -> list[Path]:
    """Return every case file below a folder, sorted; experiments and lists (which carry other keys) are left out."""
    root = folder or CASES
    return [path for path in sorted(root.rglob("*.toml")) if _is_case(path)]


def _is_case(path: Path) -> bool:
    try:
        head = _read_toml(path)
    except SpecError:
        return True
    return "experiment" not in head and "known" not in head


def load_cells(path: Path, root: Path | None = None) -> list[Cell]:
    """Read one case file and return its cells.

    Raises:
        SpecError: the file is missing, damaged, or holds something that a case must not hold.
    """
    document = _read_toml(path)
    matrix = document.get("matrix", {})
    _decode(document, CaseFile, path)
    rows = _expand(matrix, path)
    prefix = _prefix(path, root or CASES)
    cells = [_cell(document, row, prefix, path) for row in rows]
    repeated = {cell.id for cell in cells if sum(other.id == cell.id for other in cells) > 1}
    if repeated:
        raise SpecError(f"{_show(path)}: matrix: two combinations have the same id {sorted(repeated)[0]!r}; vary them.")
    return cells


def select(patterns: Iterable[str], root: Path | None = None) -> list[Cell]:
    """Return the cells that match any of the patterns: a case id, a cell id, a glob with ``*``, or a file's path.

    Raises:
        UsageError: a pattern matches nothing.
    """
    chosen: dict[str, Cell] = {}
    known: list[Cell] | None = None
    wanted = list(patterns) or ["*"]
    for pattern in wanted:
        if pattern.endswith(".toml"):
            path = Path(pattern)
            if not path.is_file():
                raise UsageError(
                    f"no case file {pattern!r}; pass the path of a .toml file, or an id: see `parity list`."
                )
            matches = load_cells(path, root)
        else:
            known = all_cells(root) if known is None else known
            matches = [cell for cell in known if _matches(cell, pattern)]
        if not matches:
            names = sorted({cell.case for cell in known or []})
            raise UsageError(
                f"no case matches {pattern!r}.{did_you_mean(pattern, names)} Allowed: a case id, a cell id, a glob with "
                f"'*', or the path of a .toml file; `parity list` shows all."
            )
        chosen.update({cell.id: cell for cell in matches})
    return list(chosen.values())


def all_cells(root: Path | None = None) -> list[Cell]:
    """Return every cell of every case file, in the order of their ids' files."""
    return list(itertools.chain.from_iterable(load_cells(path, root) for path in case_paths(root)))


def _matches(cell: Cell, pattern: str) -> bool:
    expression = re.compile(".*".join(re.escape(part) for part in pattern.split("*")))
    return any(expression.fullmatch(name) for name in (cell.id, cell.case))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SpecError(f"{_show(path)}: {path.stat().st_size} bytes; a case file has at most {MAX_FILE_BYTES}.")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{_show(path)}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{_show(path)}: not UTF-8 text (byte {error.start}); TOML must be UTF-8.") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SpecError(f"{_show(path)}: not valid TOML: {error or 'nested too deeply'}.") from error


def _decode(document: Mapping[str, Any], kind: type[CaseFile], path: Path) -> CaseFile:
    _refuse_not_finite(document, "", path)
    try:
        case = msgspec.convert(document, kind, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        raise SpecError(_explain(str(error), document, path)) from error
    _check(case, path)
    return case


def _refuse_not_finite(value: Any, key: str, path: Path) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise SpecError(f"{_show(path)}: {key}: received {value}; allowed: a finite number.")
    children: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for name, child in children:
        _refuse_not_finite(child, f"{key}.{name}".lstrip("."), path)


def _check(case: CaseFile, path: Path) -> None:
    """Refuse what types alone cannot: words, pairs of keys, and sizes that do not go together."""
    unknown = [word for word in case.probes if word not in MISTAKES]
    if unknown:
        hint = did_you_mean(unknown[0], list(MISTAKES))
        raise SpecError(
            f"{_show(path)}: probes: received {unknown[0]!r}.{hint} Allowed: {', '.join(sorted(MISTAKES))}."
        )
    if (case.steps is None) == (case.epochs is None):
        received = "both" if case.steps else "neither"
        raise SpecError(f"{_show(path)}: steps, epochs: received {received}; give exactly one of them.")
    if case.epochs is not None and not isinstance(case.problem, Mlp):
        raise SpecError(f"{_show(path)}: epochs: only problem.kind = 'mlp' has epochs; give steps instead.")
    if len(set(case.comparisons)) < len(case.comparisons):
        raise SpecError(f"{_show(path)}: comparisons: received {case.comparisons}; name each at most once.")
    if case.weights.kind == "file" and not case.weights.file:
        raise SpecError(f"{_show(path)}: weights.file: missing; weights.kind = 'file' needs the path of an NPZ file.")
    _check_problem(case, path)
    _check_hyperparameters(case.hyperparameters, path)


def _check_problem(case: CaseFile, path: Path) -> None:
    problem = case.problem
    if isinstance(problem, Replayed) != (case.gradients == "replayed"):
        allowed = "'replayed'" if isinstance(problem, Replayed) else "'shared' or 'computed'"
        raise SpecError(f"{_show(path)}: gradients: received {case.gradients!r}; this problem.kind allows {allowed}.")
    if isinstance(problem, Mlp):
        return
    if isinstance(problem, Replayed) and problem.generator == "recorded":
        if not problem.file:
            raise SpecError(
                f"{_show(path)}: problem.file: missing; generator 'recorded' needs the path of an NPZ file."
            )
    elif not problem.tensors:
        raise SpecError(f"{_show(path)}: problem.tensors: missing; give at least one, such as {{ kernel = [4, 8] }}.")
    elements = sum(math.prod(shape) for shape in problem.tensors.values())
    if elements * (case.steps or 1) > 40 * MAX_ELEMENTS or elements > MAX_ELEMENTS:
        raise SpecError(f"{_show(path)}: problem.tensors: {elements} elements is too many; allowed: {MAX_ELEMENTS}.")
    if problem.low > problem.high:
        raise SpecError(
            f"{_show(path)}: problem.low: received {problem.low} > high {problem.high}; low must not exceed it."
        )


def _check_hyperparameters(given: Hyperparameters, path: Path) -> None:
    where = f"{_show(path)}: hyperparameters"
    clips = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(given, name) is not None]
    if len(clips) > 1:
        raise SpecError(f"{where}: received {' and '.join(clips)}; Keras allows at most one of them.")
    if given.ema_overwrite_frequency is not None and not given.use_ema:
        raise SpecError(f"{where}.ema_overwrite_frequency: has no effect without use_ema = true; set that too.")
    if given.exclude_from_weight_decay and given.weight_decay is None:
        raise SpecError(f"{where}.exclude_from_weight_decay: has no effect without weight_decay; set that too.")
    for pattern in given.exclude_from_weight_decay:
        try:
            re.compile(pattern)
        except re.error as error:
            raise SpecError(
                f"{where}.exclude_from_weight_decay: {pattern!r} is no regular expression: {error}."
            ) from error
    rate = given.learning_rate
    if isinstance(rate, PiecewiseConstantDecay) and len(rate.values) != len(rate.boundaries) + 1:
        raise SpecError(
            f"{where}.learning_rate.values: received {len(rate.values)} for {len(rate.boundaries)} boundaries; "
            f"allowed: one more than boundaries."
        )
    if isinstance(rate, CosineDecay) and rate.warmup_target is not None and rate.warmup_steps < 1:
        raise SpecError(
            f"{where}.learning_rate.warmup_steps: received {rate.warmup_steps}; warmup_target needs at least 1."
        )


def _explain(message: str, document: Mapping[str, Any], path: Path) -> str:
    """Turn msgspec's message (``... - at `$.a.b``` ) into: file, key, what was received, what is allowed."""
    text, _, where = message.partition(" - at `$")
    key = where.rstrip("`").lstrip(".") or "top level"
    unknown = re.match(r"Object contains unknown field `(.+)`", text)
    if unknown:
        allowed = _fields_at(key, document)
        hint = did_you_mean(unknown[1], allowed)
        return f"{_show(path)}: {key}: unknown key {unknown[1]!r}.{hint} Allowed: {', '.join(sorted(allowed))}."
    received = _value_at(key, document)
    shown = "" if received is _ABSENT else f"; received {received!r}"[:200]
    return (
        f"{_show(path)}: {key}: {text[:1].lower()}{text[1:]}{shown}. See cases/schema.json or `parity list --schema`."
    )


_ABSENT = object()


def _value_at(key: str, document: Mapping[str, Any]) -> Any:
    value: Any = document
    for part in [] if key == "top level" else re.split(r"\.|\[(\d+)\]\.?", key):
        if not part:
            continue
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return _ABSENT
    return _ABSENT if isinstance(value, Mapping) else value


def _fields_at(key: str, document: Mapping[str, Any]) -> list[str]:
    table = {"top level": CaseFile, "hyperparameters": Hyperparameters, "weights": Weights}
    if key in table:
        return list(table[key].__struct_fields__)
    owner = document
    for part in key.split("."):
        owner = owner.get(part, {}) if isinstance(owner, Mapping) else {}
    kinds: list[Any] = [Replayed, Quadratic, Mlp, *Schedule.__args__]
    for kind in kinds:
        config = kind.__struct_config__
        if owner.get(config.tag_field) == config.tag:
            return [str(config.tag_field), *kind.__struct_fields__]
    return []


def _expand(matrix: Mapping[str, list[Any]], path: Path) -> list[dict[str, Any]]:
    count = math.prod(len(values) for values in matrix.values())
    if count > MAX_CELLS:
        raise SpecError(f"{_show(path)}: matrix: spans {count} cells; allowed: at most {MAX_CELLS}.")
    return [dict(zip(matrix, values, strict=True)) for values in itertools.product(*matrix.values())]


def _cell(document: Mapping[str, Any], row: Mapping[str, Any], prefix: str, path: Path) -> Cell:
    merged = msgspec.convert({key: value for key, value in document.items() if key != "matrix"}, dict[str, Any])
    for key, value in row.items():
        merged = _set(merged, key.split("."), value, key, path)
    case = _decode(merged, CaseFile, path)
    label = ",".join(_label(key, value) for key, value in row.items())
    steps = case.steps
    if steps is None:
        assert isinstance(case.problem, Mlp)
        steps = (case.epochs or 1) * -(-case.problem.examples // case.problem.batch_size)
    shared = {name: getattr(case, name) for name in Cell.__struct_fields__ if name in CaseFile.__struct_fields__}
    name = f"{prefix}{case.id}"
    return Cell(
        **{
            **shared,
            "id": f"{name}[{label}]" if label else name,
            "case": name,
            "steps": steps,
            "folder": str(path.parent.resolve()),
        }
    )


def _set(document: dict[str, Any], keys: list[str], value: Any, whole: str, path: Path) -> dict[str, Any]:
    head, *rest = keys
    if head in ("id", "summary", "matrix"):
        raise SpecError(f"{_show(path)}: matrix: {whole!r} cannot vary; allowed: any other key of a case.")
    old = document.get(head, {})
    if rest:
        if not isinstance(old, dict):
            raise SpecError(f"{_show(path)}: matrix: {whole!r} names no table of this case.")
        return {**document, head: _set(old, rest, value, whole, path)}
    return {**document, head: {**old, **value} if isinstance(value, dict) and isinstance(old, dict) else value}


def _label(key: str, value: Any) -> str:
    """Return the readable part of an id: ``float16``, ``momentum=0.9``, or a table's tag and its numbers."""
    short = key.rpartition(".")[2]
    if isinstance(value, dict):
        tags = [str(value[tag]) for tag in ("schedule", "kind", "generator") if tag in value]
        return "+".join(tags or [_label(name, inner) for name, inner in value.items()]) or short
    if isinstance(value, str):
        return value
    text = str(value).lower() if isinstance(value, bool) else str(value).replace(" ", "")
    return f"{short}={text}"


def _prefix(path: Path, root: Path) -> str:
    try:
        folder = path.resolve().parent.relative_to(root.resolve()).as_posix()
    except ValueError:
        return ""
    return "" if folder == "." else f"{folder}/"


def _show(path: Path) -> str:
    """Return the path as short as a person would write it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def iter_schema_lines() -> Iterator[str]:
    """Yield the lines of ``cases/schema.json``; ``make schema`` writes them."""
    text = msgspec.json.format(msgspec.json.encode(schema(), order="deterministic"), indent=2).decode()
    yield from text.splitlines()
