"""Writing that never loses what stood there: one file, or a set of files into a folder, all of them or none.

A file is written beside its place, synced, and renamed. A set is staged beside its folder and swapped in by renaming:
at every moment a complete set stands under ``folder`` or, between two renames, beside it as ``.folder.old``; the next
writer, or ``repair``, puts it back. Files that are not part of the set move along and are never deleted.
"""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from parity.errors import UsageError


def write_file(path: Path, content: bytes) -> None:
    """Put one file in its place, creating its folder if need be; readers see the old file or the new one, whole.

    Raises:
        UsageError: the place cannot be written; what stood there before is unchanged.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(beside, content)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _sync(path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"{str(path)!r} cannot be written: {reason}. What stood there is unchanged. "
            f"Give a place that can be written, on a disk with room."
        ) from error


def ignore(folder: Path, *patterns: str) -> None:
    """Make a folder whose content git ignores, or what of it fits some patterns; a ``.gitignore`` there stays.

    Raises:
        UsageError: the folder cannot be written.
    """
    file = folder / ".gitignore"
    if not os.path.lexists(file):
        write_file(file, "".join(f"{pattern}\n" for pattern in patterns or ("*",)).encode())


CACHE: Final = Path(".parity")
"""The folder in the current one for what can be made again: finished runs, findings of a search, its examples."""


def ignore_cache(folder: Path) -> None:
    """Have git ignore the cache if a folder lies in it; a folder that was chosen by hand is left as it is.

    Raises:
        UsageError: it cannot be written.
    """
    if CACHE in folder.parents:
        ignore(CACHE)


def install(part: Path, path: Path) -> None:
    """Rename a file that was written and synced beside ``path`` into its place; readers see the old one or the new."""
    try:
        part.replace(path)
        _sync(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise UsageError(f"{str(path)!r} cannot be written: {reason}. What stood there is unchanged.") from error


def write_set(files: Mapping[str, bytes], folder: Path, what: str = "the report") -> None:
    """Replace the files of this set in ``folder``, creating it if need be; ``what`` names the set in messages.

    Raises:
        UsageError: the place cannot be written; what stood there before is still complete.
    """
    folder = Path(os.path.realpath(folder))  # unlike Path.resolve, it takes a loop of links
    if Path.cwd().is_relative_to(folder):
        raise UsageError(f"{what} cannot replace {str(folder)!r}, which holds the current folder; name another.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with alone(folder.parent):
            _mend(folder)
            _require_writable(folder)
            _stage(files, _beside(folder, "new"))
            _swap(folder)
            _clear(_beside(folder, "old"), folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"{what} cannot be written to {str(folder)!r}: {reason}. What stood there is unchanged. "
            f"Give a folder that can be written and renamed, on a disk with room."
        ) from error


def repair(folder: Path) -> None:
    """Put back the set that a writer, killed between two renames, left beside ``folder``; nothing to do is fine."""
    folder = Path(os.path.realpath(folder))  # unlike Path.resolve, it takes a loop of links
    with suppress(OSError):
        if any(_beside(folder, state).exists() for state in ("new", "old")):
            with alone(folder.parent):
                _mend(folder)


def _beside(folder: Path, state: str) -> Path:
    return folder.with_name(f".{folder.name}.{state}")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder; the system drops it when the process dies, and it leaves no file behind."""
    try:
        import fcntl
    except ImportError:  # Windows has no lock on folders: there, writers must not overlap
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _mend(folder: Path) -> None:
    """Bring the place into order after a writer that was killed; only the holder of the lock may do this."""
    old = _beside(folder, "old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    elif old.exists():
        _clear(old, folder)
    shutil.rmtree(_beside(folder, "new"), ignore_errors=True)


def _require_writable(folder: Path) -> None:
    if os.path.lexists(folder) and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    held = folder if folder.exists() else folder.parent
    if hasattr(os, "statvfs") and os.statvfs(held).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if not os.access(held, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _stage(files: Mapping[str, bytes], staging: Path) -> None:
    try:
        staging.mkdir()
        for name, content in files.items():
            _write(staging / name, content)
        _sync(staging)
    except OSError:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _swap(folder: Path) -> None:
    old, staging = _beside(folder, "old"), _beside(folder, "new")
    if folder.exists():
        folder.rename(old)
    try:
        staging.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        shutil.rmtree(staging, ignore_errors=True)
        raise
    _sync(folder.parent)


def _clear(old: Path, folder: Path) -> None:
    """Delete the files that the new folder replaces; whatever else stood in the old one moves over."""
    if not old.exists():
        return
    for path in list(old.iterdir()):
        if (folder / path.name).is_file():
            path.unlink()
        else:
            path.rename(folder / path.name)
    old.rmdir()


def _sync(folder: Path) -> None:
    """Make renames survive a power cut, where the system lets a folder be synced."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
