"""A judge of logs for each test."""

from pathlib import Path

import pytest
from logs import Judge


@pytest.fixture
def judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Judge:
    """Return what writes a log and has it judged."""
    return Judge(tmp_path, capsys)
