"""A library's optimizer, written as one who has the library alone would write it."""

from collections.abc import Callable
from typing import Any, Final

from parity.case.rule import find
from parity.errors import UnsupportedError
from parity.export.script.in_keras import as_arguments, departures, keras_side, schedule
from parity.export.script.side import Side, Wish
from parity.problem.problems import Problem
from parity.subjects import keras, keras_fit, optax, tf1, tf_keras, torch
from parity.subjects.adapter import Adapter

Written = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], str]
"""Definitions, what is done once, what at each step, and what is shown then."""


def _torch(adapter: Any, problem: Problem, wish: Wish) -> Written:
    given, steps = problem.cell.hyperparameters, problem.cell.steps
    rates = [adapter.rate_at(step) for step in range(steps)]
    values = {"lr": repr(rates[0])}
    for name, value in adapter.row.values(given).items():
        if value is not False and (value or name not in ("momentum", "weight_decay")):
            values[name] = repr(value)
    values |= {name: repr(value) for name, value in adapter.apart.items()}
    before = [
        "params = {n: torch.from_numpy(w.copy()).requires_grad_() for n, w in start.items()}",
        f"optimizer = {adapter.name}(list(params.values()), {as_arguments(values)})",
    ]
    each = ["for n, p in params.items():", "    p.grad = torch.from_numpy(grads[n].copy())", "optimizer.step()"]
    if len(set(rates)) > 1:
        before.append(f"rates = {rates!r}")
        each.insert(0, 'optimizer.param_groups[0]["lr"] = rates[t]')
    if wish.slot == "parameter":
        return (), tuple(before), tuple(each), f'params["{wish.tensor}"].detach().numpy()'
    key = next((own for own, slot in adapter.row.slots.items() if slot == wish.slot), "")
    return (), tuple(before), tuple(each), f'optimizer.state[params["{wish.tensor}"]]["{key}"].numpy()'


def _optax(adapter: Any, problem: Problem, wish: Wish) -> Written:
    given = problem.cell.hyperparameters
    rate = repr(given.learning_rate)
    before = []
    if not isinstance(given.learning_rate, float | int):
        before.append(f"rates = {[adapter.rate_at(step) for step in range(problem.cell.steps)]!r}")
        rate = "lambda count: rates[int(count)]"
    values = {name: repr(value) for name, value in adapter.row.values(given).items()}
    before += ['jax.config.update("jax_enable_x64", True)'] if problem.cell.dtype == "float64" else []
    before += [f"transform = {adapter.name}({rate}, {as_arguments(values)})",
               "params = {n: jax.numpy.asarray(w) for n, w in start.items()}",
               "state = transform.init(params)"]  # fmt: skip
    each = ["now = {n: jax.numpy.asarray(grads[n]) for n in params}",
            "updates, state = transform.update(now, state, params)",
            "params = optax.apply_updates(params, updates)"]  # fmt: skip
    shown = {"parameter": f'np.array(params["{wish.tensor}"])',
             "momentum_buffer": f'-np.array(state[2].trace["{wish.tensor}"])',
             "base_iterate": f'np.array(state.z["{wish.tensor}"])'}  # fmt: skip
    field = next((own for own, slot in adapter.row.slots.items() if slot == wish.slot), "")
    inside = ".base_optimizer_state" if "base_iterate" in adapter.row.slots.values() else ""
    moment = f'np.array(state{inside}[0].{field}["{wish.tensor}"])'
    return (), tuple(before), tuple(each), shown.get(wish.slot, moment)


_VARIABLES: Final = "variables = [tf.Variable(w, name=n.replace('/', '_')) for n, w in start.items()]"
_APPLIED: Final = "optimizer.apply_gradients([(tf.constant(grads[n]), v) for n, v in zip(start, variables)])"


