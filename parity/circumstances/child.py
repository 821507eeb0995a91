"""A process of ours that another one asks: started in a group of its own, asked with a deadline, ended with its group.

What passes are frames (``wire``). The asked side keeps its pipes to itself: what a library or a user's class prints
goes elsewhere, and what one of them reads is empty.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, Final

from parity.circumstances import launch, wire

_POLL_SECONDS = 0.5
_NEWS: Final = "news"
"""Key of what a process tells before it answers."""
_PLACE: Final = "place"
"""Key of how far it is."""

STOP: Final = signal.SIGUSR1
"""Asks a process to answer with what it has by now."""

HEED_SECONDS, WIND_UP_SECONDS = 5.0, 120.0
"""How long a process has to see that it is to stop, and then to judge what was made until then."""


class NoAnswerError(Exception):
    """A process did not answer; ``how`` says in words how it ended, and is empty where it was too late."""

    def __init__(self, how: str = "") -> None:
        super().__init__(how or "too late")
        self.how = how


class Child:
    """One process that runs a module of ours and answers requests.

    Args:
        module: its dotted name; its ``__main__`` gets the id of this process and then ``arguments`` in ``sys.argv``.
        arguments: further words.
        environment: its variables, unless given those of this process.
        folder: its current folder, unless given that of this process.
        descriptors: open files that it shares.
        follows: whether it belongs to this process's group and ends with it; else it leads a group of its own.

    Raises:
        OSError: no process is to be had.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        folder: str | None = None,
        descriptors: Sequence[int] = (),
        follows: bool = False,
    ) -> None:
        self._leads = not follows
        self._told = set[str]()
        self.news = ""
        """What the process told last of what takes it long; empty where that is over."""
        self.stopped = self.heeds = False
        """Whether it was asked to stop, and whether it does."""
        self.heard: Callable[[Sequence[Any]], None] = lambda place: None
        """Is told how far the process is, as it tells it."""
        self._process = subprocess.Popen(
            launch.module(module, str(os.getpid()), *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=folder,
            pass_fds=tuple(descriptors),
            start_new_session=self._leads,
        )

    @property
    def pid(self) -> int:
        """The process's id, which is that of its group if it leads one."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def tell(self, message: Any) -> None:
        """Send a message; where the process is gone, waiting for its answer says how it ended."""
        with contextlib.suppress(BrokenPipeError):
            wire.write(self._process.stdin, message)  # type: ignore[arg-type]  # a pipe is a binary stream

    def ask(self, message: Any, seconds: float | None = None, winds_up: bool = False) -> Any:
        """Send a message and return its answer; see ``answer``."""
        self.tell(message)
        return self.answer(seconds, winds_up)

    def answer(self, seconds: float | None = None, winds_up: bool = False) -> Any:
        """Return the next answer.

        Args:
            seconds: how long to wait for it.
            winds_up: whether the process is then asked to stop, and may still answer with what it has by then.

        Raises:
            NoAnswerError: the process ended, or ``seconds`` are over; then it has been ended.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            if deadline is not None and not self._ready(deadline - time.monotonic()):
                if winds_up and not self.stopped:
                    self.stop()
                    deadline = time.monotonic() + HEED_SECONDS
                    continue
                self.end()
                raise NoAnswerError
            # Not through a buffer: what waits there is nothing that a selector sees.
            answer = wire.read(self._process.stdout.raw)  # type: ignore[union-attr]  # a buffered reader
            if answer is None:
                raise NoAnswerError("" if self.stopped else self._how())
            told = answer.keys() if isinstance(answer, dict) else ()
            if told == {_NEWS}:
                self._hear(str(answer[_NEWS]))
            elif told == {_PLACE}:
                self.heard(answer[_PLACE])
                if self.stopped and answer[_PLACE][-1]:
                    self.heeds, deadline = True, time.monotonic() + WIND_UP_SECONDS
            else:
                return answer

    def stop(self) -> None:
        """Ask the process, from any thread, to answer with what it has by now."""
        self.stopped = True
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(STOP)

    def _hear(self, news: str) -> None:
        """Say what takes a process long, once."""
        self.news = news
        if news and news not in self._told:
            self._told.add(news)
            print(f"parity: {news}", file=sys.stderr, flush=True)

    def _ready(self, seconds: float) -> bool:
        """Wait for an answer or the process's end; a child that it left behind may hold the pipe open beyond that."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            assert self._process.stdout is not None
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                if selector.select(min(left, _POLL_SECONDS)):
                    return True
                if not self.alive:
                    self.kill()
                    return True
        return False

    def _how(self) -> str:
        code = self._process.wait()
        return f"ended with signal {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"

    def kill(self) -> None:
        """Kill the process and, if it leads a group, the children that it may have left behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._leads:
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def end(self) -> None:
        """Kill the process with all it has started, and release the pipes to it."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            # A subject may have closed what is open in its process, and what was written may find no reader.
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()


_ASKS: Final[list[BinaryIO]] = []
"""Where the answers of this process go, if another one asks it."""


def tell(news: str) -> None:
    """Tell whoever asks this process what takes it long, before it answers; an empty text says that that is over."""
    for answers in _ASKS:
        with contextlib.suppress(OSError, ValueError):
            wire.write(answers, {_NEWS: news})


def tell_place(place: Sequence[Any]) -> None:
    """Tell whoever asks this process how far it is; the last of ``place`` is whether it stops there."""
    for answers in _ASKS:
        with contextlib.suppress(OSError, ValueError):
            wire.write(answers, {_PLACE: list(place)})


def private_pipes(printed: BinaryIO | None = None) -> tuple[BinaryIO, BinaryIO]:
    """Return where requests are read from and answers written to, which were standard input and output until now.

    What is printed from now on goes to a file, unless given nowhere.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _ASKS[:] = [answers]
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    for descriptor in (1, 2):
        os.dup2(null if printed is None else printed.fileno(), descriptor)
    return requests, answers
