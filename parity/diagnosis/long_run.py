"""An answer held against hundreds of steps: what begins, ends or runs over after some acquits nobody."""

from contextlib import suppress

import numpy as np

from parity.diagnosis.arguments import reproducing, the_page
from parity.diagnosis.behaviour import Watched, first_look, run
from parity.diagnosis.choices import modes as modes_of
from parity.diagnosis.findings import Diagnosis, Finding
from parity.diagnosis.probes import RATES, long_probe
from parity.errors import UnsupportedError, raised


def in_the_long_run(make: Watched, found: Diagnosis) -> tuple[tuple[Finding, str] | None, int]:
    """Return that from some step on what explains a subject does so no longer, if so, and how many steps were made.

    They are made in the plain mode and in that with the most arguments of those that the subject has.
    """
    rule, most = found.rule, 0
    with suppress(Exception):  # it ran before; this finds the shapes that it takes
        first_look(make, rule)
    kinds = [mode for mode in modes_of(rule) if mode in found.modes and mode != "weight_decay"]
    for mode in dict.fromkeys([*kinds[:1], *sorted(kinds, key=lambda each: len(modes_of(rule)[each]))[-1:]]):
        members = [each.member for each in found.explanations if each.confirmed and mode in each.modes]
        try:
            seen = run(make, long_probe(mode, rule))
        except UnsupportedError:  # a loop that ends by itself does so where its gradients are small
            continue
        except Exception as error:  # a person's code may raise anything
            steps = long_probe(mode, rule).steps
            return (Finding.FAILED, f"within {steps} steps it {raised(error)}"), most
        if seen.strange or not members or not np.isfinite(seen.columns["parameter"]).all():
            continue
        members = [*the_page(members), *members]
        most = max(most, seen.probe.steps)
        if reproducing(members, seen, 1.0)[0]:
            continue
        same, other = len(RATES), seen.probe.steps
        while other - same > 1:
            steps = (same + other) // 2
            fits = bool(reproducing(members, seen.until(steps), 1.0)[0])
            same, other = (steps, other) if fits else (same, steps)
        beside = "" if mode == "plain" else f" with {mode}"
        said = f"from step {same} on no set of choices reproduces it{beside}, with what does so before"
        return (Finding.UNEXPLAINED, said), most
    return None, most
