"""Optimizers that are not called once a step: generators, and functions that own the loop and ask for gradients."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from parity.errors import UnsupportedError
from parity.subjects.binding.drivers.shape import Called, Make, Rate, Tensors

Held = Literal["array", "list", "mapping"]
"""What one run of an optimizer holds: one tensor, or all of them in a list or a mapping."""
ONE: Final = "array"
ITERATED: Final = "__iter__"
"""The method of who makes a step whenever it is asked for the next of whatever it yields."""
_SECONDS: Final = 1.0
"""How long a loop is waited for that is told to end."""


class Argument(NamedTuple):
    """An argument of a function that owns its loop: its own name, and what it is for."""

    name: str
    role: str


class _Parcels(Called):
    """The tensors of a case as the runs of an optimizer hold them, one run a tensor or one for all."""

    owns_loop = True

    def __init__(self, params: Tensors, held: Held) -> None:
        self._names, self._held = list(params), held
        self.params: dict[str, Any] = {name: np.array(array) for name, array in params.items()}

    def packed(self, tensors: Tensors) -> dict[str, Any]:
        """Return what each run is handed, by the run."""
        if self._held == ONE:
            return {name: tensors[name] for name in self._names}
        return {"": [tensors[name] for name in self._names] if self._held == "list" else dict(tensors)}

    def copied(self, weights: Any) -> Any:
        """Return copies of what a run shows as its weights, None if it shows something else."""
        if self._held == ONE:
            return np.array(weights) if isinstance(weights, np.ndarray | np.generic) else None
        if self._held == "list":
            fits = isinstance(weights, list | tuple) and len(weights) == len(self._names)
            return [np.array(each) for each in weights] if fits and all(map(_is_array, weights)) else None
        fits = isinstance(weights, Mapping) and set(weights) == set(self._names)
        return {name: np.array(weights[name]) for name in self._names} if fits else None

    def show(self, run: str, weights: Any) -> None:
        """Take up what a run shows as its weights."""
        if self._held == ONE:
            self.params[run] = weights
        else:
            found = weights if isinstance(weights, Mapping) else dict(zip(self._names, weights, strict=True))
            self.params |= found


class Generators(_Parcels):
    """A generator that yields weights: it is sent gradients, draws them from an iterator, or asks a function.

    An instance that is ``ITERATED`` is made for each run, of what a generator is called with.
    """

    def __init__(
        self,
        make: Make,
        params: Tensors,
        rate: Rate,
        method: str,
        arguments: Sequence[Argument],
        held: Held,
        steps: int,
    ) -> None:
        super().__init__(params, held)
        self._steps, self._most = 0, steps + 1
        self.optimizer = None if method == ITERATED else make()
        self._mine = self.packed({name: array.copy() for name, array in params.items()})
        self._pending: dict[str, list[Any]] = {run: [] for run in self._mine}
        self._is_sent = not any(each.role in (*GRADIENTS, "grads") for each in arguments)
        call = _iterated(make) if method == ITERATED else _method(self.optimizer, method)
        self._runs = {run: call(**self._given(run, arguments)) for run in self._mine}
        for run, generator in self._runs.items() if self._is_sent else ():
            self._take(run, next(generator))

    def _given(self, run: str, arguments: Sequence[Argument]) -> dict[str, Any]:
        return _given(arguments, self._mine[run], _Served(self._pending[run]), self._most)

    def step(self, gradients: Tensors) -> None:
        """Hand out the gradients and take up the weights that come back."""
        for run, gradient in self.packed(gradients).items():
            try:
                if self._is_sent:
                    self._take(run, self._runs[run].send(gradient))
                    continue
                self._pending[run].append(gradient)
                while self._pending[run]:  # some yield their first weights before they look at a gradient
                    self._take(run, next(self._runs[run]))
            except StopIteration as end:
                raise UnsupportedError(f"its generator ends after {self._steps} steps, and the case has more.") from end
        self._steps += 1

    def _take(self, run: str, yielded: Any) -> None:
        shown = self.copied(yielded[0] if isinstance(yielded, tuple) and yielded else yielded)
        self.show(run, self.copied(self._mine[run]) if shown is None else shown)

    def close(self) -> None:
        """Close the generators."""
        for generator in self._runs.values():
            if isinstance(generator, Generator):
                generator.close()


_BY_ITSELF: Final = "it was told how many, and stops by itself, as where a gradient is small; leave out what ends it"


class Loops(_Parcels):
    """A function that owns its loop: each of its calls for a gradient is served the next, and shows the weights.

    One that ``asks`` several times a step, to see whether it may stop, is served the same as often. One that asks a
    function ``beside`` it in its module, not an argument, finds what serves it under that name.
    """

    def __init__(
        self,
        make: Make,
        params: Tensors,
        rate: Rate,
        method: str,
        arguments: Sequence[Argument],
        held: Held,
        steps: int,
        asks: int = 1,
        beside: str = "",
    ) -> None:
        super().__init__(params, held)
        self.optimizer, self._steps, self._asks = make(), 0, asks
        told = any(each.role == "steps" for each in arguments)
        self._why = _BY_ITSELF if told else "give the number of steps an argument, such as num_iters, that it is told"

        def call(gradient: Callable[..., Any]) -> Callable[..., Any]:
            return make(**{beside: gradient}) if beside else _method(self.optimizer, method)

        # One more than there are, so that the weights after the last are seen in the call for another gradient.
        self._runs = {
            run: _Run(call, arguments, weights, self.copied, steps + 1, _Asked(rate, steps))
            for run, weights in self.packed({name: array.copy() for name, array in params.items()}).items()
        }

    def step(self, gradients: Tensors) -> None:
        """Serve each run its gradient, and wait until it asks for the next or returns."""
        for run, gradient in self.packed(gradients).items():
            weights = self._runs[run].after(gradient, self._asks)
            if weights is None:
                raise UnsupportedError(f"its loop ends after {self._steps} steps, and the case has more: {self._why}.")
            self.show(run, weights)
        self._steps += 1

    def close(self) -> None:
        """End the loops where they wait."""
        for run in self._runs.values():
            run.end()


def _hears_nothing(*_: Any, **__: Any) -> None:
    """Stand for a callback of who shows its weights otherwise."""


def _given(
    arguments: Sequence[Argument],
    weights: Any,
    gradient: Callable[..., Any],
    steps: int,
    callback: Callable[..., None] = _hears_nothing,
    rate: Callable[..., float] | None = None,
) -> dict[str, Any]:
    """Return what a loop is called with, by the roles of its arguments."""
    roles = {
        "params": weights,
        "grads": gradient,
        "gradient_function": gradient,
        "valued_gradient": lambda *given, **named: (0.0, gradient(*given, **named)),
        "objective": lambda *_, **__: 0.0,
        "callback": callback,
        "rate": rate,
        "steps": steps,
        "tolerance": 0.0,
        "data": None,
    }
    return {each.name: roles[each.role] for each in arguments}


class _Served:
    """Gradients as they come, drawn or asked for: those that wait, and no more."""

    def __init__(self, pending: list[Any]) -> None:
        self._pending = pending

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self._pending.pop()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._pending:
            raise StopIteration
        return self._pending.pop()


GRADIENTS: Final = ("gradient_function", "valued_gradient")
"""Roles of what a loop calls for gradients."""


class _Asked:
    """A learning rate that a loop asks for step by step, from whichever number it counts.

    One that hands over no number is at the step of its call.
    """

    def __init__(self, rate: Rate, steps: int) -> None:
        self._rate, self._last, self._first, self._calls = rate, steps - 1, 0, 0

    def __call__(self, *given: Any, **named: Any) -> float:
        numbers = [int(each) for each in (*given, *named.values()) if isinstance(each, int | float | np.number)]
        self._first = numbers[0] if numbers and not self._calls else self._first
        step = numbers[0] - self._first if numbers else self._calls
        self._calls += 1
        return self._rate(min(max(step, 0), self._last))


class _Ended(BaseException):
    """Ends a loop that nobody waits for any more, in its own thread."""


class _Run:
    """One call of a function that owns its loop, in a thread that waits wherever the loop asks for a gradient."""

    def __init__(
        self,
        call: Callable[[Callable[..., Any]], Callable[..., Any]],
        arguments: Sequence[Argument],
        weights: Any,
        copied: Callable[[Any], Any],
        steps: int,
        rate: Callable[..., float],
    ) -> None:
        self._mine, self._copied, self._seen = weights, copied, copied(weights)
        self._told: Any = None
        self._gradients: SimpleQueue[Any] = SimpleQueue()
        self._news: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        given = _given(arguments, weights, self._gradient, steps, self._heard, rate)
        # The state of NumPy's warnings belongs to a context, and a thread begins in an empty one.
        work = copy_context().run
        self._thread = Thread(target=work, args=(self._work, call(self._gradient), given), daemon=True)
        self._thread.start()
        self._waits = self._listen()

    def _work(self, call: Callable[..., Any], given: dict[str, Any]) -> None:
        try:
            returned = call(**given)
        except _Ended:
            return
        except BaseException as error:  # raised again where the step is made
            self._news.put(("raised", error))
        else:
            self._news.put(("returned", returned))

    def _gradient(self, *given: Any, **named: Any) -> Any:
        """Return the next gradient to the loop, which waits here until there is one."""
        self._news.put(("asks", self._among((*given, *named.values()))))
        gradient = self._gradients.get()
        if gradient is None:
            raise _Ended
        return gradient

    def _heard(self, *given: Any, **named: Any) -> None:
        """Take up what a callback is told; one that hears the weights before the step hears nothing new."""
        told = self._among((*given, *named.values()))
        if told is not None and not _equal(told, self._seen):
            self._told = told

    def after(self, gradient: Any, asks: int) -> Any:
        """Serve a gradient that often, and return the weights that the loop has then; None if it asks for none."""
        if not self._waits:
            return None
        self._told = None
        for _ in range(asks):
            if self._waits:
                self._gradients.put(gradient.copy() if isinstance(gradient, np.ndarray) and asks > 1 else gradient)
                self._waits = self._listen()
        if self._told is not None:
            self._seen = self._told
        return self._seen

    def _listen(self) -> bool:
        """Wait for the loop; return whether it asks for a gradient, having taken up the weights that it shows."""
        what, found = self._news.get()
        if what == "raised":
            raise found
        shown = found if what == "asks" else self._returned(found)
        self._seen = self._copied(self._mine) if shown is None else shown
        return what == "asks"

    def _returned(self, returned: Any) -> Any:
        """Return the weights in what a loop returned: themselves, one of several, or the last of a history."""
        several = returned if isinstance(returned, tuple) else ()
        last = [each[-1] for each in (returned, *several) if isinstance(each, list | np.ndarray) and np.ndim(each) > 0]
        return self._among((returned, *several, *last))

    def _among(self, given: Sequence[Any]) -> Any:
        """Return copies of the first of these that are weights by shape, None if none are."""
        for each in given:
            found = self._copied(each)
            if found is not None and _shapes(found) == _shapes(self._mine):
                return found
        return None

    def end(self) -> None:
        """End the loop where it waits."""
        self._gradients.put(None)
        self._thread.join(_SECONDS)


def _iterated(make: Make) -> Callable[..., Any]:
    def begun(**given: Any) -> Iterator[Any]:
        return iter(make(**given))

    return begun


def _method(optimizer: Any, method: str) -> Callable[..., Any]:
    function: Callable[..., Any] = optimizer if method == "__call__" else getattr(optimizer, method)
    return function


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def _arrays(weights: Any) -> list[Any]:
    held = weights.values() if isinstance(weights, Mapping) else weights if isinstance(weights, list) else [weights]
    return list(held)


def _shapes(weights: Any) -> list[tuple[int, ...]]:
    return [np.shape(each) for each in _arrays(weights)]


def _equal(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(_arrays(one), _arrays(other), strict=True))
