"""One combination of a matrix's values: the case that it makes, the label of its cell, and the lines of its keys."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parity.case.error import Keys, dotted
from parity.case.tomlfile import TomlFile
from parity.errors import SpecError, shown

_TAGS = ("schedule", "kind", "generator")


@dataclass(frozen=True, slots=True)
class Combination:
    """A case file with a value for each key of its matrix; without any it is the case as it stands."""

    file: TomlFile
    values: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The readable part of the cell's id: ``float16,momentum=0.9``."""
        return ",".join(_label(key, value) for key, value in self.values.items())

    def document(self) -> Mapping[str, Any]:
        """Return the case with the values in it.

        Raises:
            SpecError: a key of the matrix names nothing that can vary.
        """
        document: dict[str, Any] = {key: value for key, value in self.file.table.items() if key != "matrix"}
        for key, value in self.values.items():
            try:
                document = _set(document, key.split("."), value)
            except ValueError as error:
                raise self.file.mistake(f"matrix: {shown(key)} {error}", ("matrix", key), cell=self.label) from error
        return document

    def mistake(self, message: str, *ways: Keys) -> SpecError:
        """Return the error of a mistake at the first of some keys of the cell."""
        return self.file.mistake(message, *map(self._source, ways), cell=self.label)

    def refuse(self, keys: Keys, text: str, *others: Keys) -> SpecError:
        """Return the error of a key, as ``check`` asks for it."""
        return self.mistake(f"{dotted(keys)}: {text}", keys, *others)

    def _source(self, keys: Keys) -> Keys:
        """Return where the cell has a key from: itself in the case, or the key of the matrix that sets it or a part."""
        for name, value in reversed(list(self.values.items())):
            way = tuple(name.split("."))
            inner = keys[len(way) :]
            # A table of the matrix is merged into the case's own, so that a key in it may come from either.
            merged = isinstance(value, Mapping) and inner and inner[0] not in value
            if way[: len(keys)] == keys[: len(way)] and not (merged and _has(self.file.table, keys)):
                return ("matrix", name)
        return keys


def _has(value: Any, keys: Keys) -> bool:
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return True


def _set(document: Mapping[str, Any], keys: list[str], value: Any) -> dict[str, Any]:
    """Return the document with one key changed; a table is merged, unless its kind makes it another table.

    Raises:
        ValueError: the key cannot vary, or leads through what is no table.
    """
    head, *rest = keys
    if head in ("id", "summary", "matrix"):
        raise ValueError('cannot vary; allowed: every other key of a case, such as "hyperparameters.rho".')
    old = document.get(head, {})
    if rest:
        if not isinstance(old, Mapping):
            raise ValueError(f"names no table: {head!r} is {shown(old)} here.")
        return {**document, head: _set(old, rest, value)}
    merges = isinstance(value, Mapping) and isinstance(old, Mapping) and not any(tag in value for tag in _TAGS)
    return {**document, head: {**old, **value} if merges else value}


def _label(key: str, value: Any) -> str:
    """Return the readable part of an id: ``float16``, ``momentum=0.9``, or a table's tag or its numbers."""
    short = key.rpartition(".")[2]
    if isinstance(value, Mapping):
        tags = [str(value[tag]) for tag in _TAGS if tag in value]
        return "+".join(tags or [_label(name, inner) for name, inner in value.items()]) or "defaults"
    return _plain(value) if isinstance(value, str) else f"{short}={_plain(value)}"


def _plain(value: Any) -> str:
    text = "+".join(map(_plain, value)) if isinstance(value, list) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", text)[:60]
