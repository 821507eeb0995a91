"""What a run ends in: plain records that every report format, the baseline and the notebook read."""

from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from parity.verdicts.cause import Cause
from parity.verdicts.verdict import Verdict

StepTable = dict[str, Any]
"""Columns of equal length (NumPy arrays or lists), one row for each step, slot and tensor: see ``TABLE_COLUMNS``.

Of a run with more than 40,000 such rows, the row with the largest ratio of every 2, 4, 8, ... steps is kept.
"""

TABLE_COLUMNS: dict[str, str] = {
    "step": "zero-based step; -1 is the state before the first step",
    "slot": "parameter, one of the accumulators, gradient or loss",
    "tensor": "name of the tensor",
    "size": "how many elements were compared",
    "differing": "how many of them differ in any bit",
    "max_abs": "largest |obtained - expected|",
    "max_rel": "largest |obtained - expected| / |expected|",
    "max_ulp": "largest distance in units in the last place",
    "signed_mean": "mean of obtained - expected: near zero for noise, not for a bias",
    "in_steps": "largest |obtained - expected| / learning rate (parameters only, else NaN)",
    "ratio": "largest |obtained - expected| / bound; above 1 is outside",
    "bound": "the bound at the worst element",
    "index": "flat index of the worst element, -1 where nothing differs",
    "obtained": "the subject's value there",
    "expected": "the reference's value there",
}


class _Difference(Struct, frozen=True):
    """A place in a trajectory, what is obtained and expected there, and how far a right value may be from that."""

    step: int
    slot: str
    tensor: str
    index: list[int]
    obtained: float | str
    expected: float | str
    bound: float | str


class Divergence(_Difference, frozen=True):
    """The first place where a difference exceeds its bound, or where values cannot be compared.

    ``index`` is into what the slot holds for the tensor: empty for a single number.
    """

    stage: str
    exact: float | str | None = None
    note: str = ""


class Worst(_Difference, frozen=True):
    """The difference that comes closest to, or goes farthest beyond, its bound in a whole comparison."""

    difference: float | str
    ratio: float | str
    ulp: float | str
    in_steps: float | str | None = None


class BranchFlip(Struct, frozen=True):
    """A ReLU whose sign rounding may decide: the unit is on at one side and off at the other."""

    step: int
    layer: int
    unit: int
    example: int
    obtained: float
    expected: float
    bound: float


class Catch(Struct, frozen=True):
    """How much the bounds on one slot would catch, counted over a sample of its values: see ``parity/judge/catch.py``.

    ``sampled`` values were drawn. ``moved`` of them have a finite bound and a step that is not zero, and ``unbounded``
    have an infinite bound, which catches nothing; the others did not move, and would show no factor. The bounds of
    ``twofold`` would catch a doubled step, those of ``thousandth`` a step 1.001 times as large.
    """

    sampled: int = 0
    moved: int = 0
    unbounded: int = 0
    twofold: int = 0
    thousandth: int = 0

    @property
    def telling(self) -> int:
        """How many values a share is of: those that moved, and those without a bound."""
        return self.moved + self.unbounded

    def __add__(self, other: "Catch") -> "Catch":
        """Return the counts of both samples as one."""
        return Catch(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


class Explained(Struct, frozen=True):
    """So many of the ``values`` that differ in single steps were shown to differ for this ``cause``, and no others."""

    cause: str
    values: int


class Comparison(Struct, frozen=True):
    """One verdict: a case, a subject, a source of gradients and a way of comparing, with the evidence.

    ``catch`` maps each compared slot to what its bounds would catch; it is empty where no step was judged by itself.
    ``explained`` says of how many of the differing values the cause was shown; of the rest nobody knows it.

    Where less than all was judged: ``every`` says that every so many-th step was, from the first on, and the last;
    ``elements`` how many were drawn of those of a step; ``judged_until`` the last step that was judged before the run
    was stopped, -1 where that was the state before the first. Each is None where it takes nothing away.
    """

    case: str
    subject: str
    gradients: str
    comparison: str
    verdict: str
    reason: str
    first_divergence: Divergence | None = None
    worst: Worst | None = None
    compared: int = 0
    differing: int = 0
    digest: str = ""
    notes: list[str] = []
    flips: list[BranchFlip] = []
    table: StepTable | None = None
    losses: dict[str, list[float]] | None = None
    envelope: dict[str, list[float]] | None = None
    pattern: str = ""
    catch: dict[str, Catch] = {}
    explained: list[Explained] = []
    every: int | None = None
    elements: int | None = None
    judged_until: int | None = None

    @property
    def scope(self) -> str:
        """What was judged, in words; empty where all of it was."""
        said = []
        if self.every is not None:
            said.append(f"every {ordinal(self.every)} step")
        if self.elements is not None:
            said.append(f"{self.elements:,} drawn elements")
        if self.judged_until is not None:
            said.append("the start alone" if self.judged_until < 0 else f"until step {self.judged_until:,}")
        return ", ".join(said)

    @property
    def selector(self) -> str:
        """What selects the cell again on the command line: its id, or the path of a file outside ``cases/``."""
        return self.pattern or self.case

    @property
    def outcome(self) -> Verdict:
        """The verdict as a member of the enum."""
        return Verdict[self.verdict]

    @property
    def caught(self) -> Catch:
        """What the bounds on all slots would catch."""
        return sum(self.catch.values(), Catch())

    def document(self) -> dict[str, Any]:
        """Return the JSON form: everything but the table and the curves."""
        slim = msgspec.structs.replace(self, table=None, losses=None, envelope=None)
        record: dict[str, Any] = msgspec.to_builtins(slim)
        for bulky in ("table", "losses", "envelope"):
            record.pop(bulky, None)
        return {key: value for key, value in record.items() if key not in _PARTLY or value not in (None, [])}


_PARTLY = ("explained", "every", "elements", "judged_until")


def ordinal(number: int) -> str:
    """Return a number as it counts places: 1st, 2nd, 11th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


class Pair(Struct, frozen=True):
    """Everything that one case cell and one subject yielded."""

    case: str
    summary: str
    subject: str
    resolved: str
    comparisons: list[Comparison]
    circumstances: dict[str, Any] = {}
    seconds: float = 0.0
    output: str = ""

    @property
    def selector(self) -> str:
        """What selects the cell again on the command line."""
        return self.comparisons[0].selector if self.comparisons else self.case

    @property
    def judged_until(self) -> int | None:
        """The last step that was judged of a run that was stopped before its end."""
        return next((item.judged_until for item in self.comparisons if item.judged_until is not None), None)

    @property
    def verdict(self) -> Verdict:
        """The most severe verdict of its comparisons."""
        return max((item.outcome for item in self.comparisons), key=lambda verdict: verdict.severity)


class Run(Struct, frozen=True):
    """All pairs of one run, with the circumstances they share.

    By subject, of a person's own: ``causes`` why it diverges, ``unseen`` what its agreement says nothing about.
    """

    pairs: list[Pair]
    circumstances: dict[str, Any]
    started: str
    seconds: float
    cells: list[dict[str, Any]] = []
    causes: dict[str, Cause] = {}
    unseen: dict[str, list[str]] = {}
