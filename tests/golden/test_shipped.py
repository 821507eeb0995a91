"""What is shipped: complete, small, named in the list, tied to its cases, and judged without TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import parity
from parity.case.cells import select
from parity.case.rule import names
from parity.commands.cli import main
from parity.problem.problems import make
from parity.trajectory.golden import place, sheet
from parity.trajectory.golden.store import open_recording

# The list is what recordings are made from, and lies in the checkout alone.
IDS = (Path(__file__).parents[2] / "cases" / "golden" / "cells.txt").read_text(encoding="utf-8").split()
FOLDERS = ("keras-eager", "keras-graph", "keras-xla")


def test_every_listed_cell_is_recorded_and_nothing_else() -> None:
    names = {path.name for path in (place.SHIPPED / "keras-eager").iterdir()}
    listed = set()
    for cell in IDS:
        name = f"{place.stem(cell)}.json"
        listed |= {name, sheet.read(place.SHIPPED / "keras-eager" / name).values}
    assert names == listed


def test_every_shipped_recording_is_valid_and_belongs_to_its_case() -> None:
    cells = {place.stem(cell.id): cell for cell in select([])}
    for folder in FOLDERS:
        for path in (place.SHIPPED / folder).glob("*.json"):
            found = sheet.read(path)
            assert found.subject == folder
            open_recording(place.SHIPPED / folder, make(cells[path.stem]))


def test_what_is_shipped_is_small_and_names_no_place_of_the_machine_it_was_made_on() -> None:
    files = [path for path in place.SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_300_000
    assert max(path.stat().st_size for path in files) < 1_500_000
    for path in files:
        if path.suffix == ".json":
            assert "dirty" not in path.read_text(encoding="utf-8")
            assert "/home" not in path.read_text(encoding="utf-8")
            assert "/work" not in path.read_text(encoding="utf-8")


def test_shipped_recordings_are_judged_without_importing_tensorflow() -> None:
    program = (
        "import sys, parity\n"
        "found = parity.run('rmsprop/momentum[float32,momentum=0.9]', 'golden:keras-eager')\n"
        "print([item.verdict for item in found.comparisons], 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['IDENTICAL', 'IDENTICAL'] False"


@pytest.mark.parametrize(("name", "verdict"), [("keras-graph", "ROUNDING"), ("keras-xla", "ROUNDING")])
def test_the_other_modes_were_recorded_where_bits_differ(name: str, verdict: str) -> None:
    for item in parity.run("rmsprop/plain[float32]", f"golden:{name}").comparisons:
        assert item.verdict == verdict
        assert item.differing > 0


@pytest.mark.parametrize("rule", names())
def test_the_page_of_every_rule_is_held_to_a_recording_without_tensorflow(rule: str) -> None:
    chosen = "muon/rate_change" if rule == "muon" else f"{rule}/plain[float32]"
    wanted = {"IDENTICAL", "ROUNDING"} if rule in ("ftrl", "lamb", "adafactor", "muon") else {"IDENTICAL"}
    for item in parity.run(chosen, "golden:keras-eager").comparisons:
        assert item.verdict in wanted
        assert item.compared > 300


def test_what_stood_around_a_rule_is_replayed_too() -> None:
    cell = next(cell for cell in IDS if cell.startswith("adam/loss_scale"))
    for item in parity.run(cell, "golden:keras-eager").comparisons:
        assert item.verdict == "IDENTICAL"


def test_list_shows_the_goldens(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    goldens = json.loads(capsys.readouterr().out)["goldens"]
    assert {entry["name"]: entry["cells"] for entry in goldens} == {
        "golden:keras-eager": len(IDS),
        "golden:keras-graph": 1,
        "golden:keras-xla": 1,
    }
    assert main(["list"]) == 0
    assert "golden:keras-eager" in capsys.readouterr().out


def test_a_report_tells_when_the_recording_was_made(tmp_path: Path) -> None:
    (pair,) = parity.run("rmsprop/defaults", "golden:keras-eager").pairs
    assert pair.resolved.startswith("keras.src.optimizers.rmsprop.RMSprop(")
    assert "recorded 20" in pair.resolved
    assert pair.circumstances["tensorflow"]
