"""The process that a program runs in: it is taken, driven through probes from one state, and answers with arrays."""

import contextlib
import os
import random
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array
from parity.circumstances import launch, wire
from parity.circumstances.child import private_pipes
from parity.errors import ParityError, SubjectError, did_you_mean, one_line, raised
from parity.explain.whole.calls import (
    EPOCH,
    GRADS,
    LOSS,
    METRIC,
    PREDICT,
    ROOT,
    STEP,
    recognised_calls,
    recognised_rates,
)
from parity.explain.whole.copying import copied
from parity.explain.whole.epochs import Driver, taken_apart
from parity.explain.whole.forms import Form
from parity.explain.whole.gradients import AbsentError, UnlikeError, gradients_beside, gradients_of
from parity.explain.whole.loops import LOOP
from parity.explain.whole.messages import plain, restored
from parity.explain.whole.places import Place, candidates, got, read, recognised, write
from parity.explain.whole.taking import take
from parity.explain.whole.watching import Watch

_EXPRESSION: Final = re.compile(r" (?:in |\()<string>, line \d+(?:: .*)?\)?")
_MOST_STEPS: Final = 2_000
_MOST_KEPT: Final = 64
_AGAIN: Final = 8
"""How often a call is asked for the same: a mask that is drawn may once let everything through."""
_AGAIN_SECONDS: Final = 2.0
_KEPT: Final = (ModuleType, FunctionType, BuiltinFunctionType, type)


class Program:
    """A person's program, which can be put into a state and asked.

    Args:
        path: its file.
        name: what in the file holds the weights: an object, a class or a function that makes it; empty for the file.
        make: an expression that makes it, which a person may give.
        text: what stands in place of what the file holds.
    """

    def __init__(self, path: Path, name: str = "", make: str = "", text: str = "") -> None:
        self._path, self._name, self._make, self._text = path, name, make, text
        self._begin(0)

    def _begin(self, seed: int) -> None:
        """Take the file anew, with other seeds for what it draws."""
        self.seed(seed)
        self.taken = take(self._path, self._text)
        self.names = self.taken.names
        self.root = ""
        if self._make or self._name:
            self.names[ROOT] = self._made()
            self.root = ROOT
        self._start = self._data()

    def _made(self) -> Any:
        text = self._make or self._name
        if text.isidentifier() and text not in self.names:
            there = [name for name in self.names if not name.startswith("__")]
            shown = f" There is: {', '.join(there[:12]) or 'nothing'}."
            raise SubjectError(f"{self._path.name} has no name {text!r}.{did_you_mean(text, there)}{shown}")
        try:
            value = eval(text, self.names)
            return value() if isinstance(value, type | FunctionType) else value
        except Exception as error:  # a person's constructor may raise anything
            left = f" Left out of the file: {'; '.join(self.taken.left[:3])}." if self.taken.left else ""
            how = "Say how with --bind make='Network(784, 10)', an expression over the names of the file"
            raise SubjectError(f"{text!r} of {self._path.name} {raised(error)}.{left} {how}.") from error

    def _data(self) -> dict[str, Any]:
        """Return copies of all that the file's names hold, of one piece: what shares an array goes on sharing it."""
        mutable = {n: v for n, v in self.names.items() if not n.startswith("__") and not isinstance(v, _KEPT)}
        try:
            return copied(mutable)
        except Exception:  # what cannot be copied, such as an open file, stays what it is
            result: dict[str, Any] = {}
            for name, value in mutable.items():
                with contextlib.suppress(Exception):
                    result[name] = copied(value)
            return result

    def restore(self) -> None:
        """Put everything back to how the file left it."""
        self.seed(0)
        self.names.update(copied(self._start))

    @staticmethod
    def seed(seed: int) -> None:
        """Seed the generators that programs draw from."""
        np.random.seed(seed)  # noqa: NPY002  # programs draw from it
        random.seed(seed)

    @property
    def base(self) -> Any:
        """What the weights' paths begin at."""
        return self.names[ROOT] if self.root else self.names

    def weights(self, places: Sequence[Place], shapes: Sequence[Sequence[int]]) -> list[Array]:
        """Return the weights in Keras' shapes."""
        return [read(self.base, place, shape) for place, shape in zip(places, shapes, strict=True)]

    def put(self, places: Sequence[Place], arrays: Sequence[Array], wide: bool) -> None:
        """Put weights where the program keeps them."""
        for place, array in zip(places, arrays, strict=True):
            write(self.base, place, array, wide)

    def watch(self, count: int) -> Watch:
        """Return what keeps the arrays of so many examples that the program passes through."""
        return Watch(str(self._path.parent), lambda array: count == 1 or (array.ndim > 0 and count in array.shape))

    def call(self, expression: str, x: Array, y: Array, rate: float) -> Any:
        """Return what an expression yields."""
        here = {"x": x, "y": y, "rate": rate, "self": self.base, LOOP: self.taken.loops}
        with np.errstate(all="ignore"):
            return (
                eval(expression, self.names, here) if ";" not in expression else _several(expression, self.names, here)
            )


