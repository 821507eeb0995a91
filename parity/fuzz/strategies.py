"""Strategies for whole cases: every argument of a rule, shapes, dtypes, weights and gradients, as a case's files."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st

from parity.bounds.numerics import Array, dtype_of, format_of
from parity.case.rule import DEFAULT, find
from parity.case.schedule import Schedule, schedules
from parity.case.words import DTYPES
from parity.fuzz.files import archive, toml
from parity.fuzz.numbers import Element, elements, exact_elements, filled
from parity.fuzz.words import GRADIENTS_FILE, WEIGHTS_FILE, Example
from parity.reference.arguments import BY_NAME, CLIPS, OF_SCHEDULES

Shape = tuple[int, ...]

SMALL: Final[list[Shape]] = [(1,), (), (2,), (3,), (2, 2), (5,), (2, 3), (8,), (1, 1, 1, 1, 1), (2, 1, 3), (17,)]
ODD: Final[list[Shape]] = [(0,), (0, 3), (3, 0, 2), (33,), (7, 9), (257,), (1, 1000), (64, 40)]
MANY: Final = 12

_ENDS = st.sampled_from([0.5, 0.0, 1.0])
_FRACTIONS = st.one_of(_ENDS, st.sampled_from([0.9, 0.99, 0.999999]), st.floats(0, 1, allow_subnormal=False))
_RATES = st.one_of(
    _ENDS, st.sampled_from([2.0**-10, 0.1, 1e-30, 1e-44, 1e30]), st.floats(0, 100, allow_subnormal=False)
)
_POSITIVE = st.one_of(st.sampled_from([1.0, 0.5, 3.0, 1e-3, 1e-30, 1e30]), st.floats(1e-6, 1e6, allow_subnormal=False))
# A clip that float16 rounds to zero makes 0 / 0 of every row of a dense gradient, and of those that a sparse one has.
_MODERATE = st.sampled_from([1.0, 0.5, 3.0, 1e-3])
_DRAWN: Final[dict[str, st.SearchStrategy[Any]]] = {
    "decay_rate": _FRACTIONS,
    "end_learning_rate": _FRACTIONS,
    "alpha": _FRACTIONS,
    "m_mul": _FRACTIONS,
    "initial_learning_rate": _RATES,
}
"""Arguments of schedules that are drawn from less than they may be: a run has a few steps."""
_OF_SCHEDULES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "count": st.integers(1, 4),
    "flag": st.booleans(),
    "rates": st.lists(_RATES, min_size=1, max_size=3),
    "pieces": st.lists(_RATES, min_size=2, max_size=3),
}
_LEFT: Final = ("warmup_target", "warmup_steps", "boundaries")
"""Arguments of schedules that another one decides, or that only go together."""


def _schedule(known: Schedule) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for a schedule of a case: every argument that its page has."""
    fields = {name: _argument(name, domain) for name, domain, _ in known.parameters if name not in _LEFT}
    if "boundaries" in {parameter.name for parameter in known.parameters}:
        return st.builds(
            lambda values: {"schedule": known.name, "boundaries": list(range(len(values) - 1)), "values": values},
            fields["values"],
        )
    return st.fixed_dictionaries({"schedule": st.just(known.name), **fields})


def _argument(name: str, domain: str) -> st.SearchStrategy[Any]:
    if name in _DRAWN:
        return _DRAWN[name]
    usual = list(OF_SCHEDULES[name].usual)
    return st.sampled_from(usual) if usual else _OF_SCHEDULES[domain]


_SIMPLEST: Final = ("LearningRateSchedule", "ExponentialDecay", "InverseTimeDecay", "PolynomialDecay")
"""What a finding shrinks towards, the first above all; the others come after these, as the page has them."""
_SCHEDULES: Final = st.one_of([_schedule(schedules()[name]) for name in dict.fromkeys([*_SIMPLEST, *schedules()])])

_DOMAINS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "rate": st.one_of(_RATES, _SCHEDULES),
    "fraction": _FRACTIONS,
    "non_negative": st.one_of(
        _ENDS, st.sampled_from([1e-3, 1e-30, 1e-44, 1e30]), st.floats(0, 1e6, allow_subnormal=False)
    ),
    "positive": _POSITIVE,
    "flag": st.just(True),
    "several": st.integers(2, 3),
    "integer": st.integers(0, 3),
    "patterns": st.sampled_from([["w0"], ["1"], ["absent"]]),
}
_TOGETHER: Final = (*CLIPS, "use_ema", "ema_momentum", "ema_overwrite_frequency", "exclude_from_weight_decay")
"""Arguments that another one forbids or needs; each group is drawn by itself."""


@cache
def _arguments(rule: str) -> dict[str, st.SearchStrategy[Any]]:
    """Return a strategy for each argument of a rule that is drawn by itself."""
    return {
        name: _values(name, domain, default) for name, domain, default in find(rule).parameters if name not in _TOGETHER
    }


