"""A person's optimizer, driven in a script as it is driven here: a few lines for each shape that it may have."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from parity.export.script.calls import COPIES, Called, Calls
from parity.export.script.loops import generated, looped
from parity.export.script.side import Side, Wish
from parity.subjects.binding.drivers import arrays, objects, states, twos
from parity.subjects.binding.drivers.holders import HandsObjects
from parity.subjects.binding.drivers.loops import Generators, Loops


def own_side(calls: Calls, wish: Wish) -> Side:
    """Return a person's optimizer as text, without its definition.

    Raises:
        UnsupportedError: nobody has said how its shape is written.
    """
    writer = WRITERS.get(calls.driver)
    if writer is None:
        raise calls.unknown()
    called = writer(calls)
    before, each = called.before, (*calls.moves(), *called.each)
    if any("rates[" in line for line in (*before, *each)):
        before = (f"rates = {calls.rates()}", *before)
    if wish.slot == "parameter":
        value = called.parameter.format(name=f'"{wish.tensor}"', at=calls.at(wish.tensor))
    else:
        value = f'optimizer.slots({called.state})["{wish.slot}"]["{wish.tensor}"]'
    return Side(calls.name, before=before, each=each, value=value)


def _pure(calls: Calls) -> Called:
    before = (f"optimizer, params = {calls.constructor()}, dict(start)", "state = optimizer.init(params)")
    each = (*calls.renewed, f"params, state = optimizer.{calls.more['method']}(params, grads, state)")
    return Called(before, each, "params[{name}]", "state")


def _transformation(calls: Calls) -> Called:
    before = (f"optimizer, params = {calls.constructor()}, dict(start)", "state = optimizer.init(params)")
    each = (f"updates, state = optimizer.{calls.more['method']}(grads, state, params)",
            "params = {n: w + updates[n] for n, w in params.items()}")  # fmt: skip
    return Called(before, (*calls.renewed, *each), "params[{name}]", "state")


def _beside() -> dict[str, str]:
    return {"loss": "0.0", "count": "t + 1", "rate": "rates[t]", "state": "None"}


def _together(calls: Calls) -> Called:
    as_list, owner, call = calls.more["as_list"], calls.more.get("owner", ""), calls.more["call"]
    if calls.more.get("numbered") or calls.more.get("layered"):
        raise calls.unknown()
    grads = "[grads[n] for n in start]" if as_list else "grads"
    pairs = "list(zip([grads[n] for n in start], params))" if as_list else "[(grads[n], params[n]) for n in start]"
    roles = {**_beside(), "params": "params", "grads": grads, "pairs": pairs}
    roles["pairs back"] = "list(zip(params, [grads[n] for n in start]))" if as_list else ""
    before = ["params = [w.copy() for w in start.values()]" if as_list else COPIES]
    if not calls.of_rule:
        before.append(f"optimizer = {calls.constructor(f'{owner}=params' if owner else '')}")
    returned, parameter = calls.returned(), "params[{at}]" if as_list else "params[{name}]"
    first = isinstance(returned, tuple) and bool(returned) and _holds(returned[0], as_list, calls.size)
    holds = first or _holds(returned, as_list, calls.size)
    target = ("changes" if calls.sign else "params") if holds else ""
    if calls.takes_state:
        before.append(f"state = {_first_state(calls.more['state'], as_list)}")
        roles["state"] = "state"
    text = calls.call("optimizer", roles)
    if first and len(returned) > 1 and calls.takes_state:
        each = [f"{target}, state{', *_' if len(returned) > 2 else ''} = {text}"]
    else:
        each = [f"{target} = {text}{'[0]' if first else ''}" if target else text]
    if calls.sign and as_list:
        each.append(f"params = [w {calls.sign} d for w, d in zip(params, changes)]")
    elif calls.sign:
        each.append(f"params = {{n: w {calls.sign} changes[n] for n, w in params.items()}}")
    renewed = calls.renewed if "params" in call.roles and not as_list and not owner else ()
    return Called(tuple(before), (*renewed, *each), parameter)


def _first_state(state: Any, as_list: bool) -> str:
    """Return the state of all tensors that a step is given first."""
    if state is states.zeros:
        zeros = "np.zeros_like(w)"
        return f"[{zeros} for w in start.values()]" if as_list else f"{{n: {zeros} for n, w in start.items()}}"
    return "{}" if state is states.empty else "None"


def _holds(returned: Any, as_list: bool, count: int) -> bool:
    """Whether what a step returned are all tensors, as its driver sees it."""
    return isinstance(returned, list | tuple) and len(returned) == count if as_list else isinstance(returned, Mapping)


def _singly(calls: Calls) -> Called:
    shared, state = calls.more["shared"], calls.more.get("state")
    if calls.more.get("owner") or calls.more.get("shaped"):
        raise calls.unknown()
    holder = "optimizer" if shared else "optimizers[n]"
    roles = {**_beside(), "params": "w", "grads": "grads[n]", "name": "n", "index": "list(params).index(n)"}
    before = [COPIES]
    if not calls.of_rule:
        made = calls.constructor()
        before.append(f"optimizer = {made}" if shared else f"optimizers = {{n: {made} for n in start}}")
    if state is not None or calls.takes_state:
        first = "np.zeros_like(w)" if state is states.zeros else "{}" if state is states.empty else "None"
        before.append(f"states = {{n: {first} for n, w in start.items()}}")
        roles["state"] = "states[n]"
    text, returned = calls.call(holder, roles), calls.returned()
    target = "change" if calls.sign else "params[n]"
    if isinstance(returned, tuple) and len(returned) > 1 and calls.takes_state:
        rest = ", *_" if len(returned) > 2 else ""
        lines = [f"{target}, states[n]{rest} = {text}"]
    elif isinstance(returned, tuple):
        lines = [f"{target} = {text}[0]"]
    else:
        lines = [text if returned is None else f"{target} = {text}"]
    lines += [f"params[n] = w {calls.sign} change"] if calls.sign else []
    return Called(tuple(before), ("for n, w in params.items():", *(f"    {line}" for line in lines)), "params[{name}]")


def _objects(calls: Calls) -> Called:
    held = f"{calls.more['owner']}={'params' if calls.more.get('by_name') else 'list(params.values())'}"
    before = ("params = {n: SimpleNamespace(data=w.copy(), grad=np.zeros_like(w), name=n) for n, w in start.items()}",
              f"optimizer = {calls.constructor(held)}")  # fmt: skip
    if calls.more.get("blank"):
        raise calls.unknown()
    each = (*_gradients(calls.more.get("nested", False)), f"optimizer.{calls.more['method']}()")
    return Called(before, each, "params[{name}].data")


def _gradients(nested: bool) -> tuple[str, str]:
    """Return the lines that hand out gradients to objects."""
    held = "SimpleNamespace(data=grads[n], value=grads[n])" if nested else "grads[n]"
    return "for n, p in params.items():", f"    p.grad = {held}"


def _handed(calls: Calls) -> Called:
    model, owner, giver = calls.more["holder"], calls.more.get("owner", ""), calls.more.get("giver", "")
    if getattr(model, "func", None) is not HandsObjects:
        raise calls.unknown()
    nested = model.keywords["nested"]
    before = ("params = {n: SimpleNamespace(data=w.copy(), grad=np.zeros_like(w), name=n) for n, w in start.items()}",
              "held = list(params.values())",
              "model = SimpleNamespace(parameters=lambda: held, params=lambda: held)",
              f"model.grads = model.gradients = lambda: [p.grad{'.data' * nested} for p in held]",
              f"optimizer = {calls.constructor(f'{owner}=model' if owner else '')}",
              *([f"optimizer.{giver}(model)"] if giver else []))  # fmt: skip
    each = (*_gradients(nested), calls.call("optimizer", {**_beside(), "model": "model"}))
    return Called(before, each, "params[{name}].data")


def _shared(calls: Calls) -> Called:
    owner, taker, held = (calls.more[key] for key in ("owner", "taker", "held"))
    first = (COPIES, "held = {n: np.zeros_like(w) for n, w in start.items()}")
    fill = ("for n, g in grads.items():", "    held[n][...] = g")
    if held == "array":
        kept, returns = calls.heard(objects.Shared).kept, isinstance(calls.returned(), np.ndarray | np.generic)
        each = [f"    {'params[n][...] = ' if returns else ''}{calls.call('each', _beside())}"]
        names = [names[0] for names in kept.values() if names and not returns]
        each += [f"    params[n] = each.{names[0]}"] if names else []
        made = f"optimizers = {{n: {calls.constructor(f'{owner}=w, {taker}=held[n]')} for n, w in params.items()}}"
        return Called((*first, made), (*fill, "for n, each in optimizers.items():", *each), "params[{name}]")
    weights, grads = ("list(params.values())", "list(held.values())") if held == "list" else ("params", "held")
    made = f"optimizer = {calls.constructor(f'{owner}=weights, {taker}={grads}')}"
    shown = "weights[{at}]" if held == "list" else "weights[{name}]"
    return Called((*first, f"weights = {weights}", made), (*fill, calls.call("optimizer", _beside())), shown)


def _layers(calls: Calls) -> Called:
    owner, call = calls.more.get("owner", ""), calls.more["call"]
    if calls.more.get("takes") or calls.more.get("pairs"):
        raise calls.unknown()
    before = ["arrays = [w.copy() for w in start.values()]"]
    if calls.size % 2:
        before.append("arrays.append(np.zeros(1, f))  # a bias, which a layer is to have")
    before += [
        "layers = [SimpleNamespace(weights=w, biases=b, dweights=0 * w, dbiases=0 * b)",
        "          for w, b in zip(arrays[::2], arrays[1::2])]",
    ]
    model = "SimpleNamespace(params={}, layers=layers)"
    held = model if owner == "model" else "layers"
    before.append(f"optimizer = {calls.constructor(f'{owner}={held}' if owner else '')}")
    each = ["for i, n in enumerate(start):",
            '    setattr(layers[i // 2], ("dweights", "dbiases")[i % 2], grads[n])']  # fmt: skip
    each += [f"optimizer.{calls.more['before']}()"] if calls.more["before"] else []
    roles = {"grads": "layer.dweights", "bias_grads": "layer.dbiases"}
    roles |= {"layer": "layer", "index": "i", "name": 'f"layer_{i}"', "layers": "layers", "model": model}
    text = calls.call("optimizer", {**_beside(), **roles})
    if "layer" in call.roles:
        head = "for i, layer in enumerate(layers):" if {"index", "name"} & set(call.roles) else "for layer in layers:"
        each += [head, f"    {text}"]
    else:
        each.append(text)
    each += [f"optimizer.{calls.more['after']}()"] if calls.more["after"] else []
    return Called(tuple(before), tuple(each), "[a for y in layers for a in (y.weights, y.biases)][{at}]")


def _twos(calls: Calls) -> Called:
    if calls.more["as_lists"] or calls.more.get("owners"):
        raise calls.unknown()
    spare = ["arrays.append(np.zeros(1, f))  # a bias, which weights are to have"] if calls.size % 2 else []
    before = ["arrays = [w.copy() for w in start.values()]", *spare]
    before.append("pairs = dict(enumerate([w, b] for w, b in zip(arrays[::2], arrays[1::2])))")
    holder = f"optimizers = {{i: {calls.constructor()} for i in pairs}}"
    before += [] if calls.of_rule else [holder]
    roles = {"params": "w", "biases": "b", "grads": "gs[2 * i]", "bias_grads": "gs[2 * i + 1]", "index": "i"}
    roles = {**_beside(), **roles, "name": 'f"layer_{i}"'}
    if calls.takes_state:
        before.append(f"states = {{i: {_first_state(calls.more['state'], False)} for i in pairs}}")
        roles["state"] = "states[i]"
    text, returned = calls.call("optimizers[i]", roles), calls.returned()
    if calls.more["state"] is states.zeros or (returned is not None and len(returned) > 2):
        raise calls.unknown()
    each = [
        f"gs = [grads[n] for n in start]{' + [np.zeros(1, f)]' if spare else ''}",
        "for i, (w, b) in pairs.items():",
    ]
    each.append(f"    {text}" if returned is None else f"    pairs[i] = {text}")
    return Called(tuple(before), tuple(each), "[a for two in pairs.values() for a in two][{at}]")


def _of_model(calls: Calls) -> Called:
    owner = calls.more.get("owner", "")
    before = ("model = SimpleNamespace(params={n: w.copy() for n, w in start.items()}, grads={}, layers=[])",
              f"optimizer = {calls.constructor(f'{owner}=model' if owner else '')}")  # fmt: skip
    text = calls.call("optimizer", {**_beside(), "model": "model", "grads": "model.grads"})
    return Called(before, ("model.grads = dict(grads)", text), "model.params[{name}]")


def _functions(calls: Calls) -> Called:
    order, pair = calls.more["order"], "adds" in calls.more
    roles = {"count": "t", "grads": "grads[n]", "state": "states[n]", "params": "params[n]"}
    text = f"update({', '.join(roles[role] for role in order)})"
    before = (f"init, update{'' if pair else ', get_params'} = {calls.constructor()}",
              "states = {n: init(w.copy()) for n, w in start.items()}")  # fmt: skip
    if not pair and "params" not in order:
        return Called(before, ("for n in states:", f"    states[n] = {text}"), "get_params(states[{name}])")
    lines = [f"states[n] = {text}", "params[n] = get_params(states[n])"]
    if pair:
        lines = [f"{'change' if calls.more['adds'] else 'params[n]'}, states[n] = {text}"]
        lines += ["params[n] = params[n] + change"] if calls.more["adds"] else []
    return Called((*before, COPIES), ("for n in start:", *(f"    {line}" for line in lines)), "params[{name}]")


def _configured(calls: Calls) -> Called:
    before = (COPIES, f"configs = {{n: {calls.config()} for n, w in start.items()}}")
    each = ("for n, w in params.items():", f"    params[n], configs[n] = {calls.name}(w, grads[n], configs[n])")
    return Called(before, each, "params[{name}]")


WRITERS: Final[dict[Any, Callable[[Calls], Called]]] = {
    states.Pure: _pure,
    states.Transformation: _transformation,
    arrays.Together: _together,
    arrays.Singly: _singly,
    objects.Objects: _objects,
    objects.Shared: _shared,
    objects.Layers: _layers,
    twos.Twos: _twos,
    objects.OfModel: _of_model,
    objects.Handed: _handed,
    states.Functions: _functions,
    states.Configured: _configured,
    Loops: looped,
    Generators: generated,
}
"""By the driver of a shape, what writes its calls down."""
