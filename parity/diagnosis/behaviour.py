"""What no formula can explain: chance, state outside the instance, inputs that are written to."""

import copy
import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from typing import Any

import msgspec

from parity.case.rule import find
from parity.case.spec import Hyperparameters
from parity.diagnosis.findings import Finding
from parity.diagnosis.observe import Make, Observation, observe
from parity.diagnosis.probes import LAYOUT, OTHER_LAYOUTS, Probe, first_probe, held_in_float32
from parity.errors import AbsentArgumentError, NotInstalledError, UnsupportedError, one_line
from parity.runner.repeat import first_difference, kept_outside, parting
from parity.subjects.binding.bound import Bound
from parity.subjects.binding.trials import known_as
from parity.subjects.generators import seeded
from parity.subjects.importing import made_anew
from parity.subjects.naming import split_bound
from parity.subjects.numpy_class import NumpySubject


class Watched:
    """A maker of instances that notes what they do to the gradients that they are handed."""

    def __init__(self, make: Make, name: str) -> None:
        self.written: list[str] = []
        self.layout = LAYOUT
        """How the tensors of probes are shaped for it."""
        adapter = make()
        self.kind: Callable[..., Any] | None = adapter.kind if isinstance(adapter, NumpySubject) else None
        self.name, self._make = name, make

    def __call__(self) -> Any:
        """Return a fresh adapter over the same class, so that what a class keeps between instances is kept."""
        if self.kind is None:
            return self._make()
        subject = NumpySubject(self.kind, self.name)
        subject.written = self.written
        return subject

    def anew(self) -> "Watched | None":
        """Return what makes instances of the class as its file makes it anew, None where it cannot be made so."""
        kind = None if self.kind is None else made_anew(self.kind)
        if self.kind is None or kind is None:
            return None
        known_as(kind, NumpySubject(self.kind, self.name).known(), split_bound(self.name)[1])
        watched = copy.copy(self)
        watched.kind, watched.written = kind, []
        return watched

    def bound(self, given: Hyperparameters) -> Bound:
        """Return what a person's class is passed, with what was bound by hand and what a trial settled.

        Raises:
            AbsentArgumentError: it lacks an argument that is set.
        """
        assert self.kind is not None
        return NumpySubject(self.kind, self.name).bound(given)


def run(make: Make, probe: Probe, seed: int = 0) -> Observation:
    """Observe with the global generators in a known state, tensors in the shapes that the subject takes."""
    if isinstance(make, Watched) and make.layout is not LAYOUT:
        probe = replace(probe, tensors=make.layout)
    with seeded(seed):
        while True:
            try:
                return observe(make, probe)
            except AbsentArgumentError as error:
                # Who does not take a number is given none, and needs none that float32 holds.
                given, name = probe.hyperparameters, error.argument
                own, held = getattr(type(given)(), name), held_in_float32("float64", probe.rule)
                if getattr(given, name) in (own, None) or getattr(given, name) != held.get(name):
                    raise
                probe = replace(probe, hyperparameters=msgspec.structs.replace(given, **{name: own}))


def first_look(watched: Watched, rule: str) -> tuple[Observation, dict[str, str]]:
    """Return the first observation, and what the tensor without dimensions raised, if all goes well without it."""
    try:
        return run(watched, first_probe(rule=rule)), {}
    except (NotInstalledError, UnsupportedError):
        raise
    except Exception as error:  # a person's code may raise anything
        for what, watched.layout in OTHER_LAYOUTS.items():
            with suppress(Exception):  # then it is not that: what it raised first says more
                return run(watched, first_probe(rule=rule)), {what: f"raised {one_line(error)}"}
        raise error from None


def misbehaviour(make: Watched, probe: Probe, first: Observation) -> tuple[Finding, str] | None:
    """Return what makes the subject no function of its inputs, with the evidence, or None.

    ``first`` is an observation of the same probe with the generators at seed 0.
    """
    if make.written:
        return Finding.MUTATES_INPUTS, make.written[0]
    found = parting(lambda seed: run(make, probe, seed).columns, make.kind, make.layout, first.columns)
    if found is None:
        return _otherwise_at_first(make, probe, first)
    return Finding.GLOBAL_STATE if found.outside else Finding.NONDETERMINISTIC, found.says


def _otherwise_at_first(make: Watched, probe: Probe, first: Observation) -> tuple[Finding, str] | None:
    """Return that the first instance of a class, which keeps something beside them, is another one than the others."""
    changed = kept_outside(lambda seed: run(make, probe, seed).columns, make.kind)
    alone = _first_instance(make, probe) if changed else None
    where = None if alone is None else first_difference(alone.columns, first.columns, make.layout, find(probe.rule))
    said = f"{changed} changes with every run, and the first instance of a process differs from those after it {where}"
    return (Finding.GLOBAL_STATE, said) if where else None


def unseen_first(make: Watched, probe: Probe) -> str:
    """Return that the first instance of a process may be another one than all that were seen, empty if it is not."""
    changed = kept_outside(lambda seed: run(make, probe, seed).columns, make.kind)
    if not changed or _first_instance(make, probe) is not None:
        return ""
    return f"{changed} changes with every run: what the first instance of a process does was not seen"


def _first_instance(make: Watched, probe: Probe) -> Observation | None:
    """Return what the first instance of a class does, whose file is run anew for it, None where that cannot be seen.

    What a trial found of the class holds for it too, so that no instance comes before it.
    """
    with suppress(Exception), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        anew = make.anew()
        return None if anew is None else run(anew, probe)
    return None


def wrote_into_inputs(error: Exception) -> bool:
    """Return whether a subject failed because its inputs are read-only."""
    return isinstance(error, ValueError) and "read-only" in str(error)
