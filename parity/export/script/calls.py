"""How a person's optimizer is made and called in a script: arguments, learning rate, and what a step returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from parity.bounds.rule import plain_argument
from parity.errors import UnsupportedError
from parity.export.script.literals import number
from parity.problem.problems import Problem
from parity.subjects.binding.candidates.rules import is_rule
from parity.subjects.binding.configs import config_of
from parity.subjects.binding.drivers import arrays, states, twos
from parity.subjects.binding.drivers.shape import FURTHER, GUESSED, KEPT, Call, Driver, Shape
from parity.subjects.binding.parts import argument_of, written
from parity.subjects.binding.rates import Place
from parity.subjects.binding.trials import maker
from parity.subjects.numpy_class import NumpySubject

COPIES: Final = "params = {n: w.copy() for n, w in start.items()}"
_RENEWED: Final = "params = {n: params[n].copy() for n in grads}  # new arrays, in the order of this step"


@dataclass(frozen=True, slots=True)
class Called:
    """What is done once, what at each step, and what is shown of the parameters after the last."""

    before: tuple[str, ...]
    each: tuple[str, ...]
    parameter: str
    state: str = ""
    """How the state is called that ``slots`` is asked about."""


class _Heard(Call):
    """A call that keeps what it returned last."""

    returned: Any = None

    def on(self, holder: Any, **given: Any) -> Any:
        """Call it on an instance with what each role stands for."""
        self.returned = super().on(holder, **given)
        return self.returned


class Calls:
    """Writes the calls of one person's optimizer on a problem.

    Args:
        subject: the optimizer, whose shape is known.
        problem: what it is shown.
        name: what its class is called in the script.
    """

    def __init__(self, subject: NumpySubject, problem: Problem, name: str) -> None:
        self._subject, self._problem, self._name = subject, problem, name
        given = problem.cell.hyperparameters
        self._bound, self._shape, self._ways = subject.bound(given), subject.shape(), subject.moved(given)
        rate = plain_argument(given.learning_rate)
        self._rate_at = rate if callable(rate) else lambda step: rate
        self._changes = len({float(self._rate_at(step)) for step in range(problem.cell.steps)}) > 1
        self._rule = config_of(subject.kind) is None and is_rule(subject.kind, self._bound)

    def unknown(self) -> UnsupportedError:
        """Return the error that nobody has said how the shape is written."""
        return UnsupportedError(
            f"how a script calls {self._shape.title} is not known; a method update(params, grads) that makes one step "
            "of it can be written down."
        )

    @property
    def driver(self) -> Any:
        """The class that drives its shape."""
        return self._shape.driver

    @property
    def name(self) -> str:
        """What its class or function is called in the script."""
        return self._name

    def at(self, tensor: str) -> int:
        """Return the place of a tensor among all."""
        return list(self._problem.params).index(tensor)

    def rates(self) -> str:
        """Return the learning rates of all steps, a list."""
        texts = [number(np.float64(self._rate_at(t)), np.dtype(np.float64)) for t in range(self._problem.cell.steps)]
        return f"[{', '.join(texts)}]"

    def arguments(self, more: str = "") -> str:
        """Return the arguments of the constructor, or of the rule itself, that are not its own defaults of nothing."""
        elsewhere = self._bound.with_steps | self._bound.of_class
        texts = self._texts(lambda name: name not in elsewhere)
        return ", ".join([*([more] if more else []), *(f"{word}={text}" for word, text in texts.items())])

    def _texts(self, has: Callable[[str], bool]) -> dict[str, str]:
        own, texts = self._bound.spelled.get("learning_rate", ""), dict[str, str]()
        for word, value in self._bound.values.items():
            if not has(argument_of(word)):
                continue
            default = self._bound.defaults.get(word, value)
            if value in (None, False, []) and default == value and argument_of(word) == word:
                continue
            texts[word] = self._value(value, word == own)
        return written(texts, self._bound.defaults, {name: k for name, k in self._bound.kinds.items() if has(name)})

    def _value(self, value: Any, is_rate: bool) -> str:
        if not callable(value):
            return repr(value)
        if self._ways is None:
            return "lambda step: rates[step]"
        if not self._changes:
            return number(np.float64(self._rate_at(0)), np.dtype(np.float64))
        return "rates[t]" if self._rule and is_rate else "rates[0]"

    def constructor(self, more: str = "") -> str:
        """Return the expression that makes an optimizer."""
        held = ", ".join(f'"{name}": {text}' for name, text in self._texts(self._bound.of_class.__contains__).items())
        kind = f'type("{self._name}", ({self._name},), {{{held}}})' if held else self._name
        return f"{kind}({self.arguments(more)})"

    def moves(self) -> tuple[str, ...]:
        """Return the lines that set the learning rate before a step, for who takes a number."""
        if not self._ways or not self._changes:
            return ()
        if self._shape.driver is states.Configured:
            return ("for config in configs.values():", f'    config["{self._ways[0][0]}"] = rates[t]')
        alone = self._shape.driver in (arrays.Singly, twos.Twos) and not self._shape.more.get("shared")
        if alone or self._shape.more.get("held") == "array":
            return (
                "for each in optimizers.values():",
                *(f"    {_place('each', way)} = rates[t]" for way in self._ways),
            )
        return tuple(f"{_place('optimizer', way)} = rates[t]" for way in self._ways)

    def call(self, holder: str, roles: Mapping[str, str]) -> str:
        """Return the call of a method by the roles of its parameters."""
        call: Call = self._shape.more["call"]
        if set(FURTHER) & set(call.kept):
            raise self.unknown()
        roles = {**roles, GUESSED: roles["state"]}
        texts = [roles[role] for role in call.roles if role not in call.by_name]
        texts += [f"{name}={roles[role]}" for role, name in call.by_name.items()]
        texts += [f"{name}={value!r}" for name, value in self._bound.stepping.items()]
        if self._rule:
            return f"{self._name}({', '.join(filter(None, (*texts, self.arguments())))})"
        return (
            f"{holder}({', '.join(texts)})" if call.name == "__call__" else f"{holder}.{call.name}({', '.join(texts)})"
        )

    def returned(self) -> Any:
        """Return what the optimizer returns of its first step."""
        call: Call = self._shape.more["call"]
        heard = _Heard(call.name, call.roles, call.by_name)
        self.stepped(Shape(self._shape.title, self._shape.driver, {**self._shape.more, "call": heard}))
        return heard.returned

    def heard(self, driver: type[Driver]) -> Any:
        """Return what another driver of its shape is after the first step."""
        return self.stepped(Shape(self._shape.title, driver, self._shape.more))

    def stepped(self, shape: Shape) -> Any:
        """Return the driver of a shape after the first step."""
        bound = self._bound
        own = bound.spelled.get("learning_rate", "")
        values = {**bound.values, **({own: float(self._rate_at(0))} if self._ways is not None else {})}
        make = maker(self._subject.kind, replace(bound, values=values))
        with np.errstate(all="ignore"):
            driver = shape.drive(make, self._problem.params, lambda step: float(self._rate_at(step)), 1)
            driver.step({name: np.array(g) for name, g in self._problem.gradients(0).items()})
        return driver

    @property
    def renewed(self) -> tuple[str, ...]:
        """The line that hands out the parameters in the order of a step, where the case asks for it."""
        return (_RENEWED,) if self._problem.rotates else ()

    @property
    def more(self) -> dict[str, Any]:
        """What the driver of the shape has to know."""
        return self._shape.more

    @property
    def of_rule(self) -> bool:
        """Whether it is an update rule, which is called itself and not made."""
        return self._rule

    @property
    def sign(self) -> str:
        """How the change that a step returns is taken, an empty string where it returns weights."""
        return {1: "+", -1: "-"}.get(self._shape.more.get("change", 0), "")

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return self._problem.cell.steps

    @property
    def size(self) -> int:
        """How many tensors there are."""
        return len(self._problem.params)

    def config(self) -> str:
        """Return the config that a function starts from, an expression over the weights ``w``."""
        names, values = config_of(self._subject.kind) or {}, self._bound.passed
        own = {key for key, value in names.items() if key in values or np.shape(value) == ()}
        parts = [
            f'"{key}": {values.get(key, value)!r}' if key in own else f'"{key}": np.zeros_like(w)'
            for key, value in names.items()
        ]
        return f"{{{', '.join(parts)}}}"

    @property
    def takes_state(self) -> bool:
        """Whether a step is handed a state, by a name that says so or, as a trial showed, by one that does not."""
        return bool(KEPT & set(self._shape.more["call"].roles))


def _place(holder: str, way: Place) -> str:
    return f"{holder}.{way[0]}" + "".join(f'["{key}"]' for key in way[1:])
