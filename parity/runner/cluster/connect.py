"""The way to a cluster that answers, has workers, and has them alike, or one message that says what is amiss."""

import logging
import queue
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from parity import subjects
from parity.case.places import CASES
from parity.case.spec import Cell, Mlp
from parity.errors import ClusterError
from parity.runner.cluster import remote
from parity.runner.pool import Task
from parity.trajectory.golden.place import folder_of, is_golden

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 10.0
WORKER_SECONDS = 10.0
ANSWER_SECONDS = 20.0
_LOGGERS: Final = ("distributed", "distributed.client", "tornado", "tornado.application", "asyncio")
_OURS: Final = ("parity", "commit", "code", "distributed")
_HOW: Final = "start one with `dask scheduler`, and workers with `dask worker ADDRESS`"


@contextmanager
def connected(address: str) -> "Iterator[Client]":
    """Yield a client of the scheduler at an address; nothing that Dask logs or warns of reaches the terminal.

    Raises:
        ClusterError: Dask is not installed, the address is none, or no scheduler answers there in time.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterError("--scheduler needs Dask: pip install 'optimizer-parity[dask]'.") from error

    class QuietClient(Client):  # type: ignore[misc]  # Dask is typed in parts, and none of it is looked at
        """A client that failed to connect is not closed once more when it is collected, which prints a traceback."""

        def __del__(self) -> None:
            pass

    address = address if "://" in address else f"tcp://{address}"
    _knock(address)
    with _quiet():
        client = _opened(QuietClient, address)
        try:
            yield client
        finally:
            with suppress(OSError, TimeoutError, AssertionError):  # the scheduler may be gone
                client.close(timeout=CONNECT_SECONDS)


def _opened(kind: Any, address: str) -> "Client":
    """Return a client; in a thread that is left behind where another program takes the greeting and never answers."""
    outcome: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def open_client() -> None:
        try:
            outcome.put(kind(address, timeout=CONNECT_SECONDS, set_as_default=False, name="parity"))
        except Exception as error:  # whatever another program, or another version of Dask, makes of the greeting
            outcome.put(error)

    threading.Thread(target=open_client, daemon=True).start()
    try:
        found = outcome.get(timeout=2 * CONNECT_SECONDS)
    except queue.Empty:
        found = TimeoutError(f"no answer within {2 * CONNECT_SECONDS:g} s")
    if isinstance(found, Exception):
        text = f"what answers at {address!r} is no Dask scheduler that this version can talk to: {found}"
        raise ClusterError(f"{_one_line(text)}. See `dask scheduler --help`.") from found
    client: Client = found
    return client


def agreed(client: "Client", address: str, run: str, tasks: list[Task]) -> dict[str, Any]:
    """Return the facts that this machine and all workers share, the files that the tasks need among them.

    Raises:
        ClusterError: there are no workers, or one differs; told before anything runs.
    """
    files = needed_files(tasks)
    here = remote.facts(run, files)
    with suppress(OSError, TimeoutError):
        client.wait_for_workers(1, timeout=WORKER_SECONDS)
    found = ask(client, remote.survey, run, files, seconds=ANSWER_SECONDS)
    if not found:
        raise ClusterError(_nobody(client, address))
    for worker, facts in sorted(found.items()):
        if not isinstance(facts, dict):
            text = _one_line(f"the Dask worker {worker} cannot load this version of parity: {facts}")
            raise ClusterError(f"{text}. Install parity {here['parity']} there, and start it anew.")
        compare(worker, facts, here, _OURS, "here")
    first = min(found)
    for worker, facts in sorted(found.items()):
        compare(worker, facts, found[first], tuple(found[first]), f"on {first}")
    chosen: dict[str, Any] = found[first]
    return chosen


def compare(worker: str, facts: dict[str, Any], expected: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    """Refuse a worker whose facts differ, since results would depend on who made them.

    Raises:
        ClusterError: naming the first thing that differs, on both sides.
    """
    for path, digest in expected["files"].items():
        if facts["files"].get(path) != digest:
            what = "is another file there" if facts["files"].get(path) else "is not there, or cannot be read"
            raise ClusterError(
                f"{path.removeprefix(remote.SHIPPED)} is needed by the Dask worker {worker}, and {what}. Every worker "
                "reads the subject's file and the case's data at the same path as here: share the folder, or copy it."
            )
    for key in keys:
        if key != "files" and facts.get(key) != expected.get(key):
            there, here = _differing(facts.get(key), expected.get(key))
            name = "code of parity" if key == "code" else key
            raise ClusterError(
                f"the Dask worker {worker} is not like the others: {name} is {there} there, {here} {where}. Results "
                "must not depend on who made them: install the same everywhere, and start the workers anew."
            )


def _nobody(client: "Client", address: str) -> str:
    with suppress(OSError, TimeoutError, RuntimeError):
        count = len(client.sync(client.nthreads, callback_timeout=CONNECT_SECONDS))
        if count:
            text = f"none of the {count} workers" if count > 1 else "the one worker"
            return f"{text} of the Dask cluster at {address} answered within {ANSWER_SECONDS:g} s. Start them anew."
    return f"the Dask cluster at {address} has no workers. Start some: dask worker {address}"


def ask(client: "Client", function: Callable[..., Any], *arguments: Any, seconds: float) -> dict[str, Any]:
    """Return what a function answers on every worker, or the exception that it met there; empty if nothing comes."""
    with suppress(Exception):  # Dask fails in many ways over answers that it cannot read or that do not come
        found: dict[str, Any] = client.sync(
            client.run, function, *arguments, on_error="return", callback_timeout=seconds
        )
        return found
    return {}


def needed_files(tasks: list[Task]) -> tuple[str, ...]:
    """Return the portable paths of all files beside the package's code that the tasks read and that exist here."""
    paths = {path for name in {task.subject for task in tasks} for path in _of_subject(name)}
    paths |= {path for task in tasks for path in _of_cell(task.cell)}
    return tuple(sorted(remote.portable(path) for path in paths if path.is_file()))


