"""The course of a run: how far it is, told to whoever waits for it, and whether it is to end before its last step."""

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

_BETWEEN_SECONDS: Final = 0.5


class Stopped(BaseException):
    """The run is to end, and it was in the subject's code; no ``except Exception`` of a subject's takes it."""


class Place(NamedTuple):
    """How many steps of a run are made, how many there are, and in how many seconds the others will be, if known."""

    step: int
    steps: int
    left: float | None = None
    stopping: bool = False


class Course:
    """Asked between steps whether to go on; ``stop`` may come at any time, as a signal's handler.

    What runs inside of ``with course:`` is the subject's, and may never end: a stop leaves it at once.

    Args:
        tell: is told where the run is, now and then.
    """

    def __init__(self, tell: Callable[[Place], None] = lambda place: None) -> None:
        self._tell, self._inside, self.stopped = tell, False, False
        self._runs = self._tells = False
        self._began = self._told = time.monotonic()
        self._place = Place(0, 0)

    def stop(self, *signal: Any) -> None:
        """End the run after what was made of it."""
        again, self.stopped = self.stopped, True
        if again:
            return
        if self._inside:
            raise Stopped
        if self._runs and not self._tells:
            self.heed()

    def __enter__(self) -> None:
        if self.stopped:
            raise Stopped
        self._inside = True

    def __exit__(self, *error: object) -> None:
        self._inside = False

    def begin(self, steps: int) -> None:
        """Note that the first of so many steps is made now."""
        self._began = self._told = time.monotonic()
        self._place, self._runs = Place(0, steps), True

    def end(self) -> None:
        """Note that all of it is judged: from now on a stop comes too late to be told."""
        self._runs = False

    def at(self, step: int) -> None:
        """Note that so many steps are made."""
        now = time.monotonic()
        self._place = Place(step, self._place.steps, (now - self._began) / step * (self._place.steps - step))
        if now - self._told >= _BETWEEN_SECONDS:
            self._told = now
            self._say(self._place)

    def heed(self) -> None:
        """Tell that a stop was seen, and that what was made is being judged."""
        self._say(self._place._replace(stopping=True))

    def _say(self, place: Place) -> None:
        self._tells = True  # a stop that comes now must not tell in the midst of it
        self._tell(place)
        self._tells = False
