"""``assert_parity``: an optimizer in; its results out, or a test failure that says where it parts and why."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from parity.api import TIME_LIMIT, Results, results_of, run
from parity.case.spec import Cell
from parity.errors import ParityError, UsageError
from parity.subjects.naming import given, with_bound
from parity.testing.bench import Bench
from parity.testing.choose import Cases, choose
from parity.verdicts.results import Comparison
from parity.verdicts.verdict import Verdict

Subject: TypeAlias = str | Callable[..., Any]


class NotInParity(AssertionError):
    """A test's failure; its text is the whole message, ``results`` what was found."""

    def __init__(self, text: str, results: Results) -> None:
        super().__init__(text)
        self.results = results


class NothingCompared(NotInParity):
    """Not one value was compared and judged, which is not a pass."""


# Where people import them from, which is what pytest prints.
NotInParity.__module__ = NothingCompared.__module__ = "parity"


@dataclass(frozen=True, slots=True)
class Demand:
    """What a test demands beyond "no verdict that fails"."""

    exact: bool = False
    allow_unsupported: bool | tuple[str, ...] = True

    def objection(self, item: Comparison, cell: Cell) -> str | None:
        """Return why a comparison fails the test, "" for its verdict alone, or None if it does not."""
        if item.outcome.fails:
            return ""
        if item.outcome is Verdict.UNSUPPORTED and not self._allows(cell):
            return "allow_unsupported does not allow this"
        skipped = item.outcome in (Verdict.UNSUPPORTED, Verdict.NOT_INSTALLED)
        return "exact demands IDENTICAL" if self.exact and not skipped and item.verdict != "IDENTICAL" else None

    def _allows(self, cell: Cell) -> bool:
        if isinstance(self.allow_unsupported, bool):
            return self.allow_unsupported
        return bool(set(self.allow_unsupported) & set(cell.hyperparameters.departures()))


def assert_parity(
    subject: Subject,
    cases: Cases | None = None,
    *,
    rule: str | None = None,
    dtypes: Iterable[str] | None = None,
    gradients: Iterable[str] | None = None,
    comparisons: Iterable[str] | None = None,
    exact: bool = False,
    allow_unsupported: bool | Iterable[str] = True,
    diagnose: bool = True,
    time_limit: float = TIME_LIMIT,
    bind: Mapping[str, str] | None = None,
    bench: Bench | None = None,
) -> Results:
    """Fail unless an optimizer equals that of tf.keras, as its NumPy page has it, in every chosen case.

    Args:
        subject: the class (or a callable that takes hyperparameters and returns an instance), which runs in this
            process; or a name, such as ``"torch"`` or ``"mine.py:RMSprop"``, which runs in one of its own.
        cases: case ids, globs (``"rmsprop/*"``), paths or globs of case files, or cells; unless given, those of the
            rule.
        rule: which optimizer of tf.keras it is, such as ``"adam"``: cases of other rules are left out. Unless given,
            the cases say, or RMSprop where there are none either.
        dtypes: such as ``["float32", "float64"]``; unless given, each pattern means its float32 cells, or all where it
            has none.
        gradients: among replayed, shared, computed; unless given, all.
        comparisons: among lockstep, free; unless given, what each case asks for.
        exact: demand that every bit is equal; rounding is not enough.
        allow_unsupported: whether hyperparameters that the subject lacks may leave cases uncompared; or which ones.
        diagnose: name the likeliest cause of a failure, which takes a second or so.
        time_limit: seconds that one cell may take where the subject is a name.
        bind: Keras' names of arguments to the class's own, such as ``{"rho": "alpha"}``, where those are ambiguous.
        bench: what the tests of a session share; the fixture gives it.

    Returns:
        The results: ``results.verdict``, ``results.comparisons``, ``results.frame()``; ``results.unseen`` is what the
        agreement says nothing about.

    Raises:
        NotInParity: an AssertionError; its text names case, verdict, first divergence, likeliest cause, and the
            command that reproduces it.
        ParityError: a mistake in the call or in a case file.
    """
    __tracebackhide__ = True
    own = bench or Bench()
    try:
        chosen = given(bind)
        if isinstance(subject, str):
            subject = with_bound(subject, chosen)
        cells = choose(cases, dtypes, gradients, comparisons, rule)
        demand = Demand(exact, _allowance(allow_unsupported, cells))
        results = _run(subject, cells, time_limit, own, chosen)
        _require(subject, cells, results, demand, own, diagnose)
        return results
    except ParityError as error:
        raise error.with_traceback(None) from None
    finally:
        if bench is None:
            own.close()


def _require(
    subject: Subject, cells: list[Cell], results: Results, demand: Demand, bench: Bench, diagnose: bool
) -> None:
    __tracebackhide__ = True
    from parity.testing import failure

    by_id = {cell.id: cell for cell in cells}
    objections = [
        failure.Objection(by_id[pair.case], pair, item, said)
        for pair in results.pairs
        for item in pair.comparisons
        if (said := demand.objection(item, by_id[pair.case])) is not None
    ]
    if objections:
        raise NotInParity(failure.text(subject, results, objections, bench, diagnose), results)
    if not any(item.outcome.compared for item in results.comparisons):
        raise NothingCompared(failure.nothing(results), results)


def _run(subject: Subject, cells: list[Cell], time_limit: float, bench: Bench, chosen: Mapping[str, str]) -> Results:
    if isinstance(subject, str):
        return results_of([bench.session.run(cell, subject, time_limit) for cell in cells], cells)
    from parity.subjects.frameworks import framework_of

    own: Any = subject
    if not callable(own) and not framework_of(own):
        raise UsageError(
            f"subject must be a class or a name. Received: an instance of {type(subject).__name__}. "
            f"Give the class itself; each case creates its own instance with the case's hyperparameters."
        )
    from parity.testing.again import spoken

    return run(cells, subject, name=spoken(subject), bind=chosen)


def _allowance(given: bool | Iterable[str], cells: list[Cell]) -> bool | tuple[str, ...]:
    if isinstance(given, bool):
        return given
    names = (given,) if isinstance(given, str) else tuple(given)
    known = cells[0].hyperparameters.__struct_fields__
    for name in names:
        if name not in known:
            raise UsageError(f"allow_unsupported: received {name!r}. Allowed: True, False, or {', '.join(known)}.")
    return names