def _of_subject(name: str) -> list[Path]:
    if is_golden(name):
        return list(folder_of(name).iterdir())
    where = name.rpartition(":")[0]
    return [Path(where)] if subjects.is_users(name) and where.endswith(".py") else []


def _of_cell(cell: Cell) -> list[Path]:
    named = [Path(cell.folder) / file for file in (cell.weights.file, getattr(cell.problem, "file", None)) if file]
    return [*named, CASES / "data" / "mnist_first_1000.npz"] if isinstance(cell.problem, Mlp) else named


def _differing(there: Any, here: Any) -> tuple[str, str]:
    """Return both sides as short text; of two tables only the first line that differs."""
    if isinstance(there, dict) and isinstance(here, dict):
        key = next(key for key in sorted({*there, *here}) if there.get(key) != here.get(key))
        return f"{key} {there.get(key)}", f"{key} {here.get(key)}"
    return tuple(str(value)[:120] for value in (there, here))  # type: ignore[return-value]  # of two


def _knock(address: str) -> None:
    """Refuse an address that is none or where nothing listens, without Dask's retries and in the system's words."""
    from distributed.comm import get_address_host_port, parse_address

    try:
        scheme = parse_address(address)[0]
        if scheme not in ("tcp", "tls"):
            raise ValueError(f"{scheme!r} is no way to a scheduler that is known here")
        host, port = get_address_host_port(address, strict=True)
    except ValueError as error:
        text = f"--scheduler: {error}. Received: {address!r}. Allowed: tcp://HOST:PORT, tls://HOST:PORT or HOST:PORT"
        raise ClusterError(f"{text}; {_HOW}.") from error
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address!r}: {error}. Is it running? If not, {_HOW}."
        ) from error


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")[:600]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log and warnings off the terminal, and leave the caller's settings as they were."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
