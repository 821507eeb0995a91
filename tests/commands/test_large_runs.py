"""What a large run takes is said before it runs, and what the machine cannot hold is refused then, in one message."""

import json

import pytest

from parity.circumstances import room
from parity.commands import work
from parity.commands.cli import main
from parity.runner import estimate

CASE = """\
id = "big"
summary = "made by a test"
probes = ["rho"]
steps = {steps}
problem = {{ kind = "replayed", generator = "log_spaced", tensors = {{ kernel = {shape} }} }}
"""


@pytest.fixture
def big(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def written(shape, steps=3):
        (tmp_path / "big.toml").write_text(CASE.format(shape=shape, steps=steps))
        return "big.toml"

    return written


def test_a_large_run_is_told_before_it_runs(big, monkeypatch, capsys):
    monkeypatch.setattr(work, "LARGE_STEP", 1_000)
    monkeypatch.setattr(estimate, "LARGE", 1_000)
    assert main(["run", big([40, 30]), "--subject", "reference", "--every", "2", "--elements", "100"]) == 0
    captured = capsys.readouterr()
    (line,) = captured.err.strip().splitlines()
    assert line.startswith("parity: big: 1,200 elements, 3 steps, every 2nd step judged, 100 elements drawn: about ")
    assert line.endswith("to spare (estimated)")
    assert "judged in 2 comparisons: every 2nd step, 100 drawn elements" in captured.out


def test_a_small_run_is_not(big, capsys):
    assert main(["run", big([40, 30]), "--subject", "reference", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert not {"every", "elements", "judged_until"} & json.loads(captured.out)["results"][0].keys()


@pytest.mark.parametrize(
    ("free", "ways"),
    [
        (4_000_000_000, "Give --elements 1000000, which judges a drawn sample, or fewer or smaller tensors."),
        (100_000_000, "Give fewer or smaller tensors."),
    ],
)
def test_what_needs_more_memory_than_there_is_is_refused_and_said_what_would_fit(big, monkeypatch, capsys, free, ways):
    monkeypatch.setattr(room, "available", lambda: free)
    monkeypatch.setattr(work, "named", lambda names, bind: list(names))
    assert main(["run", big([5_000, 10_000], steps=200), "--subject", "reference"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("parity: error: big: needs about ")
    assert f"this machine has {room.size(free)} to spare" in captured.err
    assert captured.err.strip().endswith(ways)


def test_a_problem_that_no_machine_holds_is_refused_wherever_it_is_made(big, capsys):
    assert main(["record", big([1_000_000, 900_000]), "--subject", "reference", "--output", "out"]) == 2
    assert "its weights and gradients alone need about 14 TB of memory" in capsys.readouterr().err


def test_limits_of_a_case_are_not_those_of_a_shortened_run(big):
    assert main(["run", big([8], steps=100_000_000), "--steps", "2", "--subject", "reference"]) == 0


@pytest.mark.parametrize("option", ["--every", "--elements"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "all"])
def test_a_part_is_a_whole_number_of_at_least_one(option, value, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["run", "rmsprop/defaults", "--subject", "reference", option, value])
    assert caught.value.code == 2
    assert "allowed: a whole number from 1" in capsys.readouterr().err


def test_progress_says_the_step_and_how_long_the_others_will_take():
    from parity.api import Progress

    assert work._now(Progress(0, 1, "case", "mine"))[0] == "case · mine"
    running = Progress(0, 1, "case", "mine", None, 57, 200, 190.0)
    assert work._now(running)[0] == "case · mine · step 57 of 200, about 3.2 min left"
    assert [work.span(seconds) for seconds in (0.2, 90, 600, 7_140, 9_000)] == [
        "about 1 s",
        "about 90 s",
        "about 10 min",
        "about 119 min",
        "about 2.5 h",
    ]


def test_numbers_of_bytes_have_two_digits():
    found = [room.size(count) for count in (3, 4.2e6, 3.94e9, 21.7e9, 58e12)]
    assert found == ["1 MB", "4 MB", "3.9 GB", "22 GB", "58 TB"]
    assert room.available() > 0
