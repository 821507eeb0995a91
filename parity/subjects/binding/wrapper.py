"""The wrapper that a refusal hands out: written for a signature, and tried before it is shown."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice, pairwise, product
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import numpy as np

from parity.bounds.numerics import Array
from parity.errors import one_line
from parity.reference.arguments import ARGUMENTS, BY_NAME
from parity.subjects.binding.arguments import SAYS_LITTLE, Bound
from parity.subjects.binding.asked import HYPERPARAMETERS, signature
from parity.subjects.binding.drivers.shape import numbered
from parity.subjects.binding.parts import NONE, word_of, written
from parity.subjects.binding.roles import Parameter, parameters_of, role_of
from parity.subjects.binding.standin import Asked, AskedTensor, part_of, stands_for

_KERAS: Final = {"learning_rate": 0.001, "rho": 0.9, "epsilon": 1e-7}
_MOST: Final = 1000
"""Wrappers that are tried before the likeliest is handed out as it is."""
_KNOWN: Final = {
    **{"params": "w", "grads": "g", "count": "self.t", "index": "0", "name": '"w"', "loss": "0.0", "state": "self.s"},
    "state 2": "self.u",
    "rate": "self.learning_rate",
    "biases": "w",
    "bias_grads": "g",
}
_GUESSES: Final = ("np.zeros_like(w)", "1", "None", "{}", "w.shape")
"""What an argument may be whose name says nothing, the likeliest first."""
_COUNTS: Final = ("1", "np.zeros_like(w)", "None", "{}", "w.shape")
"""What it may be where its name speaks of a number of examples, or of anything."""
_SHAPES: Final = ("w.shape", "w.size", "[w.shape]", '{"w": w.shape}', "[w.size]")
"""What a constructor may take that its arguments' names do not tell."""
_HOLDERS: Final = (
    ("{}", ""),
    ('{{"w": {}}}', '["w"]'),
    ("[{}]", "[0]"),
    ('{{"l": {{"w": {}}}}}', '["l"]["w"]'),
    ("{}.reshape(-1, 1)", ".reshape(w.shape)"),
)
"""How weights and their gradient go into a call, and how what comes out is taken from there."""
_AT_FIRST: Final = {"params": ("[w]", '{"w": w}', "w"), "grads": ("[w]", '{"w": w}'), "count": ("1",), "index": ("0",)}
"""What a constructor may take beside its hyperparameters."""
_START: Final = np.array([[100.0, 200.0, 300.0], [400.0, 500.0, 600.0]], dtype=np.float32)
_GRADIENTS: Final = tuple(
    np.array(values, dtype=np.float32)
    for values in ([[1.0, -2.0, 0.5], [3.0, -0.25, -1.0]], [[2.0, -1.0, 3.0], [0.5, -4.0, -1.5]])
)
"""Two of the same signs, so that who keeps a mean of them goes down both."""
_OTHERS: Final = tuple(np.append(3 * each.ravel()[:-1], each.ravel()[-1:]).reshape(each.shape) for each in _GRADIENTS)
"""The same, but for all elements before the last."""
_NEAR: Final = 50.0


class Wrapper(NamedTuple):
    """A wrapper's text, and what happened when it was tried, empty where it moved weights down their gradient."""

    text: str
    fault: str


def wrapper(kind: Callable[..., Any], bound: Bound, methods: Sequence[str]) -> Wrapper:
    """Return a wrapper for an optimizer that has no shape that can be driven, ready to paste below it.

    The first that works when it is pasted, each weight by itself, else one that works, else the likeliest.

    Args:
        kind: the class, or the function.
        bound: what it would be passed.
        methods: names of its methods, those that usually make a step first.
    """
    firsts = (BY_NAME["beta_1"].name, *BY_NAME["beta_1"].aliases)
    if any(word_of(own) in firsts for own in (*bound.values, *bound.defaults)):
        # Beside a first beta, what may be rho is the second one, and has a default of its own.
        bound = _without_rho(bound)
    elif word_of(bound.spelled.get("rho", "")) in SAYS_LITTLE and bound.spelled["rho"] in bound.defaults:
        bound = _without_rho(bound)
    of_function = _of_generator if inspect.isgeneratorfunction(kind) else _of_function
    texts = _of_class(kind, bound, methods) if inspect.isclass(kind) else of_function(kind, bound)
    by_itself = _of_class_itself if inspect.isclass(kind) else _of_curried
    asked = _asked(kind, bound, methods) if inspect.isclass(kind) else _of_pair(kind, bound)
    found: Wrapper | None = None
    for text in chain(islice(by_itself(kind, bound), _MOST), islice(texts, _MOST), asked):
        fault = _fault(text, kind)
        if not fault:
            return Wrapper(text, "")
        if found is None or (fault == _MIXES and found.fault != _MIXES):
            found = Wrapper(text, fault)
    if found is not None:
        return found
    made = f"{_title(kind)}({', '.join(_keywords(bound, ''))})"
    text = _written(bound, {"inner": made}, ["return self.inner(w, g)"])
    return Wrapper(text, _fault(text, kind))


