import decimal
from dataclasses import dataclass
from decimal import Decimal

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from parity.bounds.bounded import Bounded, BoundedDtype, exact, in_certain
from parity.bounds.numerics import dtype_of, format_of
from parity.bounds.rule import bound_around, bounded
from parity.reference.rmsprop import RMSprop

BoundedRMSprop = bounded(RMSprop)

NAMES = ["float64", "float32", "float16", "bfloat16"]
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)

LEAVES = 3
leaf = st.integers(0, LEAVES - 1)
constant = st.sampled_from([0.9, 0.1, 1e-3, 0.5, 3.0, 1e-7])
tree = st.recursive(
    leaf | constant,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["add", "subtract", "multiply", "divide"]), inner, inner),
        st.tuples(st.sampled_from(["square", "sqrt", "negative", "absolute"]), inner),
    ),
    max_leaves=8,
)
number = st.floats(1e-3, 1e3) | st.floats(-1e3, -1e-3)
leaves = st.lists(number, min_size=LEAVES, max_size=LEAVES)


def rounded(value, dtype):
    return np.asarray(value).astype(dtype)


class Plain:
    """Each operation rounded to the dtype, as NumPy does."""

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)

    def constant(self, value):
        return rounded(value, self.dtype)

    def apply(self, name, *items):
        return rounded(getattr(np, name)(*items), self.dtype)


class Flushed(Plain):
    """Subnormal results become zero, as in TensorFlow's thread pools."""

    def apply(self, name, *items):
        result = super().apply(name, *items)
        return np.where(np.abs(result) < format_of(self.dtype).underflow, 0, result).astype(self.dtype)


class Reciprocal(Plain):
    """A division is a product with the reciprocal, where that is a normal number."""

    def apply(self, name, *items):
        if name != "divide":
            return super().apply(name, *items)
        x, y = items
        inverse = super().apply("divide", self.constant(1.0), y)
        normal = float(ml_dtypes.finfo(self.dtype).smallest_normal) <= abs(float(inverse)) < np.inf
        return super().apply("multiply", x, inverse) if normal else super().apply("divide", x, y)


class Excess(Plain):
    """Everything is carried in the wide dtype, constants unrounded, and rounded once at the end."""

    def constant(self, value):
        return np.asarray(value, dtype=format_of(self.dtype).wide)

    def apply(self, name, *items):
        return getattr(np, name)(*(np.asarray(x).astype(format_of(self.dtype).wide) for x in items))


class Contracted(Plain):
    """A product that enters a sum is not rounded (FMA)."""

    def apply(self, name, *items):
        if name == "multiply":
            wide = format_of(self.dtype).wide
            return items[0].astype(wide) * items[1].astype(wide)
        kept = items if name in ("add", "subtract") else [rounded(x, self.dtype) for x in items]
        return super().apply(name, *kept)


@dataclass
class Scaled:
    """An array and the scalar that multiplies it, either of which may be absent."""

    rest: np.ndarray | None
    scalar: np.ndarray | None

    def __array__(self, dtype=None, copy=None):
        parts = [part for part in (self.rest, self.scalar) if part is not None]
        return np.asarray(parts[0] if len(parts) == 1 else rounded(parts[0] * parts[1], parts[0].dtype))


class Gathered(Plain):
    """The scalars of a product are multiplied first, and a constant divides by its reciprocal, whatever that is."""

    def constant(self, value):
        return Scaled(None, super().constant(value))

    def apply(self, name, *items):
        scaled = [item if isinstance(item, Scaled) else Scaled(item, None) for item in items]
        if all(item.rest is None for item in scaled):
            return Scaled(None, super().apply(name, *(item.scalar for item in scaled)))
        if name == "multiply" and scaled[0].rest is None:
            scaled.reverse()
        if name not in ("multiply", "divide") or scaled[1].rest is not None:
            return super().apply(name, *(np.asarray(item) for item in scaled))
        first, second = (item.scalar for item in scaled)
        second = second if name == "multiply" else super().apply("divide", rounded(1.0, self.dtype), second)
        return Scaled(scaled[0].rest, second if first is None else super().apply("multiply", first, second))


WAYS = {way.__name__: way for way in (Plain, Flushed, Reciprocal, Excess, Contracted, Gathered)}


def evaluated(tree, leaves, way):
    if isinstance(tree, int):
        return leaves[tree]
    if isinstance(tree, float):
        return way.constant(tree)
    return way.apply(tree[0], *(evaluated(item, leaves, way) for item in tree[1:]))


