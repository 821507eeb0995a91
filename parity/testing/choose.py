"""Which cells a test is about: patterns, paths or cells, narrowed to dtypes, sources of gradients and comparisons."""

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import msgspec

from parity.case.cells import select
from parity.case.rule import DEFAULT as RULE
from parity.case.rule import find
from parity.case.spec import Cell
from parity.case.words import DTYPES, MODES, SOURCES
from parity.errors import UsageError, did_you_mean

Cases: TypeAlias = str | Path | Cell | Iterable[str | Path | Cell]

USUAL_DTYPE = "float32"


def choose(
    cases: Cases | None = None,
    dtypes: Iterable[str] | None = None,
    gradients: Iterable[str] | None = None,
    comparisons: Iterable[str] | None = None,
    rule: str | None = None,
) -> list[Cell]:
    """Return the cells that a test is about.

    Args:
        cases: case ids, globs (``"rmsprop/*"``), paths or globs of case files (``"tests/cases/*.toml"``), or cells;
            unless given, those in the folder of the rule.
        dtypes: which dtypes; unless given, each pattern means its float32 cells, or all where it has none.
        gradients: which sources: replayed, shared, computed; unless given, all.
        comparisons: lockstep, free, or both; unless given, what each case asks for.
        rule: which rule's, such as ``"adam"``; unless given, those of any, or of RMSprop where no case is given either.

    Raises:
        SpecError: a case file is broken, or there is no such rule.
        UsageError: a pattern or a word means nothing, or nothing is left.
    """
    wanted = None if dtypes is None else _words("dtypes", dtypes, DTYPES)
    sources = _words("gradients", gradients, SOURCES)
    modes = _words("comparisons", comparisons, MODES)
    chosen: dict[str, Cell] = {}
    wished = None if rule is None else find(rule).name
    patterns = _listed(f"{wished or RULE}/*" if cases is None else cases)
    for pattern in patterns:
        for cell in _dtyped([pattern] if not isinstance(pattern, str) else _found(pattern), wanted):
            kept = [mode for mode in cell.comparisons if mode in modes]
            if cell.gradients in sources and kept and wished in (None, cell.rule):
                chosen[cell.id] = msgspec.structs.replace(cell, comparisons=kept)
    if not chosen:
        wish = {"the rule": wished, "dtypes": wanted or DTYPES, "gradients": sources, "comparisons": modes}
        told = [f"{word} {said if isinstance(said, str) else ', '.join(said)}" for word, said in wish.items() if said]
        raise UsageError(
            f"no cell of {', '.join(map(_named, patterns)) or 'no case'} has {', '.join(told[:-1])} and {told[-1]}; "
            f"`parity list --cells` shows all."
        )
    return list(chosen.values())


def _listed(cases: Cases) -> list[str | Cell]:
    listed = [cases] if isinstance(cases, str | Path | Cell) else list(cases)
    return [str(case) if isinstance(case, Path) else case for case in listed]


def _named(pattern: str | Cell) -> str:
    return repr(pattern) if isinstance(pattern, str) else pattern.id


def _found(pattern: str) -> list[Cell]:
    """Return the cells of one pattern; a glob of files is spelled out here, since case ids know no folders."""
    if pattern.endswith(".toml") and "*" in pattern:
        paths = sorted(glob.glob(pattern, recursive=True))
        if not paths:
            raise UsageError(f"no file matches {pattern!r} in {str(Path.cwd())!r}; give a glob of case files.")
        return select(paths)
    return select([pattern])


def _dtyped(cells: list[Cell], wanted: list[str] | None) -> list[Cell]:
    if wanted is not None:
        return [cell for cell in cells if cell.dtype in wanted]
    return [cell for cell in cells if cell.dtype == USUAL_DTYPE] or cells


def _words(argument: str, given: Iterable[str] | None, allowed: Iterable[str]) -> list[str]:
    known = list(allowed)
    words = known if given is None else [given] if isinstance(given, str) else list(given)
    for word in words:
        if word not in known:
            hint = did_you_mean(str(word), known)
            raise UsageError(f"{argument}: received {word!r}.{hint} Allowed: {', '.join(known)}.")
    return words