def _without_rho(bound: Bound) -> Bound:
    return replace(bound, spelled={keras: own for keras, own in bound.spelled.items() if keras != "rho"})


_STAYS: Final = "did not take weights down their gradient"
_WHOLE: Final = "took steps of one and more, as a direction is that nobody has multiplied by a learning rate"
_MIXES: Final = "took weights down their gradient, and what one does depends on another's gradient"


def _of_class(kind: Any, bound: Bound, methods: Sequence[str]) -> Iterator[str]:
    all_of_it = parameters_of(kind) or []
    needed = [p for p in all_of_it if p.required and p.name not in bound.taken]
    # Behind what goes by name, all else does, too.
    by_name = needed != all_of_it[: len(needed)]
    for values in product(*(_AT_FIRST.get(p.role, _SHAPES) for p in needed)):
        given = [f"{p.name}={word}" if by_name else word for p, word in zip(needed, values, strict=True)]
        made = f"{_title(kind)}({', '.join([*given, *_keywords(bound, '')])})"
        for method in methods:
            own = (parameters_of(getattr(kind, method)) or [])[1:]
            callee = "self.inner" if method == "__call__" else f"self.inner.{method}"
            for lines in _called_in(callee, own):
                if needed:
                    first = "self.inner = self.make(w) if self.inner is None else self.inner"
                    yield _written(bound, {"make": f"lambda w: {made}", "inner": "None"}, [first, *lines])
                else:
                    yield _written(bound, {"inner": made}, lines)


def _called_in(callee: str, own: Sequence[Parameter], given: Sequence[str] = ()) -> Iterator[list[str]]:
    """Yield the lines of calls with weights and gradient as they are, in a mapping, in a list, or as columns."""
    for (into, out), call in product(_HOLDERS, _calls(own)):
        words = [*(into.format(word) if word in ("w", "g") else word for word in call), *given]
        yield from _bodies(f"{callee}({', '.join(words)})", out)
        if out and "w" in call:  # what is held may be another array after
            held = [into.format("w"), "p"]
            words = [held[1] if word == held[0] else word for word in words]
            yield [f"p = {held[0]}", f"{callee}({', '.join(words)})", f"return p{out}"]


def _of_class_itself(kind: Any, bound: Bound) -> Iterator[str]:
    """Yield wrappers of a class that nobody makes an instance of: of a class of its own for each tensor.

    What it holds begins as it stands there, its numbers under the names of Keras; one method may set them.
    """
    own = [name for each in reversed(kind.__mro__[:-1]) for name, held in vars(each).items() if _is_of_class(held)]
    public = [name for name in dict.fromkeys(own) if not name.startswith("_")]
    setters = [name for name in public if not {"params", "grads"} & {p.role for p in _needed_by(kind, name)}]
    held = {name: value for name, value in vars(kind).items() if not name.startswith("__")}
    parts = [f'"{name}": {_keras_word(name) or repr(value)}' for name, value in held.items() if _is_written(value)]
    for method, setter in product((name for name in public if name not in setters), ("", *setters)):
        first = ["if self.inner is None:", f'    self.inner = type("Own", ({_title(kind)},), {{{", ".join(parts)}}})']
        set_up = ", ".join([*_handed(_needed_by(kind, setter)), *_given(getattr(kind, setter))]) if setter else ""
        first += [f"    self.inner.{setter}({set_up})"] if setter else []
        given = _given(getattr(kind, method))
        for lines in _called_in(f"self.inner.{method}", _needed_by(kind, method), given):
            yield _written(bound, {"inner": "None"}, [*first, *lines])