def _values(name: str, domain: str, default: Any) -> st.SearchStrategy[Any]:
    usual = BY_NAME[name].usual if name in BY_NAME else ()
    if usual or domain in _DOMAINS:
        return st.sampled_from(usual) if usual else _DOMAINS[domain]
    # What may be any number, and mostly must not be: near the one that it is.
    return st.sampled_from([default, default / 2, default * 2] if default else [0.3, 0.0, 1.0])


MEETINGS: Final[list[Callable[[float, float], dict[str, Any]]]] = [
    lambda usual, product: {"learning_rate": usual, "loss_scale_factor": usual / product},
    lambda usual, product: {"learning_rate": usual, "weight_decay": product / usual},
    lambda usual, product: {"learning_rate": 3 * product, "gradient_accumulation_steps": 3},
    lambda usual, product: {"clipnorm": usual, "loss_scale_factor": usual / product},
    lambda usual, product: {"global_clipnorm": usual, "loss_scale_factor": usual / product},
    lambda usual, product: {"centered": True, "loss_scale_factor": 0.1 / product},
    lambda usual, product: {"loss_scale_factor": 1 / product},
    lambda usual, product: {"loss_scale_factor": product**-0.5},
]
"""Arguments that multiply or divide one tensor, so that a compiler may gather them, from a number and their product.

The loss scale alone meets its own reciprocal, and in a square itself.
"""

WITHOUT: Final[dict[str, frozenset[str]]] = {
    # Clipping by a tensor's norm is no operation on elements: a piece of a tensor has another norm.
    # A piece may have one element, of which XLA squares the scaled gradient (cases/found/loss_scale_square.toml).
    "split": frozenset({"clipnorm", "loss_scale_factor", "gradient_accumulation_steps"}),
    # A loss scale divides each micro-batch, which may round; how many they are follows from the case's seed.
    "accumulate": frozenset({"gradient_accumulation_steps", "loss_scale_factor"}),
}
"""What a relation's cases leave out, and why the relation does not hold there."""


@st.composite
def hyperparameters(
    draw: st.DrawFn, allowed: frozenset[str], relation: str = "reference", rule: str = DEFAULT
) -> dict[str, Any]:
    """Return some of the arguments of a rule that are allowed, none that contradict each other."""
    optional = {name: strategy for name, strategy in _arguments(rule).items() if name in allowed}
    if "schedules" not in allowed:
        optional = {n: _RATES if n == "learning_rate" else s for n, s in optional.items()}
    # Few at a time: a fault that needs one argument is seldom seen when ten others hide it.
    names = draw(st.lists(st.sampled_from([None, None, None, *optional]), max_size=5, unique=True)) if optional else []
    given = {name: draw(optional[name]) for name in names if name is not None}
    clips = [name for name in CLIPS if name in allowed]
    if clips and draw(st.integers(0, 3)) == 3:
        given[draw(st.sampled_from(clips))] = draw(_POSITIVE if relation != "sparse" else _MODERATE)
    if "use_ema" in allowed and draw(st.integers(0, 5)) == 5:
        given |= {"use_ema": True, "ema_momentum": draw(_FRACTIONS)}
        if draw(st.booleans()):
            given["ema_overwrite_frequency"] = draw(st.integers(1, 4))
    if given.get("weight_decay") is not None and "exclude_from_weight_decay" in allowed and draw(st.booleans()):
        given["exclude_from_weight_decay"] = draw(_DOMAINS["patterns"])
    return given


@st.composite
def meetings(draw: st.DrawFn, allowed: frozenset[str], dtype: str) -> dict[str, Any]:
    """Return arguments that meet in one product, which lies at an end of what the dtype holds.

    Most products are subnormal, with many digits or few; some are zero, some infinite, some just inside.
    """
    fmt = format_of(dtype_of(dtype))
    end = draw(st.sampled_from([fmt.normal, fmt.normal, fmt.normal, fmt.largest]))
    product = end * draw(st.sampled_from([1 / 37, 0.8, 2.0**-9, 1e-4, 1.3, 5.0]))
    usual = draw(st.sampled_from([1e-3, 0.1, 0.5, 3.0]))
    every = [make(usual, product) for make in MEETINGS]
    # Beyond the ends of float64 there is no number to set.
    possible = [given for given in every if set(given) <= allowed and all(0 < v < np.inf for v in given.values())]
    return draw(st.sampled_from(possible or [{}]))


