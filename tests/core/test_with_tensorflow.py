import time

import numpy as np
import pytest
from driving import cell, judged
from msgspec import structs

from parity import subjects
from parity.bounds.numerics import differs, format_of
from parity.case.cells import select
from parity.circumstances.promises import ESTIMATES, ROUNDINGS, division_roundings
from parity.problem import problems
from parity.runner.loop import run_pair
from parity.subjects.keras import KerasSubject

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def roundings(obtain, exact):
    """Return how far a function is off at most, in unit roundoffs, over all 2**24 float32 numbers in [1, 4)."""
    worst = 0.0
    for start in range(0x3F800000, 0x40800000, 1 << 22):
        x = np.arange(start, start + (1 << 22), dtype=np.uint32).view(np.float32)
        true = exact(x.astype(np.float64))
        obtained = np.asarray(obtain(x)).astype(np.float64)
        worst = max(worst, float(np.max(np.abs(obtained - true) / true)) / format_of(np.float32).unit)
    return worst


@pytest.mark.parametrize("compiled", [False, True], ids=["eigen", "xla"])
@pytest.mark.parametrize("root", [True, False], ids=["rsqrt", "reciprocal"])
def test_what_tensorflow_refines_is_within_what_follows_from_the_promises(tf, root, compiled):
    obtain = tf.function(tf.math.rsqrt if root else tf.math.reciprocal, jit_compile=compiled)
    found = roundings(obtain, (lambda x: 1 / np.sqrt(x)) if root else (lambda x: 1 / x))
    promised = [e.roundings(2.0**-24) for e in ESTIMATES if e.dtype == "float32" and e.root == root]
    assert found <= max(promised)


RANGES = {"exp": (1e-7, 80.0), "log": (0.5, 2.0), "cos": (1e-7, 3.1415927), "pow": (1e-3, 800.0)}


