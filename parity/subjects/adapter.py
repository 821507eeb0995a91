"""What an implementation must offer to be compared: opened once with a problem, then stepped and read in turn."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from parity.subjects.naming import split_bound

if TYPE_CHECKING:
    from parity.problem.problems import Problem

Tensors = Mapping[str, Any]


class Taken(NamedTuple):
    """What a subject tells of a step on a model problem: its loss, and its gradients where it can show them."""

    loss: float | None = None
    gradients: Tensors | None = None


class Own(NamedTuple):
    """Somebody's own class that extends a framework's optimizer, and its name."""

    kind: Any
    name: str

    @property
    def chosen(self) -> dict[str, str]:
        """Keras' names to the class's own, as far as they were bound by hand."""
        return split_bound(self.name)[1]


class Adapter(Protocol):
    """One implementation, driven by the runner: opened once with a problem, then stepped and read in turn."""

    resolved: str
    """The class that really runs, with the arguments it was given."""

    circumstances: dict[str, Any]
    """Versions, device and modes that may change numbers."""

    def open(self, problem: "Problem") -> None:
        """Set weights, state and hyperparameters; raises UnsupportedError or NotInstalledError."""

    def step(self, number: int, gradients: Tensors | None) -> Taken:
        """Make the step of that zero-based number, with the replayed gradients or with the subject's own."""

    def read(self) -> dict[str, Tensors]:
        """Return ``{"parameter": ..., slot: ...}``, each a mapping from tensor name to a NumPy array.

        No later step changes an array; the caller does not write into it.
        """

    def close(self) -> None:
        """Release what ``open`` took."""
