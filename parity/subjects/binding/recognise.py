"""Which shape somebody's optimizer has: by the names in its signatures first, then by a trial on two small tensors."""

import contextlib
import inspect
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from parity.errors import MisbehavedError, SubjectError, one_line
from parity.subjects.binding.arguments import Bound, config_of
from parity.subjects.binding.roles import PLURAL, Parameter, parameters_of, role_of
from parity.subjects.binding.shapes import (
    STATES,
    Call,
    Configured,
    Driver,
    Functions,
    Layers,
    Make,
    Objects,
    OfModel,
    Pure,
    Rate,
    Shared,
    Singly,
    Tensors,
    Together,
    Transformation,
)

_STEPS: Final = (
    *("step", "update", "apply", "apply_gradients", "apply_grads", "optimize", "update_params", "update_weights"),
    *("update_parameters", "update_layer", "update_model", "minimize", "apply_update", "__call__"),
)
"""Names that a step usually has, the most common first; any other method with weights and gradients comes after."""
_NO_STEPS: Final = frozenset(
    {"init", "slots", "reset", "zero_grad", "state_dict", "load_state_dict", "get_config", "clear", "copy"}
)
_ALONE: Final = frozenset({"params", "grads", "pairs"})
_BESIDE: Final = frozenset({"name", "index", "loss", "rate", "count", "state"})


class Shape(NamedTuple):
    """A shape that an optimizer may have: in words, and what drives it, with what that has to know."""

    title: str
    driver: Callable[..., Driver]
    more: dict[str, Any] = {}  # noqa: RUF012  # never written to

    def drive(self, make: Make, params: Tensors, rate: Rate) -> Driver:
        """Return the optimizer with its first weights."""
        return self.driver(make, params, rate, **self.more)


def recognise(kind: Callable[..., Any], make: Make, bound: Bound, name: str) -> Shape:
    """Return the shape of a class, or of a function, that it is driven in.

    Args:
        kind: the class, a function that makes an optimizer, or one that is an update rule.
        make: makes an instance with Keras' hyperparameters; for an update rule, the rule with them.
        bound: what it is passed.
        name: the subject's name, for the error.

    Raises:
        SubjectError: it has no shape that is known, with what was found and a wrapper to paste.
    """
    fitting: Shape | None = None
    raised: list[Exception] = []
    for shape in _candidates(kind, make, bound):
        if shape.driver is Pure:
            return shape  # init and step say it all; whatever a step does, it does in the cases, which tell it
        outcome = _trial(shape, make, raised)
        if outcome == APART:
            return shape
        # Who raises what no wrong shape would make it raise is told so by the cases.
        fitting = fitting or (shape if outcome in (FITS, RAISES) else None)
    if fitting is None:
        raise SubjectError(_refusal(kind, name, raised))
    return fitting


def after_steps(shape: Shape, make: Make, before: Callable[[Driver, int], None] | None = None) -> Any:
    """Return where a small tensor is after two steps, None where they cannot be made; ``before`` comes before each."""
    return _moved(shape, make, _FIRST, [], before)


def fits(shape: Shape, make: Make) -> bool:
    """Whether an optimizer made in this way moves two small tensors in a shape."""
    return _moved(shape, make, _FIRST, []) is not None


def is_rule(kind: Callable[..., Any], bound: Bound) -> bool:
    """Whether a function is an update rule itself, which takes weights and gradients, not a maker of optimizers."""
    if inspect.isclass(kind):
        return False
    roles = {p.role for p in parameters_of(kind) or () if p.name not in bound.spelled.values()}
    return {"params", "grads"} <= roles


def _candidates(kind: Callable[..., Any], make: Make, bound: Bound) -> Iterator[Shape]:
    config = config_of(kind)
    if config is not None:
        arrays = [name for name, value in config.items() if name not in bound.values and np.shape(value) == (2,)]

        def first(w: Any) -> dict[str, Any]:
            return {**config, **{name: np.zeros_like(w) for name in arrays}}

        title = f"{getattr(kind, '__name__', 'f')}(w, dw, config) -> (w, config), a config for each tensor"
        yield Shape(title, Configured, {"first": first})
        return
    if is_rule(kind, bound):
        taken = set(bound.spelled.values())
        yield from _of_call("__call__", [p for p in parameters_of(kind) or () if p.name not in taken], "")
        return
    holder: Any = kind
    if not inspect.isclass(kind):
        try:
            holder = make()
        except Exception:  # it needs something that no candidate would give it either
            return
    if isinstance(holder, tuple) and len(holder) == 3 and all(map(callable, holder)):
        yield Shape("(init, update, get_params), a state for each tensor", Functions)
    yield from _stateful(holder)
    for method in _methods(holder):
        yield from _of_call(method, _own(holder, method), bound.owns, bound.takes_gradients, holder)
    if inspect.isclass(kind) and not bound.owns:
        yield from _of_constructed(make)


