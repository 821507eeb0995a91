"""A case for each rule: one file in, the same file for every rule out, with what its page takes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from parity.case.rule import DEFAULT, find, names
from parity.case.tomlfile import TomlFile
from parity.errors import did_you_mean

EACH: Final = "each"
"""Stands for every rule but the first, whose cases are older and its own."""
_KEY, _ONLY = "where_taken", "only"


def spread(file: TomlFile) -> Iterator[tuple[str, TomlFile]]:
    """Yield each rule with the file as it is for that rule.

    ``where_taken`` holds hyperparameters for the rules that have them, ``only`` names the rules that it is for, unless
    it is for all.

    Raises:
        SpecError: no rule has one of them, or a rule is unknown.
    """
    rules = _chosen(file, [rule for rule in names() if rule != DEFAULT])
    takes = {rule: {parameter.name for parameter in find(rule).parameters} for rule in rules}
    table = {key: value for key, value in file.table.items() if key not in (_KEY, _ONLY)}
    offered = file.table.get(_KEY, {})
    if not isinstance(offered, dict):
        raise file.mistake(f"{_KEY}: received {offered!r}; allowed: a table of hyperparameters.", (_KEY,))
    known = sorted(set().union(*takes.values()))
    for key in offered:
        if key not in known:
            text = f"no rule has it.{did_you_mean(key, known)} Allowed: {', '.join(known)}."
            raise file.mistake(f"{_KEY}.{key}: {text}", (_KEY, key))
    for rule in rules:
        taken: dict[str, Any] = {key: value for key, value in offered.items() if key in takes[rule]}
        given = table.get("hyperparameters", {})
        if isinstance(given, dict):  # what is none is refused with all else that a case must not hold
            given = {**taken, **given}
        yield rule, replace(file, table={**table, "rule": rule, "hyperparameters": given})


def _chosen(file: TomlFile, rules: list[str]) -> list[str]:
    """Return the rules that a file is for: those that it names, or all."""
    only = file.table.get(_ONLY, rules)
    unknown = [each for each in only if each not in rules] if isinstance(only, list) else [only]
    if unknown or not only:
        text = f"received {unknown[0] if unknown else only!r}; allowed: some of {', '.join(rules)}."
        raise file.mistake(f"{_ONLY}: {text}", (_ONLY,))
    return [rule for rule in rules if rule in only]
