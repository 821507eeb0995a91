"""The kill matrix: each case against each mutant, judged as any subject is."""

import warnings
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from parity.case.rule import DEFAULT
from parity.case.spec import Cell, Mlp
from parity.diagnosis import scale_mutants
from parity.diagnosis.keras_base_tests import notices_scale
from parity.diagnosis.keras_tests import notices
from parity.diagnosis.mutants import CONSTRUCTORS, KERAS, Constructor, Mutant, mutants
from parity.runner.loop import run_pair
from parity.verdicts.verdict import Verdict

STEPS = 12
NETWORK_STEPS = 2
_HARMLESS = (Verdict.IDENTICAL, Verdict.UNDECIDED, Verdict.UNSUPPORTED)


def caught(cell: Cell, mutant: Mutant, constructor: Constructor = KERAS) -> str | None:
    """Return the verdict with which a cell catches a mutant, or None if it lets it live or it cannot be made there."""
    subject = mutant.make(cell, constructor)
    if subject is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = run_pair(cell, "mutant", subject).verdict
    if outcome in _HARMLESS or (outcome is Verdict.ROUNDING and not mutant.rounding):
        return None
    return outcome.name


def shortened(cell: Cell, steps: int = STEPS) -> Cell:
    """Return the cell with few steps: networks two, everything else a dozen."""
    return msgspec.structs.replace(
        cell, steps=min(cell.steps, NETWORK_STEPS if isinstance(cell.problem, Mlp) else steps)
    )


def kill_records(cells: Iterable[Cell], probed_only: Container[str] = ()) -> list[dict[str, Any]]:
    """Return one record for each case, mutant and constructor.

    Its keys are ``case, mistake, variant, constructor, probed, caught, cell, steps``. A case is run with few steps: in
    its first cell, and where it says that it probes the mistake, in the others until one catches it; if none catches
    any mutant of a promised mistake, once more with all its steps. Behind a constructor smaller than Keras' stand the
    mistakes that it leaves room for, in those cells of the cases that probe them which set nothing it lacks; a promise
    counts there if these are all cells of the case. ``probed_only`` names mistakes: then only these count, in the
    cases that say they probe them.
    """
    cases: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if not cell.rule.endswith(".py"):  # a page beside a case has no mutants
            cases.setdefault((cell.case, cell.rule), []).append(cell)
    records = []
    for group in cases.values():
        for mistake, variants in _by_mistake(group[0].rule).items():
            if not probed_only or (mistake in probed_only and mistake in group[0].probes):
                for constructor in CONSTRUCTORS if group[0].rule == DEFAULT else CONSTRUCTORS[:1]:
                    records += _records(group, mistake, variants, constructor)
    return records


def _by_mistake(rule: str) -> dict[str, list[Mutant]]:
    found: dict[str, list[Mutant]] = {}
    for mutant in mutants(rule):
        found.setdefault(mutant.mistake, []).append(mutant)
    return found


def _records(group: list[Cell], mistake: str, every: list[Mutant], constructor: Constructor) -> list[dict[str, Any]]:
    """Return the records of one case, one mistake and one constructor."""
    probes, whole = mistake in group[0].probes, constructor is KERAS
    variants = [mutant for mutant in every if mutant.fits(constructor)]
    cells = [cell for cell in group if constructor.supports(cell)]
    if not cells or not (probes or whole):
        return []
    few = [shortened(cell) for cell in (cells if probes else cells[:1])]
    found = [_first_catch(few, mutant, constructor) for mutant in variants]
    if probes and not any(verdict for verdict, _, _ in found):
        found = [_first_catch(_whole(cells), mutant, constructor) for mutant in variants]
    holds = probes and len(cells) == len(group)
    return [
        {
            "case": group[0].case,
            "mistake": mistake,
            "variant": mutant.variant,
            "constructor": constructor.name,
            "rule": group[0].rule,
            "probed": holds,
            "caught": verdict,
            "cell": cell,
            "steps": steps,
        }
        for mutant, (verdict, cell, steps) in zip(variants, found, strict=True)
    ]


def keras_records(rule: str, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Return for each mutant of a rule whether Keras' own tests of it notice, and whether a case does.

    Its keys are ``rule, mistake, variant, by_keras, by_cases``; ``cells`` are those of the rule. A mutant that shows
    only in what is handed over, or in a program, is left out.
    """
    records = []
    for mutant in mutants(rule):
        kind = next((kind for cell in cells if cell.rule == rule and (kind := mutant.kind(cell)) is not None), None)
        if kind is None or mutant.handed or mutant.trains or mutant.altered is not None:
            continue
        dies = any(caught(shortened(cell), mutant) for cell in cells) or any(
            caught(cell, mutant)
            for cell in cells
            if cell.steps > STEPS and (cell.steps <= 200 or mutant.mistake in cell.probes)
        )
        named = {"rule": rule, "mistake": mutant.mistake, "variant": mutant.variant}
        records.append({**named, "by_keras": _by_keras(mutant, kind), "by_cases": dies})
    return records


def _by_keras(mutant: Mutant, kind: Any) -> bool:
    """Return whether Keras' own tests notice a mutant; those of its loss scale set no argument that one may need."""
    if mutant.wraps:
        return not mutant.needs and notices_scale(scale_mutants.variants()[mutant.variant][0])
    return notices(kind, mutant.rule)


def unkept_promises(records: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return (case, mistake, constructor) for what a case says it probes and catches no mutant of."""
    promised = [_promise(record) for record in records if record["probed"]]
    kept = {_promise(record) for record in records if record["probed"] and record["caught"]}
    return [promise for promise in dict.fromkeys(promised) if promise not in kept]


def survivors(records: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return (mistake, variant, constructor) of the mutants that no case catches there."""
    dead = victims(records)
    return [mutant for mutant in dict.fromkeys(map(_place, records)) if mutant not in dead]


def victims(records: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Return (mistake, variant, constructor) of the mutants that some case catches there."""
    return {_place(record) for record in records if record["caught"]}


def telling(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what says something: what is caught, or was promised to be, and all of mutants that no case catches."""
    dead = victims(records)
    return [each for each in records if each["caught"] or each["probed"] or _place(each) not in dead]


def _promise(record: dict[str, Any]) -> tuple[str, str, str]:
    return record["case"], record["mistake"], record["constructor"]


def _place(record: dict[str, Any]) -> tuple[str, str, str]:
    return record["mistake"], record["variant"], record["constructor"]


def _first_catch(cells: Iterable[Cell], mutant: Mutant, constructor: Constructor) -> tuple[str | None, str, int]:
    for cell in cells:
        verdict = caught(cell, mutant, constructor)
        if verdict:
            return verdict, cell.id, cell.steps
    return None, "", 0


def _whole(group: list[Cell]) -> Iterator[Cell]:
    yield from (cell for cell in group if not isinstance(cell.problem, Mlp) and cell.steps > STEPS)
