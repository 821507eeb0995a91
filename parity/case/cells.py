"""Case files in, checked cells out: a TOML file spans a matrix of values, and each combination is one cell."""

import itertools
import math
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from parity.case.check import check
from parity.case.error import explain
from parity.case.matrix import Combination
from parity.case.places import CASES, case_paths, file_of, matches
from parity.case.rule import DEFAULT, names
from parity.case.rules import EACH, spread
from parity.case.spec import CaseFile, Cell, Mlp, case_file, rule_schema
from parity.case.tomlfile import TomlFile, read_toml, show_path
from parity.errors import ParityError, SpecError, UsageError, did_you_mean, shown

MAX_CELLS = 2_000


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
    asked = [pattern for pattern in patterns if file_of(pattern) is None]
    known, broken = _scan(root or CASES, asked) if asked else ([], [])
    # The message names all there are.
    if any(not any(matches(cell.case, cell.id, pattern) for cell in known) for pattern in asked):
        known, broken = _scan(root or CASES)
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
    file = read_toml(path)
    return _cells(file, path, root or CASES, _rules(file, path, root or CASES))


def all_cells(root: Path | None = None) -> list[Cell]:
    """Return every cell of every case file below a folder, in the order of the files' names."""
    return select([], root)


def cells_of(rule: str) -> list[Cell]:
    """Return the shipped cells of one rule, without a look into the folders of others."""
    folders = {path.relative_to(CASES).parts[0] for path in case_paths()} | {rule}
    shared = sorted(folder for folder in folders if folder == rule or folder not in names())
    return [cell for cell in _scan(CASES, [f"{folder}/*" for folder in shared])[0] if cell.rule == rule]


def _scan(root: Path, patterns: Iterable[str] = ("*",)) -> tuple[list[Cell], list[ParityError]]:
    """Return the cells of the files below a folder that may hold what is asked for, and what is wrong with others."""
    cells: list[Cell] = []
    broken: list[ParityError] = []
    for path in case_paths(root):
        asked = [pattern for pattern in patterns if _may_hold(path, root, pattern)]
        if not asked:
            continue
        try:
            cells += _of_file(path, root, asked)
        except SpecError as error:
            broken.append(error)
    return sorted(cells, key=lambda cell: cell.case.rpartition("/")[0]), broken


def _of_file(path: Path, root: Path, patterns: Iterable[str]) -> Sequence[Cell]:
    """Return the cells of a file, none if it holds something else; of one for each rule, those that may be asked for.

    Those that are shipped are read once, unless they change: to check them takes longer than many a command of a
    process that gives several.
    """
    content = _content(path) if root == CASES else None
    file = read_toml(path) if content is None else _shipped(path, content)
    if "experiment" in file.table or "known" in file.table:
        return []
    rules = _rules(file, path, root, patterns)
    if content is None:
        return _cells(file, path, root, rules)
    with suppress(SpecError):  # said below, with the path from what is the current folder now
        return _shipped_cells(path, content, rules)
    return _cells(read_toml(path), path, root, rules)


def _content(path: Path) -> bytes | None:
    """Return what a regular file holds; None for a link, which may lead elsewhere, and for what cannot be read.

    Neither its size nor its times tell that it changed: what is written twice in one tick of a clock has the same.
    """
    try:
        return path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else None
    except OSError:  # which the reader says
        return None


@lru_cache(maxsize=1_024)
def _shipped(path: Path, content: bytes) -> TomlFile:
    return read_toml(path)


@lru_cache(maxsize=4_096)
def _shipped_cells(path: Path, content: bytes, rules: tuple[str, ...]) -> tuple[Cell, ...]:
    return tuple(_cells(_shipped(path, content), path, CASES, rules))


def _rules(file: TomlFile, path: Path, root: Path, patterns: Iterable[str] = ("*",)) -> tuple[str, ...]:
    """Return the rules that may be asked for of a file that is for each of them; none of another.

    A file of this name in a rule's own folder stands in the place of what is common to all.
    """
    if file.table.get("rule") != EACH:
        return ()
    asked = (name for name in names() if any(_may_be(f"{name}/{path.stem}", pattern) for pattern in patterns))
    return tuple(name for name in asked if not os.path.isfile(os.path.join(root, name, path.name)))


def _may_hold(path: Path, root: Path, pattern: str) -> bool:
    """Whether a file may hold a cell that a pattern matches, by its name alone: to read and check all takes long.

    Its folder says nothing where it is for each rule but the first, or leads elsewhere.
    """
    if _may_be(path.relative_to(root).with_suffix("").as_posix(), pattern) or path.is_symlink():
        return True
    rule, slash, _ = _head(pattern).rpartition("/")
    return _may_be(f"{rule}/{path.stem}", pattern) and rule != DEFAULT and (not slash or rule in names())