def _of_constructed(make: Callable[[], Any]) -> Iterator[Shape]:
    """Yield the shapes of functions that a constructor makes and keeps: closures over its arguments."""
    try:
        made = vars(make())
    except Exception:  # no instance without more than is known here, or one without a mapping of attributes
        return
    for name, function in made.items():
        if inspect.isfunction(function) and not name.startswith("_"):
            yield from _of_call(name, parameters_of(function) or [], "")


def _stateful(holder: Any) -> Iterator[Shape]:
    """Yield the shapes whose state is handed in and out."""
    if not callable(getattr(holder, "init", None)):
        return
    for method in ("step", "update"):
        own = _own(holder, method) if callable(getattr(holder, method, None)) else []
        if len([p for p in own if p.required]) < 2 or len(own) < 3:
            continue
        if own[0].role == "grads" or own[1].role == "state":
            title = f"init(params), {method}(grads, state, params) -> (updates, state)"
            yield Shape(title, Transformation, {"method": method})
        else:
            title = f"init(params), {method}(params, grads, state) -> (params, state)"
            yield Shape(title, Pure, {"method": method})


def _methods(holder: Any) -> list[str]:
    """Return the names of public methods, those that usually make a step first."""
    public = [name for name in dir(holder) if not name.startswith("_") and name not in _NO_STEPS]
    if "__call__" in vars(holder if inspect.isclass(holder) else type(holder)):
        public.append("__call__")
    functions = [name for name in public if callable(inspect.getattr_static(holder, name, None)) or name == "__call__"]
    return sorted(functions, key=lambda name: _STEPS.index(name) if name in _STEPS else len(_STEPS))


def _own(holder: Any, method: str) -> list[Parameter]:
    """Return the parameters of a method, without self."""
    found = parameters_of(getattr(holder, method)) or []
    bound = not inspect.isclass(holder) or isinstance(
        inspect.getattr_static(holder, method, None), staticmethod | classmethod
    )
    return found if bound else found[1:]


def _of_call(
    method: str, parameters: Sequence[Parameter], owner: str, taker: str = "", holder: Any = None
) -> Iterator[Shape]:
    """Yield the shapes that a method may have, by the roles of its parameters."""
    used = [p for p in parameters if p.required or p.role in _ALONE or p.role in ("state", "layer", "layers", "model")]
    for roles in _roles(used, bool(owner)):
        call, kinds = Call(method, roles), set(roles)
        plural = any(p.name in PLURAL for p in used)
        if kinds & {"layer", "layers"}:
            yield _layers(call, holder, "")
        elif kinds >= {"model", "grads"}:
            # Some call the mapping of weights their model.
            yield from _of_tensors(Call(method, ["params" if role == "model" else role for role in roles]), True, owner)
            yield Shape(f"{call} with a model's params", OfModel, {"call": call})
        elif "model" in kinds:
            yield Shape(f"{call} with a model's params and grads", OfModel, {"call": call})
            yield _layers(call, holder, "")
        elif {"params", "grads"} <= kinds or (owner and kinds and kinds <= {"grads", *_BESIDE}) or "pairs" in kinds:
            yield from _of_tensors(call, plural, owner)
        elif owner and not kinds and method in _STEPS:
            yield from _of_owner(method, owner, taker, holder)


def _roles(used: Sequence[Parameter], owned: bool) -> Iterator[list[str]]:
    """Yield what the parameters may be for; two whose names say nothing may be weights and gradients."""
    roles = [p.role for p in used]
    unknown = [number for number, role in enumerate(roles) if not role]
    if not unknown:
        yield roles
    elif len(unknown) == 1 and ({"params", "grads"} & set(roles) or owned):
        missing = "params" if "grads" in roles else "grads"
        yield [role or missing for role in roles]
    elif len(unknown) == 2 and not {"params", "grads"} & set(roles):
        for pair in (("params", "grads"), ("grads", "params")):
            yield [role or pair[unknown.index(number)] for number, role in enumerate(roles)]


def _of_tensors(call: Call, plural: bool, owner: str) -> Iterator[Shape]:
    mapping = Shape(f"{call} over a mapping of all tensors", Together, {"call": call, "as_list": False, "owner": owner})
    listed = Shape(f"{call} over a list of all tensors", Together, {"call": call, "as_list": True, "owner": owner})
    if owner or "pairs" in call.roles:
        yield from (listed,) if "pairs" in call.roles else (mapping, listed)
        return
    told = bool({"name", "index"} & set(call.roles))
    whose = "told which" if told else "an instance for each tensor"
    single = [
        Shape(f"{call}, one array a call, {whose}", Singly, {"call": call, "shared": told, "state": state})
        for state in (STATES if "state" in call.roles else (None,))
    ]
    yield from (mapping, listed, *single) if plural and not told else (*single, mapping, listed)
    if call.name != "__call__" and not told:
        yield Shape(f"{call}, one array a call, one instance for all", Singly, {"call": call, "shared": True})


