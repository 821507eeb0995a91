"""Cases and a subject in, a script that was run by itself out, or in words why there is none."""

import inspect
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct

from parity import subjects
from parity.case import known
from parity.case.spec import Cell
from parity.errors import MisbehavedError, NotInstalledError, UnsupportedError, one_line
from parity.export.expected import expected
from parity.export.script import proof
from parity.export.script.calls import Calls
from parity.export.script.drivers import own_side
from parity.export.script.formula import Formula
from parity.export.script.in_keras import keras_side
from parity.export.script.inline import Inlined, NotAloneError, imported, inlined
from parity.export.script.libraries import formula_of, library_side
from parity.export.script.sample import Failure, Judge, Pick, Sample, drawn, failure_of
from parity.export.script.shorten import Shortener
from parity.export.script.side import Side, Wish
from parity.export.script.text import LINES, Script, written
from parity.problem import problems
from parity.problem.problems import Problem
from parity.runner.loop import compare
from parity.runner.repeat import require_repeatable
from parity.subjects.adapter import Adapter
from parity.subjects.naming import split_bound
from parity.subjects.numpy_class import NumpySubject
from parity.subjects.source import split_mode
from parity.trajectory.golden.place import is_golden
from parity.verdicts.results import Comparison
from parity.verdicts.verdict import Verdict

WRITTEN, NOT_SHOWN, NOTHING, NOT_COMPARED = 0, 1, 2, 3
_ROOM: Final = 500_000_000
"""Bytes of gradients that are held at a time."""
_LIBRARIES: Final = ("keras", "tensorflow", "tf_keras", "torch", "jax", "optax", "numpy")
_OF_A_MODEL: Final = ("gradient", "loss")


class Outcome(Struct, frozen=True):
    """What became of it: an exit status, the script, or in words why there is none; ``notes`` are for whoever asked."""

    status: int
    script: str = ""
    reason: str = ""
    notes: list[str] = []


@dataclass(frozen=True, slots=True)
class _Failing:
    """A cell whose subject fails, with the comparison that shows it most plainly."""

    problem: Problem
    item: Comparison
    failure: Failure

    @property
    def plainness(self) -> tuple[Any, ...]:
        """What is preferred: values to an error, few steps, float32, a fixed order, few arguments and weights."""
        cell, place = self.problem.cell, self.failure.place
        step = cell.steps if place is None else place.step
        arguments = len(cell.hyperparameters.departures())
        return place is None, step, cell.dtype != "float32", self.problem.rotates, arguments, cell.elements, cell.id


def reproduce(name: str, cells: Sequence[Cell], seconds: float, say: Callable[[str], None]) -> Outcome:
    """Write a script of the plainest failure of a subject among some cells, and run it.

    Args:
        name: the subject.
        cells: where to look.
        seconds: how long it may be made shorter.
        say: takes a line about how far it is.

    Raises:
        ParityError: a case's data cannot be read, or the subject cannot be loaded.
    """
    if is_golden(name) or name == "reference":
        what = "a recording" if is_golden(name) else "the reference"
        return Outcome(NOTHING, reason=f"{name} is {what}, which no script computes; name the subject itself.")
    try:
        adapter = subjects.create(name)
        if subjects.is_users(name):
            require_repeatable(name, adapter, loaded=True)
    except NotInstalledError as error:
        return Outcome(NOT_COMPARED, reason=str(error))
    except MisbehavedError as error:
        return Outcome(NOT_SHOWN, reason=f"{name}: {error}")
    failing, others = _search(name, adapter, cells, say)
    if failing is None:
        return _without(name, others)
    return _Reproduction(name, adapter, failing, seconds, say).outcome()


def _search(
    name: str, adapter: Adapter, cells: Iterable[Cell], say: Callable[[str], None]
) -> tuple[_Failing | None, list[Comparison]]:
    """Return the plainest failure, and the comparisons that no script shows."""
    found: list[_Failing] = []
    others: list[Comparison] = []
    for number, cell in enumerate(cells, 1):
        problem = problems.make(cell)
        with np.errstate(all="ignore"):
            items = compare(problem, adapter, name)
        shown = [_Failing(problem, item, failure) for item in items if (failure := failure_of(item)) is not None]
        # Free comes last: its steps are what a script makes.
        found += shown[-1:]
        others += [item for item in items if failure_of(item) is None]
        say(f"{number} cells run, {len(found)} diverge")
    return min(found, key=lambda each: each.plainness, default=None), others


def _without(name: str, items: Sequence[Comparison]) -> Outcome:
    worst = max(items, key=lambda item: item.outcome.severity)
    where = f"{name} in {worst.selector}"
    if worst.outcome.fails:
        return Outcome(NOT_SHOWN, reason=f"{where}: {worst.verdict}: {worst.reason}; no script shows that.")
    if not any(item.outcome.compared for item in items):
        return Outcome(NOT_COMPARED, reason=f"{where}: {worst.verdict}: {worst.reason}")
    agreed = [item for item in items if item.outcome.compared]
    best = max(agreed, key=lambda item: item.outcome.severity)
    count = len({item.case for item in agreed})
    where = best.selector if count == 1 else f"none of {count} cells diverges, {best.selector}"
    return Outcome(NOTHING, reason=f"nothing to reproduce: {name}: {where}: {best.verdict}: {best.outcome.value}.")


