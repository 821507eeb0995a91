"""A person's program as the judge sees it: asked with a deadline, in a process of its own that ends with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from parity.bounds.numerics import Array
from parity.circumstances.child import Child, NoAnswerError
from parity.errors import MisbehavedError, SubjectError
from parity.explain.whole.messages import plain, restored

_SECONDS: Final = 30.0
"""What one question may take."""


class Opened(NamedTuple):
    """What taking a program found.

    Attributes:
        places: for each tensor of the model every way to read it that its shape allows.
        calls: expressions for each call, the likeliest first.
        left: what was left out of the file, a sentence each.
        rates: what holds a learning rate of its own, each as what can be assigned to.
    """

    places: list[list[str]]
    calls: dict[str, list[str]]
    left: list[str]
    rates: list[str]


class Asked:
    """One program in its process.

    Args:
        path: its file.
        name: what in it holds the weights, or an empty text.
        bound: what a person bound: ``weights``, ``make`` and calls.
        shapes: those of the model's tensors.
        seconds: what a question may take.

    Raises:
        SubjectError: it cannot be taken, or its weights are not found.
        MisbehavedError: taking it does not end.
    """

    def __init__(
        self, path: Path, name: str, bound: dict[str, str], shapes: Sequence[Sequence[int]], seconds: float = _SECONDS
    ) -> None:
        self._seconds = seconds
        self._shapes = [list(shape) for shape in shapes]
        self.order = 0
        """Which of the orders that fit its gradients equally well is meant."""
        weights = [each.strip() for each in _split(bound.get("weights", ""))]
        if weights and len(weights) != len(shapes):
            raise SubjectError(
                f"bind weights: received {len(weights)} paths; the model has {len(shapes)} tensors, of shapes "
                f"{', '.join(str(tuple(shape)) for shape in shapes)}."
            )
        self._file = {"path": str(path), "name": name, "make": bound.get("make", "")}
        self._child = Child("parity.explain.whole.person")
        try:
            answer = self._ask({"do": "open", **self._file, "weights": weights})
        except BaseException:
            self.close()
            raise
        self.opened = Opened(answer["places"], answer["calls"], answer["left"], answer["rates"])

    def take(self, text: str) -> None:
        """Take the program anew, with another text in place of its file's.

        Raises:
            SubjectError: it cannot be taken.
        """
        self._ask({"do": "take", "text": text, **self._file})

    def evaluate(
        self,
        places: Sequence[str],
        calls: dict[str, str],
        weights: Sequence[Array],
        x: Array,
        y: Array,
        *,
        wide: bool = False,
        rate: float = 1.0,
        steps: int = 1,
        kept: bool = False,
    ) -> dict[str, Any]:
        """Return what each call yields, from the same state and weights; what raised is a mapping with ``error``."""
        request = {"do": "evaluate", "places": list(places), "calls": calls, "weights": list(weights)}
        return self._ask(request | {"x": x, "y": y, "wide": wide, "rate": rate, "steps": steps, "kept": kept})

    def again(
        self, places: Sequence[str], calls: dict[str, str], weights: Sequence[Array], x: Array, y: Array
    ) -> dict[str, Any]:
        """Return what each call yields several times in a row at the same weights; nothing where it raises."""
        request = {"do": "again", "places": list(places), "calls": calls, "weights": list(weights)}
        return self._ask(request | {"x": x, "y": y, "rate": 1.0, "kept": False})

    def steps(
        self, places: Sequence[str], calls: tuple[str, str], weights: Sequence[Array], batches: Any, rate: float
    ) -> dict[str, Any]:
        """Return what steps on batches start from, the gradients that the program says it has there, and their ends."""
        grads, step = calls
        request = {"do": "steps", "places": list(places), "grads": grads, "step": step, "weights": list(weights)}
        xs, ys = [x for x, _ in batches], [y for _, y in batches]
        return self._ask(request | {"xs": xs, "ys": ys, "wide": False, "rate": rate})

    def train(self, places: Sequence[str], text: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the losses of a program that trains, and the steps that they were taken at.

        Raises:
            SubjectError: it raised.
        """
        self.take(text)
        return self._ask({"do": "train", "places": list(places), **request})

    def epoch(self, places: Sequence[str], request: dict[str, Any]) -> dict[str, Any]:
        """Return what an epoch of the program does.

        Raises:
            SubjectError: it raised.
        """
        return self._ask({"do": "epoch", "places": list(places), **request})

    def starts(self, places: Sequence[str], count: int) -> list[list[Array]]:
        """Return the weights that the program begins with, for so many seeds."""
        starts: list[list[Array]] = self._ask({"do": "starts", "places": list(places), "count": count})["starts"]
        return starts

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        request |= {"shapes": self._shapes, "gradients": self.order}
        try:
            answer: dict[str, Any] = restored(self._child.ask(plain(request), self._seconds))
        except NoAnswerError as ended:
            self.close()
            how = f"its process {ended.how}" if ended.how else f"it did not answer within {self._seconds:g} s"
            raise MisbehavedError(f"the program gave no answer: {how}.") from ended
        if "error" in answer:
            raise SubjectError(str(answer["error"]))
        return answer

    def close(self) -> None:
        """End the process with all it has started."""
        self._child.end()


def _split(text: str) -> list[str]:
    """Split at commas that stand outside brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part for part in parts if part.strip()]
