"""Driving a subject through a probe: what it shows after every step, and what it does that no optimizer should."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

import numpy as np

from parity.bounds.numerics import Array
from parity.case.rule import find
from parity.diagnosis.family import family
from parity.diagnosis.probes import Probe, ProbeProblem
from parity.subjects.adapter import Adapter

Make = Callable[[], Adapter]


class Unusable(Exception):
    """The subject shows something that is no trajectory: a name or a shape is missing."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a subject showed: ``columns[slot]`` is ``[steps + 1, elements]``, row 0 the state before the first step.

    ``strange`` maps what has another dtype than the weights to that dtype; such values are rounded to the weights'.

    Of steps that do not follow each other, as in a log that leaves some out, ``apart`` is what each started from,
    ``[steps, elements]`` by slot, and ``numbers`` are their zero-based numbers. ``measured`` is what is remembered of
    members that were held against it.
    """

    probe: Probe
    columns: dict[str, Array]
    strange: dict[str, str] = field(default_factory=dict)
    apart: dict[str, Array] | None = None
    numbers: tuple[int, ...] = ()
    measured: dict[Hashable, tuple[float, bool]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def number(self, at: int) -> int:
        """Return the zero-based number of a step by its place."""
        return self.numbers[at] if self.numbers else at

    def before(self, slot: str) -> Array:
        """Return what each step started from, ``[steps, elements]``.

        Raises:
            KeyError: the subject does not show it.
        """
        return self.columns[slot][:-1] if self.apart is None else self.apart[slot]

    def until(self, steps: int) -> "Observation":
        """Return the first steps alone, of a run from its start."""
        probe = replace(self.probe, gradients=self.probe.gradients[:steps])
        return replace(self, probe=probe, columns={slot: rows[: steps + 1] for slot, rows in self.columns.items()})

    def bare(self) -> "Observation":
        """Return the parameters alone: what a subject shows as a slot may not be what it computes with."""
        apart = None if self.apart is None else {"parameter": self.apart["parameter"]}
        return replace(self, columns={"parameter": self.columns["parameter"]}, apart=apart)

    def reaches(self, slots: set[str]) -> bool:
        """Return whether a rule with these slots can be followed: from the start, or because all of them are shown."""
        return self.apart is None or self.lockstep(slots)

    def lockstep(self, slots: set[str]) -> bool:
        """Whether every slot of a rule is visible, so that each step can be judged alone."""
        return slots <= set(self.columns)


def observe(make: Make, probe: Probe) -> Observation:
    """Run a fresh instance of the subject over a probe.

    Raises:
        Unusable: names or shapes are not the probe's.
        Exception: whatever the subject raises.
    """
    adapter = make()
    problem = ProbeProblem(probe)
    rows: list[dict[str, Array]] = []
    strange: dict[str, str] = {}
    with np.errstate(all="ignore"):
        adapter.open(problem)
        try:
            rows.append(_row(adapter, probe, strange))
            for number in range(probe.steps):
                adapter.step(number, problem.gradients(number))
                rows.append(_row(adapter, probe, strange))
        finally:
            adapter.close()
    shown = [slot for slot in rows[0] if all(slot in row for row in rows)]
    return Observation(probe, {slot: np.stack([row[slot] for row in rows]) for slot in shown}, strange)


def other_dtypes(seen: Observation) -> str:
    """Return what has another dtype than the weights, and which, in words: ``parameter of kernel, bias is float64``."""
    tensors: dict[tuple[str, str], list[str]] = {}
    for what, dtype in seen.strange.items():
        slot, _, name = what.partition(" of ")
        tensors.setdefault((slot, dtype), []).append(name)
    return "; ".join(f"{slot} of {', '.join(names)} is {dtype}" for (slot, dtype), names in tensors.items())


def _row(adapter: Adapter, probe: Probe, strange: dict[str, str]) -> dict[str, Array]:
    row = {}
    known, shaped = find(probe.rule).slots, family(probe.rule).shaped
    for slot, tensors in adapter.read().items():
        # Slots with shapes of their own lie in no row beside the weights.
        if slot != "parameter" and (slot not in known or shaped):
            continue
        for name, shape in zip(probe.tensors.names, probe.tensors.shapes, strict=True):
            if name not in tensors:
                raise Unusable(f"{slot} has no tensor {name!r}")
            array = np.asarray(tensors[name])
            if array.shape != shape:
                raise Unusable(f"{slot} of {name} has shape {array.shape}; the parameter has {shape}")
            if array.dtype != probe.weights.dtype:
                strange.setdefault(f"{slot} of {name}", array.dtype.name)
        row[slot] = probe.tensors.join(tensors).astype(probe.weights.dtype)
    return row
