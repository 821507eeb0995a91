"""What a diagnosis can say: a closed enum of findings, explanations, and the document that programs read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from parity.case.rule import DEFAULT
from parity.diagnosis.member import Member


class Finding(Enum):
    """The outcome of a diagnosis; ``name`` is the word in JSON, ``value`` the sentence for people."""

    IDENTICAL = "computes what tf.keras computes, bit for bit"
    ROUNDING = "computes what tf.keras computes, up to rounding"
    EXPLAINED = "differs from tf.keras by named choices, which reproduce it on every step"
    OUTSIDE = "is no RMSprop, but another rule"
    UNEXPLAINED = "is no member of the family: no set of choices reproduces it"
    NONDETERMINISTIC = "gives different results for the same inputs, so no formula can reproduce it"
    GLOBAL_STATE = "depends on state outside its instance"
    MUTATES_INPUTS = "changes the arrays that it is given"
    MIXED_DTYPES = "returns another dtype than it is given"
    FAILED = "raised, or showed something that is no trajectory"
    UNSUPPORTED = "lacks what every probe needs"
    NOT_INSTALLED = "needs a library that is not installed"

    @property
    def status(self) -> int:
        """Exit status: 0 agrees, 1 a divergence, 3 nothing was compared."""
        if self in (Finding.IDENTICAL, Finding.ROUNDING):
            return 0
        return 3 if self in (Finding.UNSUPPORTED, Finding.NOT_INSTALLED) else 1


@dataclass(frozen=True, slots=True)
class Explanation:
    """A member with the modes it was fitted in; ``residual`` is 0 for equal steps and 1 for unrelated ones.

    ``alike`` is the share of steps that are off by no more than 0.1 %, ``ratio`` the largest difference in units of its
    bound, 0 where every bit is equal. Where bits are not equal, ``rounding`` holds switches that make most of them
    equal, ``shares`` the share of equal bits without and with them.
    """

    member: Member
    modes: tuple[str, ...]
    residual: float
    ratio: float
    confirmed: bool
    rounding: tuple[tuple[str, Any], ...] = ()
    shares: tuple[float, float] = (1.0, 1.0)
    alike: float = 1.0

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "switches": dict(self.member.switches),
            "hyperparameters": hyperparameters(self.member),
            "numbers": dict(self.member.numbers),
            "residual": self.residual,
            "bound_ratio": self.ratio if self.ratio < 1e300 else "Infinity",
            "steps_alike": self.alike,
            "confirmed": self.confirmed,
            "modes": list(self.modes),
            "likely_rounding": dict(self.rounding),
            "equal_bits": {"without_rounding": self.shares[0], "with_rounding": self.shares[1]},
        }


def explanations_of(document: Mapping[str, Any]) -> list[Explanation]:
    """Return the explanations in the JSON form of a diagnosis, as far as they say what is computed and for what."""
    return [
        Explanation(
            Member(tuple(e["switches"].items()), tuple(e["numbers"].items()), document.get("rule", DEFAULT)),
            tuple(e["modes"]),
            e["residual"],
            float(e["bound_ratio"]),
            e["confirmed"],
        )
        for e in document["explanations"]
    ]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a subject is: the finding, every explanation of the smallest size, and all other sets that fit as well."""

    subject: str
    finding: Finding
    explanations: tuple[Explanation, ...] = ()
    ties: tuple[Member, ...] = ()
    probe: str | None = None
    evidence: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    lacks: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    cases: dict[str, str] = field(default_factory=dict)
    extent: dict[str, Any] = field(default_factory=dict)
    binding: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    rule: str = DEFAULT

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "subject": self.subject,
            "rule": self.rule,
            "verdict": self.finding.name,
            "explanations": [explanation.document() for explanation in self.explanations],
            "ties": [{"switches": dict(m.switches), "hyperparameters": hyperparameters(m)} for m in self.ties],
            "probe": self.probe,
            "evidence": list(self.evidence),
            "shows": list(self.shows),
            "modes": list(self.modes),
            "lacks": dict(self.lacks),
            "moved": dict(self.moved),
            "absent": list(self.absent),
            "cases": dict(self.cases),
            "extent": dict(self.extent),
            "binding": dict(self.binding),
            "places": dict(self.places),
        }


def hyperparameters(member: Member) -> dict[str, Any]:
    """Return a member's numbers under the names of Keras' arguments."""
    return {name.removesuffix("_always"): value for name, value in member.numbers if name != "batch_size"}
