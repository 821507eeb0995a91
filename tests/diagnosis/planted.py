"""Black boxes with planted switches and numbers; run as a script, it plants singles, pairs and 500 triples.

``python tests/diagnosis/planted.py [slots|parameters] [RULE…]`` prints, with the state visible and with parameters
only, how many are named or tied, how many answers that were confirmed are wrong, and how long a diagnosis takes; with
rules, of each choice of theirs alone.
"""

import random
import statistics
import sys
import time
import warnings
from functools import cache
from inspect import Parameter, Signature
from itertools import combinations
from typing import NamedTuple

import numpy as np

from parity.case.rule import DEFAULT, around, find
from parity.diagnosis.arguments import OTHERWISE
from parity.diagnosis.choices import switches as choices_of
from parity.diagnosis.diagnose import diagnose
from parity.diagnosis.family import family
from parity.diagnosis.findings import Diagnosis, Finding
from parity.diagnosis.member import Member, alternatives, predict
from parity.diagnosis.probes import BATCH_SIZE, MODES, probe
from parity.reference.switches import SWITCHES
from parity.subjects.numpy_class import NumpySubject

CHOICES = [
    (switch.name, value)
    for switch in SWITCHES
    for value in switch.values[1:]
    if (switch.name, value) != ("arithmetic", "float32") and not switch.name.endswith("_held")
]
"""Every switch with every value that departs; float32 is no departure for float32 weights.

A number that is held in float32 shows beside float64 weights alone: it is planted by itself, in the tests of mistakes.
"""
NUMBERS = [
    ("epsilon", 1e-8),
    ("rho", 0.99),
    ("learning_rate", 1.1e-3),
    ("momentum", 0.85),
    ("centered", True),
    ("clipvalue", 2.0),
    ("clipnorm", 3.0),
    ("rate_decay", 1e-4),
]
"""What people write into the code where an argument belongs."""


class _Hidden:
    def __init__(self, rule):
        self._rule = rule

    def init(self, params):
        return self._rule.init(params)

    def step(self, params, grads, state):
        return self._rule.step(params, grads, state)


class _Open(_Hidden):
    def slots(self, state):
        return self._rule.slots(state)


def box(switches=(), numbers=None, slots=True, rule=DEFAULT):
    """Return a class that takes a rule's own arguments and computes otherwise; numbers replace what it is given."""
    forced = {**dict(numbers or {}), **dict(switches), "batch_size": BATCH_SIZE}
    kind, others = family(rule).kind, {each.name for each in around()} - {"learning_rate", "weight_decay"}

    class Box(_Open if slots else _Hidden):
        def __init__(self, **given):
            super().__init__(kind(**{**given, **forced}))

    own = [Parameter(a.name, Parameter.KEYWORD_ONLY, default=a.default) for a in find(rule).parameters]
    taken = [Parameter("self", Parameter.POSITIONAL_ONLY), *(each for each in own if each.name not in others)]
    Box.__init__.__signature__ = Signature(taken)
    return Box


def diagnosis_of(kind, rule=DEFAULT) -> Diagnosis:
    return diagnose(lambda: NumpySubject(kind, "box"), "box", rule=rule)


@cache
def known(kind) -> Diagnosis:
    """Return the diagnosis of a class that several tests read, each for a fact of its own."""
    return diagnosis_of(kind)


def members_of(found: Diagnosis) -> list[Member]:
    return [*(explanation.member for explanation in found.explanations), *found.ties]


def contains(found: Diagnosis, switches) -> bool:
    return any(set(member.switches) == set(switches) and not member.numbers for member in members_of(found))


def computes_the_same(a: Member, b: Member, modes=tuple(MODES)) -> bool:
    """Compare on seeds that no diagnosis uses, in each of the modes."""
    with np.errstate(all="ignore"):
        probes = [probe(mode, scheduled=True, seed=seed, rule=b.rule) for mode in modes for seed in (11, 12)]
        return all(np.array_equal(predict(a, p), predict(b, p), equal_nan=True) for p in probes)


class Checked(NamedTuple):
    """What became of a planted set: whether it is named or tied, whether nothing confirmed is wrong, the seconds.

    An answer that is confirmed on probes, and says itself with which arguments it does not hold, is no wrong one; nor
    does it name anything.
    """

    inside: bool
    right: bool
    seconds: float


