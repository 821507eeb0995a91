"""Which shape somebody's optimizer has: by the names in its signatures first, then by a trial on two small tensors."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np

from parity.errors import SubjectError
from parity.subjects.binding.arguments import HYPERPARAMETERS, Bound, config_of
from parity.subjects.binding.changes import Method, Told, changing, scales
from parity.subjects.binding.faults import Tried, broken
from parity.subjects.binding.fitting import APART, FITS, RAISES, trial, unheard, way
from parity.subjects.binding.holders import HandsArrays, HandsObjects
from parity.subjects.binding.loops import GRADIENTS, ITERATED, Argument, Generators, Loops
from parity.subjects.binding.refusal import refusal
from parity.subjects.binding.roles import PLURAL, Parameter, parameters_of, role_of
from parity.subjects.binding.shapes import (
    GUESSED,
    INSTANCE,
    STATES,
    Call,
    Configured,
    Functions,
    Handed,
    Layers,
    Make,
    Objects,
    OfModel,
    Pure,
    Shape,
    Shared,
    Singly,
    Together,
    Transformation,
    one_array,
)
from parity.subjects.binding.twos import BOTH, of_twos

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
    if is_rule(kind, bound):
        bound = replace(bound, owns="", takes_gradients="")  # which are arguments of each call
    fitting: Shape | None = None
    tried: list[Tried] = []
    for shape in _candidates(kind, make, bound):
        if shape.driver is Pure:
            return shape  # init and step say it all; whatever a step does, it does in the cases, which tell it
        raised: list[BaseException] = []
        outcome = trial(shape, make, raised)
        tried.append(Tried(shape, raised))
        if outcome == APART:
            return shape
        if outcome == FITS:
            shape = shape._replace(title=f"{shape.title}; what one tensor does depends on another's gradients")
        # Who raises what no wrong shape would make it raise is told so by the cases.
        fitting = fitting or (shape if outcome in (FITS, RAISES) else None)
    fitting = fitting or broken(kind, tried)
    errors = [error for each in tried for error in each.raised]
    told = Told(fitting) if fitting else changing(_calls(kind, make, bound), make, bound, errors)
    if told.shape is None:
        methods = _methods(kind) if inspect.isclass(kind) else []
        raise SubjectError(refusal(kind, bound, name, methods, errors, told.why))
    return told.shape


def is_rule(kind: Callable[..., Any], bound: Bound) -> bool:
    """Whether a function is the optimizer itself, not a maker of optimizers.

    It takes weights and gradients, or what gives gradients; or it takes weights and yields them; or it takes gradients
    and cannot do without.
    """
    if inspect.isclass(kind):
        return False
    own = [p for p in parameters_of(kind) or () if p.name not in bound.spelled.values()]
    roles = {p.role for p in own}
    if any(p.role == "grads" and p.required for p in own):
        return True
    return "params" in roles and bool(roles & {"grads", *GRADIENTS} or inspect.isgeneratorfunction(kind))


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
        own = _of_rule(kind, bound)
        yield from _around("__call__", kind, own, _called("__call__", own, make, bound, kind, whose=""))
        return
    holder: Any = kind
    if not inspect.isclass(kind):
        try:
            with unheard():
                holder = make()
        except Exception:  # it needs something that no candidate would give it either
            return
    if inspect.isroutine(holder):
        own = parameters_of(holder) or []
        called = _of_call("__call__", own, "", holder=holder, whose="one made for each tensor")
        yield from _around("__call__", holder, own, called)
        return
    if isinstance(holder, tuple) and len(holder) in (2, 3) and all(map(callable, holder)):
        yield from _of_functions(holder)
    if inspect.isclass(kind) and hasattr(kind, ITERATED):
        own = [p for p in parameters_of(kind) or () if p.name not in bound.spelled.values()]
        if {p.role for p in own} & {"grads", *GRADIENTS}:
            yield from _of_loop(ITERATED, kind, own)
    yield from _stateful(holder)
    for method in _methods(holder):
        own = _own(holder, method)
        yield from _around(method, getattr(holder, method), own, _called(method, own, make, bound, holder))
    if inspect.isclass(kind) and not bound.owns:
        yield from _of_constructed(make)
        yield from _of_given(kind)
        yield from _of_possible(kind, bound)


def _called(
    method: str, own: Sequence[Parameter], make: Make, bound: Bound, holder: Any, whose: str = INSTANCE
) -> Iterator[Shape]:
    """Yield the shapes that a method may have; where nothing else is the learning rate, `step` may be its length."""
    known = bound.has_rate or any(p.role == "rate" for p in own)
    if not known and any(p.role == "count" and p.required for p in own):
        lengths = [p._replace(role="rate") if p.role == "count" and p.required else p for p in own]
        for shape in _of_call(method, lengths, bound.owns, bound.takes_gradients, holder, whose):
            if scales(shape, make, bound):
                yield shape
    for shape in _of_call(method, own, bound.owns, bound.takes_gradients, holder, whose):
        gone = way(shape, make, []) if shape.more.get("takes") else 1.0
        if gone is not None and np.all(np.greater(gone, 0)):
            yield shape


def _calls(kind: Callable[..., Any], make: Make, bound: Bound) -> list[Method]:
    """Return what may be called once a step: an update rule itself, or the methods of what is made."""
    title = getattr(kind, "__name__", "__call__")
    if config_of(kind) is None and is_rule(kind, bound):
        return [Method("__call__", title, _of_rule(kind, bound))]
    holder: Any = kind
    if not inspect.isclass(kind):
        with unheard(), suppress(Exception):
            holder = make()
    if inspect.isroutine(holder):
        return [Method("__call__", title, parameters_of(holder) or [])]
    return [Method(method, method, _own(holder, method)) for method in _methods(holder)]


def _of_rule(kind: Callable[..., Any], bound: Bound) -> list[Parameter]:
    """Return the parameters of an update rule that are no hyperparameters; those behind one go by name."""
    numbers, own = set(bound.spelled.values()), parameters_of(kind) or []
    first = next((place for place, p in enumerate(own) if p.name in numbers), len(own))
    return [p._replace(by_name=p.by_name or place > first) for place, p in enumerate(own) if p.name not in numbers]


_LOOPS: Final = frozenset({"steps", "callback", "objective", "tolerance", *GRADIENTS})
"""Roles of what only an optimizer is given that goes from step to step by itself."""
_OFFERED: Final = frozenset({"steps", "callback", "tolerance"})
"""Those of them that it is given although it has a default for them."""
_DATA: Final = frozenset({"data", "dataset", "batch", "args"})
"""Names of what a loop only hands on to who computes its gradients, which is nothing here."""
_IN_A_LOOP: Final = {"count": "steps", "loss": "objective"}
"""What a role means of a parameter of a whole loop."""


def _around(method: str, function: Any, parameters: Sequence[Parameter], called: Iterator[Shape]) -> Iterator[Shape]:
    """Yield the shapes of who owns the loop, and those of who is called once a step: what the names say comes first."""
    loops = list(_of_loop(method, function, parameters))
    yields = inspect.isgeneratorfunction(function)
    first = yields or bool(_LOOPS & {p.role for p in parameters})
    yield from loops if first else ()
    yield from () if yields else called
    yield from () if first else loops


def _of_loop(method: str, function: Any, parameters: Sequence[Parameter]) -> Iterator[Shape]:
    """Yield the shapes of a generator, or of a function that calls for its gradients, by names of its parameters."""
    arguments: dict[str, Argument] = {}
    for p in parameters:
        role = _IN_A_LOOP.get(p.role, p.role) or ("data" if p.name in _DATA else "")
        known = role in {"params", "grads", "data", *_LOOPS} and role not in arguments
        if known and (p.required or role in _OFFERED):
            arguments[role] = Argument(p.name, role)
        elif p.required:
            return
    yields, asks = (
        method == ITERATED or inspect.isgeneratorfunction(function),
        bool(arguments.keys() & {"grads", *GRADIENTS}),
    )
    if "params" not in arguments or not (yields or asks):
        return
    names = ", ".join(argument.name for argument in arguments.values())
    call = f"{getattr(function, '__name__', method)}({names})"
    what = "a generator that is served gradients" if asks else "a generator that is sent gradients"
    what = what if yields else "a loop of its own that is served gradients call by call"
    more: dict[str, Any] = {"method": method, "arguments": tuple(arguments.values())}
    held = {
        "array": "one run a tensor",
        "mapping": "over a mapping of all tensors",
        "list": "over a list of all tensors",
    }
    plural = arguments["params"].name in PLURAL
    for word in ("mapping", "list", "array") if plural else ("array", "mapping", "list"):
        yield Shape(f"{call}, {what}, {held[word]}", Generators if yields else Loops, {**more, "held": word})
    for word in () if yields else ("mapping", "list", "array") if plural else ("array", "mapping", "list"):
        title = f"{call}, {what}, each twice, {held[word]}"
        yield Shape(title, Loops, {**more, "held": word, "asks": 2})


_OF_FUNCTIONS: Final = {"index": "count"}


def _of_functions(made: tuple[Any, ...]) -> Iterator[Shape]:
    """Yield the shapes of two or three functions: one makes a state, one makes a step, one may tell the parameters."""
    usual = ["count", "grads", "state"] if len(made) == 3 else ["grads", "state", "params"]
    roles = [_OF_FUNCTIONS.get(p.role, p.role) for p in parameters_of(made[1]) or []]
    missing = [role for role in usual if role not in roles]
    if len(missing) == 1 and roles.count("") == 1:
        roles[roles.index("")] = missing[0]
    if not set(roles) <= {"grads", "state", "params", "count"} or "grads" not in roles:
        if len(made) == 2:
            return
        roles = usual
    more = {"order": tuple(roles)}
    if len(made) == 3:
        yield Shape("(init, update, get_params), a state for each tensor", Functions, more)
        return
    for adds, what in ((False, "(params, state)"), (True, "(updates, state)")):
        title = f"(init, update), update({', '.join(roles)}) -> {what}, a state for each tensor"
        yield Shape(title, Functions, {**more, "adds": adds})


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
    method: str,
    parameters: Sequence[Parameter],
    owner: str,
    taker: str = "",
    holder: Any = None,
    whose: str = INSTANCE,
) -> Iterator[Shape]:
    """Yield the shapes that a method may have, by the roles of its parameters.

    ``whose`` says what there is of it for each tensor, empty where it is a function that keeps nothing.
    """
    used = [p for p in parameters if p.required or p.role in _ALONE or p.role in ("state", "layer", "layers", "model")]
    if {p.role for p in used} >= BOTH and not owner:
        yield from of_twos(method, _word(method, holder), used, HYPERPARAMETERS, whose)
        return
    # A layer without biases may be allowed: whoever takes their gradient is given it.
    of_layer = [p.role for p in parameters if p in used or p.role == "bias_grads"]
    if sorted(of_layer) == ["bias_grads", "grads", "layer"]:
        yield _layers(Call(method, of_layer), holder, "")
        return
    used = _without_biases(used)
    for roles in _roles(used, bool(owner)):
        by_name = {role: p.name for role, p in zip(roles, used, strict=True) if p.by_name}
        call, kinds = Call(method, roles, by_name, _word(method, holder)), set(roles)
        plural = any(p.name in PLURAL for p in used)
        if kinds & {"layer", "layers"}:
            yield _layers(call, holder, "")
            yield from _taking(_layers(call, holder, ""))
        elif kinds >= {"model", "grads"}:
            # Some call the mapping of weights their model.
            yield from _of_tensors(Call(method, ["params" if role == "model" else role for role in roles]), True, owner)
            yield Shape(f"{call} with a model's params", OfModel, {"call": call})
        elif "model" in kinds:
            yield Shape(f"{call} with a model's params and grads", OfModel, {"call": call})
            yield _layers(call, holder, "")
            yield from _handed(call, f"in {call}", {})
        elif {"params", "grads"} <= kinds or (owner and kinds and kinds <= {"grads", *_BESIDE}) or "pairs" in kinds:
            yield from _of_tensors(call, plural, owner, whose)
        elif owner and not kinds and method in _STEPS:
            yield from _of_owner(method, owner, taker, holder)


def _word(method: str, holder: Any) -> str:
    """Return what a call is called in words: a function by its own name."""
    return getattr(holder, "__name__", method) if method == "__call__" and inspect.isroutine(holder) else method


def _without_biases(used: Sequence[Parameter]) -> list[Parameter]:
    """Return parameters whose names speak of a bias as what else they may be: of one tensor, or of nothing known."""
    words = {"biases": "", "bias_grads": "grads"}
    return [p._replace(role=words.get(p.role, p.role)) for p in used]


def _roles(used: Sequence[Parameter], owned: bool) -> Iterator[list[str]]:
    """Yield what the parameters may be for; two whose names say nothing may be weights and gradients."""
    roles = [p.role for p in used]
    unknown = [number for number, role in enumerate(roles) if not role]
    if any(roles.count(role) > 1 for role in ("params", "grads")):
        return  # several tensors in a call: which belongs to which is not told
    if any(used[number].name in HYPERPARAMETERS for number in unknown):
        return  # a number that only the caller of each step knows
    if not unknown:
        yield roles
    elif len(unknown) == 1 and {"params", "grads"} <= set(roles):
        yield [role or GUESSED for role in roles]
    elif len(unknown) == 1 and ({"params", "grads"} & set(roles) or owned):
        missing = "params" if "grads" in roles else "grads"
        yield [role or missing for role in roles]
    elif len(unknown) == 2 and not {"params", "grads"} & set(roles):
        for pair in (("params", "grads"), ("grads", "params")):
            yield [role or pair[unknown.index(number)] for number, role in enumerate(roles)]


def _of_tensors(call: Call, plural: bool, owner: str, whose: str = INSTANCE) -> Iterator[Shape]:
    states = STATES if {"state", GUESSED} & set(call.roles) else (None,)
    more = {"call": call, "owner": owner}
    mapping = [
        Shape(f"{call} over a mapping of all tensors", Together, {**more, "as_list": False, "state": state})
        for state in states
    ]
    listed = [
        Shape(f"{call} over a list of all tensors", Together, {**more, "as_list": True, "state": state})
        for state in states
    ]
    numbered = [
        Shape(
            f"{call} over a mapping with keys W{first}, b{first}, ... and dW{first}, db{first}, ...",
            Together,
            {**more, "as_list": False, "numbered": True, "first": first, "state": state},
        )
        for first in (1, 0)
        for state in states
    ]
    if "pairs" in call.roles:
        yield from listed
        return
    layered = Shape(
        f"{call} over a list of mappings with W and b",
        Together,
        {**more, "as_list": False, "layered": True, "state": None},
    )
    if owner:
        yield from (*mapping, *listed, *numbered, layered)
        return
    told = bool({"name", "index"} & set(call.roles))
    title = one_array(call, whose)
    single = [Shape(title, Singly, {"call": call, "shared": told, "state": state}) for state in states]
    yield from (*mapping, *listed, *single) if plural and not told else (*single, *mapping, *listed)
    yield from (*numbered, layered) if plural else ()
    if call.name != "__call__" and not told:
        yield Shape(f"{call}, one array a call, one instance for all", Singly, {"call": call, "shared": True})


def _of_owner(method: str, owner: str, taker: str, holder: Any) -> Iterator[Shape]:
    after = f"in the constructor, then {method}()"
    if taker:
        known = {"method": method, "owner": owner, "taker": taker}
        yield Shape(f"lists of parameters and gradients {after}", Shared, known)
    if role_of(owner) in ("layers", "model"):
        yield _layers(Call(method, ()), holder, owner)
        yield from _taking(_layers(Call(method, ()), holder, owner))
        yield Shape(f"a model's params and grads {after}", OfModel, {"call": Call(method, ()), "owner": owner})
    where = f"in the constructor's {owner}, then {method}()" if not role_of(owner) else after
    for words, more in _OBJECTS.items():
        yield Shape(f"{words} {where}", Objects, {"method": method, "owner": owner, **more})
    if role_of(owner) in ("model", ""):
        yield from _handed(Call(method, ()), where, {"owner": owner})


_OBJECTS: Final[dict[str, dict[str, Any]]] = {
    "a list of parameters with .data and .grad": {"by_name": False},
    "a mapping of parameters with .data and .grad": {"by_name": True},
    "a list of parameters with .data and .grad.data": {"by_name": False, "nested": True},
    "a mapping of parameters with .data and .grad.data": {"by_name": True, "nested": True},
    "a list of parameters with .data, .grad and, from zeros on, what a step keeps on them": {"blank": True},
}
_HANDED: Final = {
    "a model with parameters() and grads()": partial(HandsObjects, nested=False),
    "a model with parameters(), which have .data and .grad.data,": partial(HandsObjects, nested=True),
    "a model with get_weights(), get_gradients() and set_weights(), for weights and for biases,": partial(
        HandsArrays, in_twos=True
    ),
    "a model with get_weights(), get_gradients() and set_weights(), a list each,": partial(HandsArrays, in_twos=False),
}
"""What goes into a constructor, or is handed over, in words, the likeliest first."""
_GIVERS: Final = frozenset(
    {"prepare", "setup", "set_model", "set_target", "set_network", "register", "attach", "bind", "link", "initialize"}
)
"""Names of methods that are given a model before the first step."""


def _handed(call: Call, where: str, more: dict[str, Any]) -> Iterator[Shape]:
    """Yield the shapes of who is handed a model with methods, by whichever of its methods may be called."""
    for words, model in _HANDED.items():
        yield Shape(f"{words} {where}", Handed, {"call": call, "holder": model, **more})


def _of_possible(holder: Any, bound: Bound) -> Iterator[Shape]:
    """Yield the shapes of a constructor that may take the parameters by an argument whose name does not say so."""
    for method in _methods(holder) if bound.may_own else ():
        own = [p for p in _own(holder, method) if p.required]
        if method in _STEPS and not own:
            yield from _of_owner(method, bound.may_own, "", holder)
        elif method in _STEPS and [p.role for p in own] == ["grads"]:
            yield from _of_tensors(Call(method, ["grads"]), False, bound.may_own)


def _of_given(holder: Any) -> Iterator[Shape]:
    """Yield the shapes of who is given a model once, by a method before the first step."""
    methods = _methods(holder)
    for giver in methods:
        takes = [p for p in _own(holder, giver) if p.required] if giver in _GIVERS else []
        for method in methods if len(takes) == 1 else ():
            roles = [p.role for p in _own(holder, method) if p.required]
            if method in _STEPS and roles in ([], ["model"]):
                call = Call(method, roles)
                yield from _handed(call, f"by {giver}(), then {call}", {"giver": giver})


def _layers(call: Call, holder: Any, owner: str) -> Shape:
    """Return the shape of who is handed layers, with the methods that are called before and after."""
    names = [name for name in dir(holder) if callable(getattr(holder, name, None)) and not _own_required(holder, name)]
    before = next((name for name in names if name.startswith("pre_")), "")
    after = next((name for name in names if name.startswith("post_")), "")
    around = "".join(f", {word} it {name}()" for word, name in (("before", before), ("after", after)) if name)
    title = f"{call} with layers that own weights, biases and their gradients{around}"
    return Shape(title, Layers, {"call": call, "before": before, "after": after, "owner": owner})


def _taking(shape: Shape) -> Iterator[Shape]:
    """Yield the shapes of layers that take up a change themselves, whose sign a trial must tell."""
    for sign, word in ((-1, "subtracts"), (1, "adds")):
        title = f"{shape.title}, and whose update(…) {word} a change of each, as the sign of a trial tells"
        yield Shape(title, shape.driver, {**shape.more, "takes": sign})


def _own_required(holder: Any, name: str) -> list[Parameter]:
    return [p for p in _own(holder, name) if p.required] if not name.startswith("_") else []
