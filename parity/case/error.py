"""What the decoder says about a wrong case, turned into words: key, what was received, what is allowed."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from parity.case.spec import PATTERNS, Constraint, Rows, Shape, SomeSteps, TensorName, Values
from parity.errors import did_you_mean, printable, shown

Keys: TypeAlias = tuple[str | int, ...]
"""The way to a value: names of keys, and places in lists, counted from 0."""


_WORDS = {
    "object": "table",
    "array": "list",
    "null": "nothing",
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "true or false",
}


def explain(message: str, document: Mapping[str, Any], schema: Mapping[str, Any], more: str = "") -> tuple[Keys, str]:
    """Turn a message of msgspec ("... - at `$.a.b`") into the place, and: key, what was received, what is allowed.

    ``schema`` is that of the document; ``more`` is a sentence that says where its keys are described.
    """
    text, _, place = message.partition(" - at `")
    keys, value, rule = _follow(place, document, schema)
    key = dotted(keys)
    found = re.match(r"Object (contains unknown|missing required) field `(.*)`", text, re.DOTALL)
    if found and found[1] == "missing required":
        return keys, f"{key}: key {found[2]!r} is missing; required: {', '.join(rule.get('required', [found[2]]))}."
    if found:
        allowed = sorted(rule.get("properties", {}))
        hint = did_you_mean(found[2], allowed)
        return (*keys, found[2]), f"{key}: unknown key {shown(found[2])}.{hint} Allowed: {', '.join(allowed)}."
    if place.startswith("key` in"):
        value = _first_refused(value.items(), TensorName, 0)
        keys = (*keys, value)
    received = "" if value is _ABSENT or isinstance(value, Mapping) else shown(value)
    words = [word for word in rule.get("enum", []) if word is not None]
    if words:
        hint = did_you_mean(value, words) if isinstance(value, str) else ""
        return keys, f"{key}: received {received or 'a table'}.{hint} Allowed: {', '.join(map(repr, words))}."
    return keys, f"{key}: {_in_words(text)}{received and f'; received {received}'}.{more and f' {more}'}"


def dotted(keys: Keys) -> str:
    """Return the way to a value as a person writes it: ``problem.tensors.kernel[1]``."""
    names = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return printable("".join(names).removeprefix(".")) or "top level"


def _in_words(text: str) -> str:
    for pattern, meaning in PATTERNS.items():
        if repr(pattern) in text:
            return f"expected {meaning}"
    kinds = re.sub(
        r"`([a-z |]+)`", lambda quoted: re.sub(r"\w+", lambda kind: _WORDS.get(kind[0], kind[0]), quoted[1]), text
    )
    return re.sub(" \\| nothing|nothing \\| ", "", kinds[:1].lower() + kinds[1:]).replace(" | ", " or ")


_ABSENT = object()
_CHILDREN: dict[str | int, Any] = {
    "tensors": Shape,
    "sparse": Rows,
    "absent": SomeSteps,
    "frozen": SomeSteps,
    "overflow": SomeSteps,
    "constraints": Constraint,
    "matrix": Values,
}


def _follow(place: str, document: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Keys, Any, dict[str, Any]]:
    """Walk to a place through the document and its schema together; return its keys, the value and the schema there."""
    keys: Keys = ()
    value: Any = document
    rule = _resolve(schema, schema, document)
    for part in re.findall(r"\[[^\]]*\]|[^.\[\]]+", place.rstrip("`").partition("$")[2]):
        inner = rule.get("properties", {}).get(part, rule.get("items", rule.get("additionalProperties")))
        name: Any = int(part[1:-1]) if part[1:-1].isdigit() else part
        if part == "[...]" and isinstance(value, Mapping):
            # msgspec does not say which entry of a table it refused.
            name = _first_refused(value.items(), _CHILDREN[keys[-1]], 1)
        try:
            value = value[name]
        except (KeyError, IndexError, TypeError):
            value = _ABSENT
        keys = (*keys, name)
        rule = _resolve(inner if isinstance(inner, dict) else {}, schema, value)
    return keys, value, rule


def _first_refused(items: Iterable[tuple[str, Any]], kind: Any, which: int) -> str:
    for item in items:
        try:
            msgspec.convert(item[which], kind)
        except msgspec.ValidationError:
            return item[0]
    return "…"


def _resolve(rule: Mapping[str, Any], whole: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Follow ``$ref`` and, among alternatives, the one whose tag the value carries."""
    if "$ref" in rule:
        return _resolve(whole["$defs"][rule["$ref"].rpartition("/")[2]], whole, value)
    if "discriminator" in rule:
        tag, mapping = rule["discriminator"]["propertyName"], rule["discriminator"]["mapping"]
        if isinstance(value, Mapping) and value.get(tag) in mapping:
            return _resolve({"$ref": mapping[value[tag]]}, whole, value)
        return {"properties": {tag: {"enum": sorted(mapping)}}, "required": [tag]}
    options = [option for option in rule.get("anyOf", []) if option != {"type": "null"}]
    if isinstance(value, Mapping):
        options = [option for option in options if "discriminator" in option or "$ref" in option] or options
    return _resolve(options[0], whole, value) if options and "properties" not in rule else dict(rule)
