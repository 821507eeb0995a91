"""A member is held against what was observed in whichever way is cheapest, and what is said of it is the same."""

from dataclasses import replace

import numpy as np
import planted
import pytest

from parity.diagnosis.family import family
from parity.diagnosis.member import Member, begins_alike, bound_ratio, equal_bits, share_equal, starts_alike
from parity.diagnosis.observe import observe
from parity.diagnosis.probes import first_probe, probe
from parity.reference.family import Family
from parity.subjects.numpy_class import NumpySubject

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

ROUNDS = (("moment_form", "chained"), ("division", "rsqrt"))
CHOICES = [(), (("epsilon_place", "outside"),), ROUNDS, (("bias_correction", True),), (("moment_of", "mean"),)]


def seen(switches, mode, scheduled, slots=True):
    kind = planted.box(switches, slots=slots)
    return observe(lambda: NumpySubject(kind, "box"), probe(mode, scheduled))


def one_by_one(monkeypatch):
    alone = property(lambda self: False)
    monkeypatch.setattr(Family, "steps_alike", alone)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("scheduled", [False, True], ids=["constant", "scheduled"])
@pytest.mark.parametrize("mode", ["plain", "both", "weight_decay"])
@pytest.mark.parametrize("switches", CHOICES, ids=str)
def test_steps_made_at_once_say_what_steps_made_one_by_one_say(monkeypatch, switches, mode, scheduled):
    observed = seen(switches, mode, scheduled)
    others = [Member(), Member(tuple(sorted(switches))), Member((("rho_role", "new"),))]
    with np.errstate(all="ignore"):
        at_once = [(equal_bits(m, observed), bound_ratio(m, observed), share_equal(m, observed)) for m in others]
        one_by_one(monkeypatch)
        alone = [(equal_bits(m, observed), bound_ratio(m, observed), share_equal(m, observed)) for m in others]
    assert at_once == alone
    assert at_once[1][0]


@pytest.mark.parametrize("slots", [True, False], ids=["slots", "parameters"])
@pytest.mark.parametrize("mode", ["plain", "both"])
def test_what_is_remembered_of_a_member_says_what_its_run_says(mode, slots):
    shared = probe(mode, True)
    fresh = replace(shared)
    elsewhere = replace(shared, weights=shared.weights + np.float32(1))
    assert (shared.runs is None, fresh.runs is None) == (False, True)
    for switches in CHOICES:
        kind = planted.box(switches, slots=slots)
        for began in (shared, elsewhere):
            observed = observe(lambda kind=kind: NumpySubject(kind, "box"), began)
            told = {
                member: [equal_bits(member, replace(observed, probe=each)) for each in (shared, fresh)]
                for member in (Member(tuple(sorted(choice))) for choice in CHOICES)
            }
            assert all(remembered == anew for remembered, anew in told.values()), (switches, told)
            assert told[Member(tuple(sorted(switches)))][0]


@pytest.mark.parametrize("slots", [True, False], ids=["slots", "parameters"])
@pytest.mark.parametrize("mode", ["plain", "momentum", "weight_decay"])
@pytest.mark.parametrize("switches", [(), ROUNDS, (("epsilon_place", "outside"),), (("moment_of", "mean"),)], ids=str)
def test_bounds_of_what_differs_alone_give_the_ratio_of_all_bounds(switches, mode, slots):
    observed = seen(switches, mode, False, slots)
    with np.errstate(all="ignore"):
        everything = bound_ratio(Member(), observed, most_undecided=0.99)
        assert bound_ratio(Member(), observed, most_undecided=1.0) == everything
    assert (everything > 1) is (switches not in ((), ROUNDS))


def test_who_is_inside_the_bound_starts_alike():
    observed = seen(ROUNDS, "plain", False)
    assert bound_ratio(Member(), observed) <= 1
    assert starts_alike(Member(), observed)
    later = {"parameter": observed.columns["parameter"].copy()}
    later["parameter"][3:] += 1
    assert not starts_alike(Member(), replace(observed, columns=later))
    assert starts_alike(Member(), replace(observed, columns=later), steps=2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "switches",
    [(), (("epsilon_place", "outside"),), (("state_carried", False),), (("gradient_reduction", "sum"),)],
    ids=str,
)
def test_a_first_step_of_all_numbers_at_once_refutes_none_that_each_alone_does_not(switches, dtype):
    base, many = Member(switches), 0
    for name, value in (("clipvalue", 2.0), ("clipnorm", 3.0), ("second_moment_start", 1e-4), ("rate_decay", 1e-2)):
        kind = planted.box((*switches, (name, value)))
        observed = observe(lambda kind=kind: NumpySubject(kind, "box"), first_probe(dtype))
        kept = begins_alike(base, observed, family().written)
        alone = [
            member for number in family().written if starts_alike(member := base.having(**dict([number])), observed)
        ]
        assert base.having(**{name: value}) in alone
        assert set(alone) <= set(kept)
        many += len(kept)
    assert many < 3 * len(family().written), "what refutes little is no first look"


@pytest.mark.parametrize("rule", ["adam", "adagrad", "lion"])
def test_a_state_that_begins_anew_with_a_number_has_bounds(rule):
    member = Member((("state_carried", False),), rule=rule)
    slot = next(iter(family(rule).kind().start(np.zeros(()))))
    member = member.having(**{f"{slot}_start": 0.1})
    own = observe(
        lambda: NumpySubject(planted.box(member.switches, {"starts": {slot: 0.1}}, rule=rule), "box"),
        first_probe(rule=rule),
    )
    assert bound_ratio(member, own) <= 1
    assert bound_ratio(member.page, own) > 1