@pytest.mark.parametrize("every", [211, pytest.param(5, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("compiled", [False, True], ids=["eigen", "xla"])
@pytest.mark.parametrize("name", RANGES)
def test_elementary_functions_of_tensorflow_are_within_their_roundings(tf, name, compiled, every):
    """In the suite every 211th number of a range; every fifth is exhaustive."""
    low, high = (np.float32(end).view(np.uint32) for end in RANGES[name])
    x = np.arange(low, high, every, dtype=np.uint32).view(np.float32)
    wide = x.astype(np.float64)
    base = np.float32(0.9)
    functions = {
        "exp": (tf.exp, lambda: np.exp(wide)),
        "log": (tf.math.log, lambda: np.log(wide)),
        "cos": (tf.cos, lambda: np.cos(wide)),
        "pow": (lambda y: tf.pow(tf.constant(base), y), lambda: np.float64(base) ** wide),
    }
    obtain, exact = functions[name]
    obtained, true = tf.function(obtain, jit_compile=compiled)(tf.constant(x)).numpy().astype(np.float64), exact()
    # Near its zero a cosine is small, and what is promised of it is a part of one.
    size = 1.0 if name == "cos" else np.abs(true)
    off = np.abs(obtained - true) / np.where(true == 0, 1.0, size) / format_of(np.float32).unit
    assert float(np.max(off)) <= ROUNDINGS[name]


def test_a_quotient_by_a_root_is_within_its_roundings_where_it_is_a_product_with_the_reciprocal_root(tf):
    numerator = np.float32(1.7)
    found = roundings(lambda x: numerator * tf.math.rsqrt(x), lambda x: float(numerator) / np.sqrt(x))
    assert found <= 1 + division_roundings("float32", format_of(np.float32).unit)


@pytest.mark.parametrize("name", ["keras-eager", "keras-graph", "keras-xla"])
def test_a_subnormal_gradient_that_is_taken_for_zero_is_rounding(tf, name):
    found = judged(cell(steps=3, low=1e-42, high=1e-39, learning_rate=1e30, epsilon=1.0), name)
    assert {item.verdict for item in found.values()} <= {"IDENTICAL", "ROUNDING"}


@pytest.mark.parametrize("rate", [1e-44, 1e-40])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_subnormal_learning_rate_that_is_taken_for_zero_is_rounding(tf, dtype, rate):
    found = judged(cell(steps=3, dtype=dtype, low=1e20, high=1e30, learning_rate=rate, finite=False), "keras-eager")
    assert {item.verdict for item in found.values()} <= {"IDENTICAL", "ROUNDING", "UNDECIDED"}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_scalars_and_empty_vectors_of_every_dtype_are_read(tf, dtype):
    found = judged(cell(steps=2, dtype=dtype, tensors={"scalar": [], "empty": [0]}, learning_rate=0.5), "keras-eager")
    assert {item.verdict for item in found.values()} == {"IDENTICAL"}


@pytest.mark.parametrize("name", ["keras-eager", "keras-graph", "keras-xla"])
def test_reading_after_each_step_changes_no_bit(tf, name):
    made = problems.make(cell(steps=20, momentum=0.9, centered=True, low=1e-3))

    def final(read_each):
        adapter = subjects.create(name)
        adapter.open(made)
        for number in range(20):
            adapter.step(number, made.gradients(number))
            if read_each:
                adapter.read()
        shown = adapter.read()
        adapter.close()
        return shown

    recorded, undisturbed = final(True), final(False)
    assert recorded.keys() == undisturbed.keys() >= {"parameter", "second_moment", "first_moment", "momentum_buffer"}
    for slot, tensors in recorded.items():
        for tensor, array in tensors.items():
            assert not differs(array, undisturbed[slot][tensor]).any(), (slot, tensor)


GIVEN = [{}, {"momentum": 0.9}, {"centered": True, "low": 1e-3}, {"rho": 0.99, "epsilon": 1e-3}]


@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_eager_keras_is_identical_and_the_other_modes_round(tf, dtype, given):
    tried = cell(steps=10, dtype=dtype, learning_rate=0.0009765625, **given)
    for name, allowed in (
        ("keras-eager", {"IDENTICAL"}),
        ("keras-graph", {"IDENTICAL", "ROUNDING"}),
        ("keras-xla", {"IDENTICAL", "ROUNDING"}),
    ):
        assert {c.verdict for c in judged(tried, name).values()} <= allowed, name


def test_a_fit_that_refuses_its_case_is_unsupported(tf):
    import msgspec

    from parity.case.spec import Quadratic

    tried = msgspec.structs.replace(cell(), problem=Quadratic(tensors={"w": [3]}), gradients="computed")
    assert {c.verdict for c in judged(tried, "keras-fit").values()} == {"UNSUPPORTED"}


def test_fit_stands_still_after_its_last_batch_and_does_not_overwrite_the_weights_by_their_average(tf):
    made = problems.make(cell(steps=4, use_ema=True, ema_momentum=0.9))
    adapter = subjects.create("keras-fit")
    adapter.open(made)
    for number in range(4):
        adapter.step(number, made.gradients(number))
    at_once = {name: array.copy() for name, array in adapter.read()["parameter"].items()}
    time.sleep(2)
    later = adapter.read()["parameter"]
    adapter.close()
    assert all(not differs(at_once[name], later[name]).any() for name in at_once)


def test_no_loop_tunes_the_batches_of_fit_and_keeps_who_frees_them_waiting(tf):
    import msgspec

    from parity.case.cells import select
    from parity.subjects.keras_fit import _alike, _batches

    network = select(["network/quick"])[0]
    for tried in (cell(steps=3), msgspec.structs.replace(network, steps=3)):
        made = problems.make(tried)
        (steps,) = _alike(made)
        dataset = _batches(tf, made, steps)
        assert dataset.options().autotune.enabled is False
        # One batch more than there are steps, which fit is never given.
        assert len(list(dataset)) == 4


GATHERED = [
    {"loss_scale_factor": 1024.0, "low": 1.0, "high": 250.0},
    {"loss_scale_factor": 60001.0, "low": 60.0, "high": 6e4},
    {"gradient_accumulation_steps": 3, "learning_rate": 1e-4, "low": 0.1},
    {"weight_decay": 0.004, "low": 0.1},
    {"clipnorm": 0.01, "loss_scale_factor": 1024.0, "low": 1.0},
    {"global_clipnorm": 0.01, "loss_scale_factor": 1024.0, "low": 1.0},
    {"centered": True, "rho": 0.99, "loss_scale_factor": 512.0, "epsilon": 0.5, "low": 1.0},
    {"dtype": "float32", "loss_scale_factor": 1e30, "learning_rate": 1e-9, "low": 1e28, "high": 1e32, "epsilon": 1e-3},
    {"dtype": "float64", "loss_scale_factor": 1e200, "learning_rate": 1e-40, "low": 1e198, "high": 1e202},
]
"""Scalars of a product whose own product is subnormal, with gradients that show it, in float16 unless said."""


@pytest.mark.parametrize("given", GATHERED, ids=lambda given: ",".join(f"{k}={v}" for k, v in given.items()))
def test_scalars_that_a_compiler_gathers_are_within_the_bound(tf, given):
    tried = cell(steps=3, tensors={"kernel": [3, 5]}, **{"dtype": "float16", "learning_rate": 0.001, **given})
    for name in ("keras-eager", "keras-graph", "keras-xla"):
        assert {item.verdict for item in judged(tried, name).values()} <= {"IDENTICAL", "ROUNDING", "UNDECIDED"}, name


def half(*values):
    return np.array(values, dtype=np.float16)


def compiled(tf, function, *numbers):
    return tf.function(function, jit_compile=True)(*(tf.constant(n) for n in numbers)).numpy()


def test_xla_multiplies_a_scalar_by_the_reciprocal_of_a_constant_and_its_bits_are_those_of_that_order(tf):
    g, rate = half(100, 7, 250, -64), half(0.001)[0]
    gathered = compiled(tf, lambda g, rate: rate * (g / 1024.0), g, rate)
    assert not differs(gathered, g * (rate * half(1 / 1024)[0])).any()
    assert differs(gathered, rate * (g / half(1024)[0])).all()


def test_xla_squares_before_it_divides_where_there_is_one_element_and_nowhere_else(tf):
    tenth, reciprocal = half(0.1)[0], half(1 / 1000)[0]

    def squared(g):
        return 0.1 * tf.square(g / 1000.0)

    with np.errstate(over="ignore"):
        for value in (7.0, 100.0, 300.0):
            one, two = half(value), half(value, value)
            assert not differs(compiled(tf, squared, one), one * one * (tenth * (reciprocal * reciprocal))).any()
            page = tenth * np.square(two / half(1000)[0])
            assert np.allclose(compiled(tf, squared, two), page, rtol=2**-9, atol=2**-24)
            assert differs(compiled(tf, squared, one), page[:1]).all()


def states(subject, case):
    """Return what a subject shows after each of six steps of a case, by slot and tensor."""
    problem = problems.make(case)
    with np.errstate(all="ignore"):
        subject.open(problem)
        try:
            shown = []
            for number in range(case.steps):
                subject.step(number, problem.gradients(number))
                shown.append({s: {n: np.array(a) for n, a in each.items()} for s, each in subject.read().items()})
        finally:
            subject.close()
    return shown


@pytest.mark.parametrize("mode", ["graph", "fit"])
@pytest.mark.parametrize(
    "name",
    [
        "rmsprop/everything[float32]",
        "nadam/plain[float32]",
        "around/loss_scale_defaults",
        "rmsprop/gradient_accumulation_ema",
    ],
)
def test_without_the_rewrites_it_begins_anew_and_is_not_traced_again(tf, mode, name, monkeypatch):
    from parity.subjects.keras import KerasSubject
    from parity.subjects.keras_fit import KerasFitSubject

    case = structs.replace(select([name])[0], steps=6)
    fresh = {"graph": lambda: KerasSubject("graph", False), "fit": lambda: KerasFitSubject(False)}[mode]()
    once = subjects.create(f"keras-{mode}")
    traced = []
    states(once, case)
    ((_, without),) = once.ablations.items()
    expected = states(fresh, case)
    kind = type(once._inner)
    update = kind.update_step
    monkeypatch.setattr(kind, "update_step", lambda self, *a: (traced.append(self), update(self, *a)))
    obtained = states(without(), case)
    assert not traced
    np.testing.assert_equal(obtained, expected)


def test_schedule_free_adamw_differs_in_graph_mode_by_divisions_that_become_products_and_nowhere_else(tf):
    """It divides by a root and by beta_1, a constant: Grappler has a pass for either."""
    (made,) = select(["schedule_free_adamw/plain[float32]"])

    def verdict(folds):
        tf.config.optimizer.set_experimental_options({"constant_folding": folds})
        try:
            pair = run_pair(made, "keras-graph", KerasSubject("graph", rewrites=False))
        finally:
            tf.config.optimizer.set_experimental_options({"constant_folding": True})
        return [item.verdict for item in pair.comparisons]

    assert verdict(True) == ["ROUNDING", "ROUNDING"]
    assert verdict(False) == ["IDENTICAL", "IDENTICAL"]
