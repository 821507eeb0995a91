"""Every argument that a subject takes is moved: does what was found hold at other values, or is one ignored?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from parity.case.rule import DEFAULT
from parity.case.rule import around as find_around
from parity.case.spec import LearningRateSchedule, hyperparameters
from parity.diagnosis.behaviour import run
from parity.diagnosis.choices import modes, switches
from parity.diagnosis.family import family
from parity.diagnosis.member import MAX_UNDECIDED, Member, equal_bits, measured, predict
from parity.diagnosis.observe import Make, Observation, other_dtypes
from parity.diagnosis.probes import HELD_RATE, RATES, Probe, first_probe, in_float32, probe
from parity.errors import AbsentArgumentError, UnsupportedError
from parity.reference.arguments import BY_NAME, CLIPS


class Move(NamedTuple):
    """Arguments at other values than the search had, and the dtype of the weights."""

    given: dict[str, Any]
    dtype: str = ""

    @property
    def label(self) -> str:
        """What a report calls it: ``rho = 0.5``, ``float64 weights``."""
        words = [
            "a rate that changes" if isinstance(value, LearningRateSchedule) else f"{name} = {value}"
            for name, value in self.given.items()
        ]
        if not self.dtype:
            return ", ".join(words)
        return ", ".join([f"{self.dtype} weights", *(words if self.given != _EXACT_RATE else [])])

    def mode(self, rule: str = DEFAULT) -> str:
        """Return the mode of the optimizer that it belongs to."""
        own = {
            name: given for name, given in modes(rule).items() if name != "weight_decay" and set(given) <= {*self.given}
        }
        return max(own, key=lambda name: len(own[name]))


_EXACT_RATE: Final = {"learning_rate": HELD_RATE}
_AVERAGED: Final = {"use_ema": True, "ema_momentum": 0.9}
_OWN: Final = (
    Move({"rho": 0.5}),
    Move({"rho": 0.99}),
    Move({"epsilon": 0.001}),
    Move({"epsilon": 1e-05}),
    Move({"momentum": 0.5}),
    Move({"momentum": 0.5, "centered": True}),
)
_AROUND: Final = (
    Move({"weight_decay": 0.25}),
    # Patterns that are searched: no whole names, and not at the start of all that they match.
    Move({"weight_decay": 0.25, "exclude_from_weight_decay": ["ia.", "^sc"]}),
    Move({"clipvalue": 0.05}),
    Move({"clipvalue": 1.0}),
    Move({"clipnorm": 0.5}),
    Move({"clipnorm": 30.0}),
    Move({"global_clipnorm": 0.5}),
    Move({"global_clipnorm": 30.0}),
    Move({"loss_scale_factor": 8.0}),
    Move({"loss_scale_factor": 3.0}),
    Move({"gradient_accumulation_steps": 2}),
    Move({"gradient_accumulation_steps": 3}),
    Move(_AVERAGED | {"ema_overwrite_frequency": 3}),
    Move(_AVERAGED | {"ema_momentum": 0.5, "ema_overwrite_frequency": 2}),
    # Two at a time, where their order shows: what is unscaled, gathered, clipped, decayed, averaged.
    Move({"loss_scale_factor": 8.0, "clipvalue": 0.05}),
    Move({"gradient_accumulation_steps": 2, "clipvalue": 1.0}),
    Move({"gradient_accumulation_steps": 2, "learning_rate": LearningRateSchedule(values=list(RATES))}),
    Move(_AVERAGED | {"ema_overwrite_frequency": 2, "gradient_accumulation_steps": 2}),
    Move({"weight_decay": 0.25, "clipvalue": 0.05}),
)
_BESIDE_FLAGS: Final[tuple[dict[str, Any], ...]] = (
    {"clipvalue": 0.05},
    {"clipnorm": 0.5},
    {"global_clipnorm": 0.5},
    {"loss_scale_factor": 8.0},
    {"gradient_accumulation_steps": 2},
    _AVERAGED | {"ema_overwrite_frequency": 3},
)
"""What stands around a rule, moved where all its flags are on, too: another branch may forget it."""
_NARROW: Final = ("float16", "bfloat16")
HELD: Final = "float32"
"""What a choice is called that holds a number in float32, whatever the weights are."""
_HELD_IN_16_BITS: Final = {"beta_2": 0.984375}
"""Numbers that 16 bits hold, for what they round to one by default: then a moment of tf.keras never moves."""
_DTYPES: Final = (
    Move({"learning_rate": 0.001}, "float64"),
    Move({**_EXACT_RATE, "weight_decay": 0.01}, "float64"),
)


@cache
def moves(rule: str = DEFAULT) -> tuple[Move, ...]:
    """Return at least two values of every argument of a rule, with those of the search's own probes, and the dtypes."""
    own = _OWN if rule == DEFAULT else tuple(_of_page(rule))
    flagged = [given for mode, given in modes(rule).items() if mode not in ("plain", "weight_decay")]
    main = next(iter(flagged), {})
    fullest = max(flagged, key=len, default={})
    taken = {parameter.name for parameter in family(rule).rule.parameters}
    held = {name: value for name, value in _HELD_IN_16_BITS.items() if name in taken}
    return (
        Move({"learning_rate": 0.25}),
        *own,
        *_AROUND,
        *(Move({"weight_decay": 0.25, **given}) for given in flagged),
        *(Move({**given, **fullest}) for given in _BESIDE_FLAGS if fullest),
        Move(_EXACT_RATE, "float64"),
        *([Move({**_EXACT_RATE, **main}, "float64")] if main else []),
        *(Move({**_EXACT_RATE, **held}, dtype) for dtype in _NARROW),
        *_DTYPES,
    )


