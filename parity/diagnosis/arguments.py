"""Every argument that a subject takes is moved: does what was found hold at other values, or is one ignored?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from parity.case.spec import hyperparameters
from parity.diagnosis.behaviour import run
from parity.diagnosis.member import Member, bound_ratio, equal_bits, predict
from parity.diagnosis.observe import Make, Observation
from parity.diagnosis.probes import Probe, first_probe, probe
from parity.errors import AbsentArgumentError, UnsupportedError


class Move(NamedTuple):
    """Arguments at other values than the search had, and the dtype of the weights."""

    given: dict[str, Any]
    dtype: str = ""

    @property
    def label(self) -> str:
        """What a report calls it: ``rho = 0.5``, ``float64 weights``."""
        words = [f"{name} = {value}" for name, value in self.given.items()]
        return ", ".join(words) if not self.dtype else f"{self.dtype} weights"

    @property
    def mode(self) -> str:
        """The mode of the optimizer that it belongs to."""
        momentum, centered = "momentum" in self.given, "centered" in self.given
        return "both" if momentum and centered else "momentum" if momentum else "centered" if centered else "plain"


_AVERAGED: Final = {"use_ema": True, "ema_momentum": 0.9}
MOVES: Final = (
    Move({"learning_rate": 0.25}),
    Move({"rho": 0.5}),
    Move({"rho": 0.99}),
    Move({"epsilon": 0.001}),
    Move({"epsilon": 1e-05}),
    Move({"momentum": 0.5}),
    Move({"momentum": 0.5, "centered": True}),
    Move({"weight_decay": 0.25}),
    Move({"weight_decay": 0.25, "exclude_from_weight_decay": ["bias"]}),
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
    Move({"weight_decay": 0.25, "clipvalue": 0.05}),
    Move({"weight_decay": 0.25, "momentum": 0.9}),
    # A power of two is the same number in float32, where Keras keeps the learning rate, and in float64.
    Move({"learning_rate": 2.0**-10}, "float64"),
    Move({"learning_rate": 2.0**-10}, "float16"),
)
"""At least two values of every argument of tf.keras, with those of the search's own probes, and two other dtypes."""

BITS, ROUNDING, IGNORED, OTHERWISE = "every bit", "up to rounding", "ignored", "otherwise"


@dataclass(slots=True)
class Checked:
    """What became of the moves.

    Attributes:
        members: what still fits, with what is ignored pinned at the value that it is computed with.
        outcomes: a move's label to whether it is reproduced to every bit, up to rounding, with something ignored, or
            otherwise than anything that is known.
        absent: the arguments that the subject does not have, in Keras' order.
        lacks: any other move's label to why it could not be run.
        seen: the moves that what is left reproduces, as they were observed.
        missing: a move that would tell the members apart and could not be run.
    """

    members: list[Member]
    outcomes: dict[str, str] = field(default_factory=dict)
    absent: dict[str, None] = field(default_factory=dict)
    lacks: dict[str, str] = field(default_factory=dict)
    seen: list[Observation] = field(default_factory=list)
    missing: str | None = None

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
    modes: Sequence[str],
    said: Callable[[Exception], str],
    dtype: str = "float32",
) -> Checked:
    """Move every argument that the subject takes and keep the members that reproduce it.

    Args:
        make: returns a fresh adapter.
        members: sets of choices that fit all that was seen so far.
        exact: whether they fit to the bit, so that a move on which they differ would tell them apart.
        modes: the modes that they are for; moves of others are left out.
        said: turns what a subject raised into words.
        dtype: that of the weights that were searched on; only from float32 on are other dtypes tried.
    """
    result = Checked(list(members))
    for move in MOVES:
        if move.mode not in modes or (move.dtype and dtype != "float32"):
            continue
        try:
            seen = run(make, probe_of(move, dtype))
        except AbsentArgumentError as error:
            result.absent[error.argument] = None
        except UnsupportedError as error:
            result.lacks[move.label] = str(error)
        except Exception as error:  # a class that has the argument and fails with it
            result.lacks[move.label] = said(error)
        else:
            if not seen.strange:
                _judge(result, move, seen)
                continue
            result.lacks[move.label] = "; ".join(f"{what} is {dtype}" for what, dtype in seen.strange.items())
        if exact and result.missing is None and _parts(result.members, probe_of(move, dtype)):
            result.missing = move.label
    return result


def probe_of(move: Move, dtype: str = "float32") -> Probe:
    """Return the probe of a move: weights that are not zero where something in it acts on them."""
    kind = move.dtype or dtype
    plain = first_probe(kind)
    weights = probe("plain", scheduled=False, dtype=kind).weights if "weight_decay" in move.given else None
    given = msgspec.structs.replace(plain.hyperparameters, **move.given)
    return Probe(move.label, move.mode, given, plain.weights if weights is None else weights, plain.gradients)


def _judge(result: Checked, move: Move, seen: Observation) -> None:
    for outcome, members in ((None, result.members), (IGNORED, _pinned(result.members, move))):
        equal = [member for member in members if equal_bits(member, seen)]
        fitting = equal or [member for member in members if bound_ratio(member, seen, limit=1.0) <= 1]
        if fitting:
            result.members = fitting
            result.outcomes[move.label] = outcome or (BITS if equal else ROUNDING)
            result.seen.append(seen)
            return
    result.outcomes[move.label] = OTHERWISE


def _pinned(members: Sequence[Member], move: Move) -> list[Member]:
    """Return the members with one of the moved arguments, or all, at Keras' default whatever is given."""
    defaults = hyperparameters()()
    names = [name for name in move.given if name not in ("ema_momentum", "ema_overwrite_frequency")]
    subsets = [[name] for name in names] + ([names] if len(names) > 1 else [])
    return [
        member.having(**{name: getattr(defaults, name) for name in subset}) for member in members for subset in subsets
    ]


def _parts(members: Sequence[Member], unseen: Probe) -> bool:
    """Return whether the members would compute different things on a probe."""
    with np.errstate(all="ignore"):
        return len(members) > 1 and len({predict(member, unseen).tobytes() for member in members}) > 1
