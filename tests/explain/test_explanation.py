from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pretend import PretendPool

from parity.errors import UsageError
from parity.explain import text
from parity.explain.experiment import Experiment, load
from parity.explain.explanation import explain
from parity.explain.factors import Program

Write = Callable[[str], Path]
Pretend = Callable[..., Any]

PAIR = """
experiment = "pair"
summary = "Two factors that repair only together, one that does nothing, one that is only printed."
target = 0.01
epochs = 1
seeds = 3

[both]
layers = [784, 12, 10]
examples = 40

[a]
name = "bad"
initial_weights = "normal"
forward_divisor = 512.0
second_moment_start = 1.0
printed_loss = "before_epoch"

[b]
name = "good"

[[supposed]]
label = "1"
claim = "momentum"
factors = ["momentum"]
what_if = { momentum = 0.9 }

[[supposed]]
label = "2"
claim = "weights"
factors = ["initial_weights"]

[[supposed]]
label = "3"
claim = "accumulators"
factors = ["second_moment_start", "epsilon"]

[[supposed]]
label = "4"
claim = "print"
factors = ["printed_loss"]
"""


def _loss(program: Program, seed: int) -> float:
    good = program.initial_weights == "glorot_uniform" and program.forward_divisor == 1
    return (0.001 if good else 0.3) * (1 + 0.01 * (seed % 7)) * (1.001 if program.second_moment_start else 1.0)


@pytest.fixture
def pretend(tmp_path: Path) -> Pretend:
    return lambda loss, deaf=(): PretendPool(tmp_path / "runs", loss, deaf)


@pytest.fixture
def pair(write: Write) -> Experiment:
    return load(write(PAIR))


def test_repair_that_takes_two_changes_is_found_and_confirmed_on_fresh_seeds(
    pair: Experiment, pretend: Pretend
) -> None:
    found = explain(pair, pretend(_loss, ("printed_loss",)))
    assert found.repair is not None
    assert set(found.repair.factors) == {"initial_weights", "forward_divisor"}
    assert found.repair.confirmed
    assert len(found.repair.confirmed_by) == 3
    assert found.repair.smaller_tried == 3
    assert not any(one.repaired_seeds for one in found.alone)
    assert any("No single change repairs bad" in line for line in found.conclusion)


def test_smallest_spoiling_set_is_one_of_the_two(pair: Experiment, pretend: Pretend) -> None:
    spoil = explain(pair, pretend(_loss, ("printed_loss",))).spoil
    assert spoil is not None
    assert len(spoil.factors) == 1
    assert spoil.factors[0] in {"initial_weights", "forward_divisor"}
    assert min(spoil.confirmed_by) > 0.01


def test_gap_belongs_to_the_pair_and_not_to_what_does_nothing(pair: Experiment, pretend: Pretend) -> None:
    attribution = explain(pair, pretend(_loss, ("printed_loss",))).attribution
    assert attribution is not None
    assert set(attribution.pairs[0].factors) == {"initial_weights", "forward_divisor"}
    assert attribution.pairs[0].percent > 99
    shares = {one.factors[0]: one.percent for one in attribution.factors}
    assert abs(shares["second_moment_start"]) < 1
    assert "printed_loss" not in shares


def test_each_supposed_reason_gets_its_verdict(pair: Experiment, pretend: Pretend) -> None:
    found = explain(pair, pretend(_loss, ("printed_loss",)))
    assert [one.verdict for one in found.supposed] == ["refuted", "confirmed", "no effect", "no effect"]
    assert "momentum 0" in found.supposed[0].figure
    assert "it takes forward_divisor as well" in found.supposed[1].figure
    assert "bit-identical" in found.supposed[3].figure


def test_bookkeeping_shows_how_far_the_printed_loss_moves(small_text: str, write: Write, inline: Any) -> None:
    reason = '\n[[supposed]]\nlabel = "p"\nclaim = "print"\nfactors = ["printed_loss"]\n'
    printed = small_text.replace('name = "slow"', 'name = "slow"\nprinted_loss = "before_epoch"') + reason
    found = explain(load(write(printed)), inline)
    assert found.supposed[0].verdict == "no effect"
    assert "the printed loss moves, most at epoch" in found.supposed[0].figure


def test_target_that_side_b_does_not_reach_is_a_usage_error(pair: Experiment, pretend: Pretend) -> None:
    with pytest.raises(
        UsageError, match=r"target 0\.01 is out of reach: side B \(good\) reaches 0\.5, 0\.5, 0\.5"
    ) as caught:
        explain(pair, pretend(lambda program, seed: 0.5))
    assert "\n" not in str(caught.value)


def test_diverged_run_is_an_infinite_loss_and_no_crash(pair: Experiment, pretend: Pretend) -> None:
    def loss(program: Program, seed: int) -> float:
        return float("nan") if program.initial_weights == "normal" else _loss(program, seed)

    found = explain(pair, pretend(loss, ("printed_loss",)))
    assert found.repair is not None


def test_side_that_is_better_already_is_a_usage_error(pair: Experiment, pretend: Pretend) -> None:
    with pytest.raises(UsageError, match="swap"):
        explain(pair, pretend(lambda program, seed: 0.001 if program.initial_weights == "normal" else 0.005))


def test_sides_that_do_not_differ_say_so(write: Write, pretend: Pretend) -> None:
    same = load(write(PAIR.partition("[a]")[0] + '[a]\nname = "x"\n\n[b]\nname = "y"\n'))
    found = explain(same, pretend(_loss))
    assert found.conclusion == ["The sides do not differ in any factor: there is nothing to explain."]
    assert "do not differ" in text.explanation(found)


def test_sides_that_differ_only_in_what_they_print_have_no_gap(write: Write, pretend: Pretend) -> None:
    head = PAIR.partition("[a]")[0]
    only = load(write(head + '[a]\nname = "x"\nprinted_loss = "before_epoch"\n\n[b]\nname = "y"\n'))
    found = explain(only, pretend(lambda program, seed: 0.001, ("printed_loss",)))
    assert found.inert == ["printed_loss"]
    assert found.attribution is None
    assert "bit-identical" in found.conclusion[0]


def test_text_has_every_part(pair: Experiment, pretend: Pretend) -> None:
    shown = text.explanation(explain(pair, pretend(_loss, ("printed_loss",))))
    for part in ("1 Configuration", "2 The ladder", "3 Shares", "4 Smallest", "5 Supposed", "6 Causes"):
        assert part in shown
    assert "initial_weights × forward_divisor" in shown or "forward_divisor × initial_weights" in shown


def test_real_small_experiment_is_explained_and_the_second_time_makes_no_run(small: Experiment, inline: Any) -> None:
    first = explain(small, inline)
    made = inline.made
    second = explain(small, inline)
    assert made > 0
    assert inline.made == made
    assert first == second
    assert [rung.quantity for rung in first.ladder if rung.outcome == "parts"] == [
        "forward pass (logits)",
        "update rule",
    ]