_VALUES: Final = {"fraction": (0.5, 0.97), "non_negative": (0.001, 1e-05), "number": (-0.6, -0.7)}
"""Two values of an argument of a kind, beside Keras' default."""


def _of_page(rule: str) -> Iterator[Move]:
    """Yield two values of each number of a page, and one where a flag is on."""
    around = {parameter.name for parameter in find_around()}
    flags = {name: given for name, given in modes(rule).items() if name not in ("plain", "weight_decay")}
    for parameter in family(rule).rule.parameters:
        if parameter.name in around or parameter.name not in BY_NAME:
            continue
        for value in _VALUES.get(BY_NAME[parameter.name].domain, ()):
            yield Move({parameter.name: value})
    for given in flags.values():
        yield Move({name: 0.5 if name == "momentum" else value for name, value in given.items()})


MOVES: Final = moves()
"""Those of RMSprop."""

BITS, ROUNDING, IGNORED, OTHERWISE = "every bit", "up to rounding", "ignored", "otherwise"
DOUBLE: Final = "with Python's numbers"
UNDECIDED: Final = "not decided"
"""What fits differs where the bound is infinite, which would excuse anything; of 16 bits, where most bounds are."""
BEYOND: Final = "beyond rounding"
"""Of a case: a choice that only rounds elsewhere reproduces it, and leaves the bound of tf.keras' own rule."""
RAISES: Final = "raises"
"""Of a case: the subject raises there, so that nothing is held against anything."""
OTHER_DTYPE: Final = "another dtype"
"""Of a case: what the subject makes has another dtype than the weights there, so that nothing is compared."""


@dataclass(slots=True)
class Checked:
    """What became of the moves.

    Attributes:
        members: what still fits, with what is ignored pinned at the value that it is computed with.
        outcomes: a move's label to whether it is reproduced to every bit, up to rounding, with something ignored, with
            Python's numbers where tf.keras holds float32, or otherwise than anything that is known.
        absent: the arguments that the subject does not have, in Keras' order.
        lacks: any other move's label to why it could not be run.
        seen: the moves that what is left reproduces, as they were observed.
        missing: a move that would tell the members apart and could not be run.
        refuting: the moves that nothing known reproduces, as they were observed.
    """

    members: list[Member]
    outcomes: dict[str, str] = field(default_factory=dict)
    absent: dict[str, None] = field(default_factory=dict)
    lacks: dict[str, str] = field(default_factory=dict)
    seen: list[Observation] = field(default_factory=list)
    missing: str | None = None
    refuting: dict[str, tuple[Move, Observation]] = field(default_factory=dict)

    @property
    def otherwise(self) -> list[str]:
        """The moves that nothing known reproduces."""
        return [label for label, outcome in self.outcomes.items() if outcome == OTHERWISE]

    @property
    def exact(self) -> bool:
        """Whether every move in the weights' own dtype is reproduced to the bit."""
        return all(outcome in (BITS, IGNORED) for label, outcome in self.outcomes.items() if "weights" not in label)