def _is_of_class(held: Any) -> bool:
    return isinstance(held, classmethod | staticmethod)


def _is_written(value: Any) -> bool:
    """Whether what a class holds can be written down: a number, nothing, or an empty list or mapping."""
    return isinstance(value, bool | int | float | str | None) or value in ([], {})


def _needed_by(kind: Any, method: str) -> list[Parameter]:
    """Return what a method of a class itself must be given."""
    return [p for p in parameters_of(getattr(kind, method)) or [] if p.required]


def _handed(needed: Sequence[Parameter]) -> list[str]:
    """Return the numbers that must be given, each by its name."""
    return [f"{p.name}={_keras_word(p.name) or 'None'}" for p in needed]


def _given(function: Callable[..., Any]) -> list[str]:
    """Return the numbers that a call may be given and has defaults for, each by its name."""
    found = signature(function)
    return [f"{name}={_keras_word(name)}" for name, p in found.items() if p.default is not NONE and _keras_word(name)]


def _keras_word(name: str) -> str:
    """Return what a wrapper holds for a number of that name, empty for any other."""
    word = _held(name)
    return word if word != "0.0" else ""


def _of_curried(kind: Callable[..., Any], bound: Bound) -> Iterator[str]:
    """Yield wrappers of a function that makes a function that makes one: the first calls once, the last each step."""
    try:
        made = kind(**bound.passed)
    except Exception:  # it needs more than is known here
        return
    first = f"{_title(kind)}({', '.join(_keywords(bound, ''))})"
    for levels in _levels(made):
        for once in reversed(range(len(levels))):  # a state that begins anew at each step is none
            kept = "".join(f"({', '.join(words)})" for words in levels[:once]).replace("self.", "")
            each = "".join(f"({', '.join(words)})" for words in levels[once:])
            make = {"make": f"lambda w: {first}{kept}", "inner": "None"}
            start = "self.inner = self.make(w) if self.inner is None else self.inner"
            for lines in _bodies(f"self.inner{each}", ""):
                yield _written(bound, make, [start, *lines])


def _levels(made: Any, before: Sequence[list[str]] = ()) -> Iterator[list[list[str]]]:
    """Yield what each call of a chain is given whose last one returns no function: a tensor, its gradient, or more."""
    own = [p for p in parameters_of(made) or [] if p.required]
    if not own or len(before) == _DEEPEST:
        return
    offers = [([_KNOWN[p.role]] if p.role in _KNOWN else [_keras_word(p.name) or "w", "g", "self.s"]) for p in own]
    for words in product(*offers):
        sample = {"w": _START.copy(), "g": _GRADIENTS[0].copy(), "self": SimpleNamespace(s=np.zeros_like(_START), t=1)}
        vars(sample["self"]).update(_KERAS)
        try:
            returned = made(*(eval(word, {"np": np, **sample}) for word in words))  # our own words
        except Exception:
            continue
        levels = [*before, list(words)]
        if inspect.isroutine(returned):
            yield from _levels(returned, levels)
        elif len(levels) > 1:
            yield levels


_DEEPEST: Final = 3


def _of_function(kind: Callable[..., Any], bound: Bound) -> Iterator[str]:
    own = [p for p in parameters_of(kind) or [] if p.name not in bound.taken]
    for call in _calls(own):
        for lines in _bodies(f"{_title(kind)}({', '.join([*call, *_keywords(bound, 'self.')])})", ""):
            yield _written(bound, {}, lines)


_PARTS: Final = (("{}", ""), ("{}.ravel()", ".reshape(w.shape)"), ('{{"w": {}}}', '["w"]'), ("[{}]", "[0]"))
"""How arrays go into a generator, and how what it yields comes back: as they are, flat, by name, or in a list."""


