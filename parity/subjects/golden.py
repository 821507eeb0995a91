"""A recording as a subject: replays what a library did, without that library.

Departs from the recorded library in nothing: every value is the recorded one, to the bit. It knows only the cells that
were recorded, for the steps that were recorded, and refuses a recording whose case has changed since.
"""

from typing import Any

from parity.problem.problems import Problem
from parity.subjects.adapter import EVERYTHING, Taken, Tensors
from parity.trajectory.golden import place, store
from parity.trajectory.layout import layout_of_problem


class GoldenSubject:
    """``golden:NAME``, the recordings that are shipped, or ``golden:path/to/folder``, those of a user."""

    knows = EVERYTHING

    def __init__(self, name: str) -> None:
        self._folder = place.folder_of(name)
        self.resolved = ""
        self.circumstances: dict[str, Any] = {}

    def open(self, problem: Problem) -> None:
        """Check the recording of the case and stand before its first step."""
        self._sheet, self._reader = store.open_recording(self._folder, problem)
        self._layout = layout_of_problem(problem)
        self._index = 0
        self.resolved = f"{self._sheet.resolved}, recorded {self._sheet.recorded}"
        self.circumstances = {**self._sheet.circumstances, "recorded": self._sheet.recorded}

    def step(self, number: int, gradients: Tensors | None) -> Taken:
        """Go on by one row; what the recorded library told of its own gradients and loss is told again."""
        self._index = number + 1
        if gradients is not None:
            return Taken()
        own = self._row("gradient", number) if "gradient" in self._sheet.slots else None
        return Taken(float(self._reader.row("loss", number)) if self._sheet.loss else None, own)

    def read(self) -> dict[str, Tensors]:
        """Return the recorded parameters and slots."""
        return {slot: self._row(slot, self._index) for slot in self._sheet.slots if slot != "gradient"}

    def close(self) -> None:
        """Nothing to release."""

    def _row(self, slot: str, index: int) -> Tensors:
        return {name: self._reader.row(f"{slot}/{name}", index) for name in self._layout.of(slot).names}