class _Reproduction:
    """One failure on its way to a script."""

    def __init__(
        self, name: str, adapter: Adapter, failing: _Failing, seconds: float, say: Callable[[str], None]
    ) -> None:
        self._name, self._adapter, self._failing, self._say = name, adapter, failing, say
        self._problem, self._seconds = failing.problem, seconds
        self._judge = Judge(failing.problem, adapter, name)

    def outcome(self) -> Outcome:
        """Shorten, write, and prove."""
        for clause in self._problem.cell.surroundings.values():
            where = f"{self._name} in {self._failing.item.selector}"
            return Outcome(NOT_SHOWN, reason=f"{where}: {clause}, which a script does not say.")
        place = self._failing.failure.place
        first = self._first()
        if first is None:
            what = f"with gradients that are handed to it: {self._judge.said}"
            if place is not None and place.slot in _OF_A_MODEL:
                what = f"the {place.slot} parts, before any update"
            where = f"{self._name} in {self._failing.item.selector}"
            return Outcome(NOT_SHOWN, reason=f"{where}: {what}; a script shows an update rule alone.")
        sample, failure = first
        shortener = Shortener(self._judge, failure, sample, time.monotonic() + self._seconds, self._tell)
        shortener.run()
        try:
            return self._proven(shortener.sample, shortener.failure)
        except UnsupportedError as error:
            return Outcome(NOT_SHOWN, reason=f"{self._name}: {error}")

    def _tell(self, shortener: Shortener) -> None:
        sample = shortener.sample
        self._say(f"{shortener.runs} tries, {sample.steps} steps of {sample.elements} weights")

    def _first(self) -> tuple[Sample, Failure] | None:
        """Return the first sample that fails, the shortest first: one step or all, one element, its tensor, or all."""
        for sample in self._samples():
            failure = self._judge(sample)
            if failure is not None and failure.kind == self._kind(failure):
                return sample, failure
        return None

    def _kind(self, failure: Failure) -> tuple[str, str]:
        """Return what a failure must be; where gradients are the subject's own, what they lead to is not known."""
        return self._failing.failure.kind if self._problem.cell.gradients == "replayed" else failure.kind

    def _samples(self) -> Iterator[Sample]:
        place = self._failing.failure.place
        steps = self._problem.cell.steps if place is None else place.step + 1
        picks: list[tuple[Pick | None, int]] = [(None, self._problem.cell.elements)]
        if place is not None and not self._problem.slices(0) and place.tensor in self._problem.params:
            tensor, index = place.tensor, tuple(place.index)
            one: Pick = lambda name, array: array[index].reshape(1) if name == tensor else None  # noqa: E731
            whole: Pick = lambda name, array: array if name == tensor else None  # noqa: E731
            picks = [(one, 1), (whole, self._problem.params[tensor].size), *picks]
        last = {}
        for number, (pick, size) in enumerate(picks):
            if steps * size * self._problem.dtype.itemsize <= _ROOM:
                last[number] = drawn(self._problem, steps, pick)
                yield last[number].among([steps - 1])
        if steps > 1:
            yield from last.values()

    def _proven(self, sample: Sample, failure: Failure) -> Outcome:
        """Return the first script that shows the failure when it is run by itself, the most readable ones first."""
        said = ""
        best = ""
        for text in self._texts(sample, failure):
            self._say(f"running the script of {text.count(chr(10))} lines by itself")
            said = proof.objection(proof.run(text), failure, self._problem.dtype)
            if not said and (not best or text.count("\n") < best.count("\n")):
                best = text
            if best and best.count("\n") <= LINES:
                break
        if not best:
            return Outcome(NOT_SHOWN, reason=f"{self._name}: no script of it shows what the run shows: {said}.")
        notes = [self._summary(sample, failure)]
        if best.count("\n") > LINES:
            notes.append(f"it has {best.count(chr(10))} lines: nothing shorter was found that still shows it")
        return Outcome(WRITTEN, best, "", notes)

    def _summary(self, sample: Sample, failure: Failure) -> str:
        steps = 0 if failure.at_start else sample.steps
        words = (
            f"{steps} of {self._problem.cell.steps} steps, {sample.elements} of {self._problem.cell.elements} weights"
        )
        return f"{self._failing.item.selector}: {words}; run by itself, it shows the same bits"

    def _texts(self, sample: Sample, failure: Failure) -> Iterator[str]:
        problem = self._judge.variant(sample)
        place = failure.place
        tensor = place.tensor if place is not None else next(iter(problem.params))
        wish = Wish(place.slot if place is not None else "parameter", tensor, failure.at_start)
        index = "" if place is None else f"[{', '.join(map(str, place.index)) or '()'}]"
        steps = 0 if failure.at_start else sample.steps
        lines = _formula(problem, wish, steps, index)
        for side in self._sides(problem, wish):
            script = Script(
                title=self._title(side, wish, sample, failure),
                rule=formula_of(problem.cell.rule, problem.cell.folder),
                notes=self._notes(),
                bound=_bound(problem, wish, failure, steps),
                place=index,
                raises=place is None,
                what=f"the {wish.slot.replace('_', ' ')} {_after(wish, sample)}",
                steps=steps,
                warns=failure.verdict is Verdict.NON_FINITE or problem.cell.non_finite,
            )
            yield written(script, problem, side, lines)

    def _title(self, side: Side, wish: Wish, sample: Sample, failure: Failure) -> str:
        cell = self._problem.cell
        rule = formula_of(cell.rule, cell.folder)
        if failure.place is None:
            what = "its own formula" if side.title.startswith(rule) else rule
            return f"{side.title} raises where {what} is defined"
        what = "its own formula" if side.title.startswith(rule) else rule
        return f"{side.title} parts from {what}: its {wish.slot.replace('_', ' ')} {_after(wish, sample)}"

    def _notes(self) -> tuple[str, ...]:
        entry = known.entry_of(known.load(), self._failing.item)
        reasons = [] if entry is None else [f"{entry.reason[0].upper()}{entry.reason[1:]} ({entry.link})."]
        versions = {"numpy": np.__version__, **self._adapter.circumstances}
        shown = [f"{name} {versions[name]}" for name in _LIBRARIES if name in versions]
        seen = ", ".join([*shown, f"python {sys.version_info.major}.{sys.version_info.minor}"])
        return (*reasons, f"Seen with {seen}. Exits with 1 while it shows, with 0 once it is gone.")

    def _sides(self, problem: Problem, wish: Wish) -> Iterator[Side]:
        """Yield the subject as text: its class with comments, without, and imported from its file."""
        adapter: Any = self._adapter
        kind = _kind_of(adapter)
        if kind is None:
            yield library_side(adapter, problem, wish)
            return
        path, name = _home_of(self._name, kind)
        unused = frozenset({"slots"} if wish.slot == "parameter" else ())
        for each in _definitions(path, name, unused):
            if isinstance(adapter, NumpySubject):
                side = own_side(Calls(adapter, problem, name), wish)
            else:
                side = keras_side(adapter, problem, wish, name)
            imports, source = (*each.imports, *side.imports), (*each.source, *side.source)
            yield replace(side, title=_title_of(self._name), imports=imports, source=source)


