"""Element-steps of every rule in tf.keras' compiled modes: how many differ, whether any is outside its bound, and why.

``python tests/bench/rules.py [--steps 100] [--modes graph xla fit] [RULE…]`` prints a line for each rule and mode: a
million weights whose gradients lie between 1e-7 and 10, none of them zero, so that 100 steps are 10^8 element-steps.
For graph mode it says what is left with both rewriters off that turn a division into a product: by a root
(arithmetic_optimization), by a constant (constant_folding). Of a rule whose bounds would let most doubled steps pass it
says which slot's. What it printed is kept in ``reports/rules.md``.
"""

import argparse
import os

from parity.case.rule import names
from parity.case.spec import Cell, Replayed, Weights, hyperparameters
from parity.report.catch import sentence, weakest
from parity.runner.loop import run_pair
from parity.subjects.keras import KerasSubject
from parity.verdicts.results import Comparison

TENSORS = {"kernel": [1_000, 900], "embedding": [100_000]}
OF_MUON = {"kernel": [9_000, 100], "embedding": [100_000]}
"""Its rounds multiply matrices as wide as the shorter side, which is a tenth here; as many weights."""


def cell(rule: str, steps: int) -> Cell:
    """Return a run of a rule with Keras' numbers in float32."""
    return Cell(
        id=f"{rule}/many",
        case=f"{rule}/many",
        summary="A million weights",
        probes=[],
        problem=Replayed("log_spaced", tensors=OF_MUON if rule == "muon" else TENSORS),
        weights=Weights("normal"),
        steps=steps,
        dtype="float32",
        hyperparameters=hyperparameters(rule)(),
        gradients="replayed",
        comparisons=["lockstep"],
        seed=18,
        rule=rule,
    )


def unwritten(cell: Cell) -> Comparison:
    """Return what a cell comes to in graph mode where Grappler turns no division into a product."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"constant_folding": False})
    try:
        (item,) = run_pair(cell, "keras-graph", KerasSubject("graph", rewrites=False)).comparisons
    finally:
        tf.config.optimizer.set_experimental_options({"constant_folding": True})
    return item


def said(item: Comparison) -> str:
    """Return a comparison in a line."""
    place = item.first_divergence
    worst = f", at most {float(item.worst.ratio):.3g} of the bound" if item.worst else ""
    where = f", {place.slot} at step {place.step}" if place else ""
    least = weakest(item.catch)
    weak = f"; {least[0]}: {sentence(least[1])}" if least else ""
    share = item.differing / max(1, item.compared)
    return f"{item.verdict}, {item.compared:.3g} values, {share:.2%} differ{worst}{where}{weak}"


def main() -> None:
    """Run what is asked for."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules", nargs="*", default=names())
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--modes", nargs="*", default=["graph", "xla", "fit"])
    given = parser.parse_args()
    for rule in given.rules:
        for mode in given.modes:
            made = cell(rule, given.steps)
            (item,) = run_pair(made, f"keras-{mode}").comparisons
            print(f"{rule} {mode}: {said(item)}", flush=True)
            if mode == "graph" and item.verdict != "IDENTICAL":
                short = cell(rule, min(given.steps, 4))
                print(f"{rule} graph, rewriters off, {short.steps} steps: {said(unwritten(short))}", flush=True)


if __name__ == "__main__":
    main()
