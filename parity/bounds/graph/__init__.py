"""The graph of a traced function comes in, its values go out with a bound each on what rounding may do.

Each operation has a rule on the bounded array (``parity.bounds.bounded``). One that has none is named by what follows
from it: an ``Unknown`` in place of a value.
"""
