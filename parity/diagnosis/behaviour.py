"""What no formula can explain: chance, state outside the instance, inputs that are written to."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from parity.diagnosis.findings import Finding
from parity.diagnosis.observe import Make, Observation, first_difference, observe
from parity.diagnosis.probes import Probe
from parity.subjects.numpy_class import NumpySubject


class Watched:
    """A maker of instances that notes what a tutorial's ``update`` does to its gradients."""

    def __init__(self, make: Make, name: str) -> None:
        self.written: list[str] = []
        adapter = make()
        self.kind: Callable[..., Any] | None = adapter._kind if isinstance(adapter, NumpySubject) else None
        self._name, self._make = name, make

    def __call__(self) -> Any:
        """Return a fresh adapter over the same class, so that what a class keeps between instances is kept."""
        if self.kind is None:
            return self._make()
        watched = not callable(getattr(self.kind, "step", None)) and isinstance(self.kind, type)
        return NumpySubject(_watching(self.kind, self.written) if watched else self.kind, self._name)


def _watching(kind: Any, written: list[str]) -> Any:
    def update(self: Any, params: Mapping[str, Any], grads: Mapping[str, Any]) -> Any:
        before = {name: array.copy() for name, array in grads.items()}
        returned = kind.update(self, params, grads)
        for name, array in before.items():
            changed = np.flatnonzero(array != grads.get(name, array))
            if len(changed) and not written:
                old, new = array.flat[changed[0]], grads[name].flat[changed[0]]
                written.append(f"update wrote into the gradient of {name}: {old!s} became {new!s}")
        return returned

    return type(kind.__name__, (kind,), {"update": update, "__module__": kind.__module__})


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    # The global generators are what a subject may wrongly depend on; they are put back as they were.
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


def run(make: Make, probe: Probe, seed: int = 0) -> Observation:
    """Observe with the global generators in a known state."""
    with _seeded(seed):
        return observe(make, probe)


def misbehaviour(make: Watched, probe: Probe, first: Observation) -> tuple[Finding, str] | None:
    """Return what makes the subject no function of its inputs, with the evidence, or None.

    ``first`` is an observation of the same probe with the generators at seed 0.
    """
    if make.written:
        return Finding.MUTATES_INPUTS, make.written[0]
    before = _outside(make.kind)
    again = run(make, probe)
    after = _outside(make.kind)
    changed = [name for name in after if after[name] != before.get(name)]
    difference = first_difference(first, again)
    if difference and changed:
        return Finding.GLOBAL_STATE, f"{changed[0]} changed during a run, and the next instance differs: {difference}"
    if difference:
        return Finding.NONDETERMINISTIC, f"two runs with the same inputs differ {difference}"
    other = first_difference(first, run(make, probe, seed=1))
    if other:
        return Finding.GLOBAL_STATE, f"another seed of the global random generator changes the result {other}"
    return None


def wrote_into_inputs(error: Exception) -> bool:
    """Return whether a subject failed because its inputs are read-only."""
    return isinstance(error, ValueError) and "read-only" in str(error)


def _outside(kind: Any) -> dict[str, str]:
    """Return a fingerprint of everything that a class and its module hold, by name."""
    if kind is None:
        return {}
    import sys

    module = sys.modules.get(getattr(kind, "__module__", ""), None)
    found = {
        f"{kind.__name__}.{name}": _print(value) for name, value in vars(kind).items() if not name.startswith("__")
    }
    if module is not None:
        found |= {name: _print(v) for name, v in vars(module).items() if not name.startswith("__") and _is_data(v)}
    return found


def _is_data(value: Any) -> bool:
    return isinstance(value, int | float | list | dict | set | tuple | np.ndarray)


def _print(value: Any, depth: int = 0) -> str:
    if isinstance(value, np.ndarray):
        return str(hash(value.tobytes()))
    if isinstance(value, dict) and depth < 4:
        return str({str(key): _print(item, depth + 1) for key, item in value.items()})
    if isinstance(value, list | tuple) and depth < 4:
        return str([_print(item, depth + 1) for item in value])
    return repr(value) if isinstance(value, int | float | str | set) else ""
