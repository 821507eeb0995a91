"""The arrays of a log in, its steps out as flat rows: what each started from, what went in, and what it ended in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array, bits, format_of
from parity.bounds.rule import page
from parity.case.rule import DEFAULT, Rule, find
from parity.case.tomlfile import show_path
from parity.errors import DataError
from parity.trajectory.layout import Layout, layout_of
from parity.trajectory.log.arrays import read
from parity.trajectory.log.names import (
    GRADIENT,
    HYPERPARAMETER,
    PARAMETER,
    RATE,
    RULE,
    SOURCE,
    STEPS,
    Field,
    Place,
    numbered,
    place_of,
)

_NOT_JUDGED: Final = frozenset({"loss"})
"""What a recording holds beside the fields, and a log may, too."""
Key = tuple[str, str, str]
"""When, field and tensor."""


@dataclass(frozen=True, slots=True)
class Log:
    """Steps that a program wrote down.

    Attributes:
        where: the file, as messages name it.
        layout: how the tensors lie beside each other in a row.
        numbers: the zero-based number of each step, ascending; some may be left out between them.
        before: what each step started from, ``[steps, size]`` by field: ``parameter``, and the slots that were logged.
        after: what it ended in, with the same fields.
        gradients: what went in, ``[steps, size]``.
        rates: the learning rate of each step, where the log says it.
        given: hyperparameters that the log says, by name.
        rule: the name of the rule whose slots they are.
        source: who wrote it, or an empty string.
    """

    where: str
    layout: Layout
    numbers: tuple[int, ...]
    before: dict[str, Array]
    after: dict[str, Array]
    gradients: Array
    rates: tuple[float, ...] | None
    given: dict[str, Any]
    rule: str
    source: str = ""

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of all values."""
        return self.gradients.dtype

    @property
    def slots(self) -> list[str]:
        """The slots that were logged."""
        return [field for field in self.before if field != PARAMETER]

    def stretches(self) -> list[range]:
        """Return the places of steps that follow each other: each but the first starts from what the last one left."""
        cuts = [0]
        for at in range(1, len(self.numbers)):
            if self.numbers[at] != self.numbers[at - 1] + 1 or self.moved(at):
                cuts.append(at)
        return [range(first, last) for first, last in zip(cuts, [*cuts[1:], len(self.numbers)], strict=True)]

    def moved(self, at: int) -> list[str]:
        """Return the fields whose values changed between a step and the one logged before it."""
        return [
            field for field, rows in self.before.items() if (bits(rows[at]) != bits(self.after[field][at - 1])).any()
        ]


def read_log(path: Path, rule: str = "") -> Log:
    """Return the log in a file, checked: every step has what every other one has, in one shape and dtype a tensor.

    Args:
        path: an NPZ or a safetensors file.
        rule: the rule whose slots the names mean; unless given, the one that the log says, else RMSprop.

    Raises:
        DataError: the file cannot be read, or an array is missing, unknown, or does not fit; the text says which.
        SpecError: there is no such rule.
    """
    arrays, where = read(path), show_path(path)
    named = find(rule or arrays.words.get(RULE, "") or DEFAULT)
    given: dict[str, Any] = {
        name.partition("/")[2]: text for name, text in arrays.words.items() if name.startswith(f"{HYPERPARAMETER}/")
    }
    given |= {
        name.partition("/")[2]: _one_number(array, name, where)
        for name, array in arrays.values.items()
        if name.startswith(f"{HYPERPARAMETER}/")
    }
    parts = _Parts(where)
    for name, array in arrays.values.items():
        parts.take(name, array, named)
    numbers, columns, rates = parts.columns()
    return _checked(where, numbers, columns, rates, given, (named.name, arrays.words.get(SOURCE, "")))


