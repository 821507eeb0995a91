"""Recording and replaying: exact in every dtype, the same bytes each time, and the same verdicts as the original."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save

import parity
from parity.case.cells import select
from parity.commands.cli import main
from parity.problem.problems import make
from parity.reference.rmsprop import RMSprop
from parity.runner.recording import record_pair
from parity.subjects.binding.arguments import bind
from parity.trajectory.golden import place, values

CELL = "rmsprop/plain[float32]"


def record(folder: Path, cell: str = CELL, subject: str = "reference") -> Path:
    pair = record_pair(select([cell])[0], subject, str(folder), 64)
    assert pair.comparisons == []
    return folder


def sheet_of(folder: Path, cell: str = CELL) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{place.stem(cell)}.json").read_text())
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_a_recording_holds_every_bit_of_every_step(tmp_path: Path, dtype: str) -> None:
    cell = select([f"rmsprop/everything[{dtype}]"])[0]
    record(tmp_path, cell.id)
    found = load_file(tmp_path / sheet_of(tmp_path, cell.id)["values"])
    problem = make(cell)
    rule = RMSprop(**bind(RMSprop, cell.hyperparameters).values)
    params: Any = problem.params
    state = rule.init(params)
    for step in range(cell.steps + 1):
        for slot, tensors in {"parameter": params, **rule.slots(state)}.items():
            for name, array in tensors.items():
                assert found[f"{slot}/{name}"][step].tobytes() == array.tobytes()
                assert found[f"{slot}/{name}"].dtype == dtype
        if step < cell.steps:
            params, state = rule.step(params, problem.gradients(step), state)


def test_the_same_recording_is_the_same_bytes(tmp_path: Path) -> None:
    once, again = record(tmp_path / "a"), record(tmp_path / "b")
    assert {path.name: path.read_bytes() for path in once.iterdir()} == {
        path.name: path.read_bytes() for path in again.iterdir()
    }


def test_recording_again_leaves_the_files_as_they_are(tmp_path: Path) -> None:
    record(tmp_path)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    record(tmp_path)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


def test_the_header_is_the_one_that_the_library_writes() -> None:
    arrays = {
        "b/x": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a": np.zeros((3, 0), dtype=np.float64),
        "c": np.ones(2, dtype=ml_dtypes.bfloat16),
        "d": np.ones(1, dtype=np.float16),
        "e": np.ones((2, 1), dtype=np.float64),
    }
    head = values.header({name: (array.dtype, array.shape) for name, array in arrays.items()})
    whole = head + b"".join(arrays[name].tobytes() for name in ["a", "e", "b/x", "c", "d"])
    assert whole == save(arrays)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("cell", ["numerics/odd_shapes", "network/quick[shared]", "network/quick[computed]", CELL])
def test_a_replayed_recording_has_the_verdicts_of_what_was_recorded(tmp_path: Path, cell: str) -> None:
    record(tmp_path, cell)
    (live,) = parity.run(cell, "reference").pairs
    (replayed,) = parity.run(cell, f"golden:{tmp_path}").pairs
    assert [(c.verdict, c.digest, c.compared) for c in replayed.comparisons] == [
        (c.verdict, c.digest, c.compared) for c in live.comparisons
    ]


def test_a_recording_of_a_wrong_optimizer_diverges_where_the_optimizer_did(tmp_path: Path) -> None:
    record(tmp_path, subject="posted")
    (live,) = parity.run(CELL, "posted").comparisons[:1]
    (replayed,) = parity.run(CELL, f"golden:{tmp_path}").comparisons[:1]
    assert live.verdict == replayed.verdict == "DIVERGED"
    assert live.first_divergence == replayed.first_divergence


def test_a_long_recording_serves_a_shorter_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path)
    assert main(["run", CELL, "--steps", "7", "--subject", f"golden:{tmp_path}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["verdict"] == "IDENTICAL"


def test_a_case_without_a_recording_is_unsupported_with_the_reason(tmp_path: Path) -> None:
    record(tmp_path)
    for item in parity.run("rmsprop/defaults", f"golden:{tmp_path}").comparisons:
        assert item.verdict == "UNSUPPORTED"
        assert "holds no recording of rmsprop/defaults" in item.reason


def test_a_short_recording_says_how_many_steps_it_has(tmp_path: Path) -> None:
    assert main(["record", CELL, "--subject", "reference", "--steps", "5", "--output", str(tmp_path)]) == 0
    (item, _) = parity.run(CELL, f"golden:{tmp_path / 'reference'}").comparisons
    assert "holds 5 of the 60 steps" in item.reason
    assert "--steps 5" in item.reason


def test_a_recording_that_is_too_large_is_refused_with_its_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", "network/question", "--subject", "reference", "--output", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "4,888 MB; allowed: 64 (--max-megabytes); --steps 13 would fit" in said
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_recorded_is_said_and_the_rest_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["record", "rmsprop/ema[ema_momentum=0.9]", CELL, "--subject", "posted", "--output", str(tmp_path)]) == 0
    )
    out = capsys.readouterr().out
    assert "not recorded: rmsprop/ema[ema_momentum=0.9] · posted: UNSUPPORTED" in out
    assert "posted: 1 recorded" in out


def test_missing_records_only_what_has_no_valid_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["record", "rmsprop/plain", "--subject", "reference", "--output", str(tmp_path)]
    assert main(call) == 0
    broken = sheet_of(tmp_path / "reference")["values"]
    (tmp_path / "reference" / broken).write_bytes(b"junk")
    capsys.readouterr()
    assert main([*call, "--missing"]) == 0
    assert "reference: 1 recorded" in capsys.readouterr().out
    assert main([*call, "--missing"]) == 0
    assert "reference: nothing to record" in capsys.readouterr().out


def test_parts_of_a_killed_recorder_are_swept_away(tmp_path: Path) -> None:
    left = tmp_path / f".{place.stem(CELL)}.999999999.part"
    left.write_bytes(b"half")
    record(tmp_path)
    assert not left.exists()


def test_file_names_are_safe_and_never_collide() -> None:
    ids = [cell.id for cell in select([])] + ["a[b]", "a-b-", "a.b.", "../a", "A[b]", "x" * 300, "<script>", "a\0b\n"]
    names = {place.stem(cell).lower() for cell in ids}
    assert len(names) == len(ids)
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789._=-")
    assert all(set(name) <= allowed and len(name) < 100 and name[0] not in ".-" for name in names)
