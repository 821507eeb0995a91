"""What the forms of a step take and return."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from parity.bounds.numerics import Array
from parity.bounds.rule import ByTensor, Enclosures, SlotRows

if TYPE_CHECKING:
    from parity.bounds.bounded import Bounded
    from parity.bounds.compiled.measuring import Measured

Step = Callable[[ByTensor, ByTensor, Mapping[str, Any]], tuple[dict[str, Any], dict[str, Any]]]
"""``Optimizer.step``: parameters, gradients and state in, parameters and state out."""
BoundedStep = Callable[[Any, Any], Mapping[str, Mapping[str, "Bounded"]]]
"""Flat rows and their errors by slot in, bounded tensors by slot and name out."""


class BoundedLoop(Protocol):
    """A compiled ``BoundedStep``."""

    def __call__(self, rows: SlotRows, errors: SlotRows) -> Enclosures:
        """Return the enclosures of what the step makes of flat rows, of which ``errors`` says how far each is off."""

    def gauge(
        self, rows: SlotRows, errors: SlotRows, obtained: SlotRows, expected: SlotRows, carries: bool, normal: float
    ) -> tuple[dict[str, "Measured | None"], dict[str, Array]]:
        """Bound what a step makes and measure what was obtained against it, in one pass; see ``compiled_measure``.

        Args:
            rows: what the step starts from.
            errors: how far they may be off, ``[n]`` for each slot but the gradient.
            obtained: the subject's rows after the step, ``[n]``.
            expected: the reference's.
            carries: whether elements that differ in no slot have no bound, as ``errors`` of the next step have it.
            normal: what a magnitude below is flushed to zero from, or zero.

        Returns:
            What was measured by slot, and the bounds where they are carried. A slot of which None is measured has
            bounds that are not known.
        """
