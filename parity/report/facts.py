"""What people ask of a run: how many agree, who parts from the reference, where first, and how to see it again."""

import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from parity.case.rule import DEFAULT, Rule, find, stages
from parity.report.numbers import clean, exact, many, real, short
from parity.subjects import is_users
from parity.verdicts.results import Comparison, Divergence, Pair, Run
from parity.verdicts.verdict import Verdict


class Look(NamedTuple):
    """How a verdict appears: a symbol and a word, so that colour is never the only sign."""

    symbol: str
    word: str
    verb: str


LOOKS: dict[Verdict, Look] = {
    Verdict.IDENTICAL: Look("=", "identical", "is identical"),
    Verdict.ROUNDING: Look("≈", "rounding", "differs by rounding"),
    Verdict.UNDECIDED: Look("?", "undecided", "cannot be judged"),
    Verdict.KNOWN_DIVERGENCE: Look("†", "known", "diverges as listed"),
    Verdict.UNSUPPORTED: Look("–", "unsupported", "lacks what is set"),
    Verdict.NOT_INSTALLED: Look("○", "not installed", "is not installed"),
    Verdict.FIXED: Look("↺", "fixed", "no longer diverges as listed"),
    Verdict.NOT_COMPARABLE: Look("⊘", "not comparable", "cannot be compared"),
    Verdict.NON_FINITE: Look("∞", "non-finite", "turns infinite or NaN"),
    Verdict.DIVERGED: Look("≠", "diverged", "diverges"),
    Verdict.FAILED: Look("✕", "failed", "fails to run"),
}
_ABSENT = (Verdict.UNSUPPORTED, Verdict.NOT_INSTALLED)
WORST_FIRST = sorted(Verdict, key=lambda v: (v.fails, v not in _ABSENT, v.severity), reverse=True)


@dataclass(frozen=True)
class Facts:
    """A run, sorted and counted; every format reads this, so that they never contradict each other."""

    run: Run

    @cached_property
    def pairs(self) -> list[Pair]:
        """All pairs by case and subject, whatever order they finished in."""
        return sorted(self.run.pairs, key=lambda pair: (pair.case, pair.subject))

    @cached_property
    def cells(self) -> dict[str, dict[str, Any]]:
        """The case cells by id, without the folder on the machine that ran them."""
        return {cell["id"]: {key: cell[key] for key in cell if key != "folder"} for cell in self.run.cells}

    @cached_property
    def subjects(self) -> list[str]:
        """Names of the subjects, sorted."""
        return sorted({pair.subject for pair in self.pairs})

    @cached_property
    def ours(self) -> bool:
        """Whether nobody's own class is among the subjects: such a report is this project's own."""
        return bool(self.subjects) and not any(map(is_users, self.subjects))

    @cached_property
    def cases(self) -> list[str]:
        """Ids of the cells, sorted."""
        return sorted({pair.case for pair in self.pairs})

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """All comparisons, in the order of the pairs."""
        return [item for pair in self.pairs for item in pair.comparisons]

    @cached_property
    def counts(self) -> Counter[Verdict]:
        """How many comparisons ended in each verdict."""
        return Counter(item.outcome for item in self.comparisons)

    @cached_property
    def rules(self) -> list[str]:
        """Names of the rules, sorted."""
        return sorted({self.rule(pair.case).name for pair in self.pairs})

    def rule(self, case: str) -> Rule:
        """Return the rule of a case, as its page was when the case was run."""
        cell, rule = self.cells.get(case, {}), find(DEFAULT)
        if "page" not in cell:
            return rule
        page = cell["page"]
        return rule._replace(name=cell["rule"], stages=tuple(page["stages"]), formulas=page["formulas"])

    def dtype(self, case: str) -> str:
        """Return the dtype of a case, which decides how many digits its values need."""
        return str(self.cells.get(case, {}).get("dtype", "float64"))


