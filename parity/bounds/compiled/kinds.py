"""What the forms of a step take and return."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from parity.bounds.rule import ByTensor, Enclosures, SlotRows

if TYPE_CHECKING:
    from parity.bounds.bounded import Bounded

Step = Callable[[ByTensor, ByTensor, Mapping[str, Any]], tuple[dict[str, Any], dict[str, Any]]]
"""``Optimizer.step``: parameters, gradients and state in, parameters and state out."""
BoundedStep = Callable[[Any, Any], Mapping[str, Mapping[str, "Bounded"]]]
"""Flat rows and their errors by slot in, bounded tensors by slot and name out."""
BoundedLoop = Callable[[SlotRows, SlotRows], Enclosures]
"""Flat rows and their errors by slot in, enclosures out: a compiled ``BoundedStep``."""
