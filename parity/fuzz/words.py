"""The relations that a case may break, the order in which they get their runs, and what leaves a worker."""

from typing import Any, Final

from msgspec import Struct

RELATIONS: Final[dict[str, str]] = {
    "reference": "the subject does what the reference page does, within the bound",
    "resume": "a run that is saved, and restored into a new optimizer, ends like one that was never interrupted",
    "permute": "the elements of each tensor in another order give the same results in that order",
    "split": "a tensor that is cut in two gives the same results in two pieces",
    "accumulate": "k accumulated micro-batches do what one batch with their mean gradient does",
    "sparse": "a gradient that consists of rows, repeated ones included, does what the same dense gradient does",
}

EXACT: Final = ("resume",)
"""Relations between two runs of one program. In the others Eigen may compute an element in a vector or alone,
and XLA may fuse another program otherwise, so that rounding may differ: the bound of one step judges them."""


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What one run came to: a verdict by name, and where it fails, the place and the features of the case."""

    verdict: str
    slot: str = ""
    stage: str = ""
    step: int = -1
    tensor: str = ""
    index: list[int] = []
    obtained: float | str = ""
    expected: float | str = ""
    bound: float | str = ""
    text: str = ""
    features: list[str] = []
    fails: bool = False
    compared: bool = False

    @property
    def cause(self) -> tuple[str, ...]:
        """What equal faults have in common before anything is shrunk."""
        return self.verdict, self.slot, self.stage

    def place(self) -> dict[str, Any]:
        """Return where it fails first, as a case's first divergence is written."""
        names = ("step", "slot", "tensor", "index", "obtained", "expected", "bound", "stage")
        return {name: getattr(self, name) for name in names}


class Example(Struct, frozen=True):
    """A generated case as the files it would be: TOML that names two NPZ archives, and their bytes."""

    toml: str
    weights: bytes
    gradients: bytes

    def __repr__(self) -> str:
        """Return the text of the case, without its archives."""
        return f"Example({self.toml!r})"


WEIGHTS_FILE, GRADIENTS_FILE = "weights.npz", "gradients.npz"
