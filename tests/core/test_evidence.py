"""A fold over blocks ends in a value: it needs no other fold, and what goes on later does not change it."""

import dataclasses
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from driving import cell, optimizer

from parity.case.spec import Quadratic
from parity.circumstances import wire
from parity.judge.free import Free
from parity.judge.lockstep import Lockstep
from parity.problem import problems
from parity.runner.loop import blocks
from parity.subjects.loading import load_class
from parity.trajectory import blocks as trajectory
from parity.trajectory.blocks import Block
from parity.trajectory.layout import layout_of

TENSORS = {"kernel": np.arange(6.0).reshape(2, 3), "scale": np.array(7.0), "empty": np.zeros((0, 2))}


@pytest.fixture
def short_blocks(monkeypatch):
    """Blocks of a few steps."""
    monkeypatch.setattr(trajectory, "BLOCK_BYTES", 8_000)


def driven(problem, subject: str) -> Iterator[Block]:
    """Yield the blocks of a subject's run."""
    adapter = load_class(subject)
    adapter.open(problem)
    with np.errstate(all="ignore"):
        yield from blocks(problem, adapter)


def computed(**given):
    """A cell whose gradients each side computes at its own parameters."""
    spec = Quadratic(tensors={"kernel": [8, 16], "bias": [16]})
    return msgspec.structs.replace(cell(steps=30, **given), problem=spec, gradients="computed")


@pytest.mark.parametrize("given", [cell(steps=30), computed()], ids=["replayed", "computed"])
def test_what_comes_later_does_not_change_evidence(given, short_blocks):
    problem = problems.make(given)
    lockstep, free, early = Lockstep(problem), Free(problem), []
    for block in driven(problem, optimizer("right_styles", "Reciprocal")):
        lockstep.feed(block)
        free.feed(block)
        for fold, evidence in ((lockstep, lockstep.result()), (free, free.result(lockstep.result()))):
            early.append((fold.mode, evidence, wire.packed([evidence.comparison(given, "", fold.mode)])))
    assert len(early) > 4
    for mode, evidence, packed in early:
        assert wire.packed([evidence.comparison(given, "", mode)]) == packed
    with pytest.raises(dataclasses.FrozenInstanceError):
        early[0][1].compared = 0


def test_free_is_fed_alone_and_takes_the_stage_from_the_evidence_of_the_local_steps():
    problem = problems.make(cell(steps=6))
    lockstep, free = Lockstep(problem), Free(problem)
    for block in driven(problem, optimizer("epsilon_outside")):
        free.feed(block)
    for block in driven(problem, optimizer("epsilon_outside")):
        lockstep.feed(block)
    local = lockstep.result()
    assert free.result(None).divergence.stage == "parameter"
    assert free.result(local).divergence.stage == local.divergence.stage == "denominator"
    later = msgspec.structs.replace(local.divergence, step=5)
    assert free.result(dataclasses.replace(local, divergence=later)).divergence.stage == "parameter"


@pytest.mark.parametrize("by_name", [True, False])
def test_rows_go_to_a_rule_and_come_back(by_name):
    layout = layout_of(TENSORS, by_name)
    row = layout.join(TENSORS)
    tensors = layout.unravel(row)
    assert {name: array.shape for name, array in tensors.items()} == (
        {name: array.shape for name, array in TENSORS.items()} if by_name else {"": (7,)}
    )
    assert layout.ravel(tensors).tolist() == row.tolist()
    assert layout.ravel(layout.unravel(row[None])).reshape(-1).tolist() == row.tolist()
