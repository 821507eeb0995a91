"""``parity.diagnose``: a class, an instance's maker or a name in, the answer out, for a notebook or a script."""

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

from parity import subjects
from parity.case.cells import select
from parity.case.rule import find
from parity.case.spec import Cell
from parity.diagnosis.diagnose import diagnose as diagnose_adapter
from parity.diagnosis.findings import Finding
from parity.diagnosis.identify import identified
from parity.diagnosis.text import render
from parity.subjects.loading import maker_of
from parity.subjects.naming import given, with_bound
from parity.subjects.numpy_class import NumpySubject, require_shape

TIME_LIMIT = 120.0


class Answer(dict[str, Any]):
    """A diagnosis as ``parity diagnose --json`` prints it, which shows itself as text."""

    @property
    def finding(self) -> Finding:
        """What the subject is."""
        return Finding[self["verdict"]]

    def __repr__(self) -> str:
        return render(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(render(self))}</pre>"


def diagnose(
    subject: str | Callable[..., Any],
    cases: Iterable[str] = (),
    name: str = "",
    bind: Mapping[str, str] | None = None,
    rule: str = "",
) -> Answer:
    """Return what an optimizer is, and by which choices it differs from tf.keras'.

    Args:
        subject: a registered name or ``file.py:Class``, which runs in a process of its own, or a class, a
            function that makes an optimizer or an instance of a framework's, which runs in this one.
        cases: ids or globs of cases on which the answer is checked too.
        name: what a class is called in the answer; unless given its own name.
        bind: Keras' names of arguments to the class's own, such as ``{"rho": "alpha"}``, where those are ambiguous.
        rule: the rule that it is held against; unless given, it is found out which it is.

    Raises:
        ParityError: the subject cannot be found, loaded or driven, or a case or what is bound means nothing.
    """
    cells: list[Cell] = select(cases) if cases else []
    chosen = given(bind)
    if rule:
        find(rule)
    if isinstance(subject, str):
        from parity.diagnosis.child import diagnose_apart

        subject = with_bound(subject, chosen)
        subjects.check_name(subject)
        return Answer(diagnose_apart(subject, TIME_LIMIT, cells, rule=rule))
    title = with_bound(name or getattr(subject, "__qualname__", type(subject).__name__), chosen)
    make = maker_of(subject, title)
    first = make()
    if isinstance(first, NumpySubject):
        require_shape(first)
    found = diagnose_adapter(make, title, cells, rule=rule) if rule else identified(make, title, cells)
    return Answer(found.document())
