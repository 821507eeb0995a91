"""The search: rounds go out to workers until time or runs are used up, then each distinct failure is shrunk."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from parity.case.rule import DEFAULT
from parity.case.tomlfile import show_path
from parity.fuzz.child import Child
from parity.fuzz.files import digest, keep
from parity.fuzz.findings import Failure, Failures, Finding, Listed, Signature, merged, signatures
from parity.fuzz.plan import Round, rounds
from parity.fuzz.shrink import generate, shrink
from parity.fuzz.words import Example, Outcome

CASE_SECONDS = 120.0
MOST_FINDINGS = 8
"""How many findings one cause may yield; the runs that are left are counted with the last of them."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to search: subjects, relations and a rule, when to stop, and where findings go.

    ``database`` is the folder of Hypothesis' examples, None where the search must not depend on earlier ones.
    """

    subjects: list[str]
    relations: list[str]
    seed: int
    runs: int | None
    seconds: float | None
    jobs: int
    output: Path
    database: Path | None
    rule: str = DEFAULT


@dataclass(slots=True)
class Search:
    """The state of a search that its workers share, and in the end its result."""

    wish: Wish
    progress: Callable[["Search"], None]
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    failures: Failures = field(default_factory=Failures)
    findings: list[Finding] = field(default_factory=list)
    listed: list[Listed] = field(default_factory=list)
    allowed: dict[str, frozenset[str]] = field(default_factory=dict)
    seconds: float = 0.0
    phase: str = "searching"
    compared: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _error: BaseException | None = None
    _began: float = 0.0
    _stopped: bool = False

    @property
    def runs(self) -> int:
        """How many generated cases were run."""
        return sum(self.counts.values())

    @property
    def elapsed(self) -> float:
        """Seconds since the search began."""
        return time.monotonic() - self._began

    def run(self) -> "Search":
        """Search, shrink, write what was found, and return this object.

        Raises:
            ParityError: a subject cannot be loaded, or the output cannot be written.
        """
        self._began = time.monotonic()
        self._ask()
        plan = rounds(self.wish.subjects, self.wish.relations, self.wish.seed, self.wish.runs, self.wish.rule)
        self._share(plan, self._generate)
        self.seconds = self.elapsed
        self.phase = "shrinking"
        self._explain()
        return self

    def _ask(self) -> None:
        child = Child(CASE_SECONDS)
        try:
            for subject in self.wish.subjects:
                self.allowed[subject] = child.accepted(subject, self.wish.rule)
        finally:
            child.close()

    def _share(self, work: Iterator[Round] | Iterator[list[Failure]], serve: Callable[..., None]) -> None:
        """Let ``jobs`` threads, each with a worker process of its own, serve what ``work`` yields."""
        children = [Child(CASE_SECONDS) for _ in range(self.wish.jobs)]
        threads = [threading.Thread(target=self._serve, args=(c, work, serve), daemon=True) for c in children]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                threads[0].join(timeout=0.5) if threads[0].is_alive() else time.sleep(0.1)
                self.progress(self)
        finally:
            self._stopped = self._error is not None or any(thread.is_alive() for thread in threads)
            for child in children:
                child.close()
        if self._error is not None:
            raise self._error

    def _serve(self, child: Child, work: Iterator[object], serve: Callable[..., None]) -> None:
        try:
            while not self._stopped and self._error is None:
                with self._lock:
                    item = next(work, None)
                if item is None or (self.phase == "searching" and self._late()):
                    return
                serve(child, item)
        except BaseException as error:  # handed to the caller's thread, which raises it
            self._error = self._error or error

    def _late(self) -> bool:
        return self.wish.seconds is not None and self.elapsed >= self.wish.seconds

    def _generate(self, child: Child, round: Round) -> None:
        index = 0

        def condition(example: Example) -> bool:
            nonlocal index
            if self._stopped or self._late():
                return True  # ends the round: Hypothesis generates no more once an example is wanted
            self._take(round, index, child.judge(example, round.relation, round.subject))
            index += 1
            return False

        generate(round, self.allowed[round.subject], condition)

    def _take(self, round: Round, index: int, outcome: Outcome) -> None:
        with self._lock:
            self.counts[round.subject, round.relation, outcome.verdict] += 1
            self.compared += outcome.compared
            if outcome.fails:
                self.failures.add(round, index, outcome)

    def _explain(self) -> None:
        """Set listed divergences aside, and shrink the rest, cause by cause."""
        entries = signatures()
        met: Counter[Signature] = Counter()
        groups = []
        for group in self.failures.groups():
            left = []
            for failure in group:
                entry = _explained(entries, failure)
                if entry is None:
                    left.append(failure)
                else:
                    met[entry] += failure.runs
            groups += [left] if left else []
        self.listed = [Listed(e.case, e.reason, e.link, n) for e, n in sorted(met.items(), key=lambda i: i[0].case)]
        self._share(iter(groups), lambda child, group: self._shrink(child, group, entries))
        self.findings = merged(self.findings)
        self.findings.sort(key=lambda finding: (finding.relation, finding.subject, finding.case))

    def _shrink(self, child: Child, group: list[Failure], entries: list[Signature]) -> None:
        """Shrink the first failure of a cause, set aside all that hold what it needs, and go on with what is left."""
        for number in range(MOST_FINDINGS):
            if not group:
                return
            first = group[0]

            def wanted(outcome: Outcome, like: Failure = first) -> bool:
                known = any(entry.explains(like.round.subject, like.round.relation, outcome) for entry in entries)
                return outcome.cause == like.outcome.cause and not known

            found = shrink(first, self.allowed[first.round.subject], child.judge, self.wish.database, wanted)
            last = number == MOST_FINDINGS - 1
            needs = set() if last or found is None else set(found[1].features)
            same = [f for f in group if f is first or (found is not None and needs <= set(f.outcome.features))]
            group = [failure for failure in group if failure not in same]
            finding = self._finding(first, found, sum(failure.runs for failure in same))
            with self._lock:
                self.findings.append(finding)

    def _finding(self, failure: Failure, found: tuple[Example, Outcome] | None, runs: int) -> Finding:
        round = failure.round
        if found is None:
            text = f"{failure.outcome.text}; not seen again when the run was repeated"
            outcome, path = failure.outcome, ""
        else:
            example, outcome = found
            text = outcome.text
            name = f"{round.relation}-{_plain(round.subject)}-{digest(example)}"
            path = show_path(keep(example, self.wish.output, name, _summary(round, outcome)))
        return Finding(
            round.relation,
            round.subject,
            outcome.verdict,
            text,
            outcome.features,
            runs,
            outcome.place() if outcome.tensor else {},
            path,
            _command(round, path),
            found is not None,
        )


def _explained(entries: list[Signature], failure: Failure) -> Signature | None:
    asked = failure.round.subject, failure.round.relation
    return next((entry for entry in entries if entry.explains(*asked, failure.outcome)), None)


def _summary(round: Round, outcome: Outcome) -> str:
    needs = f", with {', '.join(outcome.features)}" if outcome.features else ""
    return "".join(c for c in f"{round.relation}: {outcome.verdict} for {round.subject}{needs}" if c.isprintable())[
        :300
    ]


def _command(round: Round, path: str) -> str:
    import shlex

    if not path:
        return ""
    if round.relation in ("reference", "sparse"):
        return f"parity run {shlex.quote(path)} --subject {shlex.quote(round.subject)}"
    return f"parity fuzz --case {shlex.quote(path)} --relation {round.relation} --subject {shlex.quote(round.subject)}"


def _plain(subject: str) -> str:
    tail = subject.replace("\\", "/").rpartition("/")[2]
    return "".join(c if c.isalnum() else "-" for c in tail)[:30].strip("-")
