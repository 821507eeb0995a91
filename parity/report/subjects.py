"""How near each subject comes: one panel a subject with its share of differing bits, its worst ratio, and why."""

import re
from collections import Counter

from parity.report.facts import WORST_FIRST, Facts
from parity.report.markup import chip, link, section, text
from parity.report.numbers import real, times
from parity.verdicts.results import Comparison
from parity.verdicts.verdict import Verdict


def panels(facts: Facts) -> str:
    """Return the section; a subject that was never compared says why instead."""
    shown = "".join(
        _panel(subject, [c for c in facts.comparisons if c.subject == subject]) for subject in facts.subjects
    )
    return section("subjects", "Subjects", f'<div class="panels">{shown}</div>')


def _panel(subject: str, items: list[Comparison]) -> str:
    counts = Counter(item.outcome for item in items)
    chips = " ".join(chip(verdict, f"{counts[verdict]:,}") for verdict in WORST_FIRST if counts[verdict])
    judged = [item for item in items if item.outcome.compared and item.compared]
    body = _nearness(judged) if judged else f"<p>{text(_first([item.reason for item in items]))}</p>"
    why = "" if any(verdict.fails for verdict in counts) else _why(items)
    reason = f'<p class="why"><b>Why not every bit:</b> {text(why)}</p>' if why else ""
    return f'<article class="panel"><h3>{text(subject)}</h3><p class="chips">{chips}</p>{body}{reason}</article>'


def _why(items: list[Comparison]) -> str:
    """Return the cause that most comparisons name, whatever numbers it holds; one that was tested goes first."""
    named: dict[str, list[str]] = {}
    for note in (note for item in items if item.outcome is Verdict.ROUNDING for note in item.notes):
        named.setdefault(re.sub(r"[\d,]+", "#", note), []).append(note)
    likeliest = max(named.values(), key=lambda notes: (notes[0].startswith("Cause"), len(notes)), default=[""])
    return likeliest[0]


def _first(reasons: list[str]) -> str:
    return next((reason for reason in reasons if reason), "Nothing was compared.")


def _nearness(items: list[Comparison]) -> str:
    compared, differing = (sum(getattr(item, key) for item in items) for key in ("compared", "differing"))
    if not differing:
        return f"<p>Every bit equal over <b>{times(compared)}</b> element-steps.</p>"
    share = f"<p><b>{100 * differing / compared:.2g} %</b> of {times(compared)} element-steps differ in some bit.</p>"
    listed = [item for item in items if item.outcome is not Verdict.KNOWN_DIVERGENCE] or items
    near = [item for item in listed if item.worst and real(item.worst.ratio) == real(item.worst.ratio)]
    # The two comparisons are never mixed in one number: the gauge is about single steps wherever there are any.
    near = [item for item in near if item.comparison == "lockstep"] or near
    return share + (_gauge(max(near, key=lambda item: real(item.worst.ratio if item.worst else 0))) if near else "")


def _gauge(item: Comparison) -> str:
    ratio = real(item.worst.ratio) if item.worst else 0.0
    width = min(ratio, 1.0) * 100
    where = f'<a href="{link(item.case, item.subject)}">{text(item.case)}</a>'
    words = f"{times(ratio)} of its bound" if ratio <= 1 else f"{times(ratio)} times its bound"
    return (
        f'<div class="gauge{" over" if ratio > 1 else ""}" aria-hidden="true">'
        f'<span style="width:{width:.1f}%"></span></div>'
        f'<p class="reach">Largest difference in {item.comparison}: <b>{words}</b>, in {where}.</p>'
    )
