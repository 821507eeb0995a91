"""Case files in, checked cells out: a TOML file spans a matrix of values, and each combination is one cell."""

import itertools
import math
import os
import re
import stat
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from parity.casecheck import check
from parity.caseerror import explain, printable, shown
from parity.errors import ParityError, SpecError, UsageError, did_you_mean
from parity.spec import CASES, CaseFile, Cell, Mlp

# tomllib needs time quadratic in the parts of a dotted key, so that a megabyte of them takes an hour.
MAX_FILE_BYTES = 64_000
MAX_KEY_PARTS = 32
MAX_DEPTH = 16
MAX_CELLS = 2_000

_LONG_KEY = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){{{MAX_KEY_PARTS}}}""")
_TAGS = ("schedule", "kind", "generator")


def select(patterns: Iterable[str], root: Path | None = None) -> list[Cell]:
    """Return the cells that match any of the patterns, all of them without a pattern.

    A pattern is a case id, a cell id, a glob with ``*``, a path of a case file, or such a path with ``[label]``.

    Raises:
        SpecError: a case file is missing, damaged, or holds something that a case must not hold.
        UsageError: a pattern matches nothing.
    """
    cells, problems = collect(patterns, root)
    if problems:
        raise problems[0]
    return cells


def collect(patterns: Iterable[str], root: Path | None = None) -> tuple[list[Cell], list[ParityError]]:
    """Return what ``select`` returns, and beside it the errors that kept other files or patterns from it."""
    patterns = list(patterns) or ["*"]
    known, broken = _scan(root or CASES) if any(not _is_path(pattern) for pattern in patterns) else ([], [])
    chosen: dict[str, Cell] = {}
    problems: list[ParityError] = []
    for pattern in patterns:
        try:
            for cell in _matching(pattern, known, broken, root or CASES):
                if chosen.setdefault(cell.id, cell) != cell:
                    raise UsageError(f"two files hold a cell {cell.id!r}; give one of them another id and file name.")
        except ParityError as error:
            problems.append(error)
    # A broken file among the cases concerns whoever asks for many, or for one that is not there: perhaps it is that one.
    if any("*" in pattern for pattern in patterns) or any(isinstance(error, UsageError) for error in problems):
        problems += broken
    return list(chosen.values()), problems


def load_cells(path: Path, root: Path | None = None) -> list[Cell]:
    """Read one case file and return its cells.

    Raises:
        SpecError: the file is missing, damaged, or holds something that a case must not hold.
    """
    return _cells(_read_toml(path), path, root or CASES)


def all_cells(root: Path | None = None) -> list[Cell]:
    """Return every cell of every case file below a folder, in the order of the files' names."""
    return select([], root)


def case_paths(root: Path | None = None) -> list[Path]:
    """Return every TOML file below a folder, sorted; some may hold an experiment or a list instead of a case."""
    return sorted(Path(folder, name) for folder, _, names in os.walk(root or CASES) for name in _tomls(names))


def _tomls(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.endswith(".toml")]


def _scan(root: Path) -> tuple[list[Cell], list[ParityError]]:
    cells: list[Cell] = []
    broken: list[ParityError] = []
    for path in case_paths(root):
        try:
            document = _read_toml(path)
            if "experiment" not in document and "known" not in document:
                cells += _cells(document, path, root)
        except SpecError as error:
            broken.append(error)
    return cells, broken


def _is_path(pattern: str) -> bool:
    return pattern.partition("[")[0].endswith(".toml")


def _matching(pattern: str, known: list[Cell], broken: list[ParityError], root: Path) -> Iterator[Cell]:
    if _is_path(pattern):
        name, bracket, label = pattern.partition("[")
        cells = load_cells(Path(name), root)
        matches = [cell for cell in cells if not bracket or cell.id == f"{cell.case}[{label}"]
    else:
        cells = known
        matches = [cell for cell in cells if _fits(cell.id, pattern) or _fits(cell.case, pattern)]
    if not matches and not (pattern == "*" and broken):
        names = sorted({name for cell in cells for name in (cell.case, cell.id)})
        raise UsageError(
            f"no case matches {shown(pattern)}.{did_you_mean(pattern, names)} Allowed: a case id, a cell id, a glob "
            f"with '*', or the path of a .toml file; `parity list` shows all."
        )
    yield from matches


def _fits(name: str, pattern: str) -> bool:
    """Whether a glob matches; only ``*`` is special, since ids hold brackets."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    if not name.startswith(first):
        return False
    *middle, last = rest
    position = len(first)
    for part in middle:
        found = name.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return name.endswith(last) and len(name) - len(last) >= position


def _read_toml(path: Path) -> dict[str, Any]:
    where = _show(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SpecError(f"{where}: not a file; a case is a TOML file, see `parity list`.")
        if status.st_size > MAX_FILE_BYTES:
            raise SpecError(f"{where}: received {status.st_size} bytes; allowed: at most {MAX_FILE_BYTES} for a case.")
        text = path.read_text(encoding="utf-8")
        if _LONG_KEY.search(text):
            raise SpecError(f"{where}: a key of {MAX_KEY_PARTS} or more parts; no case has keys that deep.")
        document = tomllib.loads(text)
    except OSError as error:
        raise SpecError(f"{where}: cannot be read: {error.strerror}. `parity list` shows the cases.") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{where}: byte {error.start} is not UTF-8; a case is a TOML file in UTF-8.") from error
    except RecursionError as error:
        raise SpecError(f"{where}: nested too deeply; no case needs more than {MAX_DEPTH} levels.") from error
    except ValueError as error:
        raise SpecError(f"{where}: not valid TOML: {printable(str(error))}. See https://toml.io/en/v1.0.0.") from error
    _refuse_unusable(document, where)
    return document


def _refuse_unusable(document: dict[str, Any], where: str) -> None:
    """Refuse NaN, infinity and bottomless nesting, before anything walks through the document by recursion."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), document)]
    while waiting:
        keys, value = waiting.pop()
        key = printable(".".join(keys))
        if len(keys) > MAX_DEPTH:
            raise SpecError(f"{where}: {key[:40]}…: nested too deeply; allowed: {MAX_DEPTH} levels.")
        if isinstance(value, float) and not math.isfinite(value):
            raise SpecError(f"{where}: {key}: received {value}; allowed: a finite number.")
        if isinstance(value, dict):
            waiting += [((*keys, name), child) for name, child in value.items()]
        elif isinstance(value, list):
            waiting += [((*keys, str(index)), child) for index, child in enumerate(value)]


