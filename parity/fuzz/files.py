"""A generated case as files and back: TOML and two NPZ archives, which the ordinary reader of cases reads."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.bounds.numerics import Array
from parity.circumstances.files import ignore_cache, write_file
from parity.fuzz.words import GRADIENTS_FILE, WEIGHTS_FILE, Example


def archive(arrays: Mapping[str, Array]) -> bytes:
    """Return an NPZ archive; bfloat16, which NPZ does not know, is written as float32, which holds all its numbers."""
    stream = io.BytesIO()
    known = {name: a.astype(np.float32) if a.dtype.name == "bfloat16" else a for name, a in arrays.items()}
    np.savez(stream, **known)  # type: ignore[arg-type]  # the names are the case's own
    return stream.getvalue()


def toml(document: Mapping[str, Any]) -> str:
    """Return a case document of plain values as TOML: first its own keys, then its tables."""
    own = {key: value for key, value in document.items() if not isinstance(value, Mapping)}
    tables = {key: value for key, value in document.items() if isinstance(value, Mapping)}
    lines = [f"{key} = {_value(value)}" for key, value in own.items()]
    for key, table in tables.items():
        lines += ["", f"[{key}]", *(f"{_key(name)} = {_value(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_value(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(inner) for inner in value)}]"
    # A float in TOML is what Python prints; text and booleans are what JSON writes.
    return repr(value) if isinstance(value, float) else json.dumps(value)


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() else json.dumps(name)


def place(example: Example, folder: Path) -> Path:
    """Write an example into a folder of its own, as it is run, and return the path of its case file."""
    path = folder / "generated.toml"
    (folder / WEIGHTS_FILE).write_bytes(example.weights)
    (folder / GRADIENTS_FILE).write_bytes(example.gradients)
    path.write_text(example.toml, encoding="utf-8")
    return path


def keep(example: Example, folder: Path, name: str, summary: str) -> Path:
    """Write a finding's case file and the archives beside it, under names of their own, and return its path.

    Raises:
        UsageError: the folder cannot be written.
    """
    text = example.toml
    for old, new in _renamed(name, summary).items():
        text = text.replace(old, new)
    ignore_cache(folder)
    write_file(folder / f"{name}.{WEIGHTS_FILE}", example.weights)
    write_file(folder / f"{name}.{GRADIENTS_FILE}", example.gradients)
    write_file(folder / f"{name}.toml", text.encode())
    return folder / f"{name}.toml"


def _renamed(name: str, summary: str) -> dict[str, str]:
    return {
        'id = "generated"': f"id = {json.dumps(name)}",
        'summary = "made by parity fuzz"': f"summary = {json.dumps(summary)}",
        f'file = "{WEIGHTS_FILE}"': f'file = "{name}.{WEIGHTS_FILE}"',
        f'file = "{GRADIENTS_FILE}"': f'file = "{name}.{GRADIENTS_FILE}"',
    }


def digest(example: Example) -> str:
    """Return eight characters that tell two examples apart."""
    parts = example.toml.encode(), example.weights, example.gradients
    return hashlib.sha256(b"".join(parts)).hexdigest()[:8]
