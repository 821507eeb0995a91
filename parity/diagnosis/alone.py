"""What nothing explains beside the rest is looked at by itself: one more choice, an argument that is another, or some
tensors alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from parity.diagnosis.apart import of_tensor
from parity.diagnosis.choices import switches
from parity.diagnosis.family import family
from parity.diagnosis.member import Member, alternatives
from parity.diagnosis.observe import Observation
from parity.diagnosis.search import within
from parity.diagnosis.words import cause

_OTHER: Final = {
    "global_clipnorm": ("clipnorm", "`global_clipnorm` limits the norm of each tensor, not that of all together"),
    "clipnorm": ("global_clipnorm", "`clipnorm` limits the norm of all tensors together, not that of each"),
}
"""Arguments that are taken for another, and that in words."""


def alone(member: Member, refuting: Sequence[Observation], given: Mapping[str, Any]) -> str:
    """Return what a subject is where a member that explains the rest does not, in words; empty if nothing is found.

    Args:
        member: what explains the rest.
        refuting: what it does not explain, all of which is to be explained by one thing.
        given: the arguments that are set there and not elsewhere.
    """
    with np.errstate(all="ignore"):
        for name, (other, said) in _OTHER.items():
            if name in given and all(within(_taken_for(member, each, name, other), each) for each in refuting):
                return said
        for more, said in _more(member, given):
            if all(within(more, each) for each in refuting):
                return said
        if not family(member.rule).mixes and not {*_OTHER} & {*given}:
            return _by_tensor(member, refuting, given)
    return ""


def _taken_for(member: Member, seen: Observation, name: str, other: str) -> Member:
    return member.having(**{name: None, other: getattr(seen.probe.hyperparameters, name)})


def _more(member: Member, given: Mapping[str, Any]) -> Iterator[tuple[Member, str]]:
    """Yield a member with one argument ignored, or one more choice that changes the rule, and that in words."""
    own = family(member.rule)
    for name in given:
        if name in {each.name for each in own.rule.parameters} and name != "learning_rate":
            yield member.having(**{name: own.off(name)}), f"`{name}` changes nothing"
    # What shows only where something is set comes first: it says more of what is set here alone.
    turned = [each for each in switches(member.rule).values() if each.needs in given and not each.rounds]
    for name, value in alternatives([*(each.name for each in turned), *own.structure], rule=member.rule):
        more = member.plus(**{name: value})
        if more != member and not more.idle:
            said = cause({name: value}, {}, member.rule).rstrip(".")
            yield more, f"{said[:1].lower()}{said[1:]}"


def _by_tensor(member: Member, refuting: Sequence[Observation], given: Mapping[str, Any]) -> str:
    """Return what each tensor is by itself, empty where one is nothing that is known, or all are alike."""
    tensors: dict[str, list[str]] = {}
    for name in refuting[0].probe.tensors.names:
        parts = [of_tensor(seen, name) for seen in refuting]
        offered = [(member, "as elsewhere"), *_more(member, given)]
        said = next((said for each, said in offered if all(within(each, part) for part in parts)), "")
        if not said:
            return ""
        tensors.setdefault(said, []).append(name)
    return "; ".join(f"{' and '.join(names)}: {said}" for said, names in tensors.items()) if len(tensors) > 1 else ""
