"""Case files in, checked cells out: a TOML file spans a matrix of values, and each combination is one cell."""

import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from parity.case.check import check
from parity.case.error import explain, shown
from parity.case.rule import DEFAULT
from parity.case.spec import CASES, CaseFile, Cell, Mlp, case_file
from parity.case.tomlfile import read_toml, show_path
from parity.errors import ParityError, SpecError, UsageError, did_you_mean

MAX_CELLS = 2_000

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
    # A broken file concerns whoever asks for many cases, or for one that is not found: perhaps it is that file.
    if any("*" in pattern for pattern in patterns) or any(isinstance(error, UsageError) for error in problems):
        problems += broken
    return list(chosen.values()), problems


def load_cells(path: Path, root: Path | None = None) -> list[Cell]:
    """Read one case file and return its cells.

    Raises:
        SpecError: the file is missing, damaged, or holds something that a case must not hold.
    """
    return _cells(read_toml(path), path, root or CASES)


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
            document = read_toml(path)
            if "experiment" not in document and "known" not in document:
                cells += _cells(document, path, root)
        except SpecError as error:
            broken.append(error)
    return cells, broken


def pattern_of(cell: Cell) -> str:
    """Return the pattern that selects this cell again: its id, or the path of a file that is not among the cases."""
    path = os.path.join(cell.folder, cell.file)
    if not cell.file or _prefix(path, CASES) is not None:
        return cell.id
    return show_path(Path(path)) + cell.id.removeprefix(cell.case)


_PATH = re.compile(r"(.*\.toml)(\[.*\])?", re.DOTALL)


def _is_path(pattern: str) -> bool:
    return _PATH.fullmatch(pattern) is not None


def _matching(pattern: str, known: list[Cell], broken: list[ParityError], root: Path) -> Iterator[Cell]:
    path = _PATH.fullmatch(pattern)
    if path:
        cells = load_cells(Path(path[1]), root)
        matches = [cell for cell in cells if not path[2] or cell.id == f"{cell.case}{path[2]}"]
    else:
        cells = known
        matches = [cell for cell in cells if fits(cell.id, pattern) or fits(cell.case, pattern)]
    if not matches and not (pattern == "*" and broken):
        names = sorted({name for cell in cells for name in (cell.case, cell.id)})
        raise UsageError(
            f"no case matches {shown(pattern)}.{did_you_mean(pattern, names)} Allowed: a case id, a cell id, a glob "
            f"with '*', or the path of a .toml file; `parity list` shows all."
        )
    yield from matches


def fits(name: str, pattern: str) -> bool:
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


def _cells(document: dict[str, Any], path: Path, root: Path) -> list[Cell]:
    """Check the file as it stands by its types, and each combination of its matrix by everything."""
    where, real = show_path(path), os.path.realpath(path)
    base = _decode(document, where, os.path.dirname(real))
    prefix = _prefix(real, root)
    if prefix is not None and base.id != path.stem:
        raise SpecError(f"{where}: id: received {base.id!r}; a case below cases/ has its file's name: {path.stem!r}.")
    count = math.prod(len(values) for values in base.matrix.values())
    if count > MAX_CELLS:
        raise SpecError(f"{where}: matrix: spans {count} cells; allowed: at most {MAX_CELLS}.")
    plain = {key: value for key, value in document.items() if key != "matrix"}
    cells = []
    for values in itertools.product(*base.matrix.values()):
        row = dict(zip(base.matrix, values, strict=True))
        label = ",".join(_label(key, value) for key, value in row.items())
        place = f"{where} [{label}]" if row else where
        case = _decode(_changed(plain, row, place), place, os.path.dirname(real)) if row else base
        check(case, place)
        cells.append(_cell(case, f"{prefix or ''}{base.id}", label, real))
    for identity, times in Counter(cell.id for cell in cells).items():
        if times > 1:
            raise SpecError(f"{where}: matrix: {times} combinations have the id {identity!r}; vary their values.")
    return cells


def _decode(document: Mapping[str, Any], where: str, folder: str) -> CaseFile:
    rule = document.get("rule", DEFAULT)
    try:
        # What is no text is refused with all else that a case must not hold.
        kind = case_file(rule if isinstance(rule, str) else DEFAULT, folder)
        return msgspec.convert(document, kind, strict=True)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error
    except msgspec.ValidationError as error:
        raise SpecError(f"{where}: {explain(str(error), document, folder)}") from error


def _cell(case: CaseFile, name: str, label: str, path: str) -> Cell:
    folder, file = os.path.split(path)
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
        rule=case.rule,
        folder=folder,
        file=file,
        non_finite=case.non_finite,
    )


def _steps(case: CaseFile) -> int:
    if case.steps is None and isinstance(case.problem, Mlp):
        return (case.epochs or 1) * math.ceil(case.problem.examples / case.problem.batch_size)
    return case.steps or 1


def _changed(document: Mapping[str, Any], row: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    for key, value in row.items():
        document = _set(document, key.split("."), value, f"{where}: matrix: {shown(key)}")
    return document


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


def _prefix(path: str, root: Path) -> str | None:
    """Return the folders between the root of the cases and the file, None for a file elsewhere."""
    folder, top = os.path.dirname(path), _real(root)
    if folder != top and not folder.startswith(top + os.sep):
        return None
    return "".join(f"{part}/" for part in folder[len(top) :].split(os.sep) if part)


@cache
def _real(path: Path) -> str:
    return os.path.realpath(path)
