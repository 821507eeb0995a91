"""A state of another dtype is named although the weights hide it; vectors alone, and a loop that stops, are said."""

import hidden

from parity.diagnosis.diagnose import diagnose
from parity.diagnosis.findings import Finding
from parity.subjects.numpy_class import NumpySubject


def found(kind):
    return diagnose(lambda: NumpySubject(kind, kind.__name__), kind.__name__)


def test_a_float64_state_is_named_where_weights_change_in_place() -> None:
    wide, narrow = found(hidden.InPlace), found(hidden.Narrow)
    assert (wide.finding, narrow.finding) == (Finding.ROUNDING, Finding.IDENTICAL)
    (said,) = wide.evidence
    assert said.startswith("what it keeps is float64; the weights are float32 (line 14: np.zeros without a dtype makes")
    assert not narrow.evidence


def test_who_takes_vectors_alone_is_diagnosed_on_vectors() -> None:
    seen = found(hidden.vectors)
    assert seen.finding is Finding.EXPLAINED
    assert dict(seen.explanations[0].member.switches)["epsilon_place"] == "outside"
    assert "tuple index out of range" in seen.lacks["a tensor of none or of two dimensions"]


def test_a_loop_that_stops_before_it_was_told_to_is_unsupported_and_says_so() -> None:
    seen = found(hidden.stops)
    assert seen.finding is Finding.UNSUPPORTED
    assert "it was told how many, and stops by itself" in seen.evidence[0]
