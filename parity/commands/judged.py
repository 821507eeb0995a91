"""What a log is, for people and for programs: the verdict and its place, the cause, what it was judged by, what not."""

from typing import Any, Final

from msgspec.structs import replace

from parity.diagnosis.effect import effect
from parity.diagnosis.findings import Diagnosis, Finding, hyperparameters
from parity.diagnosis.text import formulas
from parity.diagnosis.words import CAUSES, cause, number, telling
from parity.judge.logged import Judged
from parity.report.facts import evidence
from parity.trajectory.log.names import RATE
from parity.trajectory.log.settle import DEFAULT, FILE, SET, Settled
from parity.verdicts.cause import pairs
from parity.verdicts.results import Comparison
from parity.verdicts.verdict import Verdict

_ORIGINS: Final = {SET: "as set", FILE: "as the log says", DEFAULT: "Keras' default"}
_NOTHING: Final = "no step of the log can be judged"
_SHOWN: Final = 6
_NOT_FINITE: Final = "a value is infinite or not a number: on one side alone, or on both"


def comparison_of(judged: Judged) -> Comparison:
    """Return the record of a judged log: its case is ``log``, its subject the file, its gradients ``logged``."""
    cell, where = judged.problem.cell, judged.problem.log.where
    if judged.evidence is None:
        return Comparison(cell.id, where, "logged", "lockstep", Verdict.UNSUPPORTED.name, _NOTHING)
    record = judged.evidence.comparison(cell, where, "lockstep")
    place = record.first_divergence
    if place is not None and record.outcome is Verdict.NON_FINITE:
        note = place.note.partition("; a case that")[0]
        record = replace(record, reason=_NOT_FINITE, first_divergence=replace(place, note=note))
    return replace(record, gradients="logged")


def document(judged: Judged, settled: Settled, diagnosis: Diagnosis | None) -> dict[str, Any]:
    """Return the JSON form: the comparison as a run has it, and what a log has beside it."""
    log = judged.problem.log
    numbers = [log.numbers[at] for at in judged.places]
    return {
        **comparison_of(judged).document(),
        "rule": judged.problem.cell.rule,
        "hyperparameters": {
            name: {"value": settled.value(name), "from": origin} for name, origin in settled.origin.items()
        },
        "log": {
            "source": log.source,
            "dtype": log.dtype.name,
            "tensors": dict(zip(log.layout.names, map(list, log.layout.shapes), strict=True)),
            "fields": list(log.before),
            "steps": len(log.numbers),
            "first_step": log.numbers[0],
            "last_step": log.numbers[-1],
            "judged": len(numbers),
        },
        "unseen": list(judged.unseen),
        "diagnosis": None if diagnosis is None else diagnosis.document(),
    }


def render(judged: Judged, settled: Settled, diagnosis: Diagnosis | None) -> str:
    """Return the text."""
    log, item = judged.problem.log, comparison_of(judged)
    lines = [f"{log.where}: {item.verdict}", *evidence(item, log.dtype.name).split("\n")[1:]]
    lines[1] = f"  {item.reason[0].upper()}{item.reason[1:]}."
    if item.outcome is Verdict.ROUNDING and item.worst is not None:
        lines.append(
            f"  The largest difference is {float(item.worst.ratio):.2g} of its bound, at step {item.worst.step}."
        )
    lines += [f"  {note.rstrip('.')}." for note in item.notes]
    if diagnosis is not None:
        lines += ["", *_cause(diagnosis, settled)]
    lines += ["", *_judged_by(judged, settled)]
    if log.source:
        lines.append(f"  Written by {log.source}.")
    return "\n".join([*lines, *(f"  Not seen: {sentence}" for sentence in judged.unseen)])


def _judged_by(judged: Judged, settled: Settled) -> list[str]:
    log, places = judged.problem.log, judged.places
    steps = f"{len(places):,} of {len(log.numbers):,} steps" if len(places) != len(log.numbers) else _steps(log.numbers)
    tensors = len(log.layout.names)
    size = f"{tensors:,} tensor{'s' if tensors > 1 else ''}, {log.layout.size:,} {log.dtype.name} values"
    told = {origin: [_told(settled, n) for n in _of(settled, origin)] for origin in (SET, FILE, DEFAULT)}
    said = [f"{', '.join(words)} ({_ORIGINS[origin]})" for origin, words in told.items() if words]
    return [
        f"Judged: {steps}; {size}; {', '.join(log.before)}.",
        f"  By {judged.problem.cell.rule} with {'; '.join(said)}.",
    ]