def checked(
    make: Make,
    members: Sequence[Member],
    exact: bool,
    kinds: Sequence[str],
    said: Callable[[Exception], str],
    dtype: str = "float32",
    fitted: Sequence[Observation] = (),
) -> Checked:
    """Move every argument that the subject takes and keep the members that reproduce it.

    Args:
        make: returns a fresh adapter.
        members: sets of choices that fit all that was seen so far.
        exact: whether they fit to the bit, so that a move on which they differ would tell them apart.
        kinds: the modes that they are for; moves of others are left out.
        said: turns what a subject raised into words.
        dtype: that of the weights that were searched on; only from float32 on are other dtypes tried.
        fitted: what the members fit, which others must fit, too, that another dtype of the weights suggests.
    """
    result = Checked(list(members))
    rule = members[0].rule
    for move in moves(rule):
        if move.mode(rule) not in kinds or (move.dtype and dtype != "float32"):
            continue
        try:
            seen = run(make, probe_of(move, dtype, rule))
        except AbsentArgumentError as error:
            result.absent[error.argument] = None
        except UnsupportedError as error:
            result.lacks[move.label] = str(error)
        except Exception as error:  # a class that has the argument and fails with it
            result.lacks[move.label] = said(error)
        else:
            if not seen.strange:
                _judge(result, move, seen, fitted)
                continue
            result.lacks[move.label] = other_dtypes(seen)
        if exact and result.missing is None and _parts(result.members, probe_of(move, dtype, rule)):
            result.missing = move.label
    return result


def probe_of(move: Move, dtype: str = "float32", rule: str = DEFAULT) -> Probe:
    """Return the probe of a move: weights that are not zero where something in it acts on them."""
    kind = move.dtype or dtype
    plain = first_probe(kind, rule=rule)
    weights = probe("plain", False, dtype=kind, rule=rule).weights if "weight_decay" in move.given else plain.weights
    values = in_float32(move.given) if dtype == "float64" else move.given
    # A move to another dtype shows as well how numbers are held: only what it gives is the same in float32.
    asked = hyperparameters(rule)() if move.dtype else plain.hyperparameters
    given = msgspec.structs.replace(asked, **values)
    return Probe(move.label, move.mode(rule), given, weights, plain.gradients, rule=rule)


def _judge(result: Checked, move: Move, seen: Observation, fitted: Sequence[Observation]) -> None:
    before = [*fitted, *result.seen]

    def held_against(members: list[Member]) -> list[Member]:
        """What another move suggests, an ignored argument too, must reproduce all that was seen before."""
        fresh = any(member not in result.members for member in members)
        return [m for m in members if not fresh or all(reproducing([m], each)[0] for each in before)]

    for outcome, members in _offers(result.members, move):
        fitting, how = reproducing(members, seen)
        if outcome == DOUBLE:
            # How numbers are held is said of the move; what is chosen beside it holds for the others, too.
            fitting = held_against([member.without("numbers") for member in fitting])
            if fitting:
                result.outcomes[move.label] = outcome
                result.members = fitting if fitting[0] not in result.members else result.members
                return
            continue
        fitting = held_against(fitting)
        if fitting:
            result.outcomes[move.label] = outcome or how
            result.members = fitting
            result.seen.append(seen)
            return
    if move.dtype in _NARROW and reproducing(result.members, seen, most_undecided=1)[0]:
        result.outcomes[move.label] = UNDECIDED
        return
    result.outcomes[move.label] = OTHERWISE
    result.refuting[move.label] = move, seen


def _offers(members: list[Member], move: Move) -> Iterator[tuple[str, list[Member]]]:
    """Yield sets of members to try one after another, with the outcome if one of them fits other than by itself."""
    yield "", members
    yield "", the_page(members)
    yield "", _multiplied(members, move)
    yield "", _turned(members, move)
    if move.dtype == "float64":
        yield DOUBLE, with_doubles(members)
        held = _in_float32(members, move)
        yield "", held
        yield DOUBLE, with_doubles(held)
    yield IGNORED, _pinned(members, move)


