"""tf.keras recorded anew has the bits of the recordings that are shipped."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from safetensors import safe_open

from parity.bounds.rule import reference_rule
from parity.case.cells import select
from parity.case.spec import Cell
from parity.runner.recording import record_pair
from parity.trajectory.golden import place, sheet

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.xdist_group("tensorflow"),
    pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed"),
]

# The list is what recordings are made from, and lies in the checkout alone.
IDS = (Path(__file__).parents[2] / "cases" / "golden" / "cells.txt").read_text(encoding="utf-8").split()


def sums(cell: Cell) -> bool:
    """Whether the rule adds up a tensor, in an order that depends on the width of the processor's registers."""
    return bool(reference_rule(cell).mixes_elements)


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_keras_eager_recorded_anew_has_every_bit_of_what_is_shipped(tmp_path: Path, every: int) -> None:
    """In the suite a fifth of the recordings; all of them are exhaustive."""
    cells = [cell for cell in select(IDS) if not sums(cell)]
    assert len(cells) >= 30
    for cell in cells[::every]:
        assert record_pair(cell, "keras-eager", str(tmp_path), 64).comparisons == []
        name = f"{place.stem(cell.id)}.json"
        anew, shipped = sheet.read(tmp_path / name), sheet.read(place.SHIPPED / "keras-eager" / name)
        assert (anew.sha256, anew.tie, anew.slots) == (shipped.sha256, shipped.tie, shipped.slots), cell.id
        assert (tmp_path / anew.values).read_bytes() == (place.SHIPPED / "keras-eager" / shipped.values).read_bytes()


def test_a_step_of_a_real_model_is_recorded_with_its_gradients_and_loss(tmp_path: Path) -> None:
    (cell,) = select(["network/quick[shared]"])
    assert record_pair(cell, "keras-eager", str(tmp_path), 64).comparisons == []
    made = sheet.read(tmp_path / f"{place.stem(cell.id)}.json")
    assert made.loss
    with safe_open(tmp_path / made.values, framework="numpy") as file:
        assert file.get_slice("gradient/dense_1/kernel").get_shape()[0] == cell.steps
        assert file.get_tensor("loss").shape == (cell.steps,)
