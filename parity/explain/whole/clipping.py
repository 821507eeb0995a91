"""Gradients that are clipped before they are used: as the model's optimizer does it, and at what people write."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from parity.bounds.bounded import Bounded
from parity.bounds.numerics import Array
from parity.bounds.rule import bounded, page

ARGUMENTS: Final = {
    "clipvalue": "each element of the gradients is clipped at ±{:g}",
    "clipnorm": "the gradient of each tensor that is longer than {0:g} is scaled to that length",
    "global_clipnorm": "the gradients are scaled to a length of {0:g} together, where they are longer",
}
"""What an optimizer of Keras is given to clip by, and what that does."""
_USUAL: Final = (1.0, 5.0, 0.5, 0.1, 10.0, 0.01, 2.0, 0.25, 3.0, 0.05, 0.001, 100.0)
_DIGITS: Final = 1e-5
"""By what part a number that is said to six digits may be below the one it stands for, and more."""


@dataclass(frozen=True, slots=True)
class Clip:
    """An argument by which gradients are clipped, and its number."""

    name: str
    number: float

    @property
    def words(self) -> str:
        """What it does."""
        return ARGUMENTS[self.name].format(self.number)


def clip_of(arguments: Mapping[str, Any]) -> Clip | None:
    """Return what an optimizer with such arguments clips by."""
    return next((Clip(name, float(arguments[name])) for name in ARGUMENTS if arguments.get(name)), None)


def clipped(gradients: Sequence[Bounded], clip: Clip) -> list[Bounded]:
    """Return gradients as an update uses them, with their bounds."""
    plain: Any = page("sgd")
    kind: Any = bounded(plain)
    made = kind(learning_rate=1.0, **{clip.name: clip.number})
    named = {str(at): gradient for at, gradient in enumerate(gradients)}
    updates = made.stages(named, named, made.init(named))
    return [updates[name].gradient for name in named]


def sizes(gradients: Sequence[Array]) -> dict[str, float]:
    """Return by argument the largest of what it limits: an element, the length of a tensor, that of all together."""
    lengths = [float(np.linalg.norm(each)) for each in gradients]
    largest = max(float(np.max(np.abs(each), initial=0.0)) for each in gradients)
    return dict(zip(ARGUMENTS, (largest, max(lengths), float(np.linalg.norm(lengths))), strict=True))


def seen(gradients: Sequence[Sequence[Array]]) -> Iterator[Clip]:
    """Yield the clips of which gradients of several batches may be what is left: no size is above the number.

    It is said to six digits.
    """
    for name in ARGUMENTS:
        number = float(f"{max(sizes(each)[name] for each in gradients):.6g}")
        if number and np.isfinite(number):
            yield Clip(name, number)


def changing(clips: Iterable[Clip], gradients: Sequence[Sequence[Array]]) -> Iterator[Clip]:
    """Yield the clips that change some of the gradients."""
    largest = {name: max(sizes(each)[name] for each in gradients) for name in ARGUMENTS}
    yield from (clip for clip in clips if clip.number < largest[clip.name] * (1 - _DIGITS))


def usual() -> Iterator[Clip]:
    """Yield the clips that people write."""
    yield from (Clip(name, number) for name in ARGUMENTS for number in _USUAL)


def told(own: Clip | None, model: Clip | None) -> tuple[str, str, str]:
    """Return the mistake of another clip than the model's: its name, a sentence, and the repair."""
    if own is None:
        assert model is not None
        words = f"{model.name}={model.number:g}"
        sentence = f"no gradient is clipped; the model's optimizer has {words}"
        return "gradient_not_clipped", sentence, f"clip as the model does, or compile it without {words}"
    beside = f"the model's optimizer has {model.name}={model.number:g}" if model else "the model's optimizer clips none"
    repair = "clip as the model does" if model else "leave it out"
    sentence = f"{own.words}; {beside}"
    return "gradient_clipped", sentence, f"{repair}, or give the model's optimizer {own.name}={own.number:g}"
