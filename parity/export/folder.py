"""The exported folder: two files a vector, an index in JSON and in tab-separated lines, schema, README and examples."""

from importlib.resources import files as resources
from typing import Any, Final

import msgspec
import numpy as np

from parity.bounds.numerics import Array, bits
from parity.case.spec import Cell
from parity.errors import DataError, UnsupportedError
from parity.export import proof
from parity.export.expected import Expected, expected
from parity.export.index import index_of, lines, schemas
from parity.export.vector import Vector, files, make_vector
from parity.problem.problems import Problem, make
from parity.trajectory.golden.place import SHIPPED, shipped
from parity.trajectory.golden.store import open_recording
from parity.trajectory.golden.values import Reader

STEPS: Final = 12
EXAMPLES: Final = ("example.c", "example.mjs")
_PACKAGES: Final = ("tensorflow", "keras")


def vector_of(cell: Cell, steps: int = STEPS) -> tuple[Vector, dict[str, bytes]]:
    """Return a cell's vector and its two files.

    It has ``steps`` steps, or all of the case's where only they show a mistake that the case probes.

    Raises:
        DataError: the cell's data cannot be read.
    """
    problem = make(cell)
    short = _proved(problem, min(steps, cell.steps))
    if cell.steps > steps and set(cell.probes) - set(short[0].flags):
        whole = _proved(problem, cell.steps)
        short = whole if set(whole[0].flags) > set(short[0].flags) else short
    return short[0], files(*short)


def folder_files(vectors: list[tuple[Vector, dict[str, bytes]]]) -> dict[str, bytes]:
    """Return all files of a set by name: the same bytes for the same cases and commit."""
    index = index_of([vector for vector, _ in vectors])
    package = resources("parity.export")
    return {
        **{name: content for _, pair in vectors for name, content in pair.items()},
        "index.json": _json(index),
        "index.tsv": lines(index).encode(),
        **{name: _json(schema) for name, schema in schemas().items()},
        "README.md": (package / "README.md").read_bytes(),
        **{name: (package / name).read_bytes() for name in EXAMPLES},
    }


def _proved(problem: Problem, steps: int) -> tuple[Vector, dict[str, Any]]:
    made = expected(problem, steps)
    vector, values = make_vector(problem, made, _confirmations(problem, made))
    if not proof.agrees(problem.cell, vector, values):
        raise DataError(f"{problem.cell.id}: the reference leaves its own bounds; a bound is wrong, please report it.")
    caught = proof.catches(problem.cell, vector, values)
    return msgspec.structs.replace(vector, catches=caught, flags=proof.flags(problem.cell, caught)), values


def _confirmations(problem: Problem, made: Expected) -> list[str]:
    """Return which shipped recordings of tf.keras have exactly these values."""
    found = []
    for library in shipped():
        try:
            sheet, reader = open_recording(SHIPPED / library, problem)
        except UnsupportedError:
            continue
        if all(_same(reader, name, column) for name, column in made.values.items()):
            versions = ", ".join(f"{package} {sheet.circumstances.get(package)}" for package in _PACKAGES)
            found.append(f"{library} ({versions}): every bit of every step")
    return found


def _same(reader: Reader, name: str, column: Array) -> bool:
    return all(np.array_equal(bits(reader.row(name, row)), bits(values)) for row, values in enumerate(column))


def _json(document: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
