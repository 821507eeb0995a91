"""Every entry of the upstream page is still there in the Keras that is installed; one that is gone fails as FIXED.

Those that need a process of their own are run by `make exhaustive`.
"""

import ast
import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from upstream_page import KINDS, PLACE, Fault, page, records

from parity.case.known import load

FAULTS = {fault.name: fault for fault in records()[1]}
TOGETHER = [name for name, fault in FAULTS.items() if not fault.alone]


def settled(fault: Fault, printed: str) -> None:
    """Fail as FIXED where a fault does not show any more."""
    if not fault.still(printed):
        pytest.fail(
            f"FIXED: {fault.title}\n  it was   {fault.obtained}\n  it is    {printed}\n  expected {fault.expected}\n"
            f"If it is right now, remove the entry {fault.name!r} from reports/upstream/faults.toml.",
            pytrace=False,
        )


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
@pytest.mark.parametrize("name", TOGETHER)
def test_the_reproduction_shows_it(name: str) -> None:
    pytest.importorskip("tensorflow")
    fault, printed = FAULTS[name], io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(fault.code, f"<{name}>", "exec"), {"__name__": "__main__"})
    except Exception as error:  # what it raises is what it shows
        settled(fault, f"{type(error).__name__}: {error}")
    else:
        settled(fault, printed.getvalue().strip())


@pytest.mark.exhaustive
@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
@pytest.mark.parametrize("name", [name for name in FAULTS if name not in TOGETHER])
def test_the_reproduction_in_a_process_of_its_own_shows_it(name: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    (tmp_path / "shown.py").write_text(FAULTS[name].code, encoding="utf-8")
    around = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "shown.py"], cwd=tmp_path, env=around, capture_output=True, text=True, timeout=120
    )
    settled(FAULTS[name], done.stdout.strip())


def test_one_that_is_gone_fails_as_fixed() -> None:
    fault = FAULTS["float16_adamax"]
    settled(fault, "nan")
    with pytest.raises(pytest.fail.Exception, match=r"FIXED: Adamax(.|\n)*it is    1.0"):
        settled(fault, "1.0")
    with pytest.raises(pytest.fail.Exception, match="FIXED"):
        settled(FAULTS["muon_float64"], "(2, 2)")


@pytest.mark.parametrize("name", FAULTS)
def test_an_entry_is_ten_lines_at_most_and_needs_nothing_of_ours(name: str) -> None:
    fault = FAULTS[name]
    assert len([line for line in fault.code.splitlines() if line.strip()]) <= 10
    used = {
        alias.name for node in ast.walk(ast.parse(fault.code)) if isinstance(node, ast.Import) for alias in node.names
    }
    assert used <= {"keras", "numpy", "tensorflow"}
    assert fault.kind in KINDS
    assert all((fault.title, fault.why, fault.where, fault.expected, fault.meanwhile))


def test_cases_that_show_an_entry_are_listed_with_it() -> None:
    listed = {entry.case for entry in load()}
    assert {fault.case for fault in FAULTS.values() if fault.case} <= listed


def test_the_page_is_made_from_the_records() -> None:
    assert (PLACE / "README.md").read_text(encoding="utf-8") == page(), "run python tests/upstream/upstream_page.py"