def _several(text: str, names: dict[str, Any], here: dict[str, Any]) -> Any:
    """Run several statements, of which the last is an expression."""
    *first, last = (part.strip() for part in text.split(";"))
    exec("\n".join(first), names, here)
    return eval(last, names, here)


def _opened(request: Mapping[str, Any]) -> tuple[Program, dict[str, Any]]:
    program = Program(Path(request["path"]), request["name"], request["make"])
    shapes = request["shapes"]
    places = [[Place.of(text)] for text in request["weights"]] or _found(program, shapes)
    firsts = [ways[0] for ways in places]
    calls = recognised_calls(program.names, program.root, firsts)
    held = program.weights(firsts, shapes) if request["weights"] else []
    return program, {
        "places": [[str(place) for place in ways] for ways in places],
        "calls": calls,
        "rates": recognised_rates(program.names, program.root, firsts),
        "left": program.taken.left,
        "root": program.root,
        "held": [list(each.shape) for each in held],
    }


def _found(program: Program, shapes: Sequence[Sequence[int]]) -> list[list[Place]]:
    found = recognised(program.base, shapes)
    if not found and not program.root:
        # An object of the file holds them more surely than the names beside it.
        owners = [n for n, v in program.names.items() if not n.startswith("__") and hasattr(v, "__dict__")]
        for name in owners:
            if not isinstance(program.names[name], _KEPT) and recognised(program.names[name], shapes):
                inner = recognised(program.names[name], shapes)
                return [[Place(f"{name}.{p.path}", p.axes) for p in ways] for ways in inner]
    if not found:
        seen = ", ".join(f"{each.path} {each.shape}" for each in candidates(program.base)[:12]) or "none"
        wanted = ", ".join(str(tuple(shape)) for shape in shapes)
        left = f" Left out of the file: {'; '.join(program.taken.left[:4])}." if program.taken.left else ""
        raise SubjectError(
            f"{program._path.name}: the model's weights, {wanted}, were not found. Arrays whose names say that they "
            f"are weights: {seen}.{left} Name them in the model's order, such as --bind weights=W1,b1,W2.T,b2, and "
            f"how the object that holds them is made, such as --bind make='Network(784, 10)'."
        )
    return found


