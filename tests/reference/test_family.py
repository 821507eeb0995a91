"""The family with its defaults is the page, bit for bit; each switch does what its name says."""

import ml_dtypes
import numpy as np
import pytest

from parity.reference import family
from parity.reference.family import Family
from parity.reference.rmsprop import RMSprop
from parity.reference.switches import BY_NAME, SWITCHES

DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
ARGUMENTS = [
    {},
    {"momentum": 0.9},
    {"centered": True},
    {"centered": True, "momentum": 0.9, "weight_decay": 0.01, "learning_rate": lambda step: 1e-3 * 0.5**step},
    {"clipnorm": 1.0, "loss_scale_factor": 8.0},
    {"gradient_accumulation_steps": 3, "use_ema": True, "ema_overwrite_frequency": 4},
]


def run(rule, dtype=np.float32, steps=7, start=None, grads=None):
    rng = np.random.default_rng(0)
    params = {"a": rng.normal(size=(3, 4)).astype(dtype), "b": np.asarray(0.5, dtype=dtype)} if start is None else start
    state = rule.init(params)
    for step in range(steps):
        drawn = {n: (10 ** rng.uniform(-4, 1, w.shape) * rng.choice([-1, 1], w.shape)) for n, w in params.items()}
        drawn = {n: np.asarray(g).astype(dtype) for n, g in drawn.items()} if grads is None else grads(step)
        params, state = rule.step(params, drawn, state)
    return {"parameter": params, **rule.slots(state)}


def bits(shown):
    return {slot: {n: (a.dtype, a.tobytes()) for n, a in tensors.items()} for slot, tensors in shown.items()}


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda arguments: "+".join(arguments) or "defaults")
def test_with_its_defaults_the_family_is_the_page_bit_for_bit(arguments, dtype):
    assert bits(run(Family(**arguments), dtype)) == bits(run(RMSprop(**arguments), dtype))


