"""The second form of what long runs repeat: the page and the measure of drift, compiled by Numba, with the same bits.

The page stays the only definition of the rule: it is run once on symbols, and what it did becomes a loop. Numba is an
extra (``fast``); without it, and in runs that are too short to pay for a compiler, NumPy does the same.
"""