def bounded(tree, leaves, dtype):
    if isinstance(tree, int):
        return exact(leaves[tree])
    if isinstance(tree, float):
        return exact(leaves[0]).dtype.type(tree)
    return getattr(np, tree[0])(*(bounded(item, leaves, dtype) for item in tree[1:]))


_TRUE = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "square": lambda x: x * x,
    "sqrt": lambda x: x.sqrt(),
    "negative": lambda x: -x,
    "absolute": lambda x: abs(x),
}


def true(tree, leaves):
    if isinstance(tree, int | float):
        return Decimal(float(leaves[tree])) if isinstance(tree, int) else Decimal(tree)
    return _TRUE[tree[0]](*(true(item, leaves) for item in tree[1:]))


def truth(tree, leaves):
    with decimal.localcontext(prec=80) as context:
        context.traps[decimal.Inexact] = False
        try:
            return true(tree, leaves)
        except (decimal.InvalidOperation, decimal.DivisionByZero):
            assume(False)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("dtype", [dtype_of(name) for name in NAMES], ids=NAMES)
@quick
@given(tree=tree, values=leaves)
def test_every_way_to_evaluate_an_expression_is_within_the_bound(dtype, way, tree, values):
    inputs = [rounded(value, dtype) for value in values]
    with np.errstate(all="ignore"):
        bound = bounded(tree, inputs, dtype)
        result = rounded(evaluated(tree, inputs, way(dtype)), dtype)
    error = float(bound.error)
    assume(np.isfinite(error))
    expected = truth(tree, inputs)
    assert np.isfinite(float(result)), "a finite bound promises a finite result"
    # The bound is on the distance to the wide value; what the wide arithmetic itself rounds is a part of it.
    assert abs(Decimal(float(result)) - expected) <= Decimal(error) * Decimal("1.001") + Decimal("1e-300")


@pytest.mark.parametrize("dtype", [dtype_of(name) for name in NAMES], ids=NAMES)
def test_the_bound_of_a_sum_of_products_is_tight(dtype):
    rng = np.random.default_rng(0)
    x, y = (rng.uniform(1, 2, 200_000).astype(dtype) for _ in range(2))
    got = (x * y + x).astype(format_of(dtype).wide)
    bound = exact(x) * exact(y) + exact(x)
    ratio = np.abs(got - bound.value) / bound.error
    assert 0.85 < ratio.max() <= 1


def test_the_bound_of_the_second_moment_is_tight():
    rng = np.random.default_rng(0)
    v, g = (10 ** rng.uniform(-3, 3, 400_000)).astype(np.float32), rng.normal(size=400_000).astype(np.float32)
    update = BoundedRMSprop().update(exact(0 * g), exact(g), {"second_moment": exact(v)}, 0.001, 1)
    ratio = np.abs((0.9 * v + (1 - 0.9) * (g * g)) - update.second_moment.value) / update.second_moment.error
    assert 0.9 < ratio.max() <= 1


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.7, 0.9, 0.99, 0.999])
def test_a_lerp_of_the_second_moment_is_within_the_bound(rho):
    rng = np.random.default_rng(0)
    v, g = (10 ** rng.uniform(-6, 6, 400_000)).astype(np.float32), rng.normal(size=400_000).astype(np.float32)
    update = BoundedRMSprop(rho=rho).update(exact(0 * g), exact(g), {"second_moment": exact(v)}, 0.001, 1)
    gap = np.abs(v + (g * g - v) * (1 - rho) - update.second_moment.value)
    assert (gap <= update.second_moment.error).all()


@pytest.mark.parametrize("dtype", [dtype_of(name) for name in NAMES], ids=NAMES)
@given(value=st.floats(1e-4, 1e4), way=st.sampled_from(["kept", "rounded", "through float32"]))
@quick
def test_a_constant_may_be_kept_or_rounded(dtype, value, way):
    constant = exact(np.ones(1, dtype)).dtype.type(value)
    kept = {"kept": value, "rounded": rounded(value, dtype), "through float32": rounded(np.float32(value), dtype)}[way]
    if way == "through float32" and np.dtype(dtype).itemsize > 2:
        return
    assert abs(float(kept) - value) <= float(constant.error) or (way == "kept" and float(constant.error) >= 0)


@pytest.mark.parametrize("dtype", [dtype_of(name) for name in NAMES], ids=NAMES)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([1, 2, 7, 64]))
@quick
def test_a_sum_in_any_order_is_within_the_bound(dtype, seed, size):
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=size) * 10 ** rng.uniform(-2, 2, size)).astype(dtype)
    bound = np.sum(exact(values))
    total = values.dtype.type(0)
    for value in rng.permutation(values):
        total = (total + value).astype(dtype)
    assert abs(float(total) - float(bound.value)) <= float(bound.error)
    assert abs(float(np.sum(values)) - float(bound.value)) <= float(bound.error)