def _of_generator(kind: Callable[..., Any], bound: Bound) -> Iterator[str]:
    """Yield wrappers of a generator that is sent what it takes apart, and yields a step or new weights."""
    needed = [p for p in parameters_of(kind) or [] if p.required and p.name not in bound.taken]
    calls = [call for names in _sent_to(kind) for call in _calls([Parameter(n, role_of(n), True) for n in names])]
    calls = [call for call in calls if set(call) <= {"w", "g", "1"}]
    for values in product(*(_KNOWN_TO_MAKE.get(p.role, _SHAPES) for p in needed)):
        given = [f"{p.name}={word}" for p, word in zip(needed, values, strict=True)]
        made = f"lambda w: {_title(kind)}({', '.join([*given, *_keywords(bound, '')])})"
        for (into, out), call in product(_PARTS, calls):
            words = [into.format(word) if word in ("w", "g") else word for word in call]
            sent = f"({', '.join(words)})" if len(words) > 1 else words[0]
            first = ["if self.inner is None:", "    self.inner = self.make(w)", "    next(self.inner)"]
            for lines in _bodies(f"self.inner.send({sent}){out}", ""):
                yield _written(bound, {"make": made, "inner": "None"}, [*first, *lines])


_KNOWN_TO_MAKE: Final = {"params": ("w",), "count": ("0",)}
"""What a generator may be made with beside its hyperparameters."""


_SENT: Final = (["gradient"], ["weights", "gradient"], ["gradient", "weights"], ["number", "weights", "gradient"])
"""What a generator may be sent whose text is not there."""


def _sent_to(kind: Callable[..., Any]) -> Sequence[list[str]]:
    """Return the names under which a generator takes up what it is sent, several where its text does not tell."""
    with suppress(OSError, TypeError, SyntaxError):
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kind)))):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Yield):
                return [[each.id for each in ast.walk(node.targets[0]) if isinstance(each, ast.Name)]]
    return _SENT


def _asked(kind: Any, bound: Bound, methods: Sequence[str]) -> Iterator[str]:
    """Yield wrappers of who is handed an object, made of what it asked of that."""
    yield from _given_before(kind, bound, methods)
    yield from _standing_in(kind, bound, methods)
    yield from _of_tensor(kind, bound, methods)


def _given_before(kind: Any, bound: Bound, methods: Sequence[str]) -> Iterator[str]:
    """Yield wrappers of a class that one method gives an array to keep, and another one gradients."""
    if any(p.required and p.name not in bound.taken for p in parameters_of(kind) or []):
        return
    taken = {
        method: [p.role for p in (parameters_of(getattr(kind, method)) or [])[1:] if p.required] for method in methods
    }
    givers = [method for method, roles in taken.items() if roles == ["params"]]
    steps = [method for method, roles in taken.items() if roles == ["grads"]]
    made = f"{_title(kind)}({', '.join(_keywords(bound, 'self.'))})"
    for giver, step, (held, _), (into, _) in product(givers, steps, _HOLDERS[:3], _HOLDERS[:3]):
        first = ["if self.inner is None:", f"    self.inner, self.p = {made}, w.copy()"]
        first.append(f"    self.inner.{giver}({held.format('self.p')})")
        lines = ["self.p[...] = w", f"self.inner.{step}({into.format('g')})", "return self.p.copy()"]
        yield _written(bound, {"inner": "None", "p": "None"}, [*first, *lines])


def _of_tensor(kind: Any, bound: Bound, methods: Sequence[str]) -> Iterator[str]:
    """Yield wrappers of a class with a method that takes one tensor with its gradient, an object of any names."""
    needed = [p.name for p in parameters_of(kind) or [] if p.required and p.name not in bound.taken]
    for method in methods:
        if len([p for p in (parameters_of(getattr(kind, method)) or [])[1:] if p.required]) != 1:
            continue
        for plain in (True, False):
            asked = AskedTensor(plain)
            with suppress(Exception):  # what it asked for until then is known
                getattr(kind(**dict.fromkeys(needed), **bound.passed), method)(asked)
            # Of who sets anything on it, only what it asked for first is known.
            held = {name: part_of(name) for name in asked.asked if not plain or role_of(name) in ("params", "grads")}
            weights = next((name for name, word in held.items() if word == "w"), "")
            if not weights or "g" not in held.values():
                continue
            made = f"{_title(kind)}({', '.join([*(f'{name}=None' for name in needed), *_keywords(bound, '')])})"
            parts = ", ".join(f"{name}={word}" for name, word in held.items())
            lines = [f"vars(self.p).update({parts})", f"self.inner.{method}(self.p)", f"return self.p.{weights}"]
            yield _written(bound, {"inner": made, "p": 'type("Tensor", (), {})()'}, lines)


