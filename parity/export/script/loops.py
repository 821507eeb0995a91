"""Optimizers that are not called once a step, in a script: functions that own their loop, and generators."""

from collections.abc import Sequence
from typing import Any, Final

from parity.export.script.calls import Called, Calls
from parity.subjects.binding.drivers.loops import GRADIENTS, ITERATED, ONE, Argument, Generators

_LOOP: Final = {
    "params": "start[n].copy()",
    "grads": "gradient",
    "gradient_function": "gradient",
    "valued_gradient": "lambda *at: (0.0, gradient(*at))",
    "objective": "lambda *_: 0.0",
    "callback": "lambda *_: None",
    "steps": "len(served[n]) + 1",
    "tolerance": "0.0",
    "data": "None",
}
"""By the role of an argument, what a loop is called with: it shows its weights where it asks for a gradient."""


def looped(calls: Calls) -> Called:
    """Return how a function that owns its loop is run, from the start, with as many gradients as there are."""
    given: Sequence[Argument] = calls.more["arguments"]
    known = {each.role for each in given} <= {*_LOOP}
    if not known or calls.more["held"] != ONE or calls.more.get("asks", 1) != 1 or calls.moves():
        raise calls.unknown()
    named = ", ".join(f"{each.name}={_LOOP[each.role]}" for each in given)
    method = calls.more["method"]
    own = f"optimizer{'' if method == '__call__' else f'.{method}'}({named})"
    text = calls.constructor(named) if calls.of_rule else own
    before = (
        *([] if calls.of_rule else [f"optimizer = {calls.constructor()}"]),
        "served = {n: [] for n in start}",
        "def after(n):",
        "    shown = []",
        "    def gradient(w, *_):",
        "        shown.append(np.array(w))",
        "        if len(shown) > len(served[n]): raise StopIteration",
        "        return served[n][len(shown) - 1]",
        f"    try: {text}",
        "    except StopIteration: pass",
        "    return shown[-1]",
    )
    return Called(before, ("for n, g in grads.items():", "    served[n].append(g)"), "after({name})")


class _Heard(Generators):
    """Generators of which it is kept what they yield."""

    yielded: Any = None

    def _take(self, run: str, yielded: Any) -> None:
        self.yielded = yielded
        super()._take(run, yielded)


_HELD: Final = {
    ONE: ("{n: w.copy() for n, w in start.items()}", "grads.items()", "[{name}]"),
    "list": ('{"": [w.copy() for w in start.values()]}', '[("", [grads[n] for n in start])]', '[""][{at}]'),
    "mapping": ('{"": {n: w.copy() for n, w in start.items()}}', '[("", grads)]', '[""][{name}]'),
}
"""By what one run holds: the weights of each run, its gradients of a step, and where a tensor is among the runs."""
_DRAWN: Final = ("    def drawn():", "        while True: yield waiting[n].pop()")
_ASKED: Final = ("    def gradient(*_, **__): return waiting[n].pop()",)


def generated(calls: Calls) -> Called:
    """Return how a generator is sent its gradients, draws them from an iterator, or asks a function for them."""
    given: Sequence[Argument] = calls.more["arguments"]
    roles = {each.role for each in given}
    values = {**_LOOP, "params": "own[n]", "grads": "drawn()", "steps": f"{calls.steps + 1}"}
    if not roles <= {*values} or calls.moves():
        raise calls.unknown()
    named, method = ", ".join(f"{each.name}={values[each.role]}" for each in given), calls.more["method"]
    text = f"optimizer{'' if method == '__call__' else f'.{method}'}({named})"
    of_run = calls.of_rule or method == ITERATED
    if of_run:
        text = calls.constructor(named)
    own, handed, at = _HELD[calls.more["held"]]
    heard = calls.heard(_Heard)
    assert isinstance(heard, _Heard)
    several = isinstance(heard.yielded, tuple) and bool(heard.yielded)
    shows = heard.copied(heard.yielded[0] if several else heard.yielded) is not None
    target, first = "shown[n] = " if shows else "", "[0]" * (shows and several)
    is_sent = not roles & {*GRADIENTS, "grads"}
    before = [
        *([] if of_run else [f"optimizer = {calls.constructor()}"]),
        f"own = {own}",
        *([] if is_sent else ["waiting = {n: [] for n in own}  # gradients for each run"]),
        "def run(n):",
        *(_DRAWN if "grads" in roles else ()),
        *(_ASKED if roles & {*GRADIENTS} else ()),
        f"    return {f'iter({text})' if method == ITERATED else text}",
        "runs = {n: run(n) for n in own}",
        *(["shown = dict(own)"] if shows else []),
        *(["for each in runs.values(): next(each)  # to where it waits for a gradient"] if is_sent else []),
    ]
    served = [f"{target}runs[n].send(g){first}"] if is_sent else [
        "waiting[n].append(g)", f"while waiting[n]: {target}next(runs[n]){first}"]  # fmt: skip
    each = (f"for n, g in {handed}:", *(f"    {line}" for line in served))
    return Called(tuple(before), each, f"{'shown' if shows else 'own'}{at}")
