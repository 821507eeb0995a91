"""What a search remembers depends on all that an answer does, and what every member has is in every answer."""

import random
from dataclasses import replace

import ml_dtypes
import numpy as np
import planted
import pytest

from parity.diagnosis import search
from parity.diagnosis.behaviour import Watched, misbehaviour, run
from parity.diagnosis.estimate import estimate
from parity.diagnosis.findings import Finding
from parity.diagnosis.member import equal_bits
from parity.diagnosis.observe import observe
from parity.diagnosis.probes import SIZE, WITH_AXES, first_probe, probe
from parity.diagnosis.search import KERAS, _nominal_but_momentum, _numbered, _of_first, _turned, with_numbers
from parity.reference.rmsprop import RMSprop
from parity.subjects.numpy_class import NumpySubject
from parity.trajectory.layout import layout_of

NUMBERS = ("rate", "epsilon", "rho")

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def seen(probe, switches=(), **numbers):
    kind = planted.box(switches, numbers)
    return observe(lambda: NumpySubject(kind, "box"), probe)


def in_one_tensor(observed):
    one = layout_of({"all": np.zeros(SIZE, dtype=np.float32)})
    return replace(observed, probe=replace(observed.probe, tensors=one))


def test_equal_bytes_in_other_tensors_are_another_question():
    choice = ("moment_of", "mean")
    observed = seen(first_probe(), [choice])
    means = KERAS.plus(**dict([choice]))
    assert means in _of_first(observed, ("moment_of",), equal_bits, KERAS)
    assert means not in _of_first(in_one_tensor(observed), ("moment_of",), equal_bits, KERAS)
    assert means in _of_first(observed, ("moment_of",), equal_bits, KERAS)


def test_equal_bytes_of_another_dtype_are_another_question():
    def is_float16(member, observed):
        return observed.probe.weights.dtype == np.float16

    half = seen(first_probe("float16"))
    own = replace(
        half.probe, **{name: getattr(half.probe, name).view(ml_dtypes.bfloat16) for name in ("weights", "gradients")}
    )
    brain = replace(half, probe=own, columns={k: rows.view(ml_dtypes.bfloat16) for k, rows in half.columns.items()})
    assert list(_of_first(half, (), is_float16, KERAS)) == [KERAS]
    assert list(_of_first(brain, (), is_float16, KERAS)) == []


def test_members_with_another_momentum_have_what_every_member_has():
    base = KERAS.having(epsilon=1e-5)
    observations = [seen(first_probe(), epsilon=1e-5), seen(probe("momentum", False), epsilon=1e-5, momentum=0.8)]
    with np.errstate(all="ignore"):
        assert _nominal_but_momentum(observations) is None
        found = _nominal_but_momentum(observations, base)
        assert _nominal_but_momentum(observations, base.having(momentum=0.0)) is None
    assert found is not None
    assert found.members[0] == base.having(momentum=0.8)


def test_a_decay_that_is_ignored_is_no_multiple_of_what_is_given():
    ignored = KERAS.having(weight_decay=None)
    assert _turned(ignored, (), {"weight_decay_factor": 0.5}) is None
    assert _turned(KERAS.having(weight_decay_factor=0.5), (), {"weight_decay": None}) is None
    assert _turned(KERAS, (), {"weight_decay": None}) == ignored
    assert _turned(ignored, (), {"momentum": 0.0}) == ignored.having(momentum=0.0)


class Unsteady:
    """RMSprop that cannot take a tensor without dimensions, and draws where one has a single element."""

    def __init__(self, learning_rate=0.001):
        self.rule = RMSprop(learning_rate=learning_rate)

    def init(self, params):
        assert all(w.ndim for w in params.values())
        return self.rule.init(params)

    def step(self, params, grads, state):
        drawn = {name: g + np.float32(random.random()) * (g.size == 1) for name, g in grads.items()}
        return self.rule.step(params, drawn, state)


def test_the_place_of_a_difference_is_told_in_the_shapes_that_the_subject_was_given():
    watched = Watched(lambda: NumpySubject(Unsteady, "unsteady"), "unsteady")
    watched.layout = WITH_AXES
    first = run(watched, first_probe())
    found, said = misbehaviour(watched, first_probe(), first)
    assert found is Finding.GLOBAL_STATE
    assert "of scale at [0]:" in said


def test_numbers_that_make_up_for_each_other_are_told_one_at_a_time():
    anew = ("state_carried", "momentum_only")
    with np.errstate(all="ignore"):
        found = _numbered(KERAS.plus(**dict([anew])), seen(first_probe(), [anew], learning_rate=0.0011), NUMBERS)
    assert KERAS.plus(**dict([anew])).having(learning_rate=0.0011) in found


def test_a_moment_of_a_tensor_has_numbers_that_can_be_told():
    choices = [("epsilon_place", "kept"), ("moment_of", "mean")]
    with np.errstate(all="ignore"):
        found = _numbered(KERAS.plus(**dict(choices)), seen(first_probe(), choices, learning_rate=0.0011), NUMBERS)
    assert found == [KERAS.plus(**dict(choices)).having(learning_rate=0.0011)]


def test_what_is_finite_nowhere_has_no_numbers():
    nowhere = [("epsilon_place", "kept"), ("denominator_uses", "previous")]
    observed = seen(first_probe(), [*nowhere, ("state_carried", False)])
    with np.errstate(all="ignore"):
        assert estimate(KERAS, observed) is None


@pytest.mark.parametrize("mode", ["plain", "both"])
def test_members_whose_first_steps_are_others_are_left_out_and_no_member_that_fits_is(mode):
    choices = [("epsilon_place", "outside"), ("moment_form", "lerp"), ("arithmetic", "float16")]
    names = ("epsilon_place", "bias_correction", "moment_form", "division", "arithmetic")
    for planted_ones in ([choices[0], choices[1]], [choices[0], choices[2]], choices):
        observed = seen(first_probe() if mode == "plain" else probe(mode, False), planted_ones)
        with np.errstate(all="ignore"):
            looked_at = _of_first(observed, names, equal_bits, KERAS, near=True)
            assert set(looked_at) == set(_of_first(observed, names, equal_bits, KERAS))
        assert KERAS.plus(**dict(planted_ones)) in looked_at


def test_numbers_are_looked_for_only_where_those_that_show_are_not_the_given_ones(monkeypatch):
    asked = []

    def counted(member, observed, free=NUMBERS):
        asked.append(member)
        return estimate(member, observed, free)

    monkeypatch.setattr(search, "estimate", counted)
    with np.errstate(all="ignore"):
        assert with_numbers([seen(first_probe())]) is None
        assert asked == [KERAS]
        found = with_numbers([seen(first_probe(), epsilon=1e-8)], limit=0)
    assert found is not None
    assert found.members == [KERAS.having(epsilon=1e-8)]
