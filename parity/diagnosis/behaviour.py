"""What no formula can explain: chance, state outside the instance, inputs that are written to."""

from collections.abc import Callable
from typing import Any

from parity.diagnosis.findings import Finding
from parity.diagnosis.observe import Make, Observation, observe
from parity.diagnosis.probes import LAYOUT, Probe
from parity.runner.repeat import parting, seeded
from parity.subjects.numpy_class import NumpySubject


class Watched:
    """A maker of instances that notes what they do to the gradients that they are handed."""

    def __init__(self, make: Make, name: str) -> None:
        self.written: list[str] = []
        adapter = make()
        self.kind: Callable[..., Any] | None = adapter.kind if isinstance(adapter, NumpySubject) else None
        self._name, self._make = name, make

    def __call__(self) -> Any:
        """Return a fresh adapter over the same class, so that what a class keeps between instances is kept."""
        if self.kind is None:
            return self._make()
        subject = NumpySubject(self.kind, self._name)
        subject.written = self.written
        return subject


def run(make: Make, probe: Probe, seed: int = 0) -> Observation:
    """Observe with the global generators in a known state."""
    with seeded(seed):
        return observe(make, probe)


def misbehaviour(make: Watched, probe: Probe, first: Observation) -> tuple[Finding, str] | None:
    """Return what makes the subject no function of its inputs, with the evidence, or None.

    ``first`` is an observation of the same probe with the generators at seed 0.
    """
    if make.written:
        return Finding.MUTATES_INPUTS, make.written[0]
    found = parting(lambda seed: run(make, probe, seed).columns, make.kind, LAYOUT, first.columns)
    if found is None:
        return None
    return Finding.GLOBAL_STATE if found.outside else Finding.NONDETERMINISTIC, found.says


def wrote_into_inputs(error: Exception) -> bool:
    """Return whether a subject failed because its inputs are read-only."""
    return isinstance(error, ValueError) and "read-only" in str(error)
