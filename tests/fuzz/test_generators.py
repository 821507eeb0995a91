"""The generators make what they promise: every argument, dtype, kind of shape and awkward number, as readable cases."""

from collections import Counter
from itertools import chain, product
from pathlib import Path
from random import Random

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from parity.bounds.numerics import dtype_of, format_of
from parity.case.cells import load_cells
from parity.case.spec import Cell, Replayed, Weights
from parity.case.spec import hyperparameters as record_of
from parity.case.words import DTYPES
from parity.fuzz.features import features
from parity.fuzz.files import digest, keep, place
from parity.fuzz.numbers import ANY_BITS, ORDINARY, elements, laid_out
from parity.fuzz.strategies import examples, hyperparameters, meetings, shapes
from parity.fuzz.words import RELATIONS
from parity.problem.problems import make

EVERYTHING = frozenset({*record_of().__struct_fields__, "schedules"})


def drawn(strategy, count, seed=0):
    """What Hypothesis makes of a strategy, not shrunk."""
    found = []
    limits = settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=HealthCheck
    )

    def taken(value):
        found.append(value)
        return False

    with pytest.raises(NoSuchExample):
        find(strategy, taken, settings=limits, random=Random(seed))
    return found


def generated(relation, count, allowed=EVERYTHING, seed=0):
    return drawn(examples(relation, allowed), count, seed)


def problems(relation, count, folder, seed=0):
    with np.errstate(all="ignore"):
        for example in generated(relation, count, seed=seed):
            (cell,) = load_cells(place(example, folder))
            yield make(cell)


@pytest.fixture(scope="module")
def arguments():
    """The arguments of 500 cases: those that are set, and those that stand at an end of their range."""
    found: Counter = Counter()
    for given in drawn(hyperparameters(EVERYTHING), 500):
        found.update([*given, *(f"{name} {value}" for name, value in given.items() if value in (0.0, 1.0))])
        found.update(value["schedule"] for value in given.values() if isinstance(value, dict))
    return found


def test_every_argument_of_rmsprop_is_set(arguments):
    assert set(record_of().__struct_fields__) <= set(arguments)


def test_extreme_hyperparameters_occur(arguments):
    assert {"rho 0.0", "rho 1.0", "momentum 1.0", "epsilon 0.0", "learning_rate 0.0"} <= set(arguments)


def test_every_schedule_occurs(arguments):
    kinds = {name for name in arguments if name.endswith(("Decay", "Restarts", "Schedule"))}
    assert len(kinds) == 7


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """The words of 900 cases of three seeds: features and dtype, and the ends of its range that arguments lead to."""
    folder, words, met = tmp_path_factory.mktemp("cases"), Counter(), Counter()
    # Hypothesis draws from the constants of whatever modules are loaded, too, so that no seed alone says how often.
    with np.errstate(all="ignore"):
        for problem in chain.from_iterable(problems("reference", 300, folder, seed) for seed in range(3)):
            dtype, given = problem.cell.dtype, problem.cell.hyperparameters.departures()
            words.update([*features(problem), dtype, "many" if len(problem.shapes) > 3 else "few"])
            met.update(f"{dtype} {word}" for word in ends(given, dtype))
    return words, met


def test_shapes_are_scalar_empty_large_and_of_odd_rank():
    found = drawn(shapes("reference"), 200)
    assert {len(shape) for shape in found} >= {0, 1, 2, 3, 5}
    assert any(0 in shape for shape in found)
    assert max(int(np.prod(shape)) for shape in found) > 2000


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_kind_of_number_occurs_among_wild_elements(dtype):
    with np.errstate(all="ignore"):
        numbers = [laid_out([element], 0, (4,), dtype) for element in drawn(elements(dtype, wild=True), 200)]
        values = np.concatenate(numbers).astype(np.float64)
    tiny, largest = (float(getattr(ml_dtypes.finfo(dtype_of(dtype)), name)) for name in ("smallest_normal", "max"))
    assert np.isnan(values).any()
    assert {np.inf, -np.inf, largest} <= set(values)
    assert ((values != 0) & (np.abs(values) < tiny)).any()
    assert {True, False} == set(np.signbit(values[values == 0]).tolist())


def test_tame_elements_are_all_finite():
    numbers = [laid_out([element], 0, (4,), "float16") for element in drawn(elements("float16", wild=False), 100)]
    assert np.isfinite(np.concatenate(numbers)).all()


@pytest.mark.exhaustive
def test_every_dtype_many_tensors_and_numbers_that_are_none_occur_in_cases(cases):
    found, _ = cases
    assert {"NaN gradient", "infinite gradient", "subnormal gradient", "huge gradient", "many", *DTYPES} <= set(found)


WORD = "one element, square out of range"


@pytest.mark.parametrize(
    ("dtype", "shape", "gradient", "given", "word"),
    [
        ("float16", [1], 100.0, {"loss_scale_factor": 4096.0}, True),
        ("float16", [1], 300.0, {"loss_scale_factor": 2.0}, True),
        ("float16", [], 1.0, {"loss_scale_factor": 2.0**-9}, True),
        ("float16", [1], 20.0, {"gradient_accumulation_steps": 3, "rho": 0.999999}, True),
        ("float32", [1, 1], 1.2e19, {"gradient_accumulation_steps": 3}, True),
        ("float32", [1], 1e-20, {"loss_scale_factor": 0.5}, True),
        ("float16", [2], 100.0, {"loss_scale_factor": 4096.0}, False),
        ("float16", [1], 100.0, {}, False),
        ("float16", [1], 20.0, {"loss_scale_factor": 4.0}, False),
        ("float32", [1], 100.0, {"loss_scale_factor": 4096.0}, False),
        ("float32", [1], 1.2e19, {"loss_scale_factor": 3.0}, False),
    ],
)
def test_a_case_says_where_squaring_before_dividing_leaves_the_range(dtype, shape, gradient, given, word):
    kind = Replayed(generator="constant", tensors={"w": shape}, low=gradient, high=gradient)
    spec = {"id": "x", "case": "x", "summary": "x", "probes": ["rho"], "steps": 1, "seed": 0, "weights": Weights()}
    spec |= {"gradients": "replayed", "comparisons": ["lockstep"]}
    cell = Cell(problem=kind, dtype=dtype, hyperparameters=record_of()(**given), **spec)
    assert (WORD in features(make(cell))) == word


