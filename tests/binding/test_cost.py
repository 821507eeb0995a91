"""What it costs to recognise somebody's optimizer, and to have a first verdict on it, in processor time."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from generated import FUNCTIONS, TEMPLATES, generated, refused, written

from parity.errors import SubjectError
from parity.subjects.binding.trials import known_of

FIRST = {one.shape: one for one in reversed([*generated(), *written(), *refused()])}
SECONDS = 2.0
RECOGNISED = 0.05


@pytest.mark.parametrize("shape", FIRST)
def test_a_shape_is_recognised_or_refused_in_a_moment(shape: str) -> None:
    def spent(kind: Callable[..., Any]) -> float:
        began = time.process_time()
        try:
            known_of(kind, "tried")
        except SubjectError:
            assert shape not in {*TEMPLATES, *FUNCTIONS}
        return time.process_time() - began

    # Each is another class, so that nothing is known of it; the least of three is what it costs by itself.
    assert min(spent(FIRST[shape].kind) for _ in range(3)) <= RECOGNISED


def test_a_first_verdict_comes_from_a_cold_start_without_a_library(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import numpy as np\n" + FIRST["one array"].source)
    command = [sys.executable, "-m", "parity", "run", "rmsprop/plain[float32]", "--subject", "mine.py:Mine"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "one array a call" in done.stdout
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert 0 < spent <= SECONDS