@pytest.mark.parametrize("dtype", [dtype_of(name) for name in NAMES], ids=NAMES)
@given(seed=st.integers(0, 10_000), axis=st.sampled_from([0, -1, (0, 2), None]), keepdims=st.booleans())
@quick
def test_sums_and_means_along_an_axis_are_within_the_bound_and_have_its_shape(dtype, seed, axis, keepdims):
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=(3, 4, 5)) * 10 ** rng.uniform(-2, 2, (3, 4, 5))).astype(dtype)
    along = (0, 1, 2) if axis is None else axis
    for function in (np.sum, np.mean):
        bound, kept = function(exact(values), axis=axis, keepdims=keepdims), np.sum(values, axis=axis).shape
        assert bound.shape == np.sum(values, axis=axis, keepdims=keepdims).shape
        parts = np.moveaxis(values, along, range(np.size(along))).reshape(-1, *kept)
        total = np.zeros(kept, dtype)
        for part in rng.permutation(parts, axis=0):
            total = (total + part).astype(dtype)
        if function is np.mean:
            total = (total / dtype.type(len(parts))).astype(dtype)
        for own in (total.reshape(bound.shape), function(values, axis=axis, keepdims=keepdims)):
            assert np.all(np.abs(np.asarray(own).astype(bound.value.dtype) - bound.value) <= bound.error)


def test_a_mean_of_squares_is_never_negative_however_small_it_is():
    squares = np.square(exact(np.array([[1e-30, 0.0], [1e-3, 2e-3]], np.float32)))
    mean = np.mean(squares, axis=-1)
    assert (mean.low >= 0).all()
    assert np.isfinite(np.sqrt(mean + exact(np.float32(1e-7)[None])[0]).error).all()


@pytest.mark.parametrize(
    "arrange",
    [
        lambda a: a[..., None],
        lambda a: a[1],
        lambda a: np.expand_dims(a, -1),
        lambda a: np.reshape(a, (3, 2)),
        lambda a: np.transpose(a),
        lambda a: np.broadcast_to(a, (4, 2, 3)),
        lambda a: np.squeeze(a[:, None]),
    ],
)
def test_what_moves_values_moves_their_bounds_and_floors(arrange):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    x = exact(values, values / 8, 0.0)
    moved = arrange(x)
    assert np.array_equal(moved.value, arrange(values.astype(np.float64)))
    assert np.array_equal(moved.error, arrange(x.error))
    assert moved.floor.shape == moved.shape
    assert (moved.low >= 0).all()


def test_an_arrangement_that_is_not_known_is_refused():
    with pytest.raises(TypeError):
        np.roll(exact(np.ones(3, np.float32)), 1)


def test_the_root_of_what_may_be_negative_has_no_bound():
    x = exact(np.array([1.0], np.float32), 2.0)
    assert np.isinf(np.sqrt(x).error).all()


def test_a_division_by_what_may_be_zero_has_no_bound():
    x = exact(np.array([1.0], np.float32))
    assert np.isinf((x / exact(np.array([1e-3], np.float32), 1e-2)).error).all()


def test_nothing_by_nothing_is_nan_for_certain_and_a_little_by_nothing_is_not():
    few, none = np.array([0.0, 1e-40, np.nan], np.float32), np.zeros(3, np.float32)
    quotient = in_certain(exact(few)) / np.sqrt(in_certain(exact(none)) * 0.9 + 0.0)
    assert list((-2.0 * quotient + 1.0).certainly_nan) == [True, False, True]
    assert not (exact(few) / exact(none)).certainly_nan[1]


def test_what_chooses_among_its_operands_may_drop_nan():
    x = in_certain(exact(np.array([np.nan], np.float32)))
    assert not np.maximum(x * 2.0, 1.0).certainly_nan.any()


def test_where_a_right_evaluation_is_nan_for_certain_no_number_is_excused():
    nan, one = np.array([np.nan, np.nan]), np.ones(2)
    assert list(bound_around(nan.astype(np.float32), nan, np.array([0.0, np.inf]))) == [0.0, np.inf]
    assert list(bound_around(one.astype(np.float32), one, np.array([0.5, np.nan]))) == [0.5, np.inf]


def test_what_may_overflow_has_no_bound():
    x = exact(np.array([3e38], np.float32))
    assert np.isinf((x * x).error).all()
    assert np.isinf((x + x).error).all()
    assert np.isfinite((x + exact(np.array([1.0], np.float32))).error).all()


