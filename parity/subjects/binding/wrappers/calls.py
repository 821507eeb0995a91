"""What a call may be given where no name says so, and what may be made of what it returns, the likeliest first."""

from collections.abc import Iterator, Sequence
from itertools import chain, product
from typing import Final

from parity.subjects.binding.drivers.shape import numbered
from parity.subjects.binding.roles import Parameter
from parity.subjects.binding.wrappers.text import KNOWN, held_for, says

SHAPES: Final = ("w.shape", "w.size", "[w.shape]", '{"w": w.shape}', "[w.size]")
"""What a constructor may take that its arguments' names do not tell."""
_GUESSES: Final = ("np.zeros_like(w)", "1", "None", "{}", "w.shape")
"""What an argument may be whose name says nothing, the likeliest first."""
_COUNTS: Final = ("1", "np.zeros_like(w)", "None", "{}", "w.shape")
"""What it may be where its name speaks of a number of examples, or of anything."""
HOLDERS: Final = (
    ("{}", ""),
    ('{{"w": {}}}', '["w"]'),
    ("[{}]", "[0]"),
    ('{{"l": {{"w": {}}}}}', '["l"]["w"]'),
    ("{}.reshape(-1, 1)", ".reshape(w.shape)"),
)
"""How weights and their gradient go into a call, and how what comes out is taken from there."""


def called_in(callee: str, own: Sequence[Parameter], given: Sequence[str] = ()) -> Iterator[list[str]]:
    """Yield the lines of calls with weights and gradient as they are, in a mapping, in a list, or as columns."""
    for (into, out), call in product(HOLDERS, calls_of(own)):
        words = [*(into.format(word) if word in ("w", "g") else word for word in call), *given]
        yield from bodies(f"{callee}({', '.join(words)})", out)
        if out and "w" in call:  # what is held may be another array after
            held = [into.format("w"), "p"]
            words = [held[1] if word == held[0] else word for word in words]
            yield [f"p = {held[0]}", f"{callee}({', '.join(words)})", f"return p{out}"]


def calls_of(own: Sequence[Parameter]) -> Iterator[list[str]]:
    """Yield what a call is given: weights and their gradient where they seem to belong, guesses for all else."""
    used = [p for p in own if p.required]
    meant = {"biases": "params", "bias_grads": "grads"}
    # A bias goes along with its weights; without them its name may say anything.
    beside = [p.role in meant and meant[p.role] in {each.role for each in used} for p in used]
    used = [
        p if is_beside or p.role not in meant else p._replace(role="")
        for p, is_beside in zip(used, beside, strict=True)
    ]
    roles = numbered([p.role for p in used])
    # Of several weights, or gradients, the first are meant; the others are guessed as all else is.
    known = [KNOWN.get(role, "") if roles.index(role) == place else "" for place, role in enumerate(roles)]
    known = [word or held_for(p.name) for word, p in zip(known, used, strict=True)]
    offers = [word for word in ("w", "g") if word not in known]
    blank = [p for p, word in zip(used, known, strict=True) if not word]
    choices = product(*((*offers, "self.s", *_guesses(p.name)) for p in blank))
    for words in chain(() if offers else _two_states(len(blank)), choices):
        filled = iter(words)
        given = [word or next(filled) for word in known]
        alone = [word for word, is_beside in zip(given, beside, strict=True) if not is_beside]
        if alone.count("g") == 1 and alone.count("w") <= 1 and alone.count("self.s") <= 1:
            yield given


def _two_states(count: int) -> Iterator[tuple[str, ...]]:
    """Yield what so many may be beside weights and gradient: two states, and the number of the step.

    Who counts from one divides by zero where that begins at zero.
    """
    for number in ("self.t - 1", "self.t") if count == _WITH_COUNT else ():
        yield from (("self.s", "self.u", number), (number, "self.s", "self.u"))
    yield from [("self.s", "self.u")] if count == _WITH_COUNT - 1 else ()


_WITH_COUNT: Final = 3


def _guesses(name: str) -> Sequence[str]:
    counts = any(word in name.lower() for word in ("batch", "size", "num", "count")) or name in ("m", "n", "N")
    return _COUNTS if counts else _GUESSES


def bodies(call: str, out: str) -> Iterator[list[str]]:
    """Yield what may be made of a call: new weights, a step to take, or weights that changed in place."""
    if says(call, "self.u"):
        yield [f"w, self.s, self.u = {call}", "return w"]
        # A first moment would go down gradients as a step does; a second one, in its place below, would not.
        yield [f"self.s, self.u, step = {call}", "return w - step"]
        yield [f"step, self.s, self.u = {call}", "return w - step"]
        yield [f"self.s, self.u, w = {call}", "return w"]
        return
    if says(call, "self.s"):
        yield [f"w, self.s = {call}", "return w"]
        yield [f"self.s, w = {call}", "return w"]
        yield [f"step, self.s = {call}", "return w - step"]
        yield [f"self.s, step = {call}", "return w - step"]
        return
    call += out
    yield [f"return w - {call}"]
    if "learning_rate" not in call:
        yield [f"return w - self.learning_rate * {call}"]
    yield [f"return w + {call}"]
    yield [f"return {call}"]
    yield [call, "return w"]
    # A state that begins anew at each step is none.
    for place in range(2) if "np.zeros_like(w)" not in call else ():
        yield [f"return {call}[{place}]"]
        yield [f"return w - {call}[{place}]"]
