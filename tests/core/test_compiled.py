"""The compiled forms have the bits of the page and the measures of NumPy, and are taken only where they pay."""

import itertools
import sys
from dataclasses import replace

import ml_dtypes
import msgspec
import numpy as np
import pytest
from driving import cell

from parity.bounds.compiled import forms
from parity.bounds.drift import drift
from parity.bounds.numerics import bits, difference, differs, dtype_of, format_of, ulp_distance, unequal
from parity.bounds.rule import bound_around
from parity.case.cells import select
from parity.judge.page import Start, reference
from parity.problem import problems
from parity.reference.rmsprop import RMSprop

pytest.importorskip("numba", reason="the extra 'fast' is not installed")
from parity.bounds.compiled import kernels
from parity.bounds.compiled.bounds import compiled_bounds
from parity.bounds.compiled.kernels import compiled_difference, compiled_drift
from parity.bounds.compiled.measuring import compiled_measure
from parity.bounds.compiled.permuting import compiled_permuted
from parity.bounds.compiled.rule import compiled_step

ELEMENTWISE = [
    {"momentum": momentum, "centered": centered, **other}
    for momentum, centered, other in itertools.product(
        (0.0, 0.9),
        (False, True),
        ({}, {"weight_decay": 0.01}, {"clipvalue": 0.5}, {"loss_scale_factor": 8.0}, {"rho": 0.0, "epsilon": 0.0}),
    )
]
EVERY_SLOT = {"momentum": 0.9, "centered": True}
"""Beside these each other argument stands in the suite, and none beside fewer slots; the rest is exhaustive."""


def _compiled(given):
    kept = len(given) == 2 or EVERY_SLOT.items() <= given.items()
    name = ",".join(f"{k}={v}" for k, v in given.items())
    return pytest.param(given, id=name, marks=[] if kept else pytest.mark.exhaustive)


OTHER = [
    {"clipnorm": 1.0},
    {"global_clipnorm": 1.0},
    {"use_ema": True},
    {"gradient_accumulation_steps": 2},
]


def tensors(dtype: str, seed: int) -> dict[str, np.ndarray]:
    """Ordinary and extreme numbers of both signs: subnormal, zero, infinite and none."""
    rng, info = np.random.default_rng(seed), ml_dtypes.finfo(dtype_of(dtype))
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, info.max, info.smallest_normal, info.smallest_subnormal]
    found = {}
    for name, shape in {"matrix": (37, 29), "vector": (1003,), "scalar": (), "empty": (0, 3)}.items():
        values = rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-30, 15, shape)
        chosen = np.where(rng.random(shape) < 0.2, rng.choice(special, shape), values)
        with np.errstate(over="ignore"):
            found[name] = np.asarray(chosen).astype(dtype_of(dtype))
    return found


@pytest.mark.sampled(3)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("given", [_compiled(given) for given in ELEMENTWISE])
def test_a_compiled_step_has_the_bits_of_the_page(dtype, given):
    """In the suite each argument once, and each set of slots; every argument beside every set is exhaustive."""
    rule = RMSprop(**given)
    step = compiled_step(rule)
    assert step is not None
    params, state = tensors(dtype, 0), rule.init(tensors(dtype, 0))
    with np.errstate(all="ignore"):
        for number in range(6):
            grads = tensors(dtype, number + 1)
            before = {name: array.copy() for name, array in params.items()}
            made, made_state = step(params, grads, state)
            assert all(unequal(params[name], before[name]) is None for name in params)
            params, state = rule.step(params, grads, state)
            assert made_state["iterations"] == state["iterations"]
            for slot, expected in {"parameter": params, **rule.slots(state)}.items():
                obtained = made if slot == "parameter" else made_state[slot]
                for name in expected:
                    assert obtained[name].shape == expected[name].shape
                    assert unequal(obtained[name], expected[name]) is None, (number, slot, name)