def test_a_cancelling_variance_has_no_bound():
    g = np.full(4, 3.0, np.float32)
    rule = BoundedRMSprop(centered=True, epsilon=0.0)
    update = rule.update(exact(0 * g), exact(g), {"second_moment": exact(g * g), "first_moment": exact(g)}, 0.001, 1)
    assert np.isinf(update.denominator.error).all()


def test_an_operation_that_no_rule_covers_is_refused():
    with pytest.raises(TypeError):
        np.arctan(exact(np.ones(2, np.float32)))


@pytest.mark.parametrize("function", [np.floor, np.ceil])
def test_rounding_to_an_integer_is_bounded_only_where_the_error_reaches_over_none(function):
    x = exact(np.array([1.5, 1.99], np.float32), 0.1)
    assert np.isinf(function(x).error).tolist() == [False, True]


def test_the_page_runs_unchanged_on_bounded_arrays_with_every_argument():
    rng = np.random.default_rng(1)
    names = {"kernel": (4, 3), "bias": (3,)}
    w, g = ({n: rng.normal(size=s).astype(np.float32) for n, s in names.items()} for _ in range(2))
    rule = {"momentum": 0.9, "centered": True, "weight_decay": 0.01, "global_clipnorm": 1.0, "use_ema": True}
    plain, bounded_rule = RMSprop(**rule), BoundedRMSprop(**rule)
    after, _ = plain.step(w, g, plain.init(w))
    lifted = {n: exact(a) for n, a in w.items()}
    bound, state = bounded_rule.step(lifted, {n: exact(a) for n, a in g.items()}, bounded_rule.init(lifted))
    for name in names:
        assert (np.abs(after[name] - bound[name].value) <= bound[name].error).all()
        assert isinstance(state["second_moment"][name], Bounded)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_a_difference_and_a_third_number_may_be_added_in_any_order(dtype):
    rng = np.random.default_rng(3)
    kind = np.dtype(dtype).type
    a = (1 + rng.uniform(0, 1e-2, 4_000)).astype(dtype)
    b, c = (a * kind(0.999)).astype(dtype), np.full(4_000, kind(0.0123))
    bounded = exact(a) - exact(b) + exact(c)
    for order in (a - b + c, (a + c) - b, a + (c - b)):
        assert np.all(np.abs(order.astype(bounded.value.dtype) - bounded.value) <= bounded.error)
    # Without the allowance, one of them was outside: the test can fail.
    narrow = np.abs(a - b) + np.abs(a - b + c)
    wide = np.abs(((a + c) - b).astype(bounded.value.dtype) - bounded.value)
    assert np.any(wide > narrow * np.finfo(dtype).eps / 2)


def scales(dtype, share):
    """Two scalars whose product is that share of the smallest normal number, and numbers that bring it back to one."""
    fmt = format_of(dtype)
    root = float(np.sqrt(fmt.wide.type(fmt.normal)))
    rng = np.random.default_rng(5)
    return 1.31 * root, share * root / 1.31, (rng.uniform(1, 2, 2_000) / root).astype(dtype)


def rounded_product(dtype, *numbers):
    product = rounded(numbers[0], dtype)
    with np.errstate(all="ignore"):
        for number in numbers[1:]:
            product = rounded(product * rounded(number, dtype), dtype)
    return product


@pytest.mark.parametrize("dtype", [dtype_of(name) for name in NAMES], ids=NAMES)
def test_scalars_that_are_gathered_into_a_subnormal_number_are_within_the_bound(dtype):
    fmt, (a, b, x) = format_of(dtype), scales(dtype, 1 / 37)
    bound = exact(x) * BoundedDtype(fmt).type(a) * BoundedDtype(fmt).type(b)
    scalar = rounded_product(dtype, a, b)
    flushed = scalar if fmt.underflow < fmt.normal else np.zeros_like(scalar)
    for product in (
        rounded_product(dtype, x, a, b),
        rounded_product(dtype, x, scalar),
        rounded_product(dtype, x, flushed),
    ):
        assert (np.abs(product.astype(fmt.wide) - bound.value) <= bound.error).all()
    # Four roundings, two of constants and two of products, are all that the page makes.
    off = np.abs(rounded_product(dtype, x, flushed).astype(fmt.wide) - bound.value)
    assert (off > 4.1 * fmt.unit * np.abs(bound.value)).any()


@pytest.mark.parametrize("dtype", [dtype_of(name) for name in NAMES], ids=NAMES)
def test_scalars_that_are_gathered_into_a_normal_number_widen_no_bound(dtype):
    fmt, (a, b, x) = format_of(dtype), scales(dtype, 64.0)
    first = exact(x) * BoundedDtype(fmt).type(a)
    apart = Bounded(first.value, first.error, fmt) * BoundedDtype(fmt).type(b)
    assert np.array_equal((first * BoundedDtype(fmt).type(b)).error, apart.error)


