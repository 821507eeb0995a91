"""How a process of ours starts and ends: it imports nothing that merely lies in the current folder, and follows us.

``python -m`` and ``python -c`` put the current folder first among the places that modules are imported from, so that a
``numpy.py``, ``random.py`` or ``parity.py`` which happens to lie there would run. Only a named subject's code may.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import MutableSequence
from pathlib import Path
from typing import Final

_WATCH_SECONDS: Final = 1.0
ROOT: Final = str(Path(__file__).resolve().parents[2])
_BOOT = "import runpy, sys; root = sys.argv.pop(1); root in sys.path or sys.path.insert(0, root); "


def module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs one of our modules as ``__main__``, with arguments that it finds in ``sys.argv``."""
    return [sys.executable, "-P", "-c", f"{_BOOT}runpy.run_module({name!r}, run_name='__main__')", ROOT, *arguments]


def program(text: str) -> list[str]:
    """Return the command that runs a program given as text."""
    return [sys.executable, "-P", "-c", text]


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def follow(parent: int) -> None:
    """End this process, with all it started if it leads its group, once ``parent`` is gone, whatever else it does."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def leave_current_folder(places: MutableSequence[str]) -> None:
    """Take back what ``python -m parity`` put first into ``sys.path``, unless parity itself was found there."""
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:  # a folder that was removed has nothing to import
        return
    if not sys.flags.safe_path and places and os.path.realpath(places[0]) == here != ROOT:
        del places[0]
