"""A large step that is judged in pieces ends in what it ends in as a whole, in both forms, whatever differs."""

import sys

import numpy as np
import pytest
from driving import cell

from parity.bounds.compiled import forms
from parity.judge import pieces
from parity.problem import problems
from parity.reference.rmsprop import RMSprop as Page
from parity.runner.loop import compare
from parity.subjects.numpy_class import NumpySubject

TENSORS = {"a": [70, 50], "b": [3_001], "c": [4_000], "d": []}
SHOWN = "differing", "max_abs", "max_rel", "max_ulp", "in_steps", "ratio", "bound", "index", "obtained", "expected"


class Otherwise:
    """Rounds otherwise everywhere: a lerp, and the rate after the quotient."""

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
        self.rate, self.rho, self.epsilon, self.made = learning_rate, rho, epsilon, 0

    def init(self, params):
        return {name: np.zeros_like(w) for name, w in params.items()}

    def step(self, params, grads, state):
        self.made += 1
        after, moments = {}, {}
        for name, w in params.items():
            number, g = w.dtype.type, grads[name]
            moments[name] = state[name] + number(1 - self.rho) * (g * g - state[name])
            after[name] = w - number(np.float32(self.rate)) * (g / np.sqrt(moments[name] + number(self.epsilon)))
        return self.changed(after), moments

    def changed(self, after):
        return after

    def slots(self, state):
        return {"second_moment": state}


class WrongLate(Otherwise):
    def changed(self, after):
        return {n: w + abs(w) * w.dtype.type(1e-3 * (n == "c" and self.made > 3)) for n, w in after.items()}


class NotFinite(Otherwise):
    def changed(self, after):
        for w in after.values():
            w.flat[w.size // 3] = np.nan
        return after


class FewDiffer(Otherwise):
    def step(self, params, grads, state):
        after, new = Page().step(params, grads, {"iterations": 0, "second_moment": state})
        where = {n: np.arange(w.size).reshape(w.shape) % 97 == 0 for n, w in after.items()}
        return {n: np.where(where[n], np.nextafter(w, w * 2), w) for n, w in after.items()}, new["second_moment"]


class Contracted(Otherwise):
    def step(self, params, grads, state):
        after, moments = {}, {}
        for name, w in params.items():
            number, g = w.dtype.type, grads[name]
            square = (number(1 - self.rho) * (g * g)).astype(np.float64)
            moments[name] = (np.float64(number(self.rho)) * state[name].astype(np.float64) + square).astype(w.dtype)
            after[name] = w - number(self.rate) * g / np.sqrt(moments[name] + number(self.epsilon))
        return after, moments


def judged(kind, **given):
    made = problems.make(cell(steps=5, tensors=TENSORS, **{"low": 1e-4, "high": 1.0, **given}))
    with np.errstate(all="ignore"):
        return compare(made, NumpySubject(kind, "tried"), "tried")


def in_pieces(monkeypatch, kind, numba, **given):
    monkeypatch.setattr(pieces, "LARGE", 1)
    monkeypatch.setattr(pieces, "MEAN", 1)
    monkeypatch.setattr(pieces, "PIECE", 1_000)
    monkeypatch.setattr(forms, "WORTH", 0 if numba else sys.maxsize)
    return judged(kind, **given)


CASES = [
    (Otherwise, {}),
    (Otherwise, {"dtype": "float64"}),
    (Otherwise, {"low": 1e-22, "high": 1e-3}),
    (Otherwise, {"every": 3}),
    (WrongLate, {}),
    (NotFinite, {}),
    (FewDiffer, {}),
    (Contracted, {}),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("numba", [False, True])
@pytest.mark.parametrize(("kind", "given"), CASES, ids=lambda v: getattr(v, "__name__", None) or ",".join(v) or "-")
def test_pieces_end_in_what_a_whole_step_ends_in(monkeypatch, kind, given, numba):
    if numba:
        pytest.importorskip("numba", reason="the extra 'fast' is not installed")
    whole, parts = judged(kind, **given), in_pieces(monkeypatch, kind, numba, **given)
    for one, other in zip(whole, parts, strict=True):
        assert other.document() == one.document()
        assert other.differing
        for column in SHOWN:
            np.testing.assert_array_equal(other.table[column], one.table[column], err_msg=column)
        # A mean is a statistic, and its float64 sum of some thousand terms is added in another order.
        np.testing.assert_allclose(other.table["signed_mean"], one.table["signed_mean"], rtol=1e-12, atol=1e-30)


def test_pieces_are_for_large_steps_whose_elements_do_not_mix(monkeypatch):
    from parity.judge.page import reference

    def found(**given):
        made = problems.make(cell(tensors=TENSORS, **given))
        return pieces.pieces(reference(made), made)

    assert found() is None
    monkeypatch.setattr(pieces, "LARGE", 1)
    assert found() is None, "its tensors are small"
    monkeypatch.setattr(pieces, "MEAN", 1)
    assert found() is not None
    assert found(clipnorm=1.0) is None


def test_what_is_compiled_ahead_serves_both_comparisons(monkeypatch):
    pytest.importorskip("numba", reason="the extra 'fast' is not installed")
    from parity.judge.page import Start, reference

    for module, name, value in ((pieces, "LARGE", 1), (pieces, "MEAN", 1), (forms, "WORTH", 0)):
        monkeypatch.setattr(module, name, value)
    made = problems.make(cell(tensors={"a": [3_001]}))
    against = reference(made)
    held = pieces.pieces(against, made)
    held.compile()
    rng = np.random.default_rng(0)
    rows = {s: rng.random(3_001).astype(np.float32) for s in ("parameter", "second_moment", "gradient")}
    expected = against.page.step(Start(rows, 0))
    obtained = {slot: np.nextafter(own, np.float32(9)) for slot, own in expected.items()}
    for errors in {}, {slot: np.full(3_001, 1e-9) for slot in expected}:
        stretch = pieces.Stretch(0, 0, rows, errors, obtained, expected)
        assert [each.differing for each in held.gauge(stretch)] == [3_001, 3_001]
    assert len(held._loops[0]._gauging.signatures) == 1
