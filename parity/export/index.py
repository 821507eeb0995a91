"""The index of an exported set: what there is, what each word in it means, and the same in lines for small programs."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from parity import __version__
from parity.case.rule import find
from parity.case.words import MISTAKES
from parity.circumstances.doctor import commit
from parity.export.vector import FORMAT, REQUIRES, Vector

WAYS: Final[dict[str, str]] = {
    "step": "each step starts from the recorded state before it; judged by bound_step",
    "run": "a run starts once from the initial parameters and goes on alone; judged by bound_run",
}
COLUMNS: Final = ("id", "rule", "values", "dtype", "steps", "requires", "flags", "catches")


class Entry(Struct, frozen=True):
    """One vector of the set: its JSON, its values, and what decides whether and why to run it."""

    id: str
    rule: str
    vector: str
    values: str
    dtype: str
    steps: int
    requires: list[str]
    flags: list[str]
    catches: list[str]


class Index(Struct, frozen=True):
    """``index.json``. ``flags``, ``requires`` and ``ways`` explain the words that the vectors use.

    ``rules`` has the stages of each rule in the order of computation, with the formulas that the arguments give them:
    under the argument's name where it is set, and under no name otherwise.
    """

    conformance: int
    rules: dict[str, dict[str, dict[str, str]]]
    made_by: dict[str, str | None]
    flags: dict[str, str]
    requires: dict[str, str]
    ways: dict[str, str]
    vectors: list[Entry]


def index_of(vectors: list[Vector]) -> Index:
    """Return the index of some vectors."""
    used = {name.partition("/")[0] for vector in vectors for name in vector.catches}
    return Index(
        conformance=FORMAT,
        rules={vector.rule: _formulas(vector.rule) for vector in vectors},
        made_by={"parity": __version__, "commit": commit()},
        flags={flag: MISTAKES[flag] for flag in MISTAKES if flag in used},
        requires=REQUIRES,
        ways=WAYS,
        vectors=[_entry(vector) for vector in vectors],
    )


def lines(index: Index) -> str:
    """Return the index for programs without a JSON parser: a line a vector, tabs between columns, commas in lists."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    for entry in index.vectors:
        values = (getattr(entry, column) for column in COLUMNS)
        rows.append(tuple(",".join(v) or "-" if isinstance(v, list) else str(v) for v in values))
    return "".join("\t".join(row) + "\n" for row in rows)


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas (2020-12) of the set's JSON by file name."""
    return {
        "index.schema.json": _schema(Index, "A conformance set"),
        "vector.schema.json": _schema(Vector, "A conformance vector"),
    }


def _schema(kind: type[Struct], title: str) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **msgspec.json.schema(kind),
    }


def _formulas(name: str) -> dict[str, dict[str, str]]:
    formulas = find(name).formulas
    return {stage: formulas[stage] for stage in find(name).stages if stage in formulas}


def _entry(vector: Vector) -> Entry:
    return Entry(
        id=vector.id,
        rule=vector.rule,
        vector=vector.values.replace(".safetensors", ".json"),
        values=vector.values,
        dtype=vector.dtype,
        steps=vector.steps,
        requires=vector.requires,
        flags=vector.flags,
        catches=vector.catches,
    )
