"""What nothing explains as a whole is looked at in parts: whether weights move at all, and each tensor by itself."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from parity.diagnosis.member import Member
from parity.diagnosis.observe import Observation
from parity.diagnosis.probes import Probe
from parity.diagnosis.search import switched_alone, within
from parity.diagnosis.words import cause
from parity.trajectory.layout import layout_of

NOTHING = "no set of choices reproduces it"


def in_parts(observations: Sequence[Observation], held: Sequence[Observation]) -> tuple[str, ...]:
    """Return in words what the parts of a subject are that no set of choices explains, nothing where they say no more.

    Args:
        observations: what was searched on, the plain one first.
        held: what was not, on which an explanation of a tensor must hold, too.
    """
    still = _standing(observations[0])
    if still:
        return (still,)
    plain = [seen for seen in observations if seen.probe.mode == observations[0].probe.mode]
    found = _by_tensor(plain, [seen for seen in held if seen.probe.mode == observations[0].probe.mode])
    tensors: dict[str, list[str]] = {}
    for name, said in found.items():
        tensors.setdefault(said, []).append(name)
    if len(tensors) < 2:
        return ()
    parts = [f"{' and '.join(names)}: {said}" for said, names in tensors.items()]
    return (f"each tensor by itself: {'; '.join(parts)}",)


def _standing(seen: Observation) -> str:
    """Return that the weights stay where they are, in all steps or in all but the first, empty where they move."""
    rows = seen.columns["parameter"]
    moves = np.any(rows[1:] != rows[:-1], axis=1) & np.any(seen.probe.gradients != 0, axis=1)
    if not np.any(moves):
        return "no step moves the weights"
    return "only the first step moves the weights" if moves[0] and not np.any(moves[1:]) else ""


def _by_tensor(observations: Sequence[Observation], held: Sequence[Observation]) -> dict[str, str]:
    """Return each tensor with its cause, which holds on the probes that were held back, too."""
    found = {}
    for name in observations[0].probe.tensors.names:
        own = [_of(seen, name) for seen in observations]
        members = switched_alone(own, (), Member(rule=own[0].probe.rule), near=True)
        later = [_of(seen, name) for seen in held] if members else []
        fitting = (each for each in (members.members if members else ()) if all(within(each, seen) for seen in later))
        first = next(fitting, None)
        found[name] = _said(first) if first else NOTHING
    return found


def _said(member: Member) -> str:
    """Return what a member does otherwise, as a part of a sentence."""
    told = member.page if member.rounding else member
    said = cause(dict(told.switches), dict(told.numbers), told.rule).rstrip(".")
    return said[:1].lower() + said[1:]


def _of(seen: Observation, name: str) -> Observation:
    """Return what was seen of the parameters of one tensor."""
    probe = seen.probe
    at = probe.tensors.split(np.arange(probe.tensors.size))[name].reshape(-1)
    layout = layout_of({name: np.zeros(probe.tensors.tensors[name], dtype=probe.weights.dtype)})
    part = Probe(
        f"{probe.name}, {name}",
        probe.mode,
        probe.hyperparameters,
        probe.weights[at],
        probe.gradients[:, at],
        layout,
        probe.rule,
        probe.rotates,
    )
    return replace(seen.bare(), probe=part, columns={"parameter": seen.columns["parameter"][:, at]})