def _of(settled: Settled, origin: str) -> list[str]:
    """Return the hyperparameters of one origin; those that are off are named where somebody set them."""
    return [
        name
        for name, own in settled.origin.items()
        if own == origin
        and (origin == SET or settled.value(name) not in (None, False, 0, []))
        and not (name.startswith("ema_") and not settled.value("use_ema"))
    ]


def _steps(numbers: tuple[int, ...]) -> str:
    if len(numbers) == 1:
        return f"step {numbers[0]:,}"
    return f"{len(numbers):,} steps, {numbers[0]:,} to {numbers[-1]:,}"


def _told(settled: Settled, name: str) -> str:
    value = settled.value(name)
    if name == RATE and isinstance(value, dict):
        values = value.get("values", [])
        value = f"from {values[0]:g} to {values[-1]:g}" if values else f"by {value['schedule']}"
    return f"{name} {value}"


def _cause(diagnosis: Diagnosis, settled: Settled) -> list[str]:
    told = [f"  Evidence: {line}." for line in diagnosis.evidence]
    if diagnosis.finding is Finding.UNEXPLAINED:
        lines = ["Cause: no known set of choices reproduces the log."]
        for near in diagnosis.explanations:
            member = near.member
            sentence = _sentence(dict(member.switches), dict(member.numbers), settled) or "tf.keras' own rule."
            lines.append(
                f"  Nearest, not the cause: {sentence} {near.alike:.0%} of its steps are the log's within 0.1 %."
            )
        return [*lines, *told]
    lines = []
    for place, found in enumerate(diagnosis.explanations):
        switches, numbers = dict(found.member.switches), dict(found.member.numbers)
        # That numbers are doubles is no argument, and no line of the formula shows it.
        named = {name: value for name, value in hyperparameters(found.member).items() if name != "numbers"}
        head = "Or, just as well" if place else "Cause"
        lines += [
            f"{head}: {_sentence(switches, numbers, settled)}",
            *pairs(formulas(telling(switches, numbers), named)),
        ]
        likely = [CAUSES[choice] for choice in found.rounding]
        lines += [f"  Most likely, too: {', '.join(likely)}."] if likely else []
        own = {name: value for name, value in named.items() if name != "learning_rate_factor"}
        if said := effect(switches, own, found.modes):
            lines.append(f"  Effect: {said}")
        how = "every bit is equal" if found.ratio == 0 else f"at most {found.ratio:.2g} of the bound"
        lines.append(f"  It {diagnosis.evidence[0]}: {how}; {diagnosis.evidence[1]}.")
    if diagnosis.ties:
        lines.append("  Larger sets that fit as well:")
        lines += [f"    {_sentence(dict(m.switches), dict(m.numbers), settled)}" for m in diagnosis.ties[:_SHOWN]]
    return lines


def _sentence(switches: dict[str, Any], numbers: dict[str, Any], settled: Settled) -> str:
    """Return one sentence that names every choice, numbers beside those that the log is judged by."""
    told = telling(switches, numbers)
    parts = [cause(told, {}).rstrip(".")] if told else []
    parts += [_number(name, value, settled) for name, value in numbers.items()]
    sentence = ", and ".join(part[0].lower() + part[1:] if n else part for n, part in enumerate(parts))
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else ""


def _number(word: str, value: Any, settled: Settled) -> str:
    if word == "numbers":
        return "learning rate and decay are kept as Python's numbers (float64), where tf.keras rounds them to float32"
    if word == "learning_rate_factor":
        return f"the learning rate is {value!r} times the one that it is judged by"
    name = word.removesuffix("_always")
    if name not in settled.origin:  # no argument, by which a log could be judged
        return number(word, value)
    judged, origin = settled.value(name), _ORIGINS[settled.origin[name]]
    called = f"{'the ' if name == RATE else ''}{name.replace('_', ' ')}"
    if value in (None, False) or (name == "momentum" and not value):
        return f"there is no {called}, although it is {judged!r} ({origin})"
    judge = f"--set {name}={str(value).lower() if isinstance(value, bool) else value} judges it by that"
    return f"{called} is {value!r}, not {judged!r} ({origin}; {judge})"