class _Parts:
    """Arrays sorted by what their names mean: those of one step each, and those with an axis of steps."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._steps: dict[int, dict[Key, Array]] = {}
        self._whole: dict[Key, Array] = {}
        self._step_rates: dict[int, float] = {}
        self._rates: Array | None = None
        self._numbers: Array | None = None
        self._spelled: dict[tuple[int | None, Key], str] = {}

    def take(self, name: str, array: Array, rule: Rule) -> None:
        """Sort one array in."""
        step, rest = numbered(name)
        if name.startswith(f"{HYPERPARAMETER}/") or rest in _NOT_JUDGED:
            return
        if array.dtype.kind not in "fiub" and not _is_float(array):
            raise DataError(f"{self._where}: array {name!r} has dtype {array.dtype}; allowed: real numbers.")
        if name == STEPS:
            self._numbers = array
        elif rest == RATE and step is None:
            self._rates = array
        elif rest == RATE and step is not None:
            self._step_rates[step] = float(_one_number(array, name, self._where))
        else:
            self._put(name, array, place_of(name, rule.slots, self._where))

    def _put(self, name: str, array: Array, place: Place) -> None:
        key = place.when, place.field.name, place.tensor
        earlier = self._spelled.setdefault((place.step, key), name)
        if earlier != name:
            raise DataError(
                f"{self._where}: {earlier!r} and {name!r} mean the same, {place.title}. Leave one of them out."
            )
        kept = self._whole if place.step is None else self._steps.setdefault(place.step, {})
        kept[key] = -array if place.field.negated else array

    def columns(self) -> tuple[tuple[int, ...], dict[Key, Array], tuple[float, ...] | None]:
        """Return the numbers of the steps, each array ``[steps, *shape]``, and the rates."""
        if self._steps and self._whole:
            first, other = next(iter(self._steps)), next(iter(self._whole))
            raise DataError(
                f"{self._where}: it has arrays of one step each (step/{first}/…) and arrays with an axis of steps "
                f"({'/'.join(other)}). Write all of them in one way."
            )
        if not self._steps and not self._whole:
            raise DataError(
                f"{self._where}: it holds no step. A step is step/0/before/parameter/TENSOR, step/0/gradient/TENSOR "
                f"and step/0/after/parameter/TENSOR, and the slots before and after likewise."
            )
        return self._of_steps() if self._steps else self._of_whole()

    def _of_steps(self) -> tuple[tuple[int, ...], dict[Key, Array], tuple[float, ...] | None]:
        numbers = tuple(sorted(self._steps))
        if self._numbers is not None:
            raise DataError(
                f"{self._where}: 'steps' numbers arrays with an axis of steps; here each name has a number."
            )
        keys = list(dict.fromkeys(key for number in numbers for key in self._steps[number]))
        columns = {}
        for key in keys:
            holders = [number for number in numbers if key in self._steps[number]]
            missing = next((number for number in numbers if number not in holders), None)
            if missing is not None:
                raise DataError(
                    f"{self._where}: {_title(key, missing)} is missing; step {holders[0]} has it. "
                    f"Every step needs what any of them has."
                )
            columns[key] = self._stacked(key, numbers)
        rates = None
        if self._step_rates:
            missing = next((number for number in numbers if number not in self._step_rates), None)
            if missing is not None:
                raise DataError(f"{self._where}: step/{missing}/{RATE} is missing; other steps have one.")
            rates = tuple(self._step_rates[number] for number in numbers)
        return numbers, columns, rates

    def _stacked(self, key: Key, numbers: tuple[int, ...]) -> Array:
        first = self._steps[numbers[0]][key]
        for number in numbers:
            array = self._steps[number][key]
            if (array.shape, array.dtype) != (first.shape, first.dtype):
                other = f"in step {numbers[0]} it is {_said(first)}"
                raise DataError(f"{self._where}: {_title(key, number)} is {_said(array)}; {other}.")
        return np.stack([self._steps[number].pop(key) for number in numbers])

    def _of_whole(self) -> tuple[tuple[int, ...], dict[Key, Array], tuple[float, ...] | None]:
        counts = {
            key: (array.shape[0] if array.ndim else -1) - (key[0] == "states") for key, array in self._whole.items()
        }
        key, count = next(iter(counts.items()))
        for other, own in counts.items():
            if own < 0:
                raise DataError(f"{self._where}: {_title(other)} has no axis of steps; its first one must be that.")
            if own != count:
                raise DataError(
                    f"{self._where}: {_title(other)} has {own} steps, {_title(key)} has {count}. "
                    f"FIELD/TENSOR has a row more than there are steps, all else as many."
                )
        numbers = _numbers(self._numbers, count, self._where)
        columns: dict[Key, Array] = {}
        for (when, field, tensor), array in self._whole.items():
            if when == "states":
                if numbers != tuple(range(numbers[0], numbers[0] + count)) if count else False:
                    raise DataError(
                        f"{self._where}: {field}/{tensor} holds the states of steps without a gap; 'steps' has gaps. "
                        f"Write before/{field}/{tensor} and after/{field}/{tensor}."
                    )
                columns["before", field, tensor], columns["after", field, tensor] = array[:-1], array[1:]
            else:
                columns[when, field, tensor] = array
        rates = None
        if self._rates is not None:
            rows = self._rates.reshape(-1)
            if len(rows) not in (1, count):
                raise DataError(f"{self._where}: {RATE} has {len(rows)} values; allowed: one, or one for each step.")
            rates = tuple(float(rate) for rate in np.broadcast_to(rows, count))
        return numbers, columns, rates


def _numbers(given: Array | None, count: int, where: str) -> tuple[int, ...]:
    if given is None:
        return tuple(range(count))
    rows = given.reshape(-1).astype(np.float64)
    if len(rows) != count:
        raise DataError(f"{where}: 'steps' has {len(rows)} numbers; the arrays have {count} steps.")
    if (rows != np.floor(rows)).any() or (rows < 0).any() or (np.diff(rows) <= 0).any():
        raise DataError(f"{where}: 'steps' must be whole numbers from 0 on, each larger than the one before it.")
    return tuple(int(number) for number in rows)


def _checked(
    where: str,
    numbers: tuple[int, ...],
    columns: Mapping[Key, Array],
    rates: tuple[float, ...] | None,
    given: dict[str, Any],
    words: tuple[str, str],
) -> Log:
    """Put the tensors beside each other in rows, if each field of a tensor has its shape, and all the log's dtype."""
    names = list(dict.fromkeys(tensor for _, _, tensor in columns))
    fields = list(dict.fromkeys([PARAMETER, *(field for _, field, _ in columns if field != GRADIENT)]))
    weights = {
        name: np.zeros(columns["before", PARAMETER, name].shape[1:])
        for name in names
        if ("before", PARAMETER, name) in columns
    }
    shapes = _shapes(words[0], fields, {name: array.shape for name, array in weights.items()})
    needed = [(GRADIENT, GRADIENT, name) for name in names]
    for field in fields:
        needed += [(when, field, name) for name in shapes.get(field, names) for when in ("before", "after")]
    for key in needed:
        if key not in columns:
            raise DataError(f"{where}: {_missing(key, columns)}")
    if not numbers:
        raise DataError(f"{where}: it holds no step; the arrays have none.")
    first = columns["before", PARAMETER, names[0]]
    if not _is_float(first):
        allowed = "float64, float32, float16 or bfloat16"
        raise DataError(f"{where}: {_title(needed[len(names)])} has dtype {first.dtype}; allowed: {allowed}.")
    for key in needed:
        parameter = columns["before", PARAMETER, key[2]].shape
        shape = (len(numbers), *shapes.get(key[1], {}).get(key[2], parameter[1:]))
        if columns[key].shape != shape:
            own = "" if shape == parameter else f"; this slot then has {shape[1:]}"
            raise DataError(
                f"{where}: {_title(key)} has shape {columns[key].shape[1:]}; the parameter {key[2]} has "
                f"{parameter[1:]}{own}."
            )
        if columns[key].dtype.name != first.dtype.name:
            raise DataError(
                f"{where}: {_title(key)} has dtype {columns[key].dtype.name}; {names[0]} has {first.dtype.name}. "
                f"A log has one dtype, that of the weights; a state of another dtype rounds otherwise, and is no "
                f"state of this rule."
            )
    held = {field: {name: np.zeros(shape) for name, shape in each.items()} for field, each in shapes.items()}
    layout = layout_of({name: weights[name] for name in names}, slots=held)
    dtype = first.dtype.newbyteorder("=")

    def rows(when: str, field: str) -> Array:
        parts = [columns[when, field, name].reshape(len(numbers), -1) for name in layout.of(field).names]
        return np.concatenate(parts, axis=1).astype(dtype, copy=False)

    states = {when: {field: rows(when, field) for field in fields} for when in ("before", "after")}
    gradients = rows(GRADIENT, GRADIENT)
    return Log(where, layout, numbers, states["before"], states["after"], gradients, rates, given, *words)


