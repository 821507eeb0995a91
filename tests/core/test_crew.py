"""A crew gives each task to whoever is free, and leaves no process behind."""

import _thread
import threading
import time
from collections.abc import Callable

import pytest

from parity.circumstances.crew import Crew, InterruptedCrew


class Clerk:
    """A worker without a process, which remembers what it did."""

    def __init__(self, home: str) -> None:
        self.home, self.alive, self.stopped = home, True, False
        self.did: list[str] = []

    heeds = False

    def wind_up(self) -> None:
        self.kill()

    def kill(self) -> None:
        self.alive = False

    def stop(self) -> None:
        self.alive, self.stopped = False, True


class Office:
    """A crew of clerks; a task is a word whose first letter is its home."""

    def __init__(self, work: Callable[[Clerk, str], str] | None = None) -> None:
        self.hired: list[Clerk] = []
        self.crew: Crew[str, Clerk, str] = Crew(self._hire, lambda task: task[0], work or self._work)

    def _hire(self, task: str) -> Clerk:
        self.hired.append(Clerk(task[0]))
        return self.hired[-1]

    def _work(self, clerk: Clerk, task: str) -> str:
        clerk.did.append(task)
        return task.upper()


def test_answers_come_in_the_order_of_the_tasks() -> None:
    office = Office(lambda clerk, task: time.sleep(0.05 if task == "a0" else 0) or task.upper())
    assert office.crew.run(["a0", "a1", "b0", "b1"], 3) == ["A0", "A1", "B0", "B1"]


def test_workers_live_on_and_are_given_tasks_of_their_home_alone() -> None:
    office = Office()
    for _ in range(3):
        office.crew.run(["a0", "a1"], 1)
    assert [clerk.did for clerk in office.hired] == [["a0", "a1"] * 3]
    office.crew.run(["b0"], 1)
    assert [(clerk.home, clerk.stopped) for clerk in office.hired] == [("a", True), ("b", False)]
    office.crew.close()
    assert all(clerk.stopped for clerk in office.hired)


def test_a_dead_worker_is_replaced() -> None:
    office = Office()
    office.crew.run(["a0"], 1)
    office.hired[0].kill()
    assert office.crew.run(["a1"], 1) == ["A1"]
    assert [clerk.did for clerk in office.hired] == [["a0"], ["a1"]]


def test_the_first_error_reaches_the_caller_and_nothing_more_is_started() -> None:
    begun: list[str] = []

    def work(clerk: Clerk, task: str) -> str:
        if task == "a1":
            raise ValueError("no such task")
        return task

    office = Office(work)
    with pytest.raises(ValueError, match="no such task"):
        office.crew.run(["a0", "a1", "a2", "a3"], 1, started=begun.append)
    assert begun == ["a0", "a1"]
    assert office.hired[0].stopped


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_kills_who_works_and_starts_nothing_more() -> None:
    killed, begun = threading.Event(), list[str]()

    class Busy(Clerk):
        def kill(self) -> None:
            killed.set()

    def work(clerk: Clerk, task: str) -> str:
        _thread.interrupt_main()
        return str(killed.wait(20))

    crew: Crew[str, Clerk, str] = Crew(lambda task: Busy("a"), lambda task: "a", work)
    with pytest.raises(InterruptedCrew):
        crew.run(["a0", "a1"], 1, started=begun.append)
    assert killed.is_set()
    assert begun == ["a0"]


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_leaves_what_was_done_and_what_could_be_wound_up() -> None:
    wound_up = threading.Event()

    class Half(Clerk):
        heeds = True

        def wind_up(self) -> None:
            wound_up.set()

    def work(clerk: Clerk, task: str) -> str:
        if task == "a1":
            _thread.interrupt_main()
            return f"half of {task}" if wound_up.wait(20) else task
        return f"all of {task}"

    crew: Crew[str, Clerk, str] = Crew(lambda task: Half("a"), lambda task: "a", work)
    with pytest.raises(InterruptedCrew) as caught:
        crew.run(["a0", "a1", "a2"], 1)
    assert caught.value.before == {0: "all of a0"}
    assert caught.value.late == {1: "half of a1"}