EVERYTHING = {
    "momentum": 0.9,
    "centered": True,
    "weight_decay": 0.01,
    "learning_rate": lambda step: 1e-3 / (1 + step),
    "batch_size": 32,
    "clipvalue": 0.5,
}
TURNED = [(switch.name, value) for switch in SWITCHES for value in switch.values[1:] if value != "float32"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # moments that are corrected twice may cancel below zero
@pytest.mark.parametrize(("name", "value"), TURNED, ids=lambda x: str(x))
def test_every_switch_changes_some_bit(name, value):
    beside = {**EVERYTHING, **dict(BY_NAME[name].beside)}
    assert bits(run(Family(**beside, **{name: value}))) != bits(run(Family(**beside)))


def test_arithmetic_in_the_variables_own_dtype_changes_nothing():
    assert bits(run(Family(**EVERYTHING, arithmetic="float32"))) == bits(run(Family(**EVERYTHING)))


@pytest.mark.parametrize("name", ["rho_held", "epsilon_held", "momentum_held"])
def test_a_number_held_in_float32_shows_with_float64_weights(name):
    held = Family(**EVERYTHING, **{name: "float32"})
    assert bits(run(held, np.float64)) != bits(run(Family(**EVERYTHING), np.float64))


def test_epsilon_and_momentum_held_in_float32_are_the_same_numbers_with_float32_weights():
    held = Family(**EVERYTHING, epsilon_held="float32", momentum_held="float32")
    assert bits(run(held)) == bits(run(Family(**EVERYTHING)))


def test_rho_held_in_float32_is_taken_from_one_in_float32():
    held, like = Family(rho_held="float32", rho=0.1), {"w": np.zeros(())}
    second = run(held, np.float64, 1, like, lambda _: {"w": np.asarray(1.0)})["second_moment"]["w"]
    assert float(second) == float(np.float32(1) - np.float32(0.1))


def test_an_epsilon_that_the_moment_keeps_adds_up():
    moments = [
        one(Family(epsilon_place="kept", epsilon=0.5, rho=0.5), 2.0, steps=n)["second_moment"]["w"][0] for n in (1, 2)
    ]
    assert moments == [2.5, 0.5 * 2.5 + 2.5]


def one(rule, g, w=0.0, steps=1):
    like = {"w": np.asarray([w])}
    return run(rule, np.float64, steps, like, lambda _: {"w": np.asarray([g])})


def test_epsilon_outside_is_added_after_the_root():
    moved = one(Family(epsilon_place="outside", epsilon=0.1), 2.0)["parameter"]["w"][0]
    assert moved == pytest.approx(-1e-3 * 2 / (np.sqrt(0.4) + 0.1), rel=1e-6)


def test_the_bias_correction_makes_the_first_step_as_long_as_the_learning_rate():
    moved = one(Family(bias_correction=True, epsilon_place="none"), 7.0)["parameter"]["w"][0]
    assert moved == pytest.approx(-1e-3, rel=1e-6)


def test_a_previous_denominator_does_not_know_this_gradient():
    first = one(Family(denominator_uses="previous", second_moment_start=1.0), 3.0)["parameter"]["w"][0]
    assert first == pytest.approx(-3e-3, rel=1e-6)


def test_coupled_decay_enters_the_second_moment_and_decoupled_decay_does_not():
    coupled = one(Family(weight_decay=0.5, weight_decay_form="coupled"), 1.0, w=2.0)["second_moment"]["w"][0]
    assert coupled == pytest.approx(0.1 * 2**2)
    assert one(Family(weight_decay=0.5), 1.0, w=2.0)["second_moment"]["w"][0] == pytest.approx(0.1)


def test_state_that_is_not_carried_forgets_the_step_before():
    assert one(Family(state_carried=False), 3.0, steps=5)["second_moment"]["w"][0] == pytest.approx(0.9)


def test_the_rate_outside_the_buffer_equals_the_rate_inside_while_it_is_constant():
    inside, outside = (one(Family(momentum=0.9, learning_rate_place=p), 1.0, steps=9) for p in ("inside", "outside"))
    assert inside["parameter"]["w"] == pytest.approx(outside["parameter"]["w"], rel=1e-12)


@pytest.mark.parametrize("name", family.DEFAULTS)
def test_each_preset_is_a_member_with_its_own_default_numbers(name):
    member = family.preset(name)
    assert {n: getattr(member, n) for n in family.DEFAULTS[name]} == family.DEFAULTS[name]


def test_the_legacy_class_puts_epsilon_elsewhere_with_momentum():
    without, with_momentum = family.preset("tf_keras-legacy"), family.preset("tf_keras-legacy", momentum=0.9)
    assert (without.epsilon_place, with_momentum.epsilon_place) == ("outside", "inside")
    assert (without.moment_form, with_momentum.moment_form) == ("product", "lerp")


@pytest.mark.parametrize("name", ["epsilon_place", "arithmetic", "rho_role"])
def test_a_value_that_a_switch_lacks_is_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be one of"):
        Family(**{name: "nowhere"})


def test_a_preset_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="must be one of keras3"):
        family.preset("caffe")


def test_a_switch_is_an_argument_of_the_family_whose_default_is_its_first_value():
    defaults = Family()
    for switch in SWITCHES:
        assert getattr(defaults, switch.name) == switch.values[0], switch.name


def test_every_choice_but_that_of_tf_keras_says_what_it_does():
    for switch in SWITCHES:
        assert not switch.choices[0].cause
        assert all(choice.cause for choice in switch.choices[1:]), switch.name


@pytest.mark.parametrize("form", ["decoupled", "coupled", "unscaled"])
def test_python_floats_are_wider_than_what_keras_holds_and_show_in_float64_alone(form):
    given = {"weight_decay": 0.3, "weight_decay_form": form}
    double, single = (
        Family(**given, numbers="double"),
        Family(**given, learning_rate=float(np.float32(0.001)), numbers="float32"),
    )
    assert bits(run(double)) == bits(run(single))
    assert bits(run(double, np.float64)) != bits(run(single, np.float64))


def test_a_double_rate_and_decay_are_those_that_were_given():
    moved = one(Family(weight_decay=0.3, epsilon=0.0, numbers="double"), 1.0, w=2.0)["parameter"]["w"][0]
    assert moved == 2.0 - 2.0 * 0.3 * 0.001 - 0.001 * 1.0 / np.sqrt((1 - 0.9) * 1.0)


def test_numbers_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="`numbers` must be"):
        Family(numbers="half")
