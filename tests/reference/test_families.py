"""Each family is the page where no choice is made, and another rule where one is."""

import numpy as np
import pytest

from parity.bounds.rule import page
from parity.case.rule import DEFAULT
from parity.diagnosis.choices import modes, switches
from parity.diagnosis.family import family
from parity.reference.families.switches import FAMILIES

RATES = [2.0**-7, 2.0**-6, 2.0**-8]
SHOWING = (
    {},
    {"learning_rate": lambda step: RATES[step % 3]},
    {"weight_decay": 0.25},
    {"weight_decay": 0.25, "clipvalue": 0.1},
)


def run(kind, dtype="float32", **given):
    """Return the bits of all that eight steps leave, from weights whose changes show."""
    draw, rule = np.random.default_rng(3), kind(**given)
    params = {"w": (draw.normal(size=12) * 0.01).astype(dtype)}
    state, shown = rule.init(params), []
    with np.errstate(all="ignore"):
        for _ in range(8):
            gradient = draw.normal(size=12) * 10.0 ** draw.uniform(-5, 1, 12)
            params, state = rule.step(params, {"w": gradient.astype(dtype)}, state)
            shown += [params["w"].tobytes(), *(slot["w"].tobytes() for slot in rule.slots(state).values())]
    return shown


@pytest.mark.parametrize("rule", [DEFAULT, *FAMILIES])
def test_without_a_choice_it_is_the_page_bit_for_bit(rule):
    for dtype in ("float16", "float32", "float64"):
        for given in (*modes(rule).values(), *SHOWING, {"clipnorm": 0.5}):
            assert run(family(rule).kind, dtype, **given) == run(page(rule), dtype, **given)


@pytest.mark.parametrize("rule", FAMILIES)
def test_every_choice_shows_in_some_mode(rule):
    kind = family(rule).kind
    given = [{**mode, **more} for mode in modes(rule).values() for more in SHOWING]
    for switch in switches(rule).values():
        for value in switch.values[1:]:
            beside = dict(switch.beside)
            turned = {switch.name: value, "batch_size": 32, **beside}
            dtype = "float64" if value == "float32" else "float32"
            assert any(run(kind, dtype, **g, **turned) != run(kind, dtype, **g, **beside) for g in given), turned


@pytest.mark.parametrize("rule", FAMILIES)
def test_a_choice_that_is_more_than_rounding_says_which_line_reads_otherwise(rule):
    for switch in switches(rule).values():
        for choice in switch.choices[1:]:
            assert choice.cause
            silent = switch.rounds or switch.name in ("step_sign", "state_carried")
            assert silent or choice.line[1], (switch.name, choice.value)


def test_a_slot_starts_at_a_number_of_its_own():
    rule = family("adam").kind(starts={"second_moment": 0.5})
    assert rule.start(np.zeros(2, dtype=np.float32))["second_moment"].tolist() == [0.5, 0.5]
    assert rule.start(np.zeros(2, dtype=np.float32))["first_moment"].tolist() == [0.0, 0.0]


def test_numbers_are_floats_or_what_keras_casts():
    with pytest.raises(ValueError, match="`numbers` must be"):
        family("adam").kind(numbers="half")