def outcome(pair: Pair) -> Verdict:
    """Return the pair's verdict; a pair without a single comparison has failed."""
    return pair.verdict if pair.comparisons else Verdict.FAILED


def headline(facts: Facts) -> str:
    """Return the one sentence that a report opens with."""
    if not any(item.outcome.compared for item in facts.comparisons):
        return f"Nothing was compared: {_counted(facts.counts.items()) or 'the run is empty'}."
    failing = [pair for pair in facts.pairs if outcome(pair).fails]
    if not failing:
        return _agreeing(facts)
    return f"{'; '.join(clauses(facts))}."


def _agreeing(facts: Facts) -> str:
    same, rounding = facts.counts[Verdict.IDENTICAL], facts.counts[Verdict.ROUNDING]
    agreed, total = same + rounding, len(facts.comparisons)
    count = f"All {total:,} comparisons agree" if agreed == total else f"{agreed:,} of {total:,} comparisons agree"
    kinds = [f"{same:,} bit for bit"] * bool(same) + [f"{rounding:,} within rounding"] * bool(rounding)
    rest = [(verdict, n) for verdict, n in facts.counts.items() if verdict not in (Verdict.IDENTICAL, Verdict.ROUNDING)]
    return f"{count}{': ' if kinds else ''}{', '.join(kinds)}{'; ' if rest else ''}{_counted(rest)}."


def clauses(facts: Facts) -> list[str]:
    """Return what the headline of a run that fails consists of: who parts, and why, then who agrees."""
    parting = parting_subjects(facts)
    found = []
    for subject, pairs in parting[:3]:
        ran = sum(pair.subject == subject for pair in facts.pairs)
        verdict, most = Counter(map(outcome, pairs)).most_common(1)[0]
        more = f" and fails otherwise in {len(pairs) - most:,}" if len(pairs) > most else ""
        ends = f"{LOOKS[verdict].verb} in {most:,} of {many(ran, 'case')}{more}"
        found.append(f"{_because(facts, subject)} {ends}{_unexplained(facts, subject)}")
    if len(parting) > 3:
        found.append(f"{many(len(parting) - 3, 'other subject')} fail too".replace("subject fail", "subject fails"))
    agreeing = sum(_agrees(facts, subject) for subject in facts.subjects)
    if agreeing:
        found.append(f"the other {agreeing} agree" if agreeing > 1 else "one other subject agrees")
    first, *rest = found
    return [f"In {first[3:]}" if first.startswith("in ") else first, *rest]


def _because(facts: Facts, subject: str) -> str:
    """Return the beginning of a clause: who and, if it is known, the cause in the words that it has everywhere."""
    cause = facts.run.causes.get(subject)
    if cause is None or not cause.known:
        return clipped(subject)
    said = clean(cause.sentence).rstrip(".")
    return f"in {clipped(subject)} {said[0].lower()}{said[1:]}: it"


def _unexplained(facts: Facts, subject: str) -> str:
    """Return what a clause says of the cases that no cause explains."""
    cause = facts.run.causes.get(subject)
    if cause is None or (cause.known and not cause.otherwise):
        return ""
    return f", {len(cause.otherwise):,} of which that does not explain" if cause.known else ", and why is not known"


def _agrees(facts: Facts, subject: str) -> bool:
    """Whether a subject was compared, and parts nowhere, not even where that is known."""
    found = {outcome(pair) for pair in facts.pairs if pair.subject == subject}
    parts = any(verdict.fails or verdict is Verdict.KNOWN_DIVERGENCE for verdict in found)
    return not parts and any(verdict.compared for verdict in found)


def parting_subjects(facts: Facts) -> list[tuple[str, list[Pair]]]:
    """Return each failing subject with its failing pairs, in the order of how many they are."""
    groups: dict[str, list[Pair]] = {}
    for pair in facts.pairs:
        if outcome(pair).fails:
            groups.setdefault(pair.subject, []).append(pair)
    return sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))


