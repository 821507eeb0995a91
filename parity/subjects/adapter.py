"""What an implementation must offer to be compared: opened once with a problem, then stepped and read in turn."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from parity.subjects.naming import split_bound

if TYPE_CHECKING:
    from parity.case.spec import Hyperparameters
    from parity.problem.problems import Problem
    from parity.subjects.binding.bound import Bound

Tensors = Mapping[str, Any]
EVERYTHING: Final = frozenset({"absent", "constraints", "frozen", "loss_scale"})
"""All that may stand around an update, as ``Cell.surroundings`` calls it; an adapter's ``knows`` is what it drives."""


class Taken(NamedTuple):
    """What a subject tells of a step on a model problem: its loss, and its gradients where it can show them."""

    loss: float | None = None
    gradients: Tensors | None = None


class Own(NamedTuple):
    """Somebody's own optimizer that is one of a framework's: what makes it, and its name."""

    kind: Any
    name: str

    @property
    def plain(self) -> str:
        """Its name without what was bound by hand."""
        return split_bound(self.name)[0]

    @property
    def chosen(self) -> dict[str, str]:
        """Keras' names to the class's own, as far as they were bound by hand."""
        return split_bound(self.name)[1]

    def bound(self, given: "Hyperparameters") -> "Bound":
        """Return what it is passed of a case's hyperparameters.

        Raises:
            AbsentArgumentError: it lacks an argument that the case sets.
        """
        from parity.subjects.binding.arguments import bind

        return bind(self.kind, given, self.chosen)

    def told(self, title: str, given: "Hyperparameters", hands: Collection[str] = ()) -> dict[str, str]:
        """Return how it is driven and what it is passed, in words.

        ``title`` says how, ``hands`` are arguments that no optimizer needs to be given.
        """
        from parity.subjects.binding import words

        return words.circumstances(title, self.bound(given), self.chosen, self.chosen, hands)


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