def test_a_compiled_step_asks_the_schedule_at_each_step_and_the_name_of_each_tensor():
    given = {"learning_rate": lambda step: 0.5 / (step + 1), "weight_decay": 0.1, "exclude_from_weight_decay": ["vec"]}
    rule = RMSprop(**given)
    step = compiled_step(rule)
    params, state, made, made_state = tensors("float32", 0), rule.init(tensors("float32", 0)), None, None
    with np.errstate(all="ignore"):
        made, made_state = params, state
        for number in range(4):
            grads = tensors("float32", number + 1)
            made, made_state = step(made, grads, made_state)
            params, state = rule.step(params, grads, state)
    assert all(unequal(made[name], params[name]) is None for name in params)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("given", "own"),
    [
        pytest.param({}, False, marks=pytest.mark.exhaustive),
        ({}, True),
        pytest.param({"momentum": 0.9, "centered": True}, True, marks=pytest.mark.exhaustive),
        ({"momentum": 0.8}, True),
        ({"centered": True, "weight_decay": 0.01, "loss_scale_factor": 8.0}, False),
        ({"rho": 0.0, "epsilon": 0.0}, False),
        ({"clipvalue": 0.5, "momentum": 0.9}, False),
    ],
    ids=str,
)
def test_a_compiled_bound_has_the_bits_of_the_bounded_page(given, own):
    """In the suite each argument, each slot and each kind of error once; two more of what they make is exhaustive."""
    held = reference(problems.make(cell(tensors={"kernel": [4]}, **given)))
    slots = held.page.slots
    drawn = [tensors("float32", seed)["vector"] for seed in range(2 + len(slots))]
    rows = dict(zip(("parameter", "gradient", *slots), drawn, strict=True))
    rows["second_moment"] = np.abs(rows["second_moment"])
    errors = {}
    if given == {"momentum": 0.8}:
        # As of a subject that hides its slots.
        errors = {slot: np.abs(rows[slot]).astype(np.float64) * 1e-6 for slot in slots}
    if own:
        rows["gradient"] = rows["gradient"].astype(np.float64)
        errors["gradient"] = np.abs(rows["gradient"]) * 1e-7 + 1e-30
    found = compiled_bounds(held.bounded.step, rows, errors)(rows, errors)
    with np.errstate(all="ignore"):
        found = held.bounded.settled(found, rows, errors, 0)
        expected = held.bounded.enclose(rows, errors, 0)
    assert found.keys() == expected.keys()
    for slot, pair in expected.items():
        for obtained, wanted in zip(found[slot], pair, strict=True):
            assert unequal(obtained, wanted) is None, slot


@pytest.mark.parametrize("carries", [False, True])
@pytest.mark.parametrize(
    "given", [{}, pytest.param({"momentum": 0.9, "centered": True}, marks=pytest.mark.exhaustive)], ids=str
)
def test_one_pass_measures_what_is_measured_of_enclosures_and_carries_the_bounds_on(given, carries):
    """Where all is finite; of anything else it says that it is not known."""
    held = reference(problems.make(cell(tensors={"kernel": [4]}, **given)))
    rng, slots = np.random.default_rng(3), held.page.slots
    rows = {slot: rng.normal(size=5_001).astype(np.float32) for slot in ("parameter", "gradient", *slots)}
    rows["second_moment"] = np.abs(rows["second_moment"]) + np.square(rows.get("first_moment", np.float32(0)))
    errors = {slot: np.abs(row) * 1e-7 * carries for slot, row in rows.items() if slot != "gradient"}
    errors = {slot: row.astype(np.float64) for slot, row in errors.items()}
    expected = held.page.step(Start(rows, 0))
    same = rng.random(5_001) < 0.2
    obtained = {slot: np.where(same, row, np.nextafter(row, np.float32(9))) for slot, row in expected.items()}
    obtained["parameter"][17] = np.nan
    loop = compiled_bounds(lambda *given: _slots(held.bounded.step(*given), errors), rows, errors)
    found, carried = loop.gauge(rows, errors, obtained, expected, carries, 0.0)
    assert found.pop("parameter") is None
    assert not carries or carried.keys() == errors.keys()
    for slot, (value, error) in loop(rows, errors).items():
        bound = bound_around(expected[slot], value, error)
        if carries:
            value, error = expected[slot].astype(np.float64), np.where(differs_anywhere(obtained, expected), bound, 0.0)
            assert unequal(carried[slot], error) is None
        if slot != "parameter":
            assert found[slot] == compiled_measure(obtained[slot], expected[slot], value, error, 0.0)
            assert found[slot].bound == bound[found[slot].at]


def differs_anywhere(obtained, expected):
    return np.any([differs(obtained[slot], own) for slot, own in expected.items()], axis=0)


def _slots(bounded, slots):
    return {slot: bounded[slot] for slot in slots}


def test_a_bound_that_is_wider_than_float64_is_left_to_the_page():
    held = reference(problems.make(cell(tensors={"kernel": [4]}, dtype="float64")))
    rows = dict.fromkeys(("parameter", "gradient", "second_moment"), np.ones(4))
    assert compiled_bounds(held.bounded.step, rows, {}) is None


def test_a_bound_of_what_mixes_elements_is_left_to_the_page():
    held = reference(problems.make(cell(tensors={"kernel": [4]}, clipnorm=1.0)))
    as_one_row = replace(held.bounded, layout=replace(held.layout, by_name=False))  # as if nobody had seen to it
    rows = dict.fromkeys(("parameter", "gradient", "second_moment"), np.ones(4, dtype=np.float32))
    assert compiled_bounds(as_one_row.step, rows, {}) is None


