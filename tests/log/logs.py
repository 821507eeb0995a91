"""Logs that a program of ten lines wrote, right or with one fault, and what the command says of them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.commands.cli import main

SHAPES: dict[str, tuple[int, ...]] = {"kernel": (6, 4), "bias": (12,)}
FAULTS = {
    "": lambda v, e: np.sqrt(v + e),
    "outside": lambda v, e: np.sqrt(v) + e,
    "no root": lambda v, e: v + e,
}


def log(
    steps: Iterable[int] = range(12),
    fault: str = "",
    dtype: Any = np.float32,
    rate: float = 0.001,
    rho: float = 0.9,
    epsilon: float = 1e-7,
    momentum: float = 0.0,
    start: float = 0.0,
    nesterov: bool = False,
    rate_outside: bool = False,
    kept: float = 1.0,
    until: int = 1_000,
) -> dict[str, Any]:
    """Run RMSprop, or something like it until some step, and write down the steps that are asked for."""
    rng, steps, said = np.random.default_rng(1), list(steps), {}
    w = {name: rng.normal(size=shape).astype(dtype) for name, shape in SHAPES.items()}
    v = {name: np.full(shape, start, dtype=dtype) for name, shape in SHAPES.items()}
    b = {name: np.zeros(shape, dtype=dtype) for name, shape in SHAPES.items()}
    for step in range(max(steps) + 1):
        states = [
            {"parameter": dict(w), "second_moment": dict(v), **({"momentum_buffer": dict(b)} if momentum else {})}
        ]
        gradients = {
            name: (10.0 ** rng.uniform(-6, 1, shape) * rng.choice([-1.0, 1.0], shape)).astype(dtype)
            for name, shape in SHAPES.items()
        }
        for name, g in gradients.items():
            v[name] = dtype(rho) * v[name] + dtype(1 - rho) * (g * g)
            u = (
                dtype(1 if rate_outside else rate * kept**step)
                * g
                / FAULTS[fault if step < until else ""](v[name], dtype(epsilon))
            )
            if momentum:
                b[name] = dtype(momentum) * b[name] + u
                u = dtype(momentum) * b[name] + u if nesterov else b[name]
            w[name] = w[name] - dtype(rate if rate_outside else 1) * u
        states.append({"parameter": w, "second_moment": v, **({"momentum_buffer": b} if momentum else {})})
        if step in steps:
            for when, state in zip(("before", "after"), states, strict=True):
                for field, tensors in state.items():
                    said |= {f"step/{step}/{when}/{field}/{name}": np.array(x) for name, x in tensors.items()}
            said |= {f"step/{step}/gradient/{name}": g for name, g in gradients.items()}
    return said


def without(arrays: dict[str, Any], *words: str) -> dict[str, Any]:
    """Leave out the arrays whose names hold one of some words."""
    return {name: array for name, array in arrays.items() if not any(word in name for word in words)}


def renamed(arrays: dict[str, Any], **words: str) -> dict[str, Any]:
    """Put other words for parts of names."""
    return {"/".join(words.get(part, part) for part in name.split("/")): array for name, array in arrays.items()}


def stacked(arrays: dict[str, Any]) -> dict[str, Any]:
    """Give each array an axis of steps instead of a name for each."""
    numbers = sorted({int(name.split("/")[1]) for name in arrays})
    names = dict.fromkeys(name.split("/", 2)[2] for name in arrays)
    rows = {name: np.stack([arrays[f"step/{number}/{name}"] for number in numbers]) for name in names}
    return {**rows, "steps": np.array(numbers)}


def states(arrays: dict[str, Any]) -> dict[str, Any]:
    """Write each state of steps without a gap once."""
    rows = stacked(arrays)
    joined = {
        name.removeprefix("before/"): np.concatenate([rows[name][:1], rows[name.replace("before", "after")]])
        for name in rows
        if name.startswith("before/")
    }
    return {**joined, **{name: array for name, array in rows.items() if name.startswith("gradient/")}}


class Judge:
    """Writes a log and has it judged."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self._capsys = folder / "steps.npz", capsys

    def write(self, arrays: dict[str, Any]) -> Path:
        """Write the file."""
        np.savez(self.path, **arrays)
        return self.path

    def text(self, arrays: dict[str, Any] | Path, *words: str) -> tuple[int, str, str]:
        """Return the status and both streams."""
        path = arrays if isinstance(arrays, Path) else self.write(arrays)
        status = main(["judge", str(path), *words])
        captured = self._capsys.readouterr()
        return status, captured.out, captured.err

    def json(self, arrays: dict[str, Any] | Path, *words: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the document."""
        status, out, err = self.text(arrays, "--json", *words)
        assert err == ""
        return status, json.loads(out)

    def refusal(self, arrays: dict[str, Any] | Path, *words: str) -> str:
        """Return the message of a log that is refused, one line on standard error alone."""
        status, out, err = self.text(arrays, *words)
        assert (status, out) == (2, "")
        assert err.startswith("parity: error: ")
        assert err.count("\n") == 1
        return err


def cause(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the switches and numbers of the first explanation."""
    first = document["diagnosis"]["explanations"][0]
    return first["switches"], first["numbers"]