def _tf_keras(adapter: Any, problem: Problem, wish: Wish) -> Written:
    given = problem.cell.hyperparameters
    values = departures(given, frozenset({"exclude_from_weight_decay"}))
    source, rate = schedule(values.pop("learning_rate"), "tf_keras.optimizers.schedules")
    texts = {"learning_rate": rate, **{name: repr(value) for name, value in values.items()}}
    before = [_VARIABLES, f"optimizer = {adapter.name}({as_arguments(texts)})"]
    at = list(problem.params).index(wish.tensor)
    if "legacy" in adapter.name:
        before.append("optimizer._create_slots(variables)")
        slot = next((own for own, slot in adapter.row.slots.items() if slot == wish.slot), "")
        shown = f'optimizer.get_slot(variables[{at}], "{slot}").numpy()'
    else:
        excluded = list(given.exclude_from_weight_decay or [])
        before += [f"optimizer.exclude_from_weight_decay(var_names={excluded!r})"] if excluded else []
        before.append("optimizer.build(variables)")
        attribute = next((a for a, slot in adapter.row.slots.items() if slot == wish.slot), "")
        shown = f"optimizer.{attribute}[{at}].numpy()"
    return source, tuple(before), (_APPLIED,), f"variables[{at}].numpy()" if wish.slot == "parameter" else shown


def _tf1(adapter: Any, problem: Problem, wish: Wish) -> Written:
    given = problem.cell.hyperparameters
    before = [_VARIABLES]
    rates = [adapter.rate_at(step) for step in range(problem.cell.steps)]
    rate = repr(rates[0])
    if len(set(rates)) > 1:
        before += [f"rates = iter({rates!r})"]
        rate = "lambda: next(rates)"
    words = {"decay": repr(given.rho), "momentum": repr(given.momentum), "epsilon": repr(given.epsilon)}
    words |= {"centered": "True"} if given.centered else {}
    before += [f"optimizer = {adapter.name}({rate}, {as_arguments(words)})", "optimizer._create_slots(variables)"]
    at = list(problem.params).index(wish.tensor)
    slot = next((own for own, name in adapter.row.slots.items() if name == wish.slot), "")
    shown = f'optimizer.get_slot(variables[{at}], "{slot}").numpy()'
    return (), tuple(before), (_APPLIED,), f"variables[{at}].numpy()" if wish.slot == "parameter" else shown


_WRITERS: Final[dict[Any, tuple[tuple[str, ...], Callable[[Any, Problem, Wish], Written]]]] = {
    torch.TorchSubject: (("import torch",), _torch),
    optax.OptaxSubject: (("import jax", "import optax"), _optax),
    tf_keras.TfKerasSubject: (("import tensorflow as tf", "import tf_keras"), _tf_keras),
    tf_keras.TfKerasLegacySubject: (("import tensorflow as tf", "import tf_keras"), _tf_keras),
    tf1.Tf1Subject: (("import tensorflow as tf",), _tf1),
}
"""By the adapter of a library, what it imports and what writes it down."""


def library_side(adapter: Adapter, problem: Problem, wish: Wish) -> Side:
    """Return the optimizer of a library.

    Raises:
        UnsupportedError: nobody has said how it is written.
    """
    if isinstance(adapter, keras.KerasSubject | keras_fit.KerasFitSubject):
        return keras_side(adapter, problem, wish)
    kind = type(adapter)
    if kind not in _WRITERS:
        raise UnsupportedError(f"how {adapter.resolved or kind.__name__} is written in a script is not known.")
    if kind is torch.TorchSubject and problem.cell.dtype == "bfloat16":
        raise UnsupportedError("torch has no bfloat16 that comes from NumPy; reproduce a cell of another dtype.")
    imports, writer = _WRITERS[kind]
    source, before, each, value = writer(adapter, problem, wish)
    title: Any = getattr(adapter, "name", "")
    return Side(f"{title}", imports, source, before, each, value=value)


def formula_of(rule: str, folder: str) -> str:
    """Return what the expected side is called: Keras' class of the rule, or the page."""
    if rule in keras.ROWS:
        return f"keras.optimizers.{keras.ROWS[rule].kind}"
    return find(rule, folder).kind
