"""What a program calls its gradients is put beside its weights: a mapping, a sequence, or attributes beside each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from parity.bounds.numerics import Array
from parity.errors import SubjectError
from parity.explain.whole.places import Place, got

_AROUND: Final = (
    "d{}",
    "d_{}",
    "grad_{}",
    "{}_grad",
    "g_{}",
    "{}_gradient",
    "gradient_{}",
    "nabla_{}",
    "{}_g",
    "dL_d{}",
    "{}",
)
_BESIDE: Final = ("gradients", "grads", "grad", "gradient")


class AbsentError(SubjectError):
    """A call does not yield what it is asked for: no gradients, or no number."""


class UnlikeError(AbsentError):
    """A call yields what no number of a model can be compared with: text, or complex numbers."""


def gradients_of(
    value: Any, places: Sequence[Place], shapes: Sequence[Sequence[int]], held: Sequence[Any] = ()
) -> list[list[Array]]:
    """Return a gradient for each weight in Keras' shapes, in each order that fits as well; empty if there is none.

    Args:
        value: what a call returned.
        places: where the weights are.
        shapes: those of Keras' tensors.
        held: what the program keeps in these places; a gradient of the very shape of its weight is the likelier one.

    Raises:
        SubjectError: it holds some, but they do not fit the weights.
    """
    if isinstance(value, tuple) and len(value) == 2 and _number(value[0]) and not _number(value[1]):
        value = value[1]
    if isinstance(value, Mapping):
        return [_named(value, places, shapes)]
    flat = list(_flat(value))
    if not flat:
        return []
    fitting = _fitting(flat, places, shapes, [np.shape(each) for each in held] or [tuple(shape) for shape in shapes])
    if fitting:
        return fitting
    have, want = [each.shape for each in flat], [tuple(shape) for shape in shapes]
    raise SubjectError(f"the gradients have shapes {have}; the weights, in the model's order, {want}")


def _fitting(
    flat: list[Array], places: Sequence[Place], shapes: Sequence[Sequence[int]], held: Sequence[tuple[int, ...]]
) -> list[list[Array]]:
    """Return the gradients in each order that fits, those alone in which most have the shape of what is held."""
    found: dict[tuple[int, ...], tuple[int, list[Array]]] = {}
    for order in _orders(flat, len(places)):
        fitted = [_fitted(each, place, shape) for each, place, shape in zip(order, places, shapes, strict=True)]
        whole = [each for each in fitted if each is not None]
        if len(whole) == len(fitted):
            same = sum(each.shape == shape for each, shape in zip(order, held, strict=True))
            found.setdefault(tuple(id(each) for each in order), (same, whole))
    most = max((same for same, _ in found.values()), default=0)
    return [each for same, each in found.values() if same == most]


def _number(value: Any) -> bool:
    return not isinstance(value, Mapping | list | tuple) and np.size(value) == 1


def _flat(value: Any) -> Iterator[Array]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _flat(each)
    elif isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f":
        yield np.asarray(value)


def _orders(flat: list[Array], count: int) -> Iterator[list[Array]]:
    """Yield the orders that gradients may have: the weights', all kernels or biases first, the last layer first."""
    if len(flat) > count:  # an inner gradient beside them, such as that of the inputs
        yield flat[-count:]
        flat = flat[:count]
    if len(flat) != count:
        return
    yield flat
    yield flat[::-1]
    if count % 2:
        return
    half = count // 2
    by_layer = [flat[at : at + 2] for at in range(0, count, 2)]
    kernels_first = [list(pair) for pair in zip(flat[:half], flat[half:], strict=True)]
    biases_first = [pair[::-1] for pair in kernels_first]
    for pairs in (kernels_first, biases_first, by_layer, [pair[::-1] for pair in by_layer]):
        yield [each for pair in pairs for each in pair]
        yield [each for pair in reversed(pairs) for each in pair]


def _named(value: Mapping[Any, Any], places: Sequence[Place], shapes: Sequence[Sequence[int]]) -> list[Array]:
    found = []
    for place, shape in zip(places, shapes, strict=True):
        own = place.keys()[-1]
        names = [pattern.format(own) for pattern in _AROUND]
        name = next((each for each in names if each in value), None)
        if name is None and own.isdigit():
            parent = place.keys()[-2] if len(place.keys()) > 1 else ""
            inner = next((p.format(parent) for p in _AROUND if p.format(parent) in value), None)
            held = value[inner][int(own)] if inner is not None else None
        else:
            held = value[name] if name is not None else None
        if held is None:
            raise SubjectError(f"the gradients have no entry for {place}: {', '.join(map(str, value))}")
        fitted = _fitted(np.asarray(held), place, shape)
        if fitted is None:
            raise SubjectError(f"the gradient of {place} has shape {np.shape(held)}; the weight has {tuple(shape)}")
        found.append(fitted)
    return found


def gradients_beside(root: Any, places: Sequence[Place], shapes: Sequence[Sequence[int]]) -> list[Array]:
    """Return the gradients that a program keeps beside its weights, such as ``layers.0.dweights``.

    Raises:
        AbsentError: it keeps none there.
    """
    found = []
    for place, shape in zip(places, shapes, strict=True):
        for path in _paths(place):
            try:
                held = np.asarray(got(root, path))
            except SubjectError:
                continue
            fitted = _fitted(held, place, shape) if held.dtype.kind == "f" else None
            if fitted is not None:
                found.append(fitted)
                break
        else:
            raise AbsentError(f"no gradient of {place} was returned, and none lies beside it")
    return found


def _paths(place: Place) -> Iterator[str]:
    *way, own = place.keys()
    names = [pattern.format(own) for pattern in _AROUND[:-1]]
    for name in names:
        yield ".".join([*way, name])
    if own.isdigit() and way:
        for pattern in _AROUND[:-1]:
            yield ".".join([*way[:-1], pattern.format(way[-1]), own])
    for beside in _BESIDE:
        for name in (*names, own):
            yield ".".join([*way[:-1], beside, name])


def _fitted(array: Array, place: Place, shape: Sequence[int]) -> Array | None:
    if array.dtype.kind not in "fiu":
        return None
    try:
        turned = np.asarray(place.turned(array))
    except ValueError:
        turned = array
    if turned.size == 1 and len(shape) == 1:  # one number for all units of a bias, which an update spreads
        return np.full(shape, float(turned.reshape(())))
    if turned.shape == tuple(shape):
        return np.array(turned)
    same = [n for n in turned.shape if n != 1] == [n for n in shape if n != 1]
    return np.array(turned).reshape(shape) if same else None
