"""Subjects that other packages bring: their entry points are asked for only where some package states one."""

import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "parity.subjects"


def plugged() -> list["EntryPoint"]:
    """Return the entry points of the group in the order of ``importlib.metadata``, whose import costs more than a list.

    It is imported only if a text in which packages state entry points names the group, or if packages lie where no
    look into folders finds them: in an archive, or where a finder of their own knows them.
    """
    if not any(map(_may_bring, sys.path)) and not any(map(_finds, sys.meta_path)):
        return []
    from importlib.metadata import entry_points

    return list(entry_points(group=GROUP))


def _finds(finder: object) -> bool:
    return finder is not PathFinder and hasattr(finder, "find_distributions")


def _may_bring(place: str) -> bool:
    """Whether a place that modules are imported from may hold a package with a subject."""
    try:
        return any(GROUP.encode() in text for text in _texts(place or os.curdir))
    except NotADirectoryError:
        return True
    except OSError:  # what cannot be listed is passed over by importlib.metadata as well
        return False


def _texts(place: str) -> Iterator[bytes]:
    for name in os.listdir(place):
        if name.lower().endswith((".dist-info", "egg-info")):
            try:
                with open(os.path.join(place, name, "entry_points.txt"), "rb") as text:
                    yield text.read()
            except OSError:
                continue
