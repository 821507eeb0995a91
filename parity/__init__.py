"""Two optimizers, the same weights, data and hyperparameters: whether they agree, where they part first, and why.

``parity.run(case, subject)`` runs one case against one subject and returns its results; ``parity.diagnose(subject)``
says what an optimizer is and by which choices it differs; ``parity.program(mine, keras)`` holds a whole program beside
a Keras model; ``parity.watch(optimizer)`` logs steps of a Keras training; ``parity.assert_parity(subject, cases)``
fails a test where they diverge; everything else is reached through the command line (``parity --help``). Imports are
lazy, so that ``import parity`` costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.api import run
    from parity.case.cells import load_cells
    from parity.case.spec import Cell
    from parity.diagnosis.answer import diagnose
    from parity.errors import ParityError
    from parity.explain.whole.answering import program
    from parity.subjects.watch import watch
    from parity.testing.assertion import NothingCompared, NotInParity, assert_parity
    from parity.verdicts.results import Comparison, Pair
    from parity.verdicts.verdict import Verdict

__version__ = "0.1.0"
__all__ = [
    "Cell",
    "Comparison",
    "NotInParity",
    "NothingCompared",
    "Pair",
    "ParityError",
    "Verdict",
    "__version__",
    "assert_parity",
    "diagnose",
    "load_cells",
    "program",
    "run",
    "watch",
]

_HOMES = {
    "run": "parity.api",
    "watch": "parity.subjects.watch",
    "diagnose": "parity.diagnosis.answer",
    "program": "parity.explain.whole.answering",
    "assert_parity": "parity.testing.assertion",
    "NotInParity": "parity.testing.assertion",
    "NothingCompared": "parity.testing.assertion",
    "ParityError": "parity.errors",
    "Comparison": "parity.verdicts.results",
    "Pair": "parity.verdicts.results",
    "Cell": "parity.case.spec",
    "load_cells": "parity.case.cells",
    "Verdict": "parity.verdicts.verdict",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its room when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'parity' has no attribute {name!r}; it has {', '.join(sorted(_HOMES))}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names, so that completion shows them before they are imported."""
    return sorted(__all__)
