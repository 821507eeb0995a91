"""Which hyperparameters a log is judged by: those that are set, else those that it says, else Keras' defaults."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec

from parity.bounds.rule import page, plain_arguments
from parity.case.rule import Rule
from parity.case.spec import Hyperparameters, hyperparameters
from parity.errors import DataError, ParityError, UsageError, did_you_mean, shown
from parity.reference.arguments import ARGUMENTS, BY_NAME
from parity.trajectory.log.names import RATE
from parity.trajectory.log.reading import Log

SET: Final = "set"
FILE: Final = "log"
DEFAULT: Final = "default"
_WORDS: Final = {"true": True, "false": False, "none": None, "null": None}


class Settled(NamedTuple):
    """The hyperparameters that a log is judged by, and by name where each is from: ``set``, ``log`` or ``default``."""

    given: Hyperparameters
    origin: dict[str, str]

    def value(self, name: str) -> Any:
        """Return a hyperparameter as plain data."""
        return msgspec.to_builtins(getattr(self.given, name))


def settle(rule: Rule, chosen: Mapping[str, str], log: Log) -> Settled:
    """Return the hyperparameters that a log is judged by.

    Args:
        rule: whose they are.
        chosen: what somebody set, by name, as text.
        log: what may say others, and the learning rate of each step.

    Raises:
        UsageError: what was set is no hyperparameter of the rule, or not allowed.
        DataError: so is what the log says.
    """
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for source, table in ((FILE, log.given), (SET, chosen)):
        for word, value in table.items():
            about = f"--set {word}" if source == SET else f"{log.where}: hyperparameter/{word}"
            kind = UsageError if source == SET else DataError
            name = _name(word, rule, about, kind)
            values[name], origin[name] = _value(name, value, rule, about, kind), source
    if log.rates is not None and origin.get(RATE) != SET:
        values[RATE], origin[RATE] = _schedule(log.rates, log.numbers), FILE
    given = hyperparameters(rule.name)
    try:
        record = msgspec.convert(values, given)
        page(rule.name)(**plain_arguments(record))
    except (msgspec.ValidationError, ValueError) as error:
        raise UsageError(f"{log.where}: these hyperparameters do not go together: {error}") from error
    return Settled(record, {name: origin.get(name, DEFAULT) for name in given.__struct_fields__})


def _name(word: str, rule: Rule, about: str, kind: type[ParityError]) -> str:
    known = [parameter.name for parameter in rule.parameters]
    if word in known:
        return word
    meant = [argument.name for argument in ARGUMENTS if word in argument.aliases and argument.name in known]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise kind(f"{about}: may mean {' or '.join(meant)}. Say which, by that name.")
    raise kind(f"{about}: no hyperparameter of {rule.name}.{did_you_mean(word, known)} Allowed: {', '.join(known)}.")


def _value(name: str, value: Any, rule: Rule, about: str, kind: type[ParityError]) -> Any:
    """Return a value as the record of hyperparameters takes it, from a number or from text as JSON spells it."""
    if isinstance(value, str):
        value = _read(value)
    domain = BY_NAME[name].domain if name in BY_NAME else ""
    if domain == "flag" and not isinstance(value, bool) and value in (0, 1):
        value = bool(value)
    if domain in ("count", "several") and isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return msgspec.to_builtins(getattr(msgspec.convert({name: value}, hyperparameters(rule.name)), name))
    except msgspec.ValidationError as error:
        reason = str(error).partition(" - at ")[0]
        raise kind(f"{about}: received {shown(value)}. {reason[0].upper()}{reason[1:]}.") from error


def _read(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return float(text) if not text.lstrip("+-").isdigit() else int(text)
    except ValueError:
        pass
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _schedule(rates: tuple[float, ...], numbers: tuple[int, ...]) -> Any:
    """Return rates as a number, or as a table of the steps at which they change."""
    changes = [at for at, (one, other) in enumerate(pairwise(rates)) if one != other]
    if not changes:
        return rates[0]
    values = [rates[at] for at in changes] + [rates[-1]]
    return {"schedule": "PiecewiseConstantDecay", "boundaries": [numbers[at] for at in changes], "values": values}