def _near(scale: float, dtype: str) -> st.SearchStrategy[Element]:
    """Return a strategy for gradients that are of ordinary size once the loss scale is divided out."""
    largest = format_of(dtype_of(dtype)).largest
    return st.sampled_from([min(max(factor * scale, -largest), largest) for factor in (1.0, 0.3, -0.01)])


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a case: weights ``[*shape]``, gradients ``[steps, *shape]``, or ``[steps, rows, *shape[1:]]``."""

    shape: Shape
    weights: Array
    gradients: Array
    rows: list[int] | None


def shapes(relation: str, many: bool = False) -> st.SearchStrategy[Shape]:
    """Return a strategy for the shape of a tensor: small ones, of any rank, a few odd, empty or large."""
    if many:
        return st.just((1,))
    one = st.sampled_from(SMALL * 4 + ODD)
    return one.filter(lambda shape: len(shape) > 0 and 0 not in shape) if relation == "sparse" else one


@st.composite
def _tensor(
    draw: st.DrawFn,
    relation: str,
    dtype: str,
    steps: int,
    wild: tuple[bool, bool],
    many: bool,
    scale: float | None = None,
) -> Tensor:
    shape = draw(shapes(relation, many))
    rows = draw(_rows(shape[0])) if relation == "sparse" else None
    recorded = shape if rows is None else (len(rows), *shape[1:])
    element = exact_elements() if relation in ("accumulate", "sparse") else elements(dtype, wild[0])
    element = element if scale is None else _near(scale, dtype) | element
    gradients = draw(filled((steps, *recorded), dtype, element))
    return Tensor(shape, draw(filled(shape, dtype, elements(dtype, wild[1]))), gradients, rows)


@st.composite
def examples(
    draw: st.DrawFn,
    relation: str,
    allowed: frozenset[str],
    dtypes: tuple[str, ...] = DTYPES,
    rule: str = DEFAULT,
) -> Example:
    """Return a case of a rule for a relation, as files; ``allowed`` are the arguments that the subject has.

    All sorts of floating-point numbers occur in gradients and weights, also those that are none.
    """
    given = draw(hyperparameters(allowed - WITHOUT.get(relation, frozenset()), relation, rule))
    dtype = draw(st.sampled_from(["float32", *dtypes]))
    meets = relation == "reference" and draw(st.sampled_from([False, False, False, True]))
    meeting = draw(meetings(allowed, dtype)) if meets else {}
    clipped = any(name in meeting for name in CLIPS)
    given = {name: value for name, value in given.items() if not (clipped and name in CLIPS)} | meeting
    # An average shows that it counts every call from the third update on.
    several = st.sampled_from([4, 6, 8])
    steps = draw(several if relation == "accumulate" else st.integers(2 if relation == "resume" else 1, 4))
    wild = draw(st.booleans()), draw(st.integers(0, 3)) == 3
    many = draw(st.integers(0, 15)) == 7
    one = _tensor(relation, dtype, steps, wild, many, meeting.get("loss_scale_factor"))
    tensors = draw(st.lists(one, min_size=1, max_size=MANY if many else 3))
    # Each tensor is drawn whole, so that shrinking can leave one out; names are given after that.
    named = {f"w{number}": tensor for number, tensor in enumerate(tensors)}
    weights = {name: tensor.weights for name, tensor in named.items()}
    gradients = {name: tensor.gradients for name, tensor in named.items()}
    document = _document(given, dtype, len(tensors[0].gradients), named, draw(st.integers(0, 9)))
    document |= {"rule": rule} if rule != DEFAULT else {}
    return Example(toml(_marked(document, weights, gradients)), archive(weights), archive(gradients))


def _rows(count: int) -> st.SearchStrategy[list[int]]:
    """Return a strategy for the rows of a sparse gradient; mostly none repeats, since Keras errs where one does."""
    once = st.lists(st.integers(0, count - 1), min_size=1, max_size=4, unique=True)
    return st.one_of(once, once, once, st.lists(st.integers(0, count - 1), min_size=1, max_size=4))


# What is drawn overflows, and divides by zero, on purpose: where both sides do so alike, there is nothing to find.
def _document(given: dict[str, Any], dtype: str, steps: int, named: dict[str, Tensor], seed: int) -> dict[str, Any]:
    problem: dict[str, Any] = {"kind": "replayed", "generator": "recorded", "file": GRADIENTS_FILE}
    problem["tensors"] = {name: list(tensor.shape) for name, tensor in named.items()}
    sparse = {name: tensor.rows for name, tensor in named.items() if tensor.rows is not None}
    return {
        "id": "generated",
        "summary": "made by parity fuzz",
        "probes": ["learning_rate"],
        "steps": steps,
        "dtype": dtype,
        "seed": seed,
        "non_finite": True,
        "problem": problem | ({"sparse": sparse} if sparse else {}),
        "weights": {"kind": "file", "file": WEIGHTS_FILE},
        "hyperparameters": given,
    }


def _marked(document: dict[str, Any], weights: dict[str, Array], gradients: dict[str, Array]) -> dict[str, Any]:
    """Say where the files hold numbers that are not finite, and drop an empty table."""
    for key, arrays in (("weights", weights), ("problem", gradients)):
        with np.errstate(invalid="ignore"):
            finite = all(np.isfinite(array).all() for array in arrays.values())
        if not finite:
            document[key] = document[key] | {"non_finite": True}
    if not document["hyperparameters"]:
        del document["hyperparameters"]
    return document
