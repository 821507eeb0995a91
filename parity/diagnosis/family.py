"""A rule in, its family out: the class of its members, and the numbers that people write into it."""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final

import numpy as np

from parity.bounds.rule import OnBounds, page
from parity.case.rule import DEFAULT, Rule, find
from parity.diagnosis.choices import modes, switches
from parity.reference.families.choosing import Choosing
from parity.reference.families.switches import FAMILIES, OTHERS
from parity.reference.family import Family as RMSpropFamily
from parity.reference.rmsprop import Update
from parity.reference.switches import Switch

_STARTS = (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1)
_LIMITS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0)
_AROUND: Final[tuple[tuple[str, Any], ...]] = (
    *(("clipvalue", limit) for limit in _LIMITS),
    *(("clipnorm", limit) for limit in _LIMITS),
    *(("rate_decay", decay) for decay in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 5e-5, 5e-4, 1e-6)),
    *(("rate_kept", kept) for kept in (0.9, 0.95, 0.96, 0.98, 0.99, 0.995, 0.999, 0.9999)),
    *(("rate_decay_kept", decay) for decay in (1e-1, 1e-2, 1e-3, 1e-4)),
)
STARTS: Final = "_start"
"""How the name of a number ends at which a slot starts; what is before is the slot."""


@dataclass(frozen=True)
class Family:
    """The members of a rule.

    Attributes:
        rule: what the page says of itself.
        kind: the class that computes a member; ``bounded`` the same on bounded arrays.
        written: numbers that people write into the code where an argument belongs, or that are on by themselves.
        mixes: whether the page mixes the elements of a tensor; then no numbers are estimated.
        shaped: whether a slot has a shape of its own.
    """

    rule: Rule
    kind: type[Any]
    bounded: type[Any]
    written: tuple[tuple[str, Any], ...]
    mixes: bool = False
    shaped: bool = False

    @property
    def structure(self) -> list[str]:
        """Switches that change the rule and show on a plain probe."""
        return [switch.name for switch in self._shown if not switch.rounds]

    @property
    def rounding(self) -> list[str]:
        """Switches that change last bits alone and show on a plain probe."""
        return [switch.name for switch in self._shown if switch.rounds]

    @property
    def hides(self) -> bool:
        """Whether a number that people write shows only beside an argument that is off, as a dampening does."""
        known, asked = switches(self.rule.name), modes(self.rule.name).values()
        alone = {name for given in asked if len(given) == 1 for name in given}
        together = {name for given in asked for name in given} - alone
        return any(name in together or (name in known and known[name].needs) for name, _ in self.written)

    @property
    def _shown(self) -> list[Switch]:
        """Switches that need nothing, or an argument that is on where nobody gives it, as AdamW's decay is."""
        on = {parameter.name for parameter in self.rule.parameters if parameter.default}
        return [each for each in switches(self.rule.name).values() if not each.needs or each.needs in on]

    def default(self, name: str) -> Any:
        """Return Keras' default of an argument."""
        return next(each.default for each in self.rule.parameters if each.name == name)

    def off(self, name: str) -> Any:
        """Return the value with which an argument does nothing."""
        return 0.0 if name == "weight_decay" and self.default(name) is not None else self.default(name)


@cache
def family(name: str = DEFAULT) -> Family:
    """Return the family of a shipped rule: its own, or of what stands around every rule.

    Raises:
        SpecError: there is no such rule.
    """
    rule = find(name)
    if name == DEFAULT:
        starts = tuple(("second_moment_start", start) for start in _STARTS)
        return Family(rule, RMSpropFamily, _Bounded, (("centered", True), *starts, *_AROUND))
    kin = FAMILIES.get(name, OTHERS)
    module, own = kin.own
    chosen: Any = getattr(import_module(f"parity.reference.families.{module}"), own) if module else page(name)
    kind: Any = _class(f"{rule.kind}Family", (Choosing, chosen))
    bounded = _class(f"Bounded{rule.kind}Family", (Choosing, OnBounds, chosen))
    plain = kind()
    starts = tuple((f"{slot}{STARTS}", start) for slot in slots_of(plain) for start in (1.0, 1e-8, 0.1))
    shaped = not plain.starts_alike
    usual = tuple(
        (_ALWAYS.get(argument, argument), value) for argument, value in kin.usual if _taken(kind, argument, value)
    )
    return Family(rule, kind, bounded, (*usual, *starts, *_AROUND), plain.mixes_elements, shaped)


def slots_of(rule: Any) -> tuple[str, ...]:
    """Return the slots that a rule keeps for a matrix, then those for a row alone."""
    matrix = np.zeros((2, 3), dtype=np.float32)
    return tuple({**rule.start(matrix), **rule.start(matrix[0])})


_ALWAYS: Final = {"momentum": "momentum_always"}
"""What a number is called that is there also where none is asked for."""


def _taken(kind: type[Any], argument: str, value: Any) -> bool:
    """Return whether a page takes a value."""
    try:
        kind(**{argument: value})
    except ValueError:
        return False
    return True


def _class(name: str, bases: tuple[type[Any], ...]) -> type[Any]:
    kind: type[Any] = dataclass(eq=False)(type(name, bases, {"__doc__": "Members of a rule's family; see the bases."}))
    return kind


class _Bounded(RMSpropFamily, OnBounds):
    """RMSprop's family on bounded arrays."""

    def rule(self, w: Any, g: Any, v: Any, m: Any, b: Any, rate: Any, count: int) -> Update:
        """Apply the rule to one tensor; see ``Family.rule``."""
        keep = self.kept(rate)
        v = self.either_form(v, np.square(g), keep)
        m = None if m is None else self.either_form(m, g, keep)
        return super().rule(w, g, v, m, b, rate, count)
