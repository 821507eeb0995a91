"""The answer in Markdown: measurements fill the blanks of ``answer_page.md``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from parity.explain import text
from parity.explain.attribution import SCALES, Share
from parity.explain.debugging import StepRow
from parity.explain.experiment import Experiment
from parity.explain.explanation import Explanation

if TYPE_CHECKING:
    from parity.explain.reproduction import Reproduction

TEMPLATE = Path(__file__).parent / "answer_page.md"
COMMAND = "parity explain cases/question/"


def render(
    experiment: Experiment,
    found: Explanation,
    again: "Reproduction",
    second: Explanation,
    logged: Sequence[StepRow],
    outputs: Mapping[str, str],
) -> str:
    """Return the page; a blank without a measurement is a KeyError."""
    blanks = {
        "question": experiment.summary,
        "source": experiment.published.source if experiment.published else "",
        **_sentences(found),
        **_moved(found, logged),
        **_shares(found),
        **_reproduced(again),
        **_method(found),
        **_second(second),
        **{f"step_{name}": _code(output) for name, output in outputs.items()},
        "verdicts": _verdicts(found),
        "effects": _effects(found),
        "changes": "\n".join(f"- {line}" for line in found.conclusion if line.startswith("Smallest")),
        "ladder": text.ladder(found.ladder, found.gradient_check),
    }
    return TEMPLATE.read_text(encoding="utf-8").format_map(blanks)


def _sentences(found: Explanation) -> dict[str, str]:
    corners = {frozenset(corner.switched): corner for corner in found.corners}
    one, two = frozenset(["initial_weights"]), frozenset(["forward_divisor"])
    return {
        "as_posted": f"{corners[frozenset()].typical:.2g}",
        "only_weights": f"{corners[one].typical:.2g}",
        "only_division": f"{corners[two].typical:.2g}",
        "both": f"{corners[one | two].typical:.2g}",
        "than_posted": "worse than as posted"
        if corners[one].typical > corners[frozenset()].typical
        else "little better",
        "target": f"{found.target:g}",
        "loud_start": f"{_mean(corners[two].starts):.3g}",
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _moved(found: Explanation, logged: Sequence[StepRow]) -> dict[str, str]:
    blanks = {}
    for key, side in zip("ab", found.sides, strict=True):
        rows = [row for row in logged if row.side == side]
        blanks[f"moved_{key}"] = f"{median(row.weights_moved for row in rows):.2g}"
        blanks[f"answer_{key}"] = f"{median(row.answer_moved for row in rows):.2g}"
    return blanks


def _shares(found: Explanation) -> dict[str, str]:
    assert found.attribution is not None
    scales = [found.attribution, *found.other_scales]
    named = [{share.factors[0]: share for share in scale.factors} for scale in scales]
    rows = [[name, *(_percent(shares[name]) for shares in named)] for name in named[0]]
    beyond = found.attribution.interactions[0]
    return {
        "pair_share": _percent(found.attribution.pairs[0]),
        "worth": _table(["factor", *(scale.scale for scale in scales)], rows),
        "beyond_pair": " and ".join(beyond.factors),
        "others": _others(found),
        "beyond_share": _percent(beyond),
        "scale_words": "; ".join(f"{scale.scale}, {SCALES[scale.scale]}" for scale in scales),
    }


def _others(found: Explanation) -> str:
    """Return whether any factor but the first pair has a share that is clear of zero, on any scale."""
    assert found.attribution is not None
    scales = [found.attribution, *found.other_scales]
    shares = [share for scale in scales for share in scale.factors if share.factors[0] not in scale.pairs[0].factors]
    clear = sorted({share.factors[0] for share in shares if abs(share.percent) > share.uncertainty})
    return f"clear of zero is also {', '.join(clear)}" if clear else "no other share is clear of zero on any scale"


def _percent(share: Share) -> str:
    return f"{share.percent:.1f} ± {share.uncertainty:.1f} %"


def _verdicts(found: Explanation) -> str:
    rows = [[one.label, one.claim, f"**{one.verdict}**", one.figure] for one in found.supposed]
    return _table(["", "supposed", "verdict", "figure"], rows)


def _effects(found: Explanation) -> str:
    head = [
        "program",
        "loss reached",
        "over the seeds",
        f"after epoch {found.epochs}",
        f"epochs to {found.target:g}",
        "seeds there",
    ]
    rows = []
    for one in found.effects:
        *first, _, when = text.reached(one, found.epochs)
        rows.append([*first, when, f"{one.seeds_at_target} of {one.seeds}"])
    return _table(head, rows)


def _reproduced(again: "Reproduction") -> dict[str, str]:
    rows = [
        [
            str(row.epoch),
            f"{row.published:.4f}",
            f"{row.lowest:.4f} … {row.highest:.4f}",
            f"{row.off:+.1f} %",
            "yes" if row.within else "**no**",
        ]
        for row in again.tenths
    ]
    head = ["epoch", "published", f"{len(again.posted)} seeds", "median off by", "in the spread or within 10 %"]
    return {
        "keras_last": ", ".join(f"{row[-1]:.4f}" for row in again.keras),
        "last_seed": str(len(again.keras) - 1),
        "keras_published": f"{again.published['keras'][-1][1]:g}",
        "tenths": _table(head, rows),
    }


def _second(second: Explanation) -> dict[str, str]:
    return {
        "second_conclusion": "\n".join(f"- {line}" for line in second.conclusion),
        "second_shares": text.shares(second),
        "second_effects": _effects(second),
    }


def _method(found: Explanation) -> dict[str, str]:
    rows = [
        [check.side, check.compared, text.figure(check.obtained), text.figure(check.expected)] for check in found.checks
    ]
    versions = (found.keras or {}).get("versions", {})
    return {
        "seeds": str(found.seeds),
        "epochs": str(found.epochs),
        "choices": str(len(found.configuration)),
        "differing": str(sum(row.differs for row in found.configuration)),
        "inert": " and ".join(found.inert),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "processor": (found.keras or {}).get("processor", "a processor that was not noted"),
        "checks": _table(["side", "compared", "described", "the real program"], rows),
    }


def block(arguments: str, output: str) -> str:
    """Return a command and what it printed."""
    return f"$ {COMMAND}{arguments}\n\n{output}"


def _code(content: str) -> str:
    return f"```\n{content}\n```"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)
