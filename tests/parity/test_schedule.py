"""A schedule is stated on its page, and everything that knows schedules has read it there."""

import dataclasses
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import parity
from parity.baseline import elsewhere
from parity.bounds.rule import plain_argument
from parity.case.page import REQUIRED
from parity.case.schedule import schedules
from parity.case.spec import SCHEDULES
from parity.fuzz import strategies
from parity.reference import schedules as page

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(parity.__file__).parent
CLASSES = {kind.__name__: kind for kind in vars(page).values() if dataclasses.is_dataclass(kind)}
CHOSEN = {"boundaries": [3], "values": [0.5, 0.25], "decay_steps": 4, "first_decay_steps": 4}


def test_there_is_a_record_for_each_class_of_the_page_and_for_nothing_else() -> None:
    assert list(schedules()) == list(CLASSES) == list(SCHEDULES)


@pytest.mark.parametrize("name", list(CLASSES))
def test_a_record_has_the_arguments_of_the_class_with_its_defaults(name: str) -> None:
    own = [(field.name, field.default) for field in dataclasses.fields(CLASSES[name])]
    read = [(p.name, dataclasses.MISSING if p.default is REQUIRED else p.default) for p in schedules()[name].parameters]
    assert read == own
    assert SCHEDULES[name].__struct_fields__ == tuple(field for field, _ in own)


@pytest.mark.parametrize("name", list(CLASSES))
def test_a_record_of_a_case_becomes_the_class_of_the_page(name: str) -> None:
    needed = {p.name: CHOSEN.get(p.name, 0.5) for p in schedules()[name].parameters if p.default is REQUIRED}
    record = msgspec.convert({"schedule": name, **needed}, SCHEDULES[name])
    assert plain_argument(record) == CLASSES[name](**needed)


def test_what_a_class_does_to_the_lists_of_a_schedule_leaves_its_record_alone() -> None:
    record = SCHEDULES["PiecewiseConstantDecay"]([1], [0.1, 0.01])
    made = plain_argument(record)
    made.boundaries.append(2)
    made.values.clear()
    assert record == SCHEDULES["PiecewiseConstantDecay"]([1], [0.1, 0.01])


def test_what_the_c_library_decides_is_what_a_schedule_asks_of_its_arithmetic() -> None:
    class Asked(page.Float32):
        def __init__(self) -> None:
            self.functions: set[str] = set()

        def __getattribute__(self, name: str) -> object:
            if name in ("power", "cosine", "logarithm"):
                self.functions.add(name)
            return super().__getattribute__(name)

    for name, known in schedules().items():
        needed = {p.name: CHOSEN.get(p.name, 0.5) for p in known.parameters if p.default is REQUIRED}
        arithmetic = Asked()
        with np.errstate(all="ignore"):
            CLASSES[name](**needed).rate(arithmetic, 7)
        assert arithmetic.functions == known.functions, name
        assert (name in elsewhere._OF_THE_C_LIBRARY) is bool(known.functions)


def test_the_documents_name_each() -> None:
    said = (ROOT / "cases" / "README.md").read_text(encoding="utf-8")
    assert [name for name in SCHEDULES if f"`{name}`" not in said] == []


def test_a_search_draws_each_of_them_and_only_what_a_case_may_hold() -> None:
    seen: set[str] = set()

    @settings(
        max_examples=400, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategies._SCHEDULES)
    def draw(document: dict[str, object]) -> None:
        name = str(document["schedule"])
        msgspec.convert(document, SCHEDULES[name])
        seen.add(name)

    draw()
    assert seen == set(SCHEDULES)


def test_no_other_module_of_ours_lists_them() -> None:
    """Two of them by name are a preference; all of them are a second list."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if {"reference", "cases"} & set(path.relative_to(PACKAGE).parts):
            continue
        named = {name for name in SCHEDULES if re.search(rf"\b{name}\b", path.read_text(encoding="utf-8"))}
        assert len(named) <= 4, (path.name, named)
