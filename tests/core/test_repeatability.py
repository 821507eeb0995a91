import json
import tracemalloc

import msgspec
import numpy as np
import pytest
from driving import cell, judged, optimizer

from parity.api import run_all
from parity.case import known
from parity.case.known import Known
from parity.problem import problems
from parity.report import json_
from parity.runner.steps import blocks
from parity.subjects.loading import load_class
from parity.trajectory import blocks as trajectory
from parity.verdicts.results import Comparison, Pair


def documents(run):
    """The JSON document of a run without what tells the time, and the tables behind it."""
    document = json.loads(json_.render(run))
    tables = [
        {name: list(map(str, column)) for name, column in item.table.items()} if item.table else None
        for pair in run.pairs
        for item in pair.comparisons
    ]
    return _timeless(document), tables


def _timeless(value):
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k not in ("seconds", "started")}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


CELLS = [cell(steps=5), cell(steps=7, momentum=0.9), cell(steps=3, dtype="float64")]
NAMES = [optimizer("right_reordered"), optimizer("epsilon_outside"), "reference"]


@pytest.fixture(scope="module")
def alone():
    return documents(run_all(CELLS, NAMES, jobs=1))


def test_two_runs_write_the_same(alone):
    assert documents(run_all(CELLS, NAMES, jobs=1)) == alone


def test_the_number_of_jobs_changes_nothing(alone):
    assert documents(run_all(CELLS, NAMES, jobs=2)) == alone


def test_a_subject_sees_no_trace_of_the_cells_before(alone):
    reversed_run = run_all(CELLS[::-1], NAMES, jobs=1)
    again = msgspec.structs.replace(reversed_run, pairs=[])
    pairs = {(str(p.case), p.subject, i): p for i, p in enumerate(reversed_run.pairs)}
    assert again.pairs == []
    digests = [item.digest for pair in pairs.values() for item in pair.comparisons]
    expected = [item["digest"] for item in _comparisons(alone[0])]
    assert sorted(digests) == sorted(expected)


def _comparisons(value):
    if isinstance(value, dict):
        found = [value] if "digest" in value else []
        return found + [item for inner in value.values() for item in _comparisons(inner)]
    return [item for inner in value for item in _comparisons(inner)] if isinstance(value, list) else []


def test_results_that_travel_between_processes_lose_nothing():
    here = judged(CELLS[0], "reference")["lockstep"]
    there = run_all(CELLS[:1], ["reference"], jobs=1).pairs[0].comparisons[0]
    assert {**here.document(), "pattern": ""} == {**there.document(), "pattern": ""}
    assert {k: list(map(str, v)) for k, v in here.table.items()} == {
        k: list(map(str, v)) for k, v in there.table.items()
    }


def test_blocks_are_used_again_so_that_memory_stays_flat():
    def peak(steps):
        made = problems.make(cell(steps=steps, tensors={"kernel": [64, 64]}))
        adapter = load_class(optimizer("right"))
        adapter.open(made)
        tracemalloc.start()
        for block in blocks(made, adapter):
            assert block.count <= 256
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(2_000) < 1.05 * peak(600)


def test_the_columns_of_a_block_stay_within_their_bytes(monkeypatch):
    monkeypatch.setattr(trajectory, "BLOCK_BYTES", 100_000)
    made = problems.make(cell(steps=50, tensors={"kernel": [64, 64]}))
    adapter = load_class(optimizer("right"))
    adapter.open(made)
    seen = [
        (b.start, b.count, sum(c.nbytes for t in b.columns.values() for c in t.values())) for b in blocks(made, adapter)
    ]
    assert [start for start, _, _ in seen] == list(range(0, 50, seen[0][1]))
    assert sum(count for _, count, _ in seen) == 50
    row = 2 * 64 * 64 * 4
    assert all(size <= 100_000 + row for _, _, size in seen)


def test_losses_that_are_no_number_keep_their_steps(monkeypatch):
    made = problems.make(cell(steps=12))
    state = {"parameter": made.params}
    monkeypatch.setattr(trajectory, "BLOCK_BYTES", 4 * sum(array.nbytes for array in made.params.values()))
    recorder, found = trajectory.Recorder(made, state), []
    for number in range(12):
        recorder.add(state, None, float("nan") if 4 <= number < 8 else float(number))
        if recorder.full:
            found += [block.losses for block in recorder.take()]
    assert [len(losses) for losses in found] == [4, 4, 4]
    assert np.isnan(found[1]).all()


def entry(verdict="DIVERGED", **given):
    return Known(**{"case": "a/*", "subject": "keras-*", "verdict": verdict, "reason": "why", "link": "where", **given})


def pair(verdict, case="a/b[float32]", subject="keras-xla"):
    comparison = Comparison(case, subject, "replayed", "lockstep", verdict, "what happened")
    return Pair(case, "", subject, subject, [comparison])


def applied(verdict, *entries, **given):
    return known.apply(list(entries), pair(verdict, **given)).comparisons[0]


def test_a_listed_divergence_is_renamed_and_keeps_what_happened_as_a_note():
    item = applied("DIVERGED", entry())
    assert (item.verdict, item.reason) == ("KNOWN_DIVERGENCE", "why (where)")
    assert item.notes == ["DIVERGED: what happened"]
    assert not item.outcome.fails


@pytest.mark.parametrize("verdict", ["IDENTICAL", "ROUNDING", "UNDECIDED"])
def test_a_listed_divergence_that_is_gone_is_fixed_and_fails(verdict):
    item = applied(verdict, entry())
    assert item.verdict == "FIXED"
    assert "listed as DIVERGED: why" in item.reason
    assert item.outcome.fails


def test_a_divergence_that_only_some_processors_show_is_no_news_elsewhere():
    item = applied("ROUNDING", entry(only="processors with AVX2"))
    assert item.verdict == "ROUNDING"
    assert item.notes == ["listed as DIVERGED on processors with AVX2: it does not show here"]
    assert applied("DIVERGED", entry(only="processors with AVX2")).verdict == "KNOWN_DIVERGENCE"


@pytest.mark.parametrize("verdict", ["FAILED", "NON_FINITE", "NOT_COMPARABLE"])
def test_another_failure_than_the_listed_one_stays_itself(verdict):
    assert applied(verdict, entry()).verdict == verdict


@pytest.mark.parametrize("verdict", ["UNSUPPORTED", "NOT_INSTALLED"])
def test_what_was_not_run_is_neither_known_nor_fixed(verdict):
    assert applied(verdict, entry()).verdict == verdict


def test_only_what_the_entry_names_is_covered():
    assert applied("DIVERGED", entry(case="b/*")).verdict == "DIVERGED"
    assert applied("DIVERGED", entry(subject="keras-graph")).verdict == "DIVERGED"
    assert applied("DIVERGED", entry(comparison="free")).verdict == "DIVERGED"


def test_brackets_of_a_case_id_are_no_pattern():
    assert applied("DIVERGED", entry(case="a/b[float32]")).verdict == "KNOWN_DIVERGENCE"
    assert applied("DIVERGED", entry(case="a/b[float32]"), case="a/bf").verdict == "DIVERGED"


def test_the_committed_list_loads():
    assert all(item.reason and item.link for item in known.load())