@pytest.mark.parametrize("given", OTHER, ids=lambda given: next(iter(given)))
def test_what_is_no_arithmetic_by_elements_is_left_to_the_page(given):
    assert compiled_step(RMSprop(**given)) is None


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "kind", ["near", "equal", "signs", "zeros", "infinite", "nan", "nan in both", "subnormal", "far", "across zero"]
)
@pytest.mark.parametrize("size", [1, 511, 512, 1500])
def test_the_compiled_drift_is_that_of_numpy(dtype, kind, size):
    rng = np.random.default_rng(size)
    b = (rng.choice([-1.0, 1.0], size) * 10.0 ** rng.uniform(-4, 1, size)).astype(dtype_of(dtype))
    a, at = b.copy(), size * 2 // 3
    a[:: 1 if kind == "near" else 7] *= b.dtype.type(1 if kind == "equal" else 1.25)
    smallest, largest = (getattr(ml_dtypes.finfo(b.dtype), name) for name in ("smallest_subnormal", "max"))
    special = {"signs": (-b[at], b[at]), "zeros": (-0.0, 0.0), "infinite": (np.inf, 1.0), "nan": (np.nan, 1.0)}
    special |= {
        "across zero": (-0.0, 3.0),
        "nan in both": (np.nan, -np.nan),
        "subnormal": (smallest, -0.0),
        "far": (largest, -largest),
    }
    a[at], b[at] = special.get(kind, (a[at], b[at]))
    if kind == "equal":
        a = b.copy()
    with np.errstate(all="ignore"):
        found, expected = compiled_drift(a, b), drift(a, b)
    assert found.ulp == expected.ulp == np.max(ulp_distance(a, b))
    unit = format_of(b.dtype).unit
    for column in ("largest", "at", "relative", "ulp", "differing"):
        assert np.array_equal(getattr(found, column), getattr(expected, column), equal_nan=True), column
    magnitude = float(np.sum(np.abs(a.astype(np.longdouble) - b.astype(np.longdouble))))
    if magnitude <= float(largest):
        # Each rounds its sum in an order of its own, NumPy in the dtype of the values.
        assert abs(found.total - expected.total) <= 2 * size * unit * magnitude


def test_only_long_runs_of_wide_dtypes_pay_for_a_compiler():
    (cell,) = select(["network/question"])
    rule = RMSprop()
    long, short = problems.make(cell), problems.make(msgspec.structs.replace(cell, steps=10))
    assert forms.worth(long)
    assert not forms.worth(short)
    assert not forms.worth(problems.make(msgspec.structs.replace(cell, dtype="bfloat16")))
    assert forms.forms(rule, short)[:3] == (rule.step, difference, drift)
    assert forms.forms(rule, short).bounds(lambda rows, errors: {}, {}, {}) is None
    step, *others = forms.forms(rule, long)
    assert step != rule.step
    assert others == [compiled_difference, compiled_drift, compiled_bounds]


def test_a_cache_that_cannot_be_used_costs_a_compilation_and_no_more():
    kernel = kernels.Kernel(kernels._drift_of)

    def damaged(*_):
        raise EOFError("Ran out of input")

    kernel.loop, kernel._kept = damaged, True
    a = np.ones(3, dtype=np.float32)
    scratch, limits = np.empty((2, 8), dtype=np.float32), (np.int32(2**31 - 1), np.int32(0x7F800000))
    result = kernel(a, a, bits(a), bits(a), *scratch, *bits(scratch), *limits)
    assert result[0] == 0
    kernel.loop = damaged
    with pytest.raises(EOFError):
        kernel()


def test_numba_that_is_installed_and_cannot_be_imported_is_not_asked(tmp_path, monkeypatch):
    (tmp_path / "numba.py").write_text("raise ImportError('Numba needs another NumPy')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "numba")
    forms.has_numba.cache_clear()
    (found,) = select(["network/question"])
    assert not forms.worth(problems.make(found))
    forms.has_numba.cache_clear()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [1, 63, 64, 65, 1000])
@pytest.mark.parametrize("share", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("values", [[0.0, -0.0, 1.0, -1e38], [1.0, -np.inf], [0.0, -0.0, 1.0, np.inf, np.nan, -np.nan]])
def test_what_differs_is_found_where_numpy_finds_it(dtype, size, share, values):
    rng = np.random.default_rng(size)
    a = rng.choice(values, size).astype(dtype_of(dtype))
    b = np.where(rng.random(size) < share, rng.permutation(a), a)
    (found, finite), expected = compiled_difference(a, b), unequal(a, b)
    assert finite == np.isfinite(a).all()
    assert (found is None) == (expected is None)
    assert found is None or found.tolist() == expected.tolist() == np.flatnonzero(differs(a, b)).tolist()


@pytest.mark.parametrize("drawn_before", [0, 1])
@pytest.mark.parametrize("count", [2, 5, 1_025, 40_000])
def test_a_compiled_permutation_is_numpys_and_leaves_the_generator_as_numpy_does(count, drawn_before):
    one, other = (np.random.Generator(np.random.Philox(5)) for _ in range(2))
    values = np.arange(count, dtype=np.float32)
    for rng in (one, other):
        rng.integers(0, 2, drawn_before, dtype=np.int32)
    for _ in range(2):
        assert (one.permuted(values) == compiled_permuted(other, values)).all()
    assert (one.integers(0, 2, 3) == other.integers(0, 2, 3)).all()
    assert one.random() == other.random()