def _shapes(
    rule: str, fields: Iterable[str], tensors: Mapping[str, tuple[int, ...]]
) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shape of each slot that the rule starts, by tensor, without those for which it keeps no such slot."""
    kind = page(rule)()
    starts = {name: kind.start_of(name, np.zeros(shape)) for name, shape in tensors.items()}
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for field in fields:
        held = {name: start[field].shape for name, start in starts.items() if field in start}
        found |= {field: held} if held else {}
    return found


def _missing(key: Key, columns: Iterable[Key]) -> str:
    when, field, name = key
    others = [tensor for w, f, tensor in columns if (w, f) == (when, field)]
    if others:
        return f"{_title(key)} is missing; {', '.join(others[:3])} {'have' if len(others) > 1 else 'has'} it."
    turned = "after" if when == "before" else "before"
    if when in ("before", "after") and (turned, field, name) in columns:
        return f"{_title(key)} is missing; a field that is logged {turned} a step is logged {when} it, too."
    return (
        f"{_title(key)} is missing. A step needs the parameters before and after it, and the gradient of each tensor."
    )


def _title(key: Key, step: int | None = None) -> str:
    return Place(step, key[0], Field(key[1]), key[2]).title


def _said(array: Array) -> str:
    return f"{array.dtype.name} {list(array.shape)}"


def _is_float(array: Array) -> bool:
    try:
        format_of(array.dtype)
    except TypeError:
        return False
    return True


def _one_number(array: Array, name: str, where: str) -> Any:
    if array.size != 1 or (array.dtype.kind not in "fiub" and not _is_float(array)):
        raise DataError(f"{where}: {name} is {_said(array)}; allowed: one number.")
    # A float32 stands for the shortest decimal that rounds to it: 0.9, and not 0.8999999761581421.
    value = array.reshape(-1)[0]
    return (
        float(str(value))
        if array.dtype.name == "float32"
        else value.item()
        if array.dtype.kind in "fiub"
        else float(value)
    )