@pytest.mark.parametrize("dtype", [dtype_of(name) for name in NAMES], ids=NAMES)
def test_scalars_that_are_gathered_into_an_infinite_number_have_no_bound(dtype):
    fmt = format_of(dtype)
    large = 2 * float(np.sqrt(fmt.wide.type(fmt.largest)))
    x = np.array([0.0, fmt.normal], dtype)
    one, both = exact(x) * BoundedDtype(fmt).type(large), BoundedDtype(fmt).type(large)
    assert np.isfinite(one.error).all()
    assert np.isinf((one * both).error).all()


@pytest.mark.parametrize("dtype", [dtype_of(name) for name in NAMES], ids=NAMES)
def test_a_scalar_of_zero_is_gathered_without_an_error(dtype):
    fmt, (a, _, x) = format_of(dtype), scales(dtype, 1.0)
    constant = BoundedDtype(fmt).type
    assert (exact(x) * constant(a) * constant(0.0)).error.max() <= 2 * fmt.underflow


@pytest.mark.parametrize("dtype", [dtype_of(name) for name in NAMES], ids=NAMES)
def test_a_division_by_a_constant_whose_reciprocal_is_subnormal_is_within_the_bound(dtype):
    fmt, divisor = format_of(dtype), float(format_of(dtype).largest) / 1.0917
    x = (np.random.default_rng(6).uniform(0.25, 0.5, 2_000) * divisor).astype(dtype)
    bound = exact(x) / BoundedDtype(fmt).type(divisor)
    reciprocal = rounded(dtype.type(1) / rounded(divisor, dtype), dtype)
    kept, flushed = rounded_product(dtype, x, reciprocal), np.zeros_like(x)
    products = [x / rounded(divisor, dtype), kept] + ([flushed] if fmt.underflow == fmt.normal else [])
    for product in products:
        assert (np.abs(product.astype(fmt.wide) - bound.value) <= bound.error).all()
    off = np.abs(products[-1].astype(fmt.wide) - bound.value)
    assert (off > 3.1 * fmt.unit * np.abs(bound.value)).any()


LOSS_SCALED = {
    "gradient": [100.0, 7.0, 250.0, -64.0, 500.0],
    "keras-eager": [
        -0.003162384033203125,
        -0.003139495849609375,
        -0.003162384033203125,
        0.0031642913818359375,
        -0.003162384033203125,
    ],
    "keras-xla": [
        -0.0030879974365234375,
        -0.0030574798583984375,
        -0.0030879974365234375,
        0.0030879974365234375,
        -0.0030879974365234375,
    ],
}
"""A first step from weights of zero in float16, with a loss scale of 1024: what tf.keras 3.15 made of it."""


def test_xla_multiplies_the_rate_by_the_reciprocal_of_the_loss_scale_first():
    g, half = np.array(LOSS_SCALED["gradient"], np.float16), np.float16
    scalar = half(0.001) * half(1 / 1024)
    assert 0.02 < abs(float(scalar) * 1024 / float(half(0.001)) - 1) < 0.03, "a subnormal number has few digits"
    v = half(1 - 0.9) * np.square(g / half(1024))
    root = (1 / np.sqrt((v + half(1e-7)).astype(np.float32))).astype(half)
    assert np.array_equal(-(g * scalar * root), np.array(LOSS_SCALED["keras-xla"], half))
    page = RMSprop(loss_scale_factor=1024.0)
    w = {"w": np.zeros_like(g)}
    assert np.array_equal(page.step(w, {"w": g}, page.init(w))[0]["w"], np.array(LOSS_SCALED["keras-eager"], half))


def test_the_bound_of_a_step_allows_for_the_gathered_rate_and_no_more():
    g = np.array(LOSS_SCALED["gradient"], np.float16)
    rule = BoundedRMSprop(loss_scale_factor=1024.0)
    start = {"w": exact(np.zeros_like(g))}
    made, _ = rule.step(start, {"w": exact(g)}, rule.init(start))
    ratio = {
        name: np.abs(np.array(LOSS_SCALED[name], np.float64) - made["w"].value) / made["w"].error
        for name in ("keras-eager", "keras-xla")
    }
    assert max(ratio["keras-eager"].max(), ratio["keras-xla"].max()) <= 1
    assert ratio["keras-xla"].max() > 0.5
    assert (made["w"].error < 0.06 * np.abs(made["w"].value)).all()
