"""How a subject is written down: what a script needs of it, as text."""

from dataclasses import dataclass, field
from typing import Final

GLOBALS: Final = frozenset(
    {"sys", "np", "f", "start", "gradients", "bound", "obtained", "expected", "o", "e", "difference"}
)
"""Names that every script has of its own."""


@dataclass(frozen=True, slots=True)
class Side:
    """A subject as text.

    Attributes:
        title: what it is, for a sentence.
        imports: whole lines.
        source: definitions that stand before everything else.
        before: what is done once, in a function that sees ``start`` and ``gradients``.
        each: what is done at every step, with ``grads``, and with ``t`` where it asks for the number of the step.
        after: what is done once, after the last step.
        value: an expression of what is shown then, an array.
        versions: what it runs on.
    """

    title: str
    imports: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    each: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    value: str = ""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a script is to show: a slot of a tensor, after all steps or before the first."""

    slot: str
    tensor: str
    at_start: bool
