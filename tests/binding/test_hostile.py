"""Whatever a class does while its shape is looked for ends in one message, in a process of its own."""

from pathlib import Path

import numpy as np
import pytest

from parity.api import run_all
from parity.case.cells import select
from parity.errors import SubjectError

(CELL,) = select(["rmsprop/defaults"])
FILE = Path(__file__).with_name("hostile.py")
# One worker runs these, since each starts processes of its own.
pytestmark = pytest.mark.xdist_group("processes")

# what is refused, with status 2, and a part of the one message
REFUSED = {
    "RaisesInConstructor": "raised ValueError: no optimizer today",
    "ExitsInConstructor": "its process ended with exit status 7",
    "ExitsAtOnce": "its process ended with exit status 0",
    "Hangs": "it took more than 1 s and was stopped",
    "HangsInConstructor": "it took more than 1 s and was stopped",
    "Interrupts": "its process ended with",
    "hangs_as_a_loop": "it took more than 1 s and was stopped",
    "swallows_everything": "it took more than 1 s and was stopped",
}
# what is driven, and fails in each case with one message
FAILED = {
    "RaisesForEveryAttribute": "raised RuntimeError: nothing at all",
    "Recurses": "raised RecursionError",
    "RecursesForAttributes": "raised RecursionError",
    "Exits": "the subject called sys.exit(0)",
    "ChangesGlobals": "",
    "HasNoDirectory": "no directory today",
    "exits_as_a_generator": "the subject called sys.exit(3)",
}
# what is only noisy, or does to its inputs what a person must be told
JUDGED = {
    "RaisesInGetattr": "ROUNDING",
    "Prints": "ROUNDING",
    "PropertyRaises": "ROUNDING",
    "MutatesInputs": "DIVERGED",
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_one_message(name: str) -> None:
    with pytest.raises(SubjectError) as caught:
        run_all([CELL], [f"{FILE}:{name}"], time_limit=1 if "it took" in REFUSED[name] else 30)
    assert REFUSED[name] in str(caught.value).partition("\n")[0]
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("name", FAILED)
def test_it_fails_with_one_message(name: str) -> None:
    (pair,) = run_all([CELL], [f"{FILE}:{name}"], time_limit=30).pairs
    assert pair.verdict.name == "FAILED"
    assert FAILED[name] in pair.comparisons[0].reason
    assert "\n" not in pair.comparisons[0].reason


@pytest.mark.parametrize("name", JUDGED)
def test_it_is_judged_all_the_same(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    (pair,) = run_all([CELL], [f"{FILE}:{name}"], time_limit=30).pairs
    assert pair.verdict.name == JUDGED[name]
    assert capfd.readouterr() == ("", "")


def test_this_process_is_as_it_was() -> None:
    assert callable(np.sqrt)
    assert callable(np.zeros_like)
