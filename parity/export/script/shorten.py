"""The fewest steps, then tensors, then elements on which a subject still fails alike, and plain values there."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from parity.bounds.numerics import Array
from parity.export.script.sample import Failure, Judge, Sample

T = TypeVar("T")
SINGLE_STEPS = 12
"""Steps that are tried alone; a failure that one step shows is shown by most."""


class Shortener:
    """Keeps the shortest sample that still fails alike, until nothing can go or the time is over.

    Args:
        judge: says how the subject fails on a sample.
        wanted: how it is to fail.
        sample: one on which it does.
        deadline: when no more is tried, on the clock of ``time.monotonic``.
        say: called after each trial.
    """

    def __init__(
        self,
        judge: Judge,
        wanted: Failure,
        sample: Sample,
        deadline: float,
        say: Callable[["Shortener"], None] = lambda shortener: None,
    ) -> None:
        self._judge, self._wanted, self._deadline, self._say = judge, wanted, deadline, say
        self.sample, self.failure = sample, wanted
        self._take(sample, wanted)

    @property
    def runs(self) -> int:
        """How many samples were tried."""
        return self._judge.runs

    def run(self) -> None:
        """Shorten as far as it goes."""
        self._in_one_order()
        before = None
        while before is not self.sample and not self._is_late():
            before = self.sample
            self._fewer_steps()
            self._fewer_tensors()
            self._fewer_elements()
        self._plainer_values()

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def fails(self, sample: Sample) -> bool:
        """Whether the subject fails alike on a sample, which is then kept."""
        if self._is_late():
            return False
        failure = self._judge(sample)
        alike = failure is not None and self._wanted.is_like(failure, sample.elements)
        if failure is not None and alike:
            self._take(sample, failure)
        self._say(self)
        return alike

    def _take(self, sample: Sample, failure: Failure) -> None:
        """Keep a sample without what comes after the failure."""
        needed = sample.steps if failure.place is None else failure.place.step + 1
        self.sample, self.failure = sample.among(list(range(min(needed, sample.steps)))), failure

    def _fewer_steps(self) -> None:
        steps = self.sample.steps
        if steps == 1:
            return
        last = [steps - 1, 0, *range(1, steps - 1)][:SINGLE_STEPS]
        whole = self.sample
        if not any(self.fails(whole.among([step])) for step in last):
            fewest(range(steps), lambda kept: self.fails(whole.among(kept)))

    def _fewer_tensors(self) -> None:
        names, whole = list(self.sample.params), self.sample
        if len(names) == 1:
            return
        place = self.failure.place
        first = [place.tensor] if place is not None else names[:1]
        if not self.fails(_of_tensors(whole, first)):
            fewest(names, lambda kept: self.fails(_of_tensors(whole, kept)))

    def _fewer_elements(self) -> None:
        for name in list(self.sample.params):
            whole = self.sample
            array = whole.params[name]
            if array.size <= 1 or name in whole.sparse:
                continue
            if any(self.fails(_of_elements(whole, name, [at])) for at in self._likely(name, array)):
                continue
            if not any(self.fails(_corner(whole, name, at)) for at in self._likely(name, array)[:1]):
                fewest(range(array.size), lambda kept, n=name, s=whole: self.fails(_of_elements(s, n, kept)))  # type: ignore[misc]
                self._fewer_along_axes(name)

    def _fewer_along_axes(self, name: str) -> None:
        for axis in range(self.sample.params[name].ndim):
            whole = self.sample
            length = whole.params[name].shape[axis]
            if length > 1:
                fewest(range(length), lambda kept, s=whole, a=axis: self.fails(_along(s, name, a, kept)))  # type: ignore[misc]

    def _likely(self, name: str, array: Array) -> list[int]:
        """Return places of single elements that may show it: first the one that did."""
        place = self.failure.place
        known: list[int] = []
        if place is not None and place.tensor == name and array.shape:
            known = [int(np.ravel_multi_index(place.index, array.shape))]
        return list(dict.fromkeys([*known, 0, array.size // 2, array.size - 1]))

    def _in_one_order(self) -> None:
        """Try the tensors in the same order at every step."""
        if self.sample.rotates:
            self.fails(replace(self.sample, rotates=False))

    def _plainer_values(self) -> None:
        """Try weights and gradients that are easier to read, one kind after the other."""
        if self.sample.sparse:
            return
        if self.sample.steps > 2:
            last = self.sample.rows[-1]
            self.fails(replace(self.sample, rows=(last,) * self.sample.steps))
        for digits in (1, 2, 3):
            rounded = self.sample.mapped(lambda _, array, d=digits: _rounded(array, d))  # type: ignore[misc]
            if self.fails(rounded):
                break
        for value in (0.0, 1.0):
            if self.fails(_with_weights(self.sample, value)):
                return


def fewest(items: Sequence[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """Return a part of ``items``, in order, that still fails and of which nothing can go; ``items`` fail.

    Halves go first, then ever smaller pieces. Source: Zeller and Hildebrandt, Simplifying and isolating
    failure-inducing input (ddmin), IEEE Transactions on Software Engineering 28 (2002).
    """
    kept, pieces = list(items), 2
    while len(kept) > 1:
        smaller = next((part for part in _without(kept, pieces) if fails(part)), None)
        if smaller is not None:
            kept, pieces = smaller, max(pieces - 1, 2)
        elif pieces >= len(kept):
            break
        else:
            pieces = min(2 * pieces, len(kept))
    return kept


def _without(items: list[T], pieces: int) -> Iterator[list[T]]:
    """Yield the items without each of so many pieces, the first piece first: what came last is what failed."""
    edges = [round(number * len(items) / pieces) for number in range(pieces + 1)]
    yield from (items[:low] + items[high:] for low, high in pairwise(edges))


def _of_tensors(sample: Sample, names: Sequence[str]) -> Sample:
    return sample.mapped(lambda name, array: array if name in names else None)


def _of_elements(sample: Sample, tensor: str, places: Sequence[int]) -> Sample:
    """Return a sample with some elements of a tensor, in a vector."""
    return sample.mapped(lambda name, array: array.reshape(-1)[list(places)] if name == tensor else array)


def _corner(sample: Sample, tensor: str, at: int) -> Sample:
    """Return a sample with one element of a tensor, which keeps its number of dimensions."""

    def change(name: str, array: Array) -> Array:
        return array.reshape(-1)[at : at + 1].reshape([1] * array.ndim) if name == tensor else array

    return sample.mapped(change)


def _along(sample: Sample, tensor: str, axis: int, kept: Sequence[int]) -> Sample:
    return sample.mapped(lambda name, array: np.take(array, list(kept), axis) if name == tensor else array)


def _with_weights(sample: Sample, value: float) -> Sample:
    params = {name: np.full_like(w, value) for name, w in sample.params.items()}
    return Sample(params, sample.rows, sample.slices, sample.rotates)


def _rounded(array: Array, digits: int) -> Array:
    """Return an array with each number to so many decimal digits, in its dtype."""
    with np.errstate(over="ignore"):
        flat: list[Any] = [array.dtype.type(float(f"{float(value):.{digits}g}")) for value in array.reshape(-1)]
    return np.array(flat, dtype=array.dtype).reshape(array.shape)
