"""The kill matrix: each case against each mutant, judged as any subject is."""

import warnings
from collections.abc import Container, Iterable, Iterator
from typing import Any

import msgspec

from parity.case.spec import Cell, Mlp
from parity.diagnosis.mutants import Mutant, mutants
from parity.runner.loop import run_pair
from parity.verdicts.verdict import Verdict

STEPS = 12
NETWORK_STEPS = 2
_HARMLESS = (Verdict.IDENTICAL, Verdict.UNDECIDED, Verdict.UNSUPPORTED)


def caught(cell: Cell, mutant: Mutant) -> str | None:
    """Return the verdict with which a cell catches a mutant, or None if it lets it live or it cannot be made there."""
    subject = mutant.make(cell)
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
    """Return one record for each case and mutant: ``case, mistake, variant, probed, caught, cell, steps``.

    A case is run with few steps: in its first cell, and where it says that it probes the mistake, in the others until
    one catches it; if none catches any mutant of a promised mistake, once more with all its steps.
    ``probed_only`` names mistakes: then only these count, in the cases that say they probe them.
    """
    cases: dict[str, list[Cell]] = {}
    for cell in cells:
        cases.setdefault(cell.case, []).append(cell)
    records = []
    for case, group in cases.items():
        by_mistake: dict[str, list[Mutant]] = {}
        for mutant in mutants():
            by_mistake.setdefault(mutant.mistake, []).append(mutant)
        for mistake, variants in by_mistake.items():
            probed = mistake in group[0].probes
            if (probed and mistake in probed_only) or not probed_only:
                found = [_first_catch(map(shortened, group if probed else group[:1]), mutant) for mutant in variants]
                if probed and not any(verdict for verdict, _, _ in found):
                    found = [_first_catch(_whole(group), mutant) for mutant in variants]
                records += [_record(case, m, probed, *catch) for m, catch in zip(variants, found, strict=True)]
    return records


def _record(case: str, mutant: Mutant, probed: bool, verdict: str | None, cell: str, steps: int) -> dict[str, Any]:
    named = {"case": case, "mistake": mutant.mistake, "variant": mutant.variant, "probed": probed}
    return {**named, "caught": verdict, "cell": cell, "steps": steps}


def unkept_promises(records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return (case, mistake) for what a case says it probes and catches no mutant of."""
    promised = dict.fromkeys((r["case"], r["mistake"]) for r in records if r["probed"])
    kept = {(r["case"], r["mistake"]) for r in records if r["probed"] and r["caught"]}
    return [pair for pair in promised if pair not in kept]


def survivors(records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return (mistake, variant) of the mutants that no case catches."""
    all_of_them = dict.fromkeys((r["mistake"], r["variant"]) for r in records)
    dead = {(r["mistake"], r["variant"]) for r in records if r["caught"]}
    return [mutant for mutant in all_of_them if mutant not in dead]


def _first_catch(cells: Iterable[Cell], mutant: Mutant) -> tuple[str | None, str, int]:
    for cell in cells:
        verdict = caught(cell, mutant)
        if verdict:
            return verdict, cell.id, cell.steps
    return None, "", 0


def _whole(group: list[Cell]) -> Iterator[Cell]:
    yield from (cell for cell in group if not isinstance(cell.problem, Mlp) and cell.steps > STEPS)
