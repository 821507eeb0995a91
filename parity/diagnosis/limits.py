"""Limits of weights are read off the weights: where the largest of them, or of their columns' norms, stops."""

from collections.abc import Sequence

import numpy as np

from parity.bounds.numerics import Array, format_of
from parity.diagnosis.observe import Observation

_UNITS = 16
"""Roundings by which norms may differ that were limited to the same number."""


def limits_of_weights(observations: Sequence[Observation], inside: bool = False) -> list[tuple[str, float]]:
    """Return the numbers that weights, and norms of columns, are limited to after each step, by argument.

    A limit shows where weights start beyond it; ``inside`` is whether one is looked for that they only come to. It is
    a number of two digits: any other may be where they are.
    """
    rows = [seen.columns["parameter"] for seen in observations]
    norms = [_norms(seen) for seen in observations]
    found = {
        "weight_limit": {limit for each in rows if (limit := _limit(np.abs(each), 0, inside))},
        "column_limit": {limit for each in norms if (limit := _limit(each, _UNITS, inside))},
    }
    return [(name, limits.pop()) for name, limits in found.items() if len(limits) == 1]


def _norms(seen: Observation) -> Array:
    """Return the norms of the columns of all tensors that have some, ``[steps + 1, columns]``."""
    tensors = [seen.probe.tensors.split(row).values() for row in seen.columns["parameter"]]
    with np.errstate(all="ignore"):
        columns = [[np.sqrt(np.sum(np.square(w), axis=0)).reshape(-1) for w in row if w.ndim == 2] for row in tensors]
    return np.stack([np.concatenate([*row, np.zeros(0, seen.probe.weights.dtype)]) for row in columns])


def _limit(sizes: Array, units: int, inside: bool) -> float | None:
    """Return the number at which sizes ``[steps + 1, places]`` stop, None if they do not."""
    if not sizes.size or not np.all(np.isfinite(sizes)):
        return None
    most = float(np.max(sizes[1:]))
    limit, slack = float(f"{most:.2g}"), 1 + units * format_of(sizes.dtype).unit
    held = sizes.dtype.type(limit)
    at_it = np.any(sizes[1:] >= held / slack, axis=1)
    comes_down = np.any(sizes[0] > held * slack) and at_it[0]
    stays = inside and np.any(at_it[1:] & at_it[:-1])
    return limit if 0 < most <= held * slack and (comes_down or stays) else None