def clipped(subject: str, length: int = 60) -> str:
    """Return a name short enough for a sentence: without the folders before it, if need be, and else whole."""
    shown = clean(subject)
    return shown if len(shown) <= length or "/" not in shown else f"…/{shown.rpartition('/')[2]}"


def representative(pairs: Iterable[Pair]) -> tuple[Pair, Comparison | None]:
    """Return the failing pair that shows most plainly where a subject parts: lockstep, the earliest, the smallest."""
    shown: list[tuple[Pair, Comparison | None]] = []
    for pair in pairs:
        shown.extend((pair, item) for item in pair.comparisons)
        if not pair.comparisons:
            shown.append((pair, None))
    return min(shown, key=lambda entry: _plainness(*entry))


def _plainness(pair: Pair, item: Comparison | None) -> tuple[Any, ...]:
    if item is None or not item.outcome.fails:
        return (2, 0, 0, 0, 0, 0, 0, pair.case)
    where = item.first_divergence
    if where is None:
        return (1, -item.outcome.severity, 0, 0, 0, 0, item.compared, pair.case)
    order = stages(find(DEFAULT))
    stage = order.index(where.stage) if where.stage in order else len(order)
    unusual = "float32" not in pair.case
    free = item.comparison != "lockstep"
    return (0, -item.outcome.severity, free, where.step, stage, unusual, item.compared, pair.case)


def _counted(counts: Iterable[tuple[Verdict, int]]) -> str:
    ordered = sorted(counts, key=lambda item: -item[0].severity)
    return ", ".join(f"{count:,} {LOOKS[verdict].word}" for verdict, count in ordered)


def name(word: str) -> str:
    """Return a slot or stage as people write it: ``second_moment`` → ``second moment``."""
    return clean(word).replace("_", " ")


def moment(step: int) -> str:
    """Return a step in words; the state before the first step is -1."""
    return "before the first step" if step < 0 else f"at step {step:,}"


def difference(place: Divergence) -> str:
    """Return obtained - expected in three digits, or NaN where a side is not a number."""
    return short(real(place.obtained) - real(place.expected))


def factor(place: Divergence) -> float:
    """Return the difference over its bound, NaN where either is not finite."""
    bound = real(place.bound)
    return abs(real(place.obtained) - real(place.expected)) / bound if bound > 0 else float("nan")


def command(case: str, subject: str) -> str:
    """Return the shell command that reproduces one pair."""
    return f"parity run {shlex.quote(clean(case))} --subject {shlex.quote(clean(subject))}"


def _verdict(item: Comparison) -> str:
    """Return what a verdict means, and what its reason says beyond that."""
    means = item.outcome.value
    if item.reason.startswith(means) or not item.reason:
        return clean(item.reason) or means
    return f"{means} ({clean(item.reason)})"


def failure_text(item: Comparison, dtype: str) -> str:
    """Return the text of a failing comparison and the command that reproduces it; the order of its lines is fixed."""
    return f"{evidence(item, dtype)}\nreproduce: {command(item.selector, item.subject)}"


def evidence(item: Comparison, dtype: str) -> str:
    """Return case and subject, the verdict, and the first divergence with its values, a line each."""
    lines = [
        f"case {clean(item.case)}, subject {clean(item.subject)}: {item.gradients} gradients, {item.comparison}",
        f"{item.verdict}: {_verdict(item)}",
    ]
    place = item.first_divergence
    if place is not None:
        lines += [
            f"first divergence: step {place.step}, slot {clean(place.slot)}, tensor {clean(place.tensor)}, "
            f"index {place.index}, stage {clean(place.stage)}",
            f"  obtained    {exact(place.obtained, dtype)}",
            f"  expected    {exact(place.expected, dtype)}",
            f"  difference  {difference(place)}",
            f"  bound       {short(place.bound)}",
        ]
        lines += [f"  note        {clean(place.note)}"] * bool(place.note)
    return "\n".join(lines)
