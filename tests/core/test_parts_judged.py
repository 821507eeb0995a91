"""Some steps, some elements, or what was made until a stop: judged as in the whole, and said so."""

import os
import signal
import threading
import time

import msgspec
import numpy as np
import pytest
from driving import cell, committed, judged, optimizer

from parity.api import InterruptedRun, run_all
from parity.case import known
from parity.circumstances import child
from parity.problem import problems
from parity.reference.rmsprop import RMSprop as Page
from parity.runner.course import Course, Stopped
from parity.runner.loop import compare, run_pair
from parity.runner.pool import Standing, Task
from parity.subjects.numpy_class import NumpySubject
from parity.trajectory.drawn import drawn

WRONG = optimizer("epsilon_1e8")


def rows_of(comparison):
    table = comparison.table
    columns = ("step", "slot", "tensor", "size", "differing", "max_abs", "ratio", "bound", "index")
    return {tuple(map(str, row)) for row in zip(*(list(table[name]) for name in columns), strict=True)}


@pytest.mark.parametrize("mode", ["lockstep", "free"])
@pytest.mark.parametrize("given", [{}, {"momentum": 0.9}])
def test_every_kth_step_has_the_rows_that_it_has_in_the_whole(given, mode):
    whole = judged(cell(steps=23, **given), WRONG)[mode]
    some = judged(cell(steps=23, every=5, **given), WRONG)[mode]
    assert {int(step) for step, *_ in rows_of(some)} == {-1, 0, 5, 10, 15, 20, 22}
    assert rows_of(some) < rows_of(whole)
    assert (some.verdict, some.every) == (whole.verdict, 5)
    assert some.reason.endswith("; judged: every 5th step")
    assert some.document()["every"] == 5
    assert not {"every", "elements", "judged_until"} & whole.document().keys()


def test_slots_that_a_class_hides_go_on_through_the_steps_that_are_not_judged():
    subject = optimizer("right_tutorial", "MyRMSProp")
    whole, some = (judged(cell(steps=12, every=every), subject)["lockstep"] for every in (1, 4))
    assert some.verdict == whole.verdict
    assert rows_of(some) <= rows_of(whole)


def test_a_network_is_judged_at_every_kth_step_too():
    (one,) = committed("network/question_shared", steps=7)
    some = judged(msgspec.structs.replace(one, every=3), "reference")
    assert {item.verdict for item in some.values()} == {"IDENTICAL"}
    assert set(np.asarray(some["lockstep"].table["step"]).tolist()) == {-1, 0, 3, 6}


def test_a_drawn_sample_is_the_same_again_and_has_one_of_every_tensor():
    made = problems.make(cell(drawn=40))
    one, other = drawn(made), drawn(made)
    assert {n: list(at) for n, at in one.chosen.items()} == {n: list(at) for n, at in other.chosen.items()}
    assert sorted(one.chosen) == sorted(made.shapes)
    assert 30 <= one.elements <= 42
    assert all(np.all(np.diff(at) > 0) for at in one.chosen.values())
    assert drawn(problems.make(cell(drawn=10_000))).elements == made.elements


def test_what_differs_in_a_sample_stands_where_it_stands_in_the_whole_tensor():
    whole, some = judged(cell(), WRONG), judged(cell(drawn=40), WRONG)
    for mode, item in some.items():
        place = item.first_divergence
        assert item.verdict == whole[mode].verdict == "DIVERGED"
        assert item.elements == drawn(problems.make(cell(drawn=40))).elements
        assert item.reason.endswith(f"; judged: {item.elements} drawn elements")
        chosen = drawn(problems.make(cell(drawn=40))).chosen[place.tensor]
        assert np.ravel_multi_index(place.index, (8, 16)) in chosen
        assert set(np.asarray(item.table["index"])[np.asarray(item.table["tensor"]) == "kernel"]) <= {-1, *chosen}


@pytest.mark.parametrize("given", [{"clipnorm": 1.0}, {"global_clipnorm": 1.0}])
def test_a_rule_that_mixes_elements_has_no_sample_and_the_reason_says_what_to_do(given):
    item = judged(cell(drawn=40, **given), "reference")["lockstep"]
    assert item.verdict == "UNSUPPORTED"
    assert "mixes them" in item.reason
    assert "--every K" in item.reason


