"""A diagnosis for people: the cause first, then the formulas, the effect, the public record, and what is left open."""

import re
from collections.abc import Mapping
from typing import Any, Final

from parity.case.rule import DEFAULT, find
from parity.diagnosis.arguments import BITS, DOUBLE, ROUNDING, UNDECIDED
from parity.diagnosis.choices import only_rounds
from parity.diagnosis.disputes import disputes
from parity.diagnosis.effect import effect
from parity.diagnosis.findings import Finding
from parity.diagnosis.words import as_given, cause, causes, differing, formula, rounding, telling
from parity.subjects.binding import words as binding
from parity.verdicts.cause import Line, pairs

_OF_A_RULE: Final = (Finding.IDENTICAL, Finding.ROUNDING, Finding.EXPLAINED)
"""Findings that say which rule a subject is."""
PYTHONS_NUMBERS = (
    "it keeps numbers as Python does, where tf.keras rounds learning rate, decay and, in most rules, others to float32"
)
_SHOWN_TIES = 6


def render(document: dict[str, Any]) -> str:
    """Return the text of one diagnosis, from its JSON form."""
    finding = Finding[document["verdict"]]
    lines = [f"{document['subject']}: {finding.name}", f"  It {sentence(document, finding)}."]
    lines += [f"  Evidence: {line.removesuffix('.')}." for line in document["evidence"]]
    lines += [f"  {line[0].upper()}{line[1:]}." for line in binding.lines(document["binding"])]
    if finding is Finding.UNEXPLAINED and not document["explanations"]:
        lines += ["", "  No known set of choices comes near: none has half of its steps."]
    # A rule that is none of the family's is not explained by members that happen to make its steps.
    for number, explanation in enumerate(document["explanations"] if finding is not Finding.OUTSIDE else []):
        lines += ["", *_explanation(document, explanation, finding, number)]
    lines += ["", *_open_ends(document)] if _open_ends(document) else []
    return "\n".join(lines)


def sentence(document: Mapping[str, Any], finding: Finding) -> str:
    """Return what a subject does, without its name: less than the finding says where it computes a rule elsewhere.

    Of another rule than the first it says which it is.
    """
    rule = document.get("rule", DEFAULT)
    if rule != DEFAULT and finding in _OF_A_RULE:
        return f"is {find(rule).kind}, and {finding.value}"
    if finding is Finding.UNEXPLAINED and any(found["confirmed"] for found in document["explanations"]):
        return "computes, in some of what was tried, as no set of choices does"
    return finding.value


def _explanation(document: dict[str, Any], found: dict[str, Any], finding: Finding, number: int) -> list[str]:
    switches, numbers, rule = found["switches"], found["hyperparameters"], document.get("rule", DEFAULT)
    if finding is Finding.MIXED_DTYPES and not (switches or numbers):
        return []
    if finding is Finding.UNEXPLAINED:
        if found["confirmed"]:
            return [f"  {elsewhere(found, rule)}"]
        near = cause(switches, numbers, rule) if switches or numbers else f"tf.keras' {find(rule).kind} itself."
        share = found["steps_alike"]
        return [f"  Nearest member, not the cause: {near} {share:.0%} of its steps are the subject's within 0.1 %."]
    where = "" if set(found["modes"]) == set(document["modes"]) else f" ({', '.join(found['modes'])})"
    alike = [e for e in document["explanations"][:number] if set(e["modes"]) == set(found["modes"])]
    head = "Or, just as well" if alike else "Cause"
    lines = [f"  {head}{where}: {cause(switches, numbers, rule)}"]
    lines += pairs(formulas(telling(switches, numbers, rule), numbers, document.get("places"), rule))
    lines += _never_passed(document, numbers)
    if besides := rounding(switches, numbers, rule):
        lines.append(f"  Beside it, what only rounds: {besides[0].lower()}{besides[1:]}")
    likely = [causes(rule)[choice] for choice in found["likely_rounding"].items()]
    if likely:
        without, with_them = found["equal_bits"]["without_rounding"], found["equal_bits"]["with_rounding"]
        lines.append(f"  Most likely, too: {', '.join(likely)}.")
        lines.append(f"    With that, {with_them:.1%} of the bits are equal; without, {without:.1%}.")
    if switches or numbers:
        lines.append(f"  Effect: {effect(switches, numbers, found['modes'], rule)}")
        lines += [f"  On record: {d.about}, shows with {d.shows}: {d.link}" for d in disputes(switches, numbers, rule)]
    return [*lines, f"  {confirmation(found)}"]


def _never_passed(document: Mapping[str, Any], numbers: Mapping[str, Any]) -> list[str]:
    """Return that numbers are defaults of a subject's own, whose names do not say so, and how they are given others."""
    left = str(document["binding"].get(binding.LEFT, ""))
    own = {
        name: re.findall(rf"([\w.\[\]]+)={re.escape(repr(value))}(?:,|$)", left)
        for name, value in numbers.items()
        if name in document["absent"]
    }
    told = " ".join(f"--bind {name}={names[0]}" for name, names in own.items() if len(names) == 1)
    return [f"    It was given nothing for that, which is its own default: {told} gives it."] if told else []


def elsewhere(found: Mapping[str, Any], rule: str = DEFAULT) -> str:
    """Return what a subject that nothing explains in some of what was tried computes in all else, as a sentence."""
    switches, numbers = found["switches"], found["hyperparameters"]
    but = f", but: {cause(switches, numbers, rule)}" if switches or numbers else "."
    return f"In all else that was tried it computes as tf.keras does{but}"