def reproducing(
    members: Sequence[Member], seen: Observation, most_undecided: float = MAX_UNDECIDED, one: bool = False
) -> tuple[list[Member], str]:
    """Return the members that reproduce what was seen, to every bit if any does so, and how they do.

    ``most_undecided`` is the share of bounds that may be infinite: any, where a case is judged. Where ``one`` is
    enough, those after the first that decides are not looked at.
    """
    equal = [member for member in members if equal_bits(member, seen)]
    if equal:
        return equal, BITS
    fitting: dict[Member, bool] = {}
    for member in dict.fromkeys(members):
        ratio, undecided = measured(member, seen, 1.0, most_undecided)
        if ratio <= 1:
            fitting[member] = undecided
        if one and ratio <= 1 and not undecided:
            break
    if not fitting:
        return [], OTHERWISE
    return list(fitting), UNDECIDED if most_undecided == 1 and all(fitting.values()) else ROUNDING


def the_page(members: Sequence[Member]) -> list[Member]:
    """Return tf.keras' own rule beside members that only round: what is inside its bound may leave theirs."""
    return [members[0].page] if any(member.rounding for member in members) else []


def with_doubles(members: Sequence[Member]) -> list[Member]:
    """Return the members with their rate and decay as Python's numbers, as a NumPy program holds them."""
    return [member.having(numbers="double") for member in members]


def _in_float32(members: Sequence[Member], move: Move) -> list[Member]:
    """Return the members with numbers held in float32, fewest first; narrower weights hardly tell it, if at all."""
    rule = members[0].rule
    names = [each.name for each in switches(rule).values() if HELD in each.values and each.name != "arithmetic"]
    names = [name for name in names if not switches(rule)[name].needs or switches(rule)[name].needs in move.given]
    turned = [dict.fromkeys(some, HELD) for count in (1, 2, 3) for some in combinations(names, count)]
    found = [
        (member.minus("one_minus_rho") if "rho_held" in more else member).plus(**more)
        for more in turned
        for member in members
    ]
    return list(dict.fromkeys(found))


_FACTORS: Final = (0.1, 0.5, 2.0, 10.0)
"""What people multiply a limit by that they are given."""


def _multiplied(members: Sequence[Member], move: Move) -> list[Member]:
    """Return the members whose own value of a moved argument may as well be a multiple of what is given."""
    found = []
    for member in members:
        numbers = dict(member.numbers)
        for name in {"epsilon"} & set(move.given) & set(numbers):
            factor = float(f"{numbers[name] / family(member.rule).default(name):.12g}")
            found.append(member.without(name).having(**{f"{name}_factor": factor}))
        for name in {*CLIPS} & set(move.given) - set(numbers):
            found += [member.having(**{f"{name}_factor": factor}) for factor in _FACTORS]
    return found


def _turned(members: Sequence[Member], move: Move) -> list[Member]:
    """Return the members with a choice turned that shows beside a moved argument alone, which no mode sets."""
    rule = members[0].rule
    asked = {name for given in modes(rule).values() for name in given}
    names = [each.name for each in switches(rule).values() if each.needs in {*move.given} - asked]
    return [
        turned
        for member in members
        for name in names
        for value in switches(rule)[name].values[1:]
        if not (turned := member.plus(**{name: value})).idle and name not in dict(member.switches)
    ]


def _pinned(members: Sequence[Member], move: Move) -> list[Member]:
    """Return the members with one of the moved arguments, or all, at Keras' default whatever is given."""
    names = list(move.given)
    subsets = [[name] for name in names] + ([names] if len(names) > 1 else [])
    return [
        member.having(**{name: family(member.rule).default(name) for name in subset})
        for member in members
        for subset in subsets
    ]


def _parts(members: Sequence[Member], unseen: Probe) -> bool:
    """Return whether the members would compute different things on a probe."""
    with np.errstate(all="ignore"):
        return len(members) > 1 and len({predict(member, unseen).tobytes() for member in members}) > 1