def _cells(document: dict[str, Any], path: Path, root: Path) -> list[Cell]:
    """Check the file as it stands by its types, and each combination of its matrix by everything."""
    where = _show(path)
    base = _decode(document, where)
    prefix = _prefix(path, root)
    if prefix is not None and base.id != path.stem:
        raise SpecError(f"{where}: id: received {base.id!r}; a case below cases/ has its file's name: {path.stem!r}.")
    count = math.prod(len(values) for values in base.matrix.values())
    if count > MAX_CELLS:
        raise SpecError(f"{where}: matrix: spans {count} cells; allowed: at most {MAX_CELLS}.")
    plain = {key: value for key, value in document.items() if key != "matrix"}
    name = f"{prefix or ''}{base.id}"
    rows = (dict(zip(base.matrix, values, strict=True)) for values in itertools.product(*base.matrix.values()))
    cells = [_cell(base if not row else None, plain, row, name, path) for row in rows]
    for identity, times in Counter(cell.id for cell in cells).items():
        if times > 1:
            raise SpecError(f"{where}: matrix: {times} combinations have the id {identity!r}; vary their values.")
    return cells


def _decode(document: dict[str, Any], where: str) -> CaseFile:
    try:
        return msgspec.convert(document, CaseFile, strict=True)
    except msgspec.ValidationError as error:
        raise SpecError(f"{where}: {explain(str(error), document)}") from error


def _cell(case: CaseFile | None, plain: dict[str, Any], row: Mapping[str, Any], name: str, path: Path) -> Cell:
    label = ",".join(_label(key, value) for key, value in row.items())
    where = f"{_show(path)} [{label}]" if label else _show(path)
    if case is None:
        for key, value in row.items():
            plain = _set(plain, key.split("."), value, f"{where}: matrix: {shown(key)}")
        case = _decode(plain, where)
    check(case, where)
    folder, file = os.path.split(os.path.realpath(path))
    return Cell(
        id=f"{name}[{label}]" if label else name,
        case=name,
        summary=case.summary,
        probes=case.probes,
        problem=case.problem,
        weights=case.weights,
        steps=_steps(case),
        dtype=case.dtype,
        hyperparameters=case.hyperparameters,
        gradients=case.gradients,
        comparisons=case.comparisons,
        seed=case.seed,
        folder=folder,
        file=file,
    )


def _steps(case: CaseFile) -> int:
    if case.steps is None and isinstance(case.problem, Mlp):
        return (case.epochs or 1) * math.ceil(case.problem.examples / case.problem.batch_size)
    return case.steps or 1


def _set(document: Mapping[str, Any], keys: list[str], value: Any, where: str) -> dict[str, Any]:
    """Return the document with one key changed; a table is merged, unless its kind makes it another table."""
    head, *rest = keys
    if head in ("id", "summary", "matrix"):
        raise SpecError(f'{where} cannot vary; allowed: every other key of a case, such as "hyperparameters.rho".')
    old = document.get(head, {})
    if rest:
        if not isinstance(old, Mapping):
            raise SpecError(f"{where} names no table: {head!r} is {shown(old)} here.")
        return {**document, head: _set(old, rest, value, where)}
    merges = isinstance(value, Mapping) and isinstance(old, Mapping) and not any(tag in value for tag in _TAGS)
    return {**document, head: {**old, **value} if merges else value}


def _label(key: str, value: Any) -> str:
    """Return the readable part of an id: ``float16``, ``momentum=0.9``, or a table's tag or its numbers."""
    short = key.rpartition(".")[2]
    if isinstance(value, Mapping):
        tags = [str(value[tag]) for tag in _TAGS if tag in value]
        return "+".join(tags or [_label(name, inner) for name, inner in value.items()]) or "defaults"
    return _plain(value) if isinstance(value, str) else f"{short}={_plain(value)}"


def _plain(value: Any) -> str:
    text = "+".join(map(_plain, value)) if isinstance(value, list) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", text)[:60]


def _prefix(path: Path, root: Path) -> str | None:
    """Return the folders between the root of the cases and the file, None for a file elsewhere."""
    folder, top = Path(os.path.realpath(path)).parent, Path(os.path.realpath(root))
    if not folder.is_relative_to(top):
        return None
    return "".join(f"{part}/" for part in folder.relative_to(top).parts)


def _show(path: Path) -> str:
    """Return the path as short as a person would write it, in one line."""
    try:
        short = Path(os.path.realpath(path)).relative_to(Path.cwd())
    except (ValueError, OSError):
        short = path
    return printable(short.as_posix())
