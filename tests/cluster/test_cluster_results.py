"""What comes from a cluster is what one process would have made, in the same order, whoever dies on the way."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from dask_cluster import children, lives, until
from driving import OPTIMIZERS, cell, optimizer

from parity.api import run_all
from parity.case.spec import Weights
from parity.circumstances import wire
from parity.errors import ClusterError, ParityError
from parity.report import json_
from parity.runner.cluster import collect

pytestmark = pytest.mark.xdist_group("dask")
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
CELLS = [cell(steps=5), cell(steps=7, momentum=0.9), cell(steps=3, dtype="float64")]
NAMES = [optimizer("right_reordered"), optimizer("epsilon_outside"), "reference", "posted"]


def timeless(run):
    """A run without what tells the time: its pairs as bytes, with tables and curves, and its JSON document."""
    pairs = [msgspec.structs.replace(pair, seconds=0.0) for pair in run.pairs]
    document = json.loads(json_.render(msgspec.structs.replace(run, pairs=pairs, started="", seconds=0.0)))
    return wire.packed(pairs), document


@pytest.fixture(scope="module")
def alone():
    return timeless(run_all(CELLS, NAMES, jobs=1))


def test_a_cluster_of_two_returns_the_bytes_of_one_process(alone, cluster):
    assert timeless(run_all(CELLS, NAMES, scheduler=cluster.address)) == alone


def test_each_pair_is_told_once_when_it_starts_and_once_when_it_is_done(cluster):
    told = []
    run_all(CELLS, ["reference", "posted"], progress=told.append, scheduler=cluster.address)
    # These cells share one id, so that a pair is known by its subject here.
    for subject in ("reference", "posted"):
        assert [news.pair is None for news in told if news.subject == subject].count(True) == 3
        assert [news.pair is None for news in told if news.subject == subject].count(False) == 3
    assert [news.done for news in told if news.pair is not None] == [1, 2, 3, 4, 5, 6]


def test_a_path_means_what_it_means_where_the_command_was_given(monkeypatch, cluster):
    monkeypatch.chdir(OPTIMIZERS)
    names = ["right.py:RMSprop", "right:RMSprop"]
    there = run_all(CELLS[:1], names, scheduler=cluster.address)
    assert [pair.verdict.name for pair in there.pairs] == ["ROUNDING", "ROUNDING"]
    assert timeless(there) == timeless(run_all(CELLS[:1], names))


@pytest.mark.exhaustive
def test_a_class_that_misbehaves_is_judged_as_it_is_at_home(cluster):
    names = [optimizer("misbehaving", kind) for kind in ("KillsItself", "NeverReturns", "PrintsOnly", "Raises")]
    there, here = (run_all([cell(steps=2)], names, time_limit=1, **way) for way in ({"scheduler": cluster.address}, {}))
    assert [pair.verdict.name for pair in there.pairs] == ["FAILED", "FAILED", "ROUNDING", "FAILED"]
    assert timeless(there) == timeless(here)


def test_an_edited_file_is_read_anew_by_the_next_run(tmp_path, cluster):
    path = tmp_path / "mine.py"
    verdicts = []
    for file in ("right", "epsilon_outside"):
        path.write_text((OPTIMIZERS / f"{file}.py").read_text())
        run = run_all(CELLS[:1] * 2, [f"{path}:RMSprop"], scheduler=cluster.address)
        verdicts.append({pair.verdict.name for pair in run.pairs})
    assert verdicts == [{"ROUNDING"}, {"DIVERGED"}]


def test_variables_that_change_numbers_are_those_of_the_caller(tmp_path, monkeypatch, without_workers):
    path = tmp_path / "mine.py"
    said = (
        "import os\nprint(os.environ.get('XLA_FLAGS'), os.environ.get('MKL_NUM_THREADS'), os.environ['PARITY_TEST'])\n"
    )
    path.write_text(said + (OPTIMIZERS / "right.py").read_text())
    monkeypatch.setenv("XLA_FLAGS", "--made_up")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    worker = without_workers.add("import os\nos.environ.update(MKL_NUM_THREADS='7', PARITY_TEST='of the worker')")
    try:
        pair = run_all(CELLS[:1], [f"{path}:RMSprop"], scheduler=without_workers.address).pairs[0]
    finally:
        without_workers.lose(worker)
    assert pair.output == "--made_up None of the worker\n"


def test_data_that_cannot_be_used_is_told_as_it_is_at_home(tmp_path, cluster):
    (tmp_path / "start.npz").write_bytes(b"damaged")
    broken = msgspec.structs.replace(CELLS[0], folder=str(tmp_path), weights=Weights(kind="file", file="start.npz"))
    with pytest.raises(ParityError) as here:
        run_all([broken], ["reference"])
    with pytest.raises(ParityError) as there:
        run_all([broken], ["reference"], scheduler=cluster.address)
    assert str(there.value).startswith(f"{here.value} (on the Dask worker tcp://")


@needs_proc
def test_no_process_is_left_when_a_run_is_over(cluster):
    run_all(CELLS[:1], NAMES, scheduler=cluster.address)
    until(lambda: not any(children(worker.pid) for worker in cluster.workers[:2]), "the workers' processes to end")


@pytest.mark.exhaustive
@needs_proc
def test_a_worker_that_is_killed_half_way_loses_nothing_and_doubles_nothing(alone, fragile):
    orphans, done = [], []

    def kill_one(news):
        if news.pair is None:
            return
        done.append(news)
        if len(done) == 4:
            until(lambda: children(fragile.workers[0].pid), "the worker to be at work")
            orphans.extend(children(fragile.workers[0].pid))
            fragile.workers[0].kill()

    assert timeless(run_all(CELLS, NAMES, progress=kill_one, scheduler=fragile.address)) == alone
    assert fragile.workers[0].wait() == -signal.SIGKILL
    assert len(done) == len(CELLS) * len(NAMES)
    until(lambda: not any(map(lives, orphans)), "the killed worker's processes to end")


@pytest.mark.exhaustive
def test_a_cluster_that_loses_its_last_worker_is_given_up(monkeypatch, fragile):
    monkeypatch.setattr(collect, "ALONE_SECONDS", 1.0)

    def kill_all(news):
        for worker in fragile.workers:
            worker.kill()

    names = [optimizer("misbehaving", "NeverReturns"), "reference"]
    with pytest.raises(
        ClusterError, match=r"has had no worker for 1 s\. \d of 2 pairs were done; run the command again"
    ):
        run_all(CELLS[:1], names, progress=kill_all, scheduler=fragile.address)


def test_a_scheduler_that_is_killed_ends_the_run(fragile):
    with pytest.raises(ClusterError, match=r"the Dask scheduler at .* was lost\. \d of 1 pairs"):
        run_all(
            CELLS[:1],
            [optimizer("misbehaving", "NeverReturns")],
            progress=lambda news: fragile.scheduler.kill(),
            scheduler=fragile.address,
        )


INTERRUPTED = """
import signal, sys
# A shell lets what it starts in the background ignore this signal, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
from driving import cell, optimizer
from parity.api import run_all
try:
    run_all([cell(steps=2)] * 3, [optimizer("misbehaving", "NeverReturns")], time_limit=300, scheduler=sys.argv[1],
            progress=lambda news: print("started", flush=True))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.exhaustive
@needs_proc
def test_an_interrupted_run_stops_its_pairs_on_the_workers(cluster):
    folder = Path(__file__).parents[1] / "core"
    words = [sys.executable, "-c", INTERRUPTED, cluster.address]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env={**os.environ})
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    busy = [worker.pid for worker in cluster.workers[:2]]
    until(lambda: all(map(children, busy)), "both workers to be at work")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, b"")
    until(lambda: not any(map(children, busy)), "the workers' processes to end")
