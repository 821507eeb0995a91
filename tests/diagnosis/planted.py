"""Black boxes with planted switches and numbers; run as a script, it plants all singles, all pairs and 500 triples."""

import random
import statistics
import sys
import time
import warnings
from itertools import combinations

import numpy as np

from parity.diagnosis.diagnose import diagnose
from parity.diagnosis.findings import Diagnosis
from parity.diagnosis.member import Member, predict
from parity.diagnosis.probes import BATCH_SIZE, MODES, probe
from parity.reference.family import Family
from parity.reference.switches import SWITCHES
from parity.subjects.numpy_class import NumpySubject

_LATER = ("increment_order", "chained", "momentum_only", "float32")
CHOICES = [
    (switch.name, value)
    for switch in SWITCHES
    for value in switch.values[1:]
    if switch.name not in _LATER and value not in _LATER
]
"""Every switch of the design with every value that departs; float32 is no departure for float32 weights."""


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


def box(switches=(), numbers=None, slots=True):
    """Return a class that takes Keras' arguments and computes otherwise; numbers replace what it is given."""
    forced = dict(numbers or {})

    class Box(_Open if slots else _Hidden):
        def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False, weight_decay=None):
            given = {"learning_rate": learning_rate, "rho": rho, "momentum": momentum, "epsilon": epsilon}
            given |= {"centered": centered, "weight_decay": weight_decay, **forced}
            super().__init__(Family(**given, **dict(switches), batch_size=BATCH_SIZE))

    return Box


def diagnosis_of(kind) -> Diagnosis:
    return diagnose(lambda: NumpySubject(kind, "box"), "box")


def members_of(found: Diagnosis) -> list[Member]:
    return [*(explanation.member for explanation in found.explanations), *found.ties]


def contains(found: Diagnosis, switches) -> bool:
    return any(set(member.switches) == set(switches) and not member.numbers for member in members_of(found))


def computes_the_same(a: Member, b: Member) -> bool:
    """Compare on seeds that no diagnosis uses, in every mode."""
    with np.errstate(all="ignore"):
        probes = [probe(mode, scheduled=True, seed=seed) for mode in MODES for seed in (11, 12)]
        return all(np.array_equal(predict(a, p), predict(b, p), equal_nan=True) for p in probes)


def check(switches, slots) -> tuple[bool, bool, float]:
    """Return whether the planted set is found, whether no confirmed explanation is wrong, and the seconds."""
    began = time.process_time()
    found = diagnosis_of(box(switches, slots=slots))
    seconds = time.process_time() - began
    planted = Member(tuple(sorted(switches)))
    right = all(computes_the_same(e.member, planted) for e in found.explanations if e.confirmed)
    return contains(found, switches), right, seconds


def sets(size: int):
    for choice in combinations(CHOICES, size):
        if len({name for name, _ in choice}) == size:
            yield choice


def main() -> int:
    warnings.simplefilter("ignore")
    triples = random.Random(4).sample(list(sets(3)), 500)
    failures = 0
    for slots in (True, False):
        for label, planted in (("singles", list(sets(1))), ("pairs", list(sets(2))), ("triples", triples)):
            results = [(choice, *check(choice, slots)) for choice in planted]
            lost = [choice for choice, inside, _, _ in results if not inside]
            wrong = [choice for choice, _, right, _ in results if not right]
            median = statistics.median(seconds for *_, seconds in results)
            print(
                f"{'slots' if slots else 'parameters only'}: {label}: {len(planted) - len(lost)} of {len(planted)} "
                f"contained, {len(wrong)} wrong confirmations, median {median:.2f} s",
                flush=True,
            )
            for choice in [*lost, *wrong]:
                print("   ", choice, flush=True)
            failures += len(lost) + len(wrong)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
