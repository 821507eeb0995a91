"""A cluster that cannot be used is one message and status 2 before anything runs, without a word of Dask's own log."""

import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from dask_cluster import Cluster
from driving import OPTIMIZERS

import parity
from parity.commands.cli import main
from parity.runner.cluster import connect

pytestmark = pytest.mark.xdist_group("dask")
# A preloaded script's globals are gone once it has run, hence the default arguments.
OTHER_CPU = """
from parity.runner.cluster import remote
remote.circumstances = lambda real=remote.circumstances: real() | {"cpu": "another processor"}
"""
WITHOUT_FILE = """
from parity.runner.cluster import remote
remote._digest = lambda path, real=remote._digest: None if path.name == "mine.py" else real(path)
"""


def refused(capfd, address, *words, seconds=30.0):
    """The one message of a command that ended with status 2 in time."""
    began = time.monotonic()
    assert main(["run", "rmsprop/plain[float32]", "--subject", "reference", "--scheduler", address, *words]) == 2
    assert time.monotonic() - began < seconds
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith("parity: error: ")
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize("address", ["", "nonsense", "127.0.0.1", "ftp://127.0.0.1:1", "tcp://127.0.0.1:port"])
def test_what_is_no_address_is_said_with_what_would_be_one(address, capfd):
    assert "Allowed: tcp://HOST:PORT, tls://HOST:PORT or HOST:PORT" in refused(capfd, address)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "tcp://127.0.0.1:1", "tcp://127.0.0.1:99999", "tls://127.0.0.1:1"])
def test_where_nothing_listens_is_said_with_how_to_start_a_scheduler(address, capfd):
    said = refused(capfd, address)
    assert "no Dask scheduler answers at 't" in said
    assert address in said
    assert "`dask scheduler`" in said


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 99, b"", None])
def test_another_program_at_the_address_is_no_scheduler(answer, capfd, monkeypatch):
    monkeypatch.setattr(connect, "CONNECT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer, args=(server, answer), daemon=True)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert "no Dask scheduler that this version can talk to" in refused(capfd, address)
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _answer(server, answer):
    """Answer every connection with these bytes and end it; hold it open without a word where they are None."""
    held = []
    while True:
        try:
            connection = server.accept()[0]
        except OSError:
            break
        held.append(connection)
        if answer is not None:
            connection.sendall(answer)
            connection.close()
    for connection in held:
        connection.close()


def test_without_dask_the_message_says_what_to_install(capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "pip install 'optimizer-parity[dask]'" in refused(capfd, "127.0.0.1:1")


def test_jobs_and_a_scheduler_exclude_each_other(capfd):
    with pytest.raises(SystemExit) as end:
        main(["run", "--jobs", "7", "--scheduler", "127.0.0.1:1"])
    assert end.value.code == 2
    assert "--scheduler: not allowed with argument --jobs" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["run", "report", "check"])
def test_the_commands_that_run_cases_take_a_scheduler(command, capfd):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "--scheduler ADDRESS" in capfd.readouterr().out


def test_recording_stays_on_this_machine_where_its_files_go(capfd):
    with pytest.raises(SystemExit):
        main(["record", "--help"])
    assert "--scheduler" not in capfd.readouterr().out


def test_a_cluster_without_workers_is_said_after_a_short_wait(without_workers, capfd, monkeypatch):
    monkeypatch.setattr(connect, "WORKER_SECONDS", 0.5)
    said = refused(capfd, without_workers.address)
    assert f"has no workers. Start some: dask worker {without_workers.address}" in said


def test_a_worker_with_another_version_is_named_with_both_versions(without_workers: Cluster, tmp_path, capfd):
    package = tmp_path / "parity"
    package.mkdir()
    for path in Path(parity.__file__).parent.iterdir():
        (package / path.name).symlink_to(path)
    (package / "__init__.py").unlink()
    (package / "__init__.py").write_text('__version__ = "0.0.9"\n')
    worker = without_workers.add(path=tmp_path)
    try:
        assert "parity is 0.0.9 there, 0.1.0 here" in refused(capfd, without_workers.address)
    finally:
        without_workers.lose(worker)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("preload", "message"),
    [
        ("import sys\nsys.modules['parity'] = None", "cannot load this version of parity: ModuleNotFoundError"),
        (
            "from parity.circumstances import source\nsource.digest = lambda *places: 'edited'",
            "code of parity is edited there",
        ),
        (
            "from parity.circumstances import source\nsource.digest = lambda *places: 1 / 0",
            "ZeroDivisionError: division by zero",
        ),
        ("from parity.circumstances import doctor\ndoctor.commit = lambda: 'feed'", "commit is feed there"),
        ("from parity.runner.cluster import remote\nremote._distributed = lambda: '1.0'", "distributed is 1.0 there"),
        (WITHOUT_FILE, "and is not there, or cannot be read. Every worker reads the subject's file"),
    ],
    ids=["no parity", "edited code", "a fault", "another commit", "another Dask", "no file"],
)
def test_a_worker_that_is_not_like_this_machine_is_refused(without_workers: Cluster, tmp_path, capfd, preload, message):
    path = tmp_path / "mine.py"
    path.write_text((OPTIMIZERS / "right.py").read_text())
    worker = without_workers.add(preload)
    try:
        said = refused(capfd, without_workers.address, "--subject", f"{path}:RMSprop")
        assert message in said
        assert "the Dask worker tcp://127.0.0.1:" in said
    finally:
        without_workers.lose(worker)


def test_two_workers_that_are_not_alike_are_refused_since_results_would_depend_on_who_made_them(cluster, capfd):
    worker = cluster.add(OTHER_CPU)
    try:
        said = refused(capfd, cluster.address)
        assert "cpu is" in said
        assert "another processor" in said
    finally:
        cluster.lose(worker)
    assert main(["run", "rmsprop/plain[float32]", "--subject", "reference", "--scheduler", cluster.address]) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.exhaustive
def test_files_are_found_on_every_machine_by_their_place_among_the_cases(tmp_path: Path):
    from parity.case.cells import select
    from parity.runner.cluster.remote import local, portable
    from parity.runner.pool import Task

    cells = [*select(["network/recorded"]), *select(["network/quick"])]
    names = connect.needed_files([Task(0, cells[0], "golden:keras-eager"), Task(1, cells[-1], "mine.py:Missing")])
    assert "cases:data/mnist_first_1000.npz" in names
    assert any(name.startswith("cases:golden/keras-eager/") for name in names)
    assert not any("Missing" in name or name.endswith("mine.py") for name in names)
    assert all(local(name).is_file() and portable(local(name)) == name for name in names)
    assert portable(tmp_path / "a.npz") == str(tmp_path / "a.npz")