def gathered(given):
    """What a compiler may make of two arguments: the rate or a clip by the loss scale, the rate times the decay."""
    scale, rate = given.get("loss_scale_factor", 1.0), given.get("learning_rate", 0.001)
    rate = rate if isinstance(rate, float) else 0.001
    clip = given.get("clipnorm", given.get("global_clipnorm", 1.0))
    kept = 1 - given.get("rho", 0.9)
    products = [rate / scale, clip / scale, 1 / scale, kept / scale, rate * given.get("weight_decay", 1.0)]
    return [*products, rate / given.get("gradient_accumulation_steps", 1), kept / scale / scale]


def ends(given, dtype):
    fmt = format_of(dtype_of(dtype))
    numbers = np.array(gathered(given))
    numbers = numbers[numbers != 0]
    found = {"subnormal"} if ((numbers < fmt.normal) & (numbers >= fmt.normal * 2 * fmt.unit)).any() else set()
    found |= {"zero"} if (numbers < fmt.normal * fmt.unit).any() else set()
    return found | ({"infinite"} if (numbers > fmt.largest).any() else set())


@pytest.mark.parametrize("dtype", DTYPES)
def test_two_arguments_meet_in_products_at_the_ends_of_each_dtype(dtype):
    with np.errstate(all="ignore"):
        met = [ends(given, dtype) for given in drawn(meetings(EVERYTHING, dtype), 200)]
    assert sum("subnormal" in found for found in met) > 60
    assert sum("infinite" in found for found in met) > (20 if dtype != "float64" else -1)
    assert sum("zero" in found for found in met) > (20 if dtype == "float16" else -1)


def test_a_subject_meets_only_the_arguments_that_it_has():
    few = frozenset({"learning_rate", "weight_decay", "rho"})
    assert {name for given in drawn(meetings(few, "float32"), 40) for name in given} == few - {"rho"}
    assert drawn(meetings(frozenset({"rho"}), "float32"), 5) == [{}] * 5


@pytest.mark.exhaustive
def test_arguments_that_meet_are_drawn_often_enough_to_be_found(cases):
    _, met = cases
    assert min(met[f"{dtype} subnormal"] for dtype in DTYPES) >= 4
    assert met["float16 zero"] >= 2


@pytest.mark.parametrize("relation", RELATIONS)
def test_every_example_of_a_relation_is_a_case_that_can_be_read(relation, tmp_path):
    assert sum(problem.cell.steps > 0 for problem in problems(relation, 20, tmp_path)) == 20


def test_micro_batches_add_up_without_rounding(tmp_path):
    for problem in problems("accumulate", 15, tmp_path):
        rows = [problem.gradients(step) for step in range(problem.cell.steps)]
        for every in (2, 4):
            groups = [rows[start : start + every] for start in range(0, len(rows) - every + 1, every)]
            assert groups
            for group, name in product(groups, problem.params):
                total = sum(np.asarray(row[name], np.float64) for row in group) / every
                assert np.array_equal(total, total.astype(problem.dtype).astype(np.float64))


def test_sparse_gradients_repeat_a_row_in_some_cases_and_not_in_most(tmp_path):
    repeats = ["repeated rows" in features(problem) for problem in problems("sparse", 30, tmp_path)]
    assert 0 < sum(repeats) < 25


def test_a_subject_is_given_only_the_arguments_that_it_has(tmp_path):
    for example in generated("reference", 30, frozenset({"rho", "epsilon"})):
        (cell,) = load_cells(place(example, tmp_path))
        assert set(cell.hyperparameters.departures()) <= {"rho", "epsilon"}


def test_the_same_seed_generates_the_same_cases():
    assert [digest(e) for e in generated("split", 20)] == [digest(e) for e in generated("split", 20)]
    assert [digest(e) for e in generated("split", 20)] != [digest(e) for e in generated("split", 20, seed=1)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_bit_pattern_becomes_the_number_of_that_pattern(dtype):
    array = laid_out([("bits", 1)], 0, (2,), dtype)
    assert array.view(np.uint8).reshape(2, -1)[:, 0].tolist() == [1, 1]
    assert laid_out([ORDINARY, ANY_BITS], 3, (50,), dtype).shape == (50,)


def test_a_finding_is_kept_under_a_name_of_its_own_and_means_the_same(tmp_path):
    example = generated("reference", 10)[-1]
    path = keep(example, tmp_path / "out", "a-finding", 'says "so"')
    (kept,), (placed,) = load_cells(path), load_cells(place(example, Path(tmp_path)))
    assert (kept.case, kept.summary) == ("a-finding", 'says "so"')
    assert kept.hyperparameters == placed.hyperparameters
    with np.errstate(all="ignore"):
        theirs, ours = make(kept), make(placed)
        for name in ours.params:
            assert theirs.params[name].tobytes() == ours.params[name].tobytes()
            assert theirs.gradients(0)[name].tobytes() == ours.gradients(0)[name].tobytes()