def _evaluated(program: Program, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the calls yield, each from the same state; what raises is told in words."""
    places = [Place.of(text) for text in request["places"]]
    shapes, arrays = request["shapes"], request["weights"]
    x, y = request["x"], request["y"]
    answers: dict[str, Any] = {}
    for call, expression in request["calls"].items():
        program.restore()
        try:
            program.put(places, arrays, request["wide"])
            watch = program.watch(len(x)) if request["kept"] else contextlib.nullcontext()
            with watch as watched:
                value = program.call(expression, np.array(x), np.array(y), request["rate"])
            answers[call] = _answer(program, call, value, places, shapes, request)
            if watched is not None:
                _left(program, watched, places)
                for each in _arrays(value):
                    watched.keep(np.asarray(each))
                answers[call]["kept"] = list(watched.arrays.values())
        except Exception as error:  # whatever a person's program raises is an answer
            answers[call] = _failed(error)
    return answers


def _failed(error: Exception) -> dict[str, Any]:
    """Return what a call raised, and whether the expression is to blame and nothing inside the program."""
    if isinstance(error, ParityError):
        kinds = {"expression": isinstance(error, AbsentError), "unlike": isinstance(error, UnlikeError)}
        return {"error": str(error), **kinds}
    text = raised(error)
    return {"error": _EXPRESSION.sub("", text), "expression": bool(_EXPRESSION.search(text))}


def _again(program: Program, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each call yields several times in a row at the same weights, with other seeds for what it draws."""
    places = [Place.of(text) for text in request["places"]]
    answers: dict[str, Any] = {}
    for call, expression in request["calls"].items():
        program.restore()
        answers[call] = []
        try:
            ends = time.monotonic() + _AGAIN_SECONDS
            for seed in range(_AGAIN):
                if seed > 1 and time.monotonic() > ends:
                    break
                program.seed(seed)
                program.put(places, request["weights"], False)
                value = program.call(expression, np.array(request["x"]), np.array(request["y"]), request["rate"])
                answers[call].append(_answer(program, call, value, places, request["shapes"], request))
        except Exception:  # what it raises when it is asked once is told there
            answers[call] = []
    return answers


def _answer(
    program: Program, call: str, value: Any, places: list[Place], shapes: Any, request: Mapping[str, Any]
) -> dict[str, Any]:
    if call == GRADS:
        for each in _leaves(value):
            _require_real("gradient", each)
        found = _gradients(program, value, places, shapes)
        return {"arrays": found[request["gradients"] % len(found)], "orders": len(found)}
    if call == STEP:
        steps = [program.weights(places, shapes)]
        for _ in range(1, request["steps"]):
            program.call(request["calls"][STEP], np.array(request["x"]), np.array(request["y"]), request["rate"])
            steps.append(program.weights(places, shapes))
        return {"steps": steps}
    if call in (LOSS, METRIC):
        if isinstance(value, tuple) and value:
            value = value[0]
        _require_real(call, value)
        if value is None:
            raise AbsentError(f"the {call} is no number: nothing is returned")
        array = np.asarray(value, dtype=np.float64)
        if array.size != 1:
            raise AbsentError(f"the {call} is no number: it has shape {array.shape}")
        return {"number": float(array.reshape(()))}
    arrays = [np.array(each) for each in _arrays(value)]
    for each in _leaves(value) if not arrays else ():
        _require_real("prediction", each)
    return {"arrays": arrays}


def _require_real(what: str, value: Any) -> None:
    """Refuse what is told apart from any number of a model by its kind.

    Raises:
        UnlikeError: it is text or complex.
    """
    array = np.asarray(value)
    if array.dtype.kind in "USc":
        kind = f"complex: its dtype is {array.dtype}" if array.dtype.kind == "c" else f"text: {str(value)[:40]!r}"
        raise UnlikeError(f"the {what} is {kind}")


def _gradients(program: Program, value: Any, places: list[Place], shapes: Any) -> list[list[Array]]:
    """Return the gradients that a call returned, in each order that fits, else those that lie beside the weights."""
    held = [got(program.base, place.path) for place in places]
    return gradients_of(value, places, shapes, held) or [gradients_beside(program.base, places, shapes)]


def _left(program: Program, watch: Watch, places: Sequence[Place]) -> None:
    """Keep the arrays that a call left behind and that are no weights, such as outputs of layers."""
    own = {id(got(program.base, place.path)) for place in places}
    stack: list[tuple[Any, int]] = [(program.names, 0)]
    seen: set[int] = set()
    while stack:
        value, depth = stack.pop()
        if id(value) in seen or depth > 4 or isinstance(value, (*_KEPT, str, bytes)):
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            if id(value) not in own:
                watch.keep(value)
        elif isinstance(value, Mapping):
            stack += [(each, depth + 1) for key, each in value.items() if not str(key).startswith("__")]
        elif isinstance(value, list | tuple):
            stack += [(each, depth + 1) for each in value[:_MOST_KEPT]]
        elif hasattr(value, "__dict__"):
            stack.append((vars(value), depth))


def _arrays(value: Any) -> Iterator[Any]:
    """Yield the arrays of an output, which may be a tuple with caches beside it."""
    arrays = (np.asarray(each) for each in _leaves(value) if each is not None)
    yield from (array for array in arrays if array.dtype.kind in "fiu")


def _leaves(value: Any) -> Iterator[Any]:
    """Yield what lists, tuples and mappings hold in the end."""
    if isinstance(value, list | tuple) and not _all_numbers(value):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _leaves(each)
    else:
        yield value


def _all_numbers(value: Any) -> bool:
    """Whether a list is one array that is written as lists of Python's numbers."""
    if isinstance(value, list | tuple):
        return all(_all_numbers(each) for each in value)
    return isinstance(value, int | float | np.number)


def _steps(program: Program, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what several steps start from, their gradients by the program's own call, and what they end in.

    The gradients are those that it yields there, and those that it yields at the same weights with nothing before.
    """
    places = [Place.of(text) for text in request["places"]]
    shapes = request["shapes"]
    before: list[list[Array]] = []
    gradients: list[list[Array]] = []
    anew: list[list[Array]] = []
    after: list[list[Array]] = []
    program.restore()
    program.put(places, request["weights"], request["wide"])
    try:
        for x, y in zip(request["xs"], request["ys"], strict=True):
            before.append(program.weights(places, shapes))
            if request["grads"]:
                kept, drawn = program._data(), np.random.get_state()  # noqa: NPY002  # programs draw from it
                for found in (gradients, anew):
                    if found is anew:
                        program.restore()
                        program.put(places, before[-1], request["wide"])
                        np.random.set_state(drawn)  # noqa: NPY002  # what is drawn is not what is kept
                    value = program.call(request["grads"], np.array(x), np.array(y), request["rate"])
                    orders = _gradients(program, value, places, shapes)
                    found.append(orders[request["gradients"] % len(orders)])
                    program.names.update(copied(kept))
                np.random.set_state(drawn)  # noqa: NPY002
            program.call(request["step"], np.array(x), np.array(y), request["rate"])
            after.append(program.weights(places, shapes))
    except Exception as error:  # whatever a person's program raises is an answer
        return {"error": str(error) if isinstance(error, ParityError) else raised(error)}
    return {"before": before, "gradients": gradients, "anew": anew, "after": after}


def _starts(program: Program, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights that the program begins with, for several seeds."""
    places = [Place.of(text) for text in request["places"]]
    found = []
    for seed in range(request["count"]):
        program._begin(seed + 1)
        found.append(program.weights(places, request["shapes"]))
    program._begin(0)
    return {"starts": found}


def _trained(program: Program, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the loss at some steps of a training: on its own until the time is over, or for so many steps."""
    places = [Place.of(text) for text in request["places"]]
    program.restore()
    if request["weights"] is not None:
        program.put(places, request["weights"], False)
    forms = {call: Form(*parts) for call, parts in request["forms"].items()}
    x, y, order, size = request["x"], request["y"], request["order"], request["size"]
    ends, marks = time.process_time() + request["seconds"], request["marks"]

    def called(call: str, at: Any) -> Any:
        form = forms[call]
        inputs, targets = form.inputs(x[at]).astype(np.float64), form.targets(y[at], request["classes"])
        return program.call(request["calls"][call], inputs, targets, request["rate"])

    def loss() -> float:
        single = forms[LOSS].single
        pieces = [[at] for at in range(request["shown"])] if single else [list(range(request["shown"]))]
        values = [called(LOSS, at) for at in pieces]
        return float(np.mean([np.float64(each[0] if isinstance(each, tuple) else each) for each in values]))

    steps, losses = [0], [loss()]
    done = 0
    while (done < marks[-1]) if marks else (time.process_time() < ends and done < _MOST_STEPS):
        called(STEP, np.take(order, range(done * size, (done + 1) * size), mode="wrap"))
        done += 1
        if done in marks or (not marks and _mark(done)):
            steps.append(done)
            losses.append(loss())
    if steps[-1] != done:
        steps.append(done)
        losses.append(loss())
    return {"steps": steps, "losses": losses}


def _epoch(program: Program, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an epoch does, by the program's own steps."""
    places = [Place.of(text) for text in request["places"]]
    forms = {call: Form(*parts) for call, parts in request["forms"].items()}

    def called(call: str, x: Array, y: Array) -> Any:
        form = forms[call]
        inputs, targets = form.inputs(x).astype(np.float64), form.targets(y, request["classes"])
        return program.call(request["calls"][call], inputs, targets, request["rate"])

    def begin() -> None:
        program.restore()
        program.put(places, request["weights"], False)

    def loss(x: Array, y: Array) -> float:
        value = called(LOSS, x, y)
        return float(np.mean(value[0] if isinstance(value, tuple) else value))

    driver = Driver(
        begin,
        lambda x, y: called(EPOCH, x, y),
        lambda x, y: called(STEP, x, y),
        loss if LOSS in forms else None,
        lambda: program.weights(places, request["shapes"]),
    )
    try:
        return taken_apart(driver, request["x"], request["y"])._asdict()
    except Exception as error:  # whatever a person's program raises is an answer
        return {"error": str(error) if isinstance(error, ParityError) else raised(error)}


def _mark(step: int) -> bool:
    """Whether a step is one to look at: each of the first, then ever fewer."""
    return step % (1 << max(0, step.bit_length() - 4)) == 0


def main() -> None:
    """Answer requests until there are no more; the argument is the id of the process that asks."""
    launch.follow(int(sys.argv[1]))
    requests, answers = private_pipes()
    os.environ.setdefault("MPLBACKEND", "Agg")
    del sys.argv[1:]  # a program that reads its arguments was given none
    program: Program | None = None
    actions = {
        "evaluate": _evaluated,
        "again": _again,
        "steps": _steps,
        "starts": _starts,
        "train": _trained,
        "epoch": _epoch,
    }
    while (request := wire.read(requests)) is not None:
        request = restored(request)
        try:
            if request["do"] == "open":
                program, answer = _opened(request)
            elif request["do"] == "take":
                program = Program(Path(request["path"]), request["name"], request["make"], request["text"])
                answer = {}
            else:
                assert program is not None
                answer = actions[request["do"]](program, request)
        except ParityError as error:
            answer = {"error": str(error)}
        except SystemExit as error:
            answer = {"error": f"the program called sys.exit({error.code!r})"}
        except Exception as error:  # whatever a person's program raises is an answer
            answer = {"error": f"the program raised {one_line(error)}"}
        wire.write(answers, plain(answer))


__all__ = ["PREDICT", "Program", "main"]

if __name__ == "__main__":
    main()
