from pathlib import Path

import msgspec
import pytest

from parity.errors import UsageError
from parity.explain.factors import Program
from parity.explain.store import Store, Task

TASK = Task(Program(), 0, 1)
RECORD = {"loss": [2.302585092994046, 1e-300], "digest": "ab"}


def test_record_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(TASK, RECORD)
    assert Store(tmp_path).get(TASK) == RECORD
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"record": {}, "checksum": "x"}', b"\xff\xfe"])
def test_damaged_record_counts_as_not_run(tmp_path: Path, damage: bytes) -> None:
    store = Store(tmp_path)
    store.put(TASK, RECORD)
    (tmp_path / f"{TASK.key}.json").write_bytes(damage)
    assert store.get(TASK) is None


def test_changed_number_in_a_record_is_noticed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(TASK, RECORD)
    path = tmp_path / f"{TASK.key}.json"
    path.write_text(path.read_text().replace("2.302585092994046", "2.302585092994047"))
    assert store.get(TASK) is None


def test_every_choice_seed_length_and_engine_has_its_own_run() -> None:
    other = msgspec.structs.replace(TASK.program, momentum=0.9)
    tasks = [
        TASK,
        Task(other, 0, 1),
        Task(TASK.program, 1, 1),
        Task(TASK.program, 0, 2),
        Task(TASK.program, 0, 1, "posted"),
    ]
    assert len({task.key for task in tasks}) == len(tasks)


def test_schedules_can_be_asked_for() -> None:
    steps = {"schedule": "PiecewiseConstantDecay", "boundaries": [2], "values": [0.1, 0.001]}
    task = Task(msgspec.convert({"learning_rate": steps}, Program), 0, 1)
    assert {task: 1}[Task(task.program, 0, 1)] == 1


def test_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--cache"):
        Store(tmp_path / "file" / "below")