def _of_pair(kind: Callable[..., Any], bound: Bound) -> Iterator[str]:
    """Yield wrappers of a function of two gradients, of weights and biases, with a state by their names."""
    own = [p for p in parameters_of(kind) or [] if p.name not in bound.taken and p.required]
    gradients = [p.name for p in own if p.role in ("grads", "bias_grads")]
    if len(gradients) != 2 or any(p.role not in _KNOWN for p in own):
        return
    call = ", ".join([*(_KNOWN[p.role] for p in own), *_keywords(bound, "self.")])
    rate = "" if "learning_rate" in bound.spelled else "self.learning_rate * "
    first = f"self.s = self.s or {{{', '.join(f'{name!r}: np.zeros_like(w)' for name in gradients)}}}"
    made = f"{_title(kind)}({call})"
    for lines in ([f"step, _, self.s = {made}", f"return w - {rate}step"], [f"w, _, self.s = {made}", "return w"]):
        yield _written(bound, {}, [first, *lines])


def _standing_in(kind: Any, bound: Bound, methods: Sequence[str]) -> Iterator[str]:
    """Yield wrappers of a class whose constructor takes one thing that it asks for the gradient, and for the start.

    What stands in for that has the attributes that it was asked for, each by what its name speaks of.
    """
    needed = [p for p in parameters_of(kind) or [] if p.required and p.name not in bound.taken]
    for method in methods if len(needed) == 1 else ():
        if any(p.required for p in (parameters_of(getattr(kind, method)) or [])[1:]):
            continue
        asked = Asked()
        with suppress(Exception):  # what it asked for until then is known
            getattr(kind(**{needed[0].name: asked}, **bound.passed), method)()
        held = ", ".join(f"{name}={stands_for(name)}" for name in asked.__dict__)
        made = f"{_title(kind)}({', '.join([needed[0].name, *_keywords(bound, '')])})"
        for lines in _bodies(f"self.inner.{method}()", "") if "self.g" in held else ():
            first = ["self.g = g", "if self.inner is None:", f"    self.inner = self.make(SimpleNamespace({held}))"]
            text = _written(bound, {"make": f"lambda {needed[0].name}: {made}", "inner": "None"}, [*first, *lines])
            yield f"from types import SimpleNamespace\n{text}"


def _calls(own: Sequence[Parameter]) -> Iterator[list[str]]:
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
    known = [_KNOWN.get(role, "") if roles.index(role) == place else "" for place, role in enumerate(roles)]
    known = [word or _held(p.name) for word, p in zip(known, used, strict=True)]
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


def _held(name: str) -> str:
    """Return what stands for a hyperparameter of that name, empty for any other."""
    if name not in HYPERPARAMETERS:
        return ""
    meant = next((keras for keras in _KERAS if name == keras or name in BY_NAME[keras].aliases), "")
    return f"self.{meant}" if meant else "0.0"


def _guesses(name: str) -> Sequence[str]:
    counts = any(word in name.lower() for word in ("batch", "size", "num", "count")) or name in ("m", "n", "N")
    return _COUNTS if counts else _GUESSES


def _bodies(call: str, out: str) -> Iterator[list[str]]:
    """Yield what may be made of a call: new weights, a step to take, or weights that changed in place."""
    if _says(call, "self.u"):
        yield [f"w, self.s, self.u = {call}", "return w"]
        # A first moment would go down gradients as a step does; a second one, in its place below, would not.
        yield [f"self.s, self.u, step = {call}", "return w - step"]
        yield [f"step, self.s, self.u = {call}", "return w - step"]
        yield [f"self.s, self.u, w = {call}", "return w"]
        return
    if _says(call, "self.s"):
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