def formulas(
    switches: Mapping[str, Any],
    numbers: Mapping[str, Any],
    places: Mapping[str, str] | None = None,
    rule: str = DEFAULT,
) -> list[Line]:
    """Return the lines of the rule that differ, each beside that of tf.keras; ``places`` is where each is computed."""
    if rule != DEFAULT:
        return differing(switches, numbers, rule)
    theirs, ours = formula(switches, numbers=numbers), formula({})
    both = [Line(line, ours.get(name, as_given(name)), (places or {}).get(name, "")) for name, line in theirs.items()]
    return [line for line in both if line.obtained != line.expected]


def confirmation(found: Mapping[str, Any]) -> str:
    """Return what confirms an explanation, and on what, as a sentence."""
    if not found["confirmed"]:
        return "Not confirmed."
    how = "every bit is equal" if found["bound_ratio"] == 0 else f"at most {found['bound_ratio']:.2g} of the bound"
    return f"Confirmed on probes that the search did not use: {how}."


def _open_ends(document: dict[str, Any]) -> list[str]:
    lines = _ties(document)
    absent = document["absent"]
    lines += _held(document["moved"])
    lines += _never_beyond(document["extent"])
    lines += [f"  Not seen with {mode}: {reason}" for mode, reason in document["lacks"].items()]
    return [*lines, *_never(absent, binding.SWALLOWED in document["binding"])]


def _ties(document: dict[str, Any]) -> list[str]:
    """Return what else fits: sets that only round otherwise, what shows nothing beside an answer, and other sets."""
    lines = []
    ties = document["ties"] if document["verdict"] != Finding.OUTSIDE.name else []
    rule = document.get("rule", DEFAULT)
    explained = [_changes(found, rule) for found in document["explanations"]]
    # Of sets that only round, all are told: there is nothing else to tell.
    changing = any(explained) or not any(found["switches"] for found in document["explanations"])
    alike = [tie for tie in ties if changing and _changes(tie, rule) in explained]
    if alike:
        fit = f"{len(alike)} more sets fit" if len(alike) > 1 else "1 more set fits"
        lines.append(f"  {fit} as well, of the same choices beside others that only round.")
    left = [tie for tie in ties if tie not in alike]
    beside, others = list[str](), list[dict[str, Any]]()
    for tie in left:
        own = next((each for each in explained if _has(tie, each, rule)), None)
        if own is None:
            others.append(tie)
        else:
            beside.append(_list({name: value for name, value in _changes(tie, rule).items() if name not in own}))
    if beside:
        lines.append(f"  Beside that may be, and shows in nothing that was run: {' | '.join(dict.fromkeys(beside))}.")
    if others:
        lines.append(f"  {len(others)} larger or equal set{'s' if len(others) > 1 else ''} fit as well:")
        lines += [f"    {_spelled(tie)}" for tie in others[:_SHOWN_TIES]]
        lines += [f"    and {len(others) - _SHOWN_TIES} more (--json)"] if len(others) > _SHOWN_TIES else []
    if document["probe"]:
        lines.append(f"  This probe would separate them, and the subject does not take it: {document['probe']}.")
    elif others:
        lines.append("  No probe that was run separates them.")
    return lines


def _has(member: Mapping[str, Any], changes: Mapping[str, Any], rule: str) -> bool:
    """Return whether a set has all of some changes, and at least one of them there is."""
    own = _changes(member, rule)
    return bool(changes) and all(name in own and own[name] == value for name, value in changes.items())


def _changes(member: Mapping[str, Any], rule: str) -> dict[str, Any]:
    """Return what a set of choices changes by more than rounding."""
    turned = {name: value for name, value in member["switches"].items() if not only_rounds(name, value, rule)}
    return {**turned, **member["hyperparameters"]}


def _held(moved: dict[str, str]) -> list[str]:
    """Return what an answer holds for: the arguments and dtypes that were moved."""
    said = []
    for outcome, words in ((BITS, "to every bit"), (ROUNDING, "up to rounding")):
        labels = [label for label, found in moved.items() if found == outcome]
        if labels:
            said.append(f"{words} with {' | '.join(labels)}")
    lines = [f"  It holds {'; '.join(said)}."] if said else []
    open_ = [label for label, found in moved.items() if found == UNDECIDED]
    lines += [f"  Not decided with {' | '.join(open_)}: there most bounds are infinite."] if open_ else []
    doubles = [label for label, found in moved.items() if found == DOUBLE]
    return [*lines, *([f"  It differs with {' | '.join(doubles)}: {PYTHONS_NUMBERS}."] if doubles else [])]


def _never_beyond(extent: Mapping[str, Any]) -> list[str]:
    """Return how far an acquittal looked, and that what shows only beyond it was not seen."""
    if not extent:
        return []
    *some, last = map(str, extent["dimensions"])
    dimensions = f"{', '.join(some)} and {last}" if some else last
    looked = f"at most {extent['steps']:,} steps, in tensors of {dimensions} dimensions, the largest of"
    return [f"  Seen over {looked} {extent['elements']:,} elements; what shows only beyond that was not seen."]


def _never(absent: list[str], swallowed: bool) -> list[str]:
    why = "as its text and a trial show no such argument" if swallowed else "as it takes no such argument"
    return [f"  Not probed, {why}: {', '.join(absent)}."] if absent else []


def _spelled(member: dict[str, Any]) -> str:
    return _list({**member["switches"], **member["hyperparameters"]})


def _list(choices: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in choices.items()) or "nothing"
