import math

import ml_dtypes
import numpy as np
import pytest

from parity.bounds.numerics import differs, dtype_of, format_of, shown, ulp_distance

NAMES = ["float64", "float32", "float16", "bfloat16"]
each_dtype = pytest.mark.parametrize("dtype", [dtype_of(name) for name in NAMES], ids=NAMES)


def array(dtype, *values):
    return np.array(values, dtype=np.float64).astype(dtype)


def least(dtype):
    return float(ml_dtypes.finfo(dtype).smallest_subnormal)


@each_dtype
def test_ulp_distance_counts_across_zero(dtype):
    tiny = least(dtype)
    assert ulp_distance(array(dtype, -3 * tiny, tiny), array(dtype, 2 * tiny, -tiny)).tolist() == [5, 2]


@each_dtype
def test_neighbours_are_one_ulp_apart(dtype):
    x = array(dtype, 1.0, -1.0, 0.1, 1000.0)
    up = np.nextafter(x, np.array(np.inf).astype(dtype))
    assert ulp_distance(x, up).tolist() == [1, 1, 1, 1]


@each_dtype
def test_negative_zero_differs_in_its_bits_and_not_in_distance(dtype):
    positive, negative = array(dtype, 0.0), array(dtype, -0.0)
    assert differs(negative, positive).all()
    assert ulp_distance(negative, positive).tolist() == [0]


@each_dtype
def test_nan_equals_nan_whatever_its_payload_and_sign(dtype):
    x, y = array(dtype, np.nan, 1.0, np.nan), -array(dtype, np.nan, -1.0, 1.0)
    assert differs(x, y).tolist() == [False, False, True]
    assert ulp_distance(x, y).tolist() == [0, 0, np.inf]


@each_dtype
def test_infinities_of_one_sign_are_equal_and_of_two_signs_are_not(dtype):
    x, y = array(dtype, np.inf, -np.inf), array(dtype, np.inf, np.inf)
    assert differs(x, y).tolist() == [False, True]


@each_dtype
def test_subnormals_are_compared_bit_by_bit(dtype):
    tiny = least(dtype)
    assert differs(array(dtype, tiny), array(dtype, 2 * tiny)).all()
    assert differs(array(dtype, tiny), array(dtype, 0.0)).all()


def test_ulp_distance_of_float64_extremes_does_not_overflow():
    largest = np.array([np.finfo(np.float64).max])
    assert ulp_distance(largest, -largest)[0] == pytest.approx(2 * 0x7FEFFFFFFFFFFFFF)


def test_scalars_without_axes_compare():
    assert differs(np.array(1, np.float32), np.array(2, np.float32)).all()
    assert ulp_distance(np.array(1, np.float32), np.array(1, np.float32)) == 0


def test_views_that_are_not_contiguous_compare():
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert not differs(x.T, x.T.copy()).any()
    assert differs(x[:, ::2], x[:, 1::2]).all()


def test_a_dtype_outside_the_four_is_refused_with_the_four_named():
    with pytest.raises(TypeError, match=r"float64, float32, float16, bfloat16.*int32"):
        format_of(np.int32)


@each_dtype
def test_unit_is_half_an_ulp_of_one(dtype):
    one = array(dtype, 1.0)
    gap = float(np.nextafter(one, array(dtype, 2.0))[0]) - 1
    assert format_of(dtype).unit == gap / 2


@each_dtype
def test_the_wide_dtype_holds_products_exactly_enough(dtype):
    fmt = format_of(dtype)
    assert np.finfo(fmt.wide).eps <= fmt.unit / 8


@pytest.mark.parametrize("value", [0.1, 1e-7, 16777216.0, 3.4028235e38, 1e-45])
def test_float32_prints_short_and_round_trips(value):
    number = np.float32(value)
    assert np.float32(shown(number)) == number
    assert len(repr(shown(number))) <= 15


def test_what_json_cannot_say_becomes_a_word():
    assert [shown(x) for x in (math.nan, math.inf, -math.inf)] == ["NaN", "Infinity", "-Infinity"]