def _written(bound: Bound, held: dict[str, str], lines: list[str]) -> str:
    """Return the text of a wrapper, of which each tensor has an instance; ``held`` is what its constructor keeps.

    It takes no number that it does nothing with, and each of what it wraps under the name that it has there.
    """
    text = "\n".join(lines)
    if _says(text, "self.s"):
        zeros = [] if text.startswith("self.s =") else ["self.s = np.zeros_like(w) if self.s is None else self.s"]
        held, lines = {**held, "s": "None"}, [*zeros, *lines]
    if _says(text, "self.u"):
        held, lines = {**held, "u": "None"}, ["self.u = np.zeros_like(w) if self.u is None else self.u", *lines]
    if _says(text, "self.t"):
        held, lines = {**held, "t": "0"}, ["self.t += 1", *lines]
    numbers = {**_KERAS, **_own(bound)}
    held = {**held, **{name: name for name in numbers if _says(text, f"self.{name}")}}
    kept = f"{', '.join(f'self.{name}' for name in held)} = {', '.join(held.values())}" if held else "pass"
    # What follows an equals sign is handed on; what stands before it is another's argument.
    used = [name for name in numbers if re.search(rf"(?<![\w.]){name}\b(?!=)", kept)]
    arguments = ", ".join(["self", *(f"{name}={numbers[name]!r}" for name in used)])
    body = [f"    def __init__({arguments}):", f"        {kept}"]
    body += ["    def update(self, w, g):", *(f"        {line}" for line in lines)]
    return "\n".join(["class Wrapped:", *body])


def _says(text: str, word: str) -> bool:
    return re.search(rf"{re.escape(word)}\b", text) is not None


_TAKEN: Final = frozenset({"self", "w", "g", "s", "t", "u", "p", "inner", "make", *_KERAS})
"""Names that a wrapper has for something else."""


def _own(bound: Bound) -> dict[str, bool | int | float]:
    """Return the numbers of what is wrapped that none of Keras' names stands for, with its own defaults."""
    return {_called(own): bound.defaults[own] for own in _left(bound)}


def _left(bound: Bound) -> list[str]:
    spelled = set(bound.spelled.values())
    free = (own for own in bound.defaults if own not in spelled and _called(own) not in _TAKEN)
    return [own for own in free if isinstance(bound.defaults[own], bool | int | float)]


def _called(own: str) -> str:
    """Return what an argument is called in a wrapper: the part of a pair as Keras calls that, else its own name."""
    word = word_of(own)
    return word if word.isidentifier() else next(a.name for a in ARGUMENTS if word in a.aliases and a.name != "rho")


def _keywords(bound: Bound, holder: str) -> list[str]:
    """Return what a call is given by keyword; what must be given and stands under no name of a wrapper is usual."""
    names = {bound.spelled[keras]: keras for keras in _KERAS if keras in bound.spelled}
    names |= {own: _called(own) for own in _left(bound)}
    texts = {own: f"{holder}{name}" for own, name in names.items()}
    texts |= {own: repr(value) for own, value in bound.values.items() if own not in {*names, *bound.defaults}}
    return [f"{own}={text}" for own, text in written(texts, bound.defaults, bound.kinds).items()]


def _title(kind: Any) -> str:
    return str(getattr(kind, "__name__", "optimizer"))


def _fault(text: str, kind: Callable[..., Any]) -> str:
    """Return what is wrong with a wrapper, pasted below what it wraps; nothing if its two steps go down gradients."""
    space: dict[str, Any] = {_title(kind): kind, "np": np}
    try:
        exec(text, space)
        places, others = (_walked(space["Wrapped"](), gradients) for gradients in (_GRADIENTS, _OTHERS))
    except (Exception, SystemExit) as error:
        return f"raised {one_line(error).rstrip('.')}"
    if any(place.shape != _START.shape or place.dtype == object for place in places):
        return _STAYS
    if not all(_opposes(b - a, g) for (a, b), g in zip(pairwise(places), _GRADIENTS, strict=True)):
        return _STAYS
    if "learning_rate" not in text and np.all(np.abs(places[1] - places[0]) >= 1):
        return _WHOLE
    # What the last element does is its own affair, so that nothing is spread over the others.
    return "" if np.array_equal(places[-1].ravel()[-1:], others[-1].ravel()[-1:]) else _MIXES


def _walked(wrapped: Any, gradients: Sequence[Array]) -> list[Array]:
    """Return where weights are before and after each step."""
    places = [_START]
    for gradient in gradients:
        places.append(np.array(wrapped.update(places[-1].copy(), gradient.copy())))
    return places


def _opposes(step: Array, gradient: Array) -> bool:
    return bool(np.all(step * gradient < 0) and np.all(np.abs(step) < _NEAR))
