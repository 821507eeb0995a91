"""The one array with a bound: ``array`` is what it is, ``arithmetic`` what is done to it, ``schedule`` what rates need.

``parity.bounds.functions`` adds elementary functions and products of matrices.
"""

from parity.bounds.bounded.array import Bounded, BoundedDtype, Rate, Truth, exact, in_certain, rounded
from parity.bounds.bounded.schedule import BoundedFloat32

__all__ = ["Bounded", "BoundedDtype", "BoundedFloat32", "Rate", "Truth", "exact", "in_certain", "rounded"]
