"""Explanations as people read them in a terminal: aligned tables, figures with their units, the conclusion first."""

import textwrap
from collections.abc import Iterable, Sequence

from parity.explain.debugging import FeatureRow, SimplerRow, SourceRow, StepRow
from parity.explain.explanation import Explanation, Row
from parity.explain.ladder import Rung
from parity.explain.verdicts import Effect

WIDTH = 118


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows under their heads in aligned columns; a column of numbers is aligned to the right."""
    body = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in [list(head), *body]) for column in range(len(head))]
    right = [bool(body) and all(_numeric(row[column]) for row in body) for column in range(len(head))]
    lines = []
    for row in [list(head), ["-" * width for width in widths], *body]:
        cells = [cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def configuration(rows: Sequence[Row], sides: Sequence[str], keras: dict[str, object] | None = None) -> str:
    """Return the factors of both sides: those that differ first, then those that are the same."""
    differ = [
        (row.factor, row.a, row.b, row.meaning + ("" if row.attributed else " (left out)"))
        for row in rows
        if row.differs
    ]
    same = [(row.factor, row.a, row.meaning) for row in rows if not row.differs]
    parts = []
    if differ:
        parts += ["Differs", table(["factor", *sides, "meaning"], differ)]
    else:
        parts += ["The sides do not differ in any factor."]
    parts += ["", "Same on both sides", table(["factor", "both", "meaning"], same)]
    if keras:
        parts += ["", "What Keras says of itself", *(f"  {name}: {value}" for name, value in keras.items())]
    return "\n".join(parts)


def ladder(rungs: Sequence[Rung], checks: dict[str, dict[str, float]]) -> str:
    """Return the ladder, the first quantity that parts, and the check of each gradient against its own loss."""
    rows = [(rung.quantity, rung.outcome, f"{rung.difference:.3g}", rung.note) for rung in rungs]
    first = next((rung for rung in rungs if rung.outcome == "parts"), None)
    lines = [table(["quantity, from the same inputs", "outcome", "relative difference", "because of"], rows), ""]
    lines.append(f"First quantity that parts: {first.quantity}." if first else "No quantity parts beyond rounding.")
    for side, ratios in checks.items():
        shown = ", ".join(f"{name} {ratio:.4f}" for name, ratio in ratios.items())
        lines.append(f"Gradient over the derivative of its own loss, {side}: {shown} (1 where they belong together).")
    return "\n".join(lines)


def explanation(found: Explanation) -> str:
    """Return the whole explanation: the conclusion first, then the evidence."""
    parts = [f"{found.experiment}: {found.summary}", "", *(_wrapped(line, "* ") for line in found.conclusion)]
    parts += ["", "1 Configuration", configuration(found.configuration, found.sides)]
    parts += ["", "2 The ladder", ladder(found.ladder, found.gradient_check)]
    if found.attribution is None:
        return "\n".join(parts)
    parts += ["", "3 Shares of the gap", shares(found), "", "4 Smallest changes", changes(found)]
    if found.supposed:
        parts += ["", "5 Supposed reasons", supposed(found)]
    parts += ["", "6 Causes and their effect", effects(found)]
    if found.checks:
        rows = [
            (check.side, check.against, check.compared, figure(check.obtained), figure(check.expected))
            for check in found.checks
        ]
        parts += ["", "The real programs", table(["side", "real", "compared", "described", "real program"], rows)]
    return "\n".join(parts)


def shares(found: Explanation) -> str:
    """Return the shares on every scale, and what pairs do."""
    assert found.attribution is not None
    scales = [found.attribution, *found.other_scales]
    by_scale = [{share.factors[0]: share for share in scale.factors} for scale in scales]
    rows = [
        (name, *(f"{kind[name].percent:.1f} ± {kind[name].uncertainty:.1f} %" for kind in by_scale))
        for name in by_scale[0]
    ]
    lines = [table(["factor", *(scale.scale for scale in scales)], rows), ""]
    pairs = [
        (" × ".join(pair.factors), f"{pair.percent:.1f} ± {pair.uncertainty:.1f} %") for pair in found.attribution.pairs
    ]
    beyond = {tuple(one.factors): one for one in found.attribution.interactions}
    rows = [
        (*row, f"{beyond[tuple(pair.factors)].percent:.1f} ± {beyond[tuple(pair.factors)].uncertainty:.1f} %")
        for row, pair in zip(pairs[:4], found.attribution.pairs, strict=False)
    ]
    return "\n".join([*lines, table(["pair", "share of both", "of that only together"], rows) if rows else ""])


def changes(found: Explanation) -> str:
    """Return what each factor does alone, and the smallest sets with their proof."""
    a, b = found.sides
    needed = found.seeds - found.effects[0].seeds_at_target
    rows = [
        (
            one.factor,
            f"{one.repaired_to:.3g}",
            f"{one.repaired_seeds}/{needed}" if needed else "none needed",
            f"{one.spoiled_to:.3g}",
            f"{one.spoiled_seeds}/{found.seeds}",
        )
        for one in found.alone
    ]
    lines = [table(["switched alone", f"{a} reaches", "repaired", f"{b} reaches", "spoiled"], rows), ""]
    for name, change in (("repair", found.repair), ("spoil", found.spoil)):
        if change is None:
            lines.append(f"smallest {name}: none found")
            continue
        seeds, fresh = (", ".join(f"{loss:.3g}" for loss in row) for row in (change.losses, change.confirmed_by))
        after = f"{' and '.join(change.factors)} (after {change.smaller_tried} smaller sets)"
        lines.append(f"smallest {name}: {after if change.factors else f'none needed, {a} is there as it is'}")
        lines.append(f"  seeds of the search: {seeds}; confirmed on {len(change.confirmed_by)} fresh seeds: {fresh}")
    return "\n".join(lines)


def supposed(found: Explanation) -> str:
    """Return the verdicts with their figures."""
    lines = []
    for one in found.supposed:
        lines += [f"{one.label:5}{one.verdict:10} {one.claim}", _wrapped(one.figure, "     ")]
    return "\n".join(lines)


def reached(one: Effect, epochs: int) -> tuple[str, str, str, str, str, str]:
    """Return what one program of ``epochs`` reaches: its name, loss, range, last loss, accuracy, and when."""
    return (
        one.program,
        f"{one.loss:.3g}",
        f"{one.lowest:.3g} … {one.highest:.3g}",
        f"{one.last:.3g}",
        f"{one.accuracy:.3f}",
        f"> {epochs}" if one.epochs_to_target is None else f"{one.epochs_to_target:g}",
    )


def effects(found: Explanation) -> str:
    """Return what each program reaches."""
    rows = [(*reached(one, found.epochs), f"{one.seeds_at_target}/{one.seeds}") for one in found.effects]
    head = [
        "program",
        "loss reached",
        "over seeds",
        f"epoch {found.epochs}",
        "accuracy",
        f"epochs to {found.target:g}",
        "seeds there",
    ]
    return table(head, rows)


def steps(rows: Sequence[StepRow]) -> str:
    """Return the log of the first steps of both sides."""
    cells = [
        (
            str(r.step),
            r.side,
            f"{r.loss:.6f}",
            f"{r.gradient:.4g}",
            f"{r.second_moment:.4g}",
            f"{r.weights_moved:.3g}",
            f"{r.answer_moved:.3g}",
        )
        for r in rows
    ]
    return table(["step", "side", "loss", "max gradient", "max second moment", "weights moved", "logits moved"], cells)


def simplify(rows: Sequence[SimplerRow], sides: Sequence[str]) -> str:
    """Return what both sides reach on ever larger problems."""
    names = list(rows[0].alone)
    cells = [
        (row.problem, f"{row.a:.3g}", f"{row.b:.3g}", *(f"{row.alone[name]:.3g}" for name in names)) for row in rows
    ]
    head = ["problem", *sides, *(f"+ {name}" for name in names)]
    return (
        f"Loss after {rows[0].epochs} epochs; the columns after the sides are {sides[0]} with that factor switched\n"
        + table(head, cells)
    )


def features(rows: Sequence[FeatureRow]) -> str:
    """Return where two rules part when they gain one feature after the other."""
    cells = [
        (
            row.feature,
            "never" if row.first_step is None else str(row.first_step),
            f"{row.difference:.2g}",
            ", ".join(row.because),
        )
        for row in rows
    ]
    first = next((row for row in rows if row.first_step is not None), None)
    last = (
        f"First feature that parts: {first.feature}, because of {', '.join(first.because)}." if first else "None parts."
    )
    return table(["feature", "parts at step", "difference", "because of"], cells) + f"\n\n{last}"


def source(rows: Sequence[SourceRow], sides: Sequence[str]) -> str:
    """Return the formula as the installed Keras has it, with file and line, beside both sides."""
    lines = []
    for row in rows:
        mark = "same" if row.a == row.b else "DIFFERS"
        lines += [f"{row.place}  {mark}", _wrapped(row.source, "    ")]
        lines += [f"      {side}: {formula}" for side, formula in zip(sides, (row.a, row.b), strict=True)]
    return "\n".join(lines)


def _wrapped(line: str, prefix: str) -> str:
    return textwrap.fill(line, WIDTH, initial_indent=prefix, subsequent_indent=" " * len(prefix))


def _numeric(cell: str) -> bool:
    return bool(cell) and cell.lstrip("-> ")[:1].isdigit()


def figure(value: float | str) -> str:
    """Return a compared figure with enough digits to see where two part."""
    return f"{value:.8g}" if isinstance(value, float) else value
