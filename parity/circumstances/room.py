"""How much memory this process may still take: what the machine has free, and what limits it further."""

import os
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/proc/meminfo")
_GROUP: Final = Path("/sys/fs/cgroup")


def available() -> int | None:
    """Return the bytes of memory that are to be had without swapping, None where the system does not tell."""
    return min((each for each in (_free(), _left_in_group()) if each is not None), default=None)


def _free() -> int | None:
    try:
        for line in _MEMORY.read_text(encoding="ascii").splitlines():
            name, _, rest = line.partition(":")
            if name == "MemAvailable":
                return int(rest.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _left_in_group() -> int | None:
    """Return what a container's limit leaves (Documentation/admin-guide/cgroup-v2.rst); None without one."""
    try:
        limit, used = ((_GROUP / name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current"))
        return None if limit == "max" else max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return None


def size(count: float) -> str:
    """Return a number of bytes as people say it, in two digits: what is estimated has no more."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9)):
        if count >= scale:
            return f"{count / scale:,.0f} {unit}" if count >= 10 * scale else f"{count / scale:.2g} {unit}"
    return f"{max(1, round(count / 1e6)):,} MB"