def check(choices, slots, rule=DEFAULT) -> Checked:
    """Diagnose a planted set of switches and numbers, held against its rule."""
    switches = tuple(choice for choice in choices if choice not in NUMBERS)
    numbers = {name: value for name, value in choices if (name, value) in NUMBERS}
    began = time.process_time()
    found = diagnosis_of(box(switches, numbers, slots, rule), rule)
    seconds = time.process_time() - began
    planted = Member(tuple(sorted(switches)), rule=rule).having(**_everywhere(numbers))
    confirmed = [each for each in found.explanations if each.confirmed]
    same = all(computes_the_same(each.member, planted, each.modes) for each in confirmed)
    named = bool(confirmed) and {mode for each in confirmed for mode in each.modes} == set(found.modes) and same
    inside = named or found.finding is Finding.OUTSIDE or (not numbers and contains(found, switches))
    return Checked(inside, same or OTHERWISE in found.moved.values(), seconds)


def _everywhere(numbers) -> dict:
    """Return numbers as a member holds them: a momentum that is forced is there also where none is asked for."""
    return {"momentum_always" if name == "momentum" else name: value for name, value in numbers.items()}


RULES = ("sgd", "adam", "adamw", "adagrad", "adadelta", "lion", "nadam", "adamax")
"""The rules that people write, beside RMSprop."""


def departures(rule):
    """Return each value of each choice of a rule that is not tf.keras'; float32 is no departure here."""
    return alternatives(list(choices_of(rule)), ("float32",), rule)


def singles_of(rule):
    """Yield each choice of a rule, with the one beside which alone it shows."""
    for name, value in departures(rule):
        yield (*choices_of(rule)[name].beside, (name, value))


def pairs_of(rule):
    """Yield each two choices of a rule that can be made at once, with what they show beside alone."""
    for pair in combinations(departures(rule), 2):
        beside = [each for name, _ in pair for each in choices_of(rule)[name].beside]
        together = dict([*beside, *pair])
        if all(together[name] == value for name, value in [*beside, *pair]):
            yield tuple(together.items())


def sets(size: int, choices=CHOICES):
    for choice in combinations(choices, size):
        if len({name for name, _ in choice}) == size:
            yield choice


def with_numbers(size: int):
    """Yield the sets of which one is a number."""
    for number in NUMBERS:
        yield from ((*choice, number) for choice in sets(size - 1) if number[0] not in dict(choice))


def drawn(planted, count: int):
    """Return some of all sets, the same at each call."""
    return random.Random(4).sample(list(planted), count)


def everything(rules):
    """Yield what is planted, by name and rule: singles and pairs of some rules, or some of all, and more of RMSprop."""
    for rule in rules or RULES:
        yield f"{rule}: singles", list(singles_of(rule)), rule
        pairs = list(dict.fromkeys(pairs_of(rule)))
        yield f"{rule}: pairs", pairs if rules else drawn(pairs, min(50, len(pairs))), rule
    if rules:
        return
    yield "singles", list(sets(1)), DEFAULT
    yield "pairs", list(sets(2)), DEFAULT
    yield "triples", drawn(sets(3), 500), DEFAULT
    yield "numbers", list(with_numbers(1)), DEFAULT
    yield "numbers and a switch", list(with_numbers(2)), DEFAULT
    yield "numbers and two switches", drawn(with_numbers(3), 100), DEFAULT


def main(words: list[str]) -> int:
    warnings.simplefilter("ignore")
    failures = 0
    shown = [word == "slots" for word in words if word in ("slots", "parameters")] or [True, False]
    rules = [word for word in words if word in RULES]
    for slots in shown:
        for label, planted, rule in everything(rules):
            results = [(choice, check(choice, slots, rule)) for choice in planted]
            lost = [choice for choice, found in results if not found.inside]
            wrong = [choice for choice, found in results if not found.right]
            seconds = sorted(found.seconds for _, found in results)
            print(
                f"{'slots' if slots else 'parameters only'}: {label}: {len(planted) - len(lost)} of {len(planted)} "
                f"named or tied, {len(wrong)} wrong confirmations, median {statistics.median(seconds):.2f} s, "
                f"slowest {seconds[-1]:.2f} s",
                flush=True,
            )
            for choice in [*lost, *wrong]:
                print("   ", choice, flush=True)
            slow = [choice for choice, found in results if found.seconds > 6]
            for choice in slow:
                print("    slow:", choice, flush=True)
            failures += len(lost) + len(wrong) + len(slow)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
