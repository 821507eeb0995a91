"""What the forms of a step take and return."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from parity.bounds.numerics import Array
from parity.bounds.rule import Predicted

if TYPE_CHECKING:
    from parity.bounds.bounded import Bounded

Named = Mapping[str, Any]
Step = Callable[[Named, Named, Named], tuple[dict[str, Any], dict[str, Any]]]
"""``Optimizer.step``: parameters, gradients and state in, parameters and state out."""
Rows = Mapping[str, Array]
BoundedStep = Callable[[Any], Mapping[str, Mapping[str, "Bounded"]]]
"""Flat rows by name in, bounded tensors by slot and name out."""
Predict = Callable[[Rows], Predicted]