def _of_owner(method: str, owner: str, taker: str, holder: Any) -> Iterator[Shape]:
    after = f"in the constructor, then {method}()"
    if taker:
        known = {"method": method, "owner": owner, "taker": taker}
        yield Shape(f"lists of parameters and gradients {after}", Shared, known)
    if role_of(owner) in ("layers", "model"):
        yield _layers(Call(method, ()), holder, owner)
        yield Shape(f"a model's params and grads {after}", OfModel, {"call": Call(method, ()), "owner": owner})
    for by_name, word in ((False, "a list"), (True, "a mapping")):
        more: dict[str, Any] = {"method": method, "owner": owner, "by_name": by_name}
        yield Shape(f"{word} of parameters with .data and .grad {after}", Objects, more)


def _layers(call: Call, holder: Any, owner: str) -> Shape:
    """Return the shape of who is handed layers, with the methods that are called before and after."""
    names = [name for name in dir(holder) if callable(getattr(holder, name, None)) and not _own_required(holder, name)]
    before = next((name for name in names if name.startswith("pre_")), "")
    after = next((name for name in names if name.startswith("post_")), "")
    around = "".join(f", {word} it {name}()" for word, name in (("before", before), ("after", after)) if name)
    title = f"{call} with layers that own weights, biases and their gradients{around}"
    return Shape(title, Layers, {"call": call, "before": before, "after": after, "owner": owner})


def _own_required(holder: Any, name: str) -> list[Parameter]:
    return [p for p in _own(holder, name) if p.required] if not name.startswith("_") else []


NO, FITS, APART, RAISES = "no", "fits", "apart", "raises"
_MISFITS: Final = (TypeError, KeyError, AttributeError, IndexError, ValueError, MisbehavedError)
"""What an optimizer raises that is handed another container, or something else, than it takes."""
_START: Final = {
    "parity a": np.array([100.0, 200.0, 300.0], dtype=np.float32),
    "parity b": np.array([400.0, 500.0, 600.0], dtype=np.float32),
}
_FIRST: Final = np.array([1.0, -2.0, 0.5], dtype=np.float32)
_SECOND: Final = np.array([-3.0, 0.25, 2.0], dtype=np.float32)
_NEAR: Final = 50.0
"""Steps of a trial stay below it, and gradients are farther from the weights: what is mixed up shows."""


def _trial(shape: Shape, make: Make, raised: list[Exception]) -> str:
    """Make two steps on two tensors of one shape: whether both move, and neither with the other's gradients.

    What it raises is added to ``raised``.
    """
    before = len(raised)
    once = _moved(shape, make, _FIRST, raised)
    if once is None:
        return RAISES if any(not isinstance(error, _MISFITS) for error in raised[before:]) else NO
    other = _moved(shape, make, 3 * _FIRST, raised)
    return APART if other is not None and np.array_equal(once, other) else FITS


def _moved(
    shape: Shape,
    make: Make,
    gradient: Any,
    raised: list[Exception],
    before: Callable[[Driver, int], None] | None = None,
) -> Any:
    """Return where the second tensor is after two steps, None where the shape does not fit.

    ``gradient`` is that of the first.
    """
    params = {name: array.copy() for name, array in _START.items()}
    unheard = io.StringIO()
    with contextlib.redirect_stdout(unheard), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            driver = shape.drive(make, params, lambda step: 1e-3)
            for step in range(2):
                if before is not None:
                    before(driver, step)
                driver.step(dict(zip(params, (gradient.copy(), _SECOND.copy()), strict=True)))
            after = {name: driver.params[name] for name in _START}
        except Exception as error:  # another shape may fit; the last word is a refusal
            error.add_note(shape.title)
            raised.append(error)
            return None
    fits = [_near(after[name], before) for name, before in _START.items()]
    return np.array(after["parity b"]) if all(fits) else None


def _near(after: Any, before: Any) -> bool:
    if not isinstance(after, np.ndarray) or after.shape != before.shape or after.dtype == object:
        return False
    distance = np.abs(after.astype(np.float64) - before)
    return bool(np.all(np.isfinite(distance)) and np.any(distance > 0) and np.all(distance < _NEAR))


def _refusal(kind: Callable[..., Any], name: str, raised: list[Exception]) -> str:
    """Return what was found, what is missing, and a wrapper for it, ready to paste."""
    title = getattr(kind, "__name__", "optimizer")
    if inspect.isclass(kind):
        calls = [f"{m}{_text(getattr(kind, m))}" for m in _methods(kind) if inspect.isroutine(getattr(kind, m, None))]
        found = f"{title}{_text(kind, skip=1)} has {', '.join(calls[:6]) or 'no methods'}"
    else:
        found = f"{title}{_text(kind)} is a function"
    nothing = "No call of it takes weights and gradients and moves the weights."
    tried = f"The nearest, {raised[0].__notes__[0]}, raised {one_line(raised[0])}." if raised else nothing
    wrapper = [
        "class Wrapped:",
        "    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):",
        f"        self.inner = {title}(...)  # hand the three over by its own names",
        "    def update(self, params, grads):",
        "        for name, g in grads.items():",
        "            params[name] = ...  # what self.inner makes of params[name] and g",
    ]
    return (
        f"{name} has no shape that can be driven: {found}. {tried} "
        f"Wrap it, and name the wrapper instead:\n" + "\n".join(f"  {line}" for line in wrapper)
    )


def _text(function: Any, skip: int = 0) -> str:
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return "(…)"
