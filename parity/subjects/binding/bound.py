"""What a constructor, a step, or a class itself is passed, and under which of its own names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from parity.reference.arguments import BY_NAME
from parity.subjects.binding.parts import Kinds, argument_of, put_together, word_of


class Steps(NamedTuple):
    """The method that makes a step, and the numbers that it takes beside weights and gradients, with defaults."""

    method: str
    numbers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bound:
    """What a constructor is passed.

    Of an argument that holds several, each part has a name of its own, such as ``betas[0]``; see ``parts``.

    Attributes:
        values: its own names to values.
        spelled: Keras' names to its own.
        defaults: its own names to its defaults, of all that it has and that is a number, several, or a switch.
        owns: its own name of the argument that takes the parameters, an empty string where it has none.
        takes_gradients: its own name of the argument that takes arrays of gradients beside them.
        may_own: its own name of an argument that may take the parameters, which only a trial tells: one that has a
            default, or the only one that must be given and has a name that says nothing.
        keras: Keras' names to Keras' defaults, of the rule that it was bound for.
        spreads: whether what takes the parameters is ``*name``, so that each is an argument by itself.
        shaped: its own name of the argument that takes the shape of a tensor.
        kinds: what was taken apart to what it is put together as.
        meant: its own names of arguments whose default is None to the numbers that an instance has then.
        swallows: the name of its ``**kwargs``, where a trial found that nothing else in it changes a step.
        with_steps: its own names of numbers that its step takes, not its constructor.
        step: the name of the method that makes the step, where it takes such.
        of_class: its own names of numbers that are attributes of the class, and no arguments.
    """

    values: dict[str, Any]
    spelled: dict[str, str]
    defaults: dict[str, Any] = field(default_factory=dict)
    owns: str = ""
    takes_gradients: str = ""
    may_own: str = ""
    keras: Mapping[str, Any] = field(default_factory=dict)
    spreads: bool = False
    shaped: str = ""
    kinds: Kinds = field(default_factory=dict)
    meant: Mapping[str, Any] = field(default_factory=dict)
    swallows: str = ""
    with_steps: frozenset[str] = frozenset()
    step: str = ""
    of_class: frozenset[str] = frozenset()

    @property
    def passed(self) -> dict[str, Any]:
        """What the arguments of the constructor are given."""
        return self.passing(self.values)

    def passing(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the arguments of the constructor are given where its own names have other values."""
        return self._only(values, lambda name: name not in self.with_steps | self.of_class)

    @property
    def stepping(self) -> dict[str, Any]:
        """What each step is given beside weights and gradients."""
        return self._only(self.values, self.with_steps.__contains__)

    @property
    def attributes(self) -> dict[str, Any]:
        """What attributes of the class are set to."""
        return self._only(self.values, self.of_class.__contains__)

    def _only(self, values: Mapping[str, Any], has: Callable[[str], bool]) -> dict[str, Any]:
        own = {name: value for name, value in values.items() if has(argument_of(name))}
        return put_together(own, self.defaults, {name: kind for name, kind in self.kinds.items() if has(name)})

    @property
    def taken(self) -> set[str]:
        """The arguments of the constructor that are hyperparameters, or hold them."""
        return {argument_of(own) for own in (*self.spelled.values(), *self.kinds)}

    @property
    def left(self) -> dict[str, Any]:
        """The arguments that stay at their own default."""
        return {name: value for name, value in self.defaults.items() if name not in self.values}

    @property
    def has_rate(self) -> bool:
        """Whether one of its own arguments is the learning rate for certain, and not the weight of an old moment."""
        own = self.spelled.get("learning_rate", "")
        return own != "" and word_of(own) not in BY_NAME["rho"].aliases

    @property
    def departures(self) -> dict[str, tuple[Any, Any]]:
        """Keras' names of the arguments whose default is not Keras': that default, and Keras'."""
        found = {}
        for name, own in self.spelled.items():
            default = self.meant.get(own, self.defaults.get(own))
            # None says that a class has its own way to a number, which is told where that shows.
            if own in self.defaults and default is not None and not _same(default, self.keras.get(name)):
                found[name] = (default, self.keras.get(name))
        return found


def _same(own: Any, keras: Any) -> bool:
    return own == keras or (keras in (None, False) and own in (None, False, 0))