def _after(wish: Wish, sample: Sample) -> str:
    return "before the first step" if wish.at_start else f"after {sample.steps} step{'s' * (sample.steps > 1)}"


def _formula(problem: Problem, wish: Wish, steps: int, place: str) -> list[str]:
    """Return the formula's lines.

    Raises:
        UnsupportedError: the page does something that cannot be written down.
    """
    try:
        with np.errstate(all="ignore"):
            return Formula(problem, steps).lines(wish.slot, wish.tensor, place)
    except Exception as error:  # a page beside a case may ask anything of what it takes for arrays
        raise UnsupportedError(f"the page of {problem.cell.rule} cannot be written down: {one_line(error)}.") from error


def _kind_of(adapter: Any) -> Any:
    """Return the class or function behind a person's subject, None where it is a library's."""
    own = getattr(adapter, "own", None)
    return own.kind if own is not None else getattr(adapter, "kind", None)


def _title_of(name: str) -> str:
    where, _, attribute = split_bound(name)[0].rpartition(":")
    return f"{Path(where).name}:{attribute}" if where.endswith(".py") else split_bound(name)[0]


def _home_of(subject: str, kind: Any) -> tuple[Path, str]:
    """Return the file that a subject's name points into, and what it is called there."""
    if not subjects.is_users(subject):
        return Path(inspect.getfile(kind)), str(kind.__name__)
    where, _, attribute = split_bound(split_mode(subject)[1])[0].rpartition(":")
    return Path(where if where.endswith(".py") else str(sys.modules[where].__file__)), attribute


def _definitions(path: Path, name: str, unused: frozenset[str]) -> Iterator[Inlined]:
    """Yield what defines a class in a script: its text as it stands, without comments, and an import of its file."""
    for bare in (False, True):
        try:
            yield inlined(path, name, bare, unused)
        except NotAloneError:
            continue
    yield imported(path, name)


def _bound(problem: Problem, wish: Wish, failure: Failure, steps: int) -> float:
    """Return how far rounding may lead: from the run, or, where that has no value, from the page."""
    if failure.place is not None:
        return float(failure.place.bound)
    column = expected(problem, steps).run[f"{wish.slot}/{wish.tensor}"]
    return float(np.max(column[-1], initial=0.0))