def test_a_known_divergence_that_a_part_does_not_show_is_not_called_gone():
    assert cell().judges_all
    assert not cell(every=2).judges_all
    assert not cell(drawn=1).judges_all
    entries = [entry for entry in known.load() if not entry.only]
    pair = run_pair(cell(steps=1, every=2), "reference")
    renamed = msgspec.structs.replace(
        pair, comparisons=[msgspec.structs.replace(item, case=entries[0].case) for item in pair.comparisons]
    )
    assert known.apply(entries, renamed, partly=True).verdict.name == "IDENTICAL"


@pytest.mark.parametrize(("step", "every", "last"), [(1, 1, 0), (30, 1, 29), (30, 8, 24)])
def test_a_run_that_is_stopped_inside_a_step_says_what_it_judged_before(step, every, last):
    course = Course()

    class Stops(Page):
        def step(self, params, grads, state):
            if state["iterations"] == step:
                course.stop()
            return super().step(params, grads, state)

    for item in compare(
        problems.make(cell(steps=200, every=every)), NumpySubject(Stops, "stops"), "stops", course=course
    ):
        assert item.judged_until == max(item.table["step"]) == last
        assert item.verdict == "IDENTICAL"
        assert item.reason.endswith(f"until step {last}")


def test_a_stop_that_comes_while_a_block_is_judged_is_told_at_once():
    told = []
    course = Course(told.append)
    course.stop()
    assert not told, "nothing runs"
    course = Course(told.append)
    course.begin(3)
    course.stop()
    assert [place.stopping for place in told] == [True]
    late = Course(told.append)
    late.begin(3)
    late.end()
    late.stop()
    assert len(told) == 1, "its answer is being written"


def test_a_run_that_is_stopped_before_its_first_step_has_no_comparison():
    course = Course()
    course.stop()
    with pytest.raises(Stopped):
        compare(problems.make(cell()), NumpySubject(Page, "page"), "page", course=course)


def test_a_course_tells_the_step_and_how_long_the_others_will_take(monkeypatch):
    told, now = [], iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    course = Course(told.append)
    course.begin(10)
    for step in (1, 2, 5):
        course.at(step)
    assert [(place.step, place.steps) for place in told] == [(1, 10), (2, 10), (5, 10)]
    assert told[-1].left == pytest.approx(3.0)  # three seconds for five steps, so for the other five


OWN = """
import time
import numpy as np

class {name}:
    made = 0

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
        pass

    def init(self, params):
        return {{n: np.zeros_like(w) for n, w in params.items()}}

    def step(self, params, grads, state):
        type(self).made += 1
        {does}
        return dict(params), state
"""


def test_a_class_that_hangs_at_a_step_is_failed_with_what_was_judged_before(tmp_path):
    file = tmp_path / "hangs.py"
    file.write_text(OWN.format(name="Hangs", does="while self.made == 90: pass"))
    standing = Standing()
    try:
        pair = standing.run(Task(0, cell(steps=300, tensors={"kernel": [8]}), f"{file}:Hangs"), 5.0)
    finally:
        standing.close()
    for item in pair.comparisons:
        assert item.judged_until >= 0
        assert item.compared > 0
        assert item.verdict == "DIVERGED", "what diverges before it hangs has diverged"


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_leaves_what_was_judged_until_then(tmp_path):
    file = tmp_path / "slow.py"
    file.write_text(OWN.format(name="Slow", does="time.sleep(0.02)"))
    began = threading.Event()

    def heard(progress):
        if progress.step and not began.is_set():
            began.set()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRun) as caught:
        run_all([cell(steps=2_000)], [f"{file}:Slow"], progress=heard)
    (pair,) = caught.value.run.pairs
    assert 0 <= pair.judged_until < 1_999
    assert pair.comparisons[0].compared > 0


def test_a_process_that_does_not_see_its_stop_is_ended(monkeypatch):
    monkeypatch.setattr(child, "HEED_SECONDS", 0.2)
    process = child.Child("parity.runner.worker")
    try:
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(child.NoAnswerError):
            process.ask({"load": "x"}, 0.2, winds_up=True)
        assert process.stopped
        assert not process.heeds
        assert not process.alive
    finally:
        process.end()