def _may_be(case: str, pattern: str) -> bool:
    """Whether a pattern may match a case of this id or one of its cells."""
    head = _head(pattern)
    open_ended = pattern.startswith("*", len(head))
    return (open_ended and ("/" not in head or case.startswith(head))) or case == head


def _head(pattern: str) -> str:
    return re.split(r"[*[]", pattern, maxsplit=1)[0]


def pattern_of(cell: Cell) -> str:
    """Return the pattern that selects this cell again: its id, or the path of a file that is not among the cases."""
    path = os.path.join(cell.folder, cell.file)
    if not cell.file or _prefix(path, CASES) is not None:
        return cell.id
    return show_path(Path(path)) + cell.id.removeprefix(cell.case)


def _matching(pattern: str, known: list[Cell], broken: list[ParityError], root: Path) -> Iterator[Cell]:
    file = file_of(pattern)
    if file:
        path, label = file
        cells = load_cells(path, root)
        chosen = [cell for cell in cells if not label or cell.id == f"{cell.case}{label}"]
    else:
        cells = known
        chosen = [cell for cell in cells if matches(cell.case, cell.id, pattern)]
    if not chosen and not (pattern == "*" and broken):
        there = sorted({name for cell in cells for name in (cell.case, cell.id)})
        raise UsageError(
            f"no case matches {shown(pattern)}.{did_you_mean(pattern, there)} Allowed: a case id, a cell id, a glob "
            f"with '*', or the path of a .toml file; `parity list` shows all."
        )
    yield from chosen


def _cells(file: TomlFile, path: Path, root: Path, rules: Sequence[str]) -> list[Cell]:
    """Return the cells of a file; if it is for each rule, of some."""
    if file.table.get("rule") != EACH:
        return _of_one(file, path, root)
    prefix = _prefix(os.path.realpath(path), root)
    if prefix is None:
        text = f"received {EACH!r}, which is for the cases that are shipped; name a rule."
        raise file.mistake(f"rule: {text}", ("rule",))
    asked = [(name, each) for name, each in spread(file) if name in rules]
    return [cell for name, each in asked for cell in _of_one(each, path, root, f"{name}/")]


def _of_one(file: TomlFile, path: Path, root: Path, group: str = "") -> list[Cell]:
    """Check the file as it stands by its types, and each combination of its matrix by everything."""
    real = os.path.realpath(path)
    folder = os.path.dirname(real)
    base = _decode(file.table, Combination(file, {}), folder)
    prefix = group or _prefix(real, root)
    if prefix is not None and base.id != path.stem:
        text = f"received {base.id!r}; a case below cases/ has its file's name: {path.stem!r}."
        raise file.mistake(f"id: {text}", ("id",))
    count = math.prod(len(values) for values in base.matrix.values())
    if count > MAX_CELLS:
        raise file.mistake(f"matrix: spans {count} cells; allowed: at most {MAX_CELLS}.", ("matrix",))
    cells = []
    for values in itertools.product(*base.matrix.values()):
        row = Combination(file, dict(zip(base.matrix, values, strict=True)))
        case = _decode(row.document(), row, folder) if row.values else base
        check(case, row.refuse)
        cells.append(_cell(case, f"{prefix or ''}{base.id}", row.label, real))
    for identity, times in Counter(cell.id for cell in cells).items():
        if times > 1:
            text = f"{times} combinations have the id {identity!r}; vary their values."
            raise file.mistake(f"matrix: {text}", ("matrix",))
    return cells


def _decode(document: Mapping[str, Any], row: Combination, folder: str) -> CaseFile:
    # What is no text is refused with all else that a case must not hold.
    rule = document["rule"] if isinstance(document.get("rule"), str) else DEFAULT
    try:
        return msgspec.convert(document, case_file(rule, folder), strict=True)
    except SpecError as error:
        raise row.mistake(str(error), ("rule",)) from error
    except msgspec.ValidationError as error:
        keys, message = explain(str(error), document, rule_schema(rule, folder), "cases/README.md describes every key.")
        raise row.mistake(message, keys) from error


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
        loss_scale=case.loss_scale,
        constraints=dict(case.constraints),
    )


def _steps(case: CaseFile) -> int:
    if case.steps is None and isinstance(case.problem, Mlp):
        return (case.epochs or 1) * math.ceil(case.problem.examples / case.problem.batch_size)
    return case.steps or 1


def _prefix(path: str, root: Path) -> str | None:
    """Return the folders between the root of the cases and the file, None for a file elsewhere."""
    folder, top = os.path.dirname(path), _real(root)
    if folder != top and not folder.startswith(top + os.sep):
        return None
    return "".join(f"{part}/" for part in folder[len(top) :].split(os.sep) if part)


@cache
def _real(path: Path) -> str:
    return os.path.realpath(path)
