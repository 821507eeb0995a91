"""Each writing command, killed once: what stood there is whole, no process is left, a restart completes."""

from pathlib import Path

import pytest
from killing import Rounds

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
    pytest.mark.xdist_group("processes"),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("command", "moment", "whom"),
    [
        ("run", 0.6, "parent"),
        ("report", 0.9, "all"),
        ("check", 0.9, "parent"),
        ("accept", 0.8, "all"),
        ("record", 0.7, "parent"),
    ],
)
def test_a_killed_command_loses_nothing_and_leaves_no_process(
    command: str, moment: float, whom: str, tmp_path: Path
) -> None:
    rounds = Rounds(command, tmp_path)
    rounds.kill(moment, whom)
    assert rounds.tally.faults == []
