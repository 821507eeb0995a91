"""What people suspect in their programs and is none: what a source looks like, and what was measured of it."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from parity.explain.whole.quantity import Outcome, Stage


class Suspicion(NamedTuple):
    """A line that looks like a mistake: what it looks like, the stages that must agree, and why it is none."""

    looks: re.Pattern[str]
    stages: tuple[str, ...]
    answer: str
    loss: str = ""


_LISTED: Final = (
    Suspicion(
        re.compile(r"\b(?:self\.)?(?:a|h|hidden|out|output|activations?)_?\d*(?:\[[^\]]*\])?\s*(?:>|<=)\s*0\b"),
        ("gradient",),
        "a ReLU's mask taken from its output is the mask of its input",
    ),
    Suspicion(
        re.compile(r"\b(?:p|probs?|y_hat|yhat|a\d|out|output|pred\w*)\s*-\s*(?:y|t|target\w*|labels?|y_true)\b"),
        ("gradient",),
        "p − y is the whole gradient of a softmax or sigmoid with its cross-entropy: no other derivative is missing",
        "crossentropy",
    ),
    Suspicion(
        re.compile(r"np\.clip\(|log\([^)]*\+\s*1e-|maximum\([^)]*1e-"),
        ("loss",),
        "what keeps the logarithm finite changes nothing at the probabilities that were seen",
    ),
    Suspicion(
        re.compile(r"float64"),
        ("prediction", "loss", "gradient"),
        "float64 beside the model's float32 makes no difference beyond rounding",
    ),
)


def answered(source: str, stages: Sequence[Stage], loss: str) -> Iterator[str]:
    """Yield what looks like a mistake in a source and was seen to be none, with the line; ``loss`` is the model's."""
    agreeing = {
        name
        for name in {stage.name for stage in stages}
        if all(s.outcome is Outcome.ROUNDING for s in stages if s.name == name)
    }
    for suspicion in _LISTED:
        if not {*suspicion.stages} <= agreeing or suspicion.loss not in loss:
            continue
        for number, line in enumerate(source.splitlines(), start=1):
            if suspicion.looks.search(line.partition("#")[0]):
                yield f"line {number} is right: {suspicion.answer}"
                break
