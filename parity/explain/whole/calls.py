"""Which calls a program has, as expressions over its own names and ``x``, ``y`` and ``rate``; a person may write them.

``predict`` yields the model's output, ``loss`` a number, ``grads`` a gradient for each weight, ``step`` trains on one
batch, ``metric`` measures, ``epoch`` trains on all of them. Names and parameters say which is which; what no name says
is left to ``--bind``.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from types import FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from parity.explain.whole.places import Place

PREDICT, LOSS, GRADS, STEP, METRIC, EPOCH = "predict", "loss", "grads", "step", "metric", "epoch"
ROOT: Final = "parity_root"
"""The name under which what holds the weights is kept; a person writes ``self``."""
CALLS: Final = (PREDICT, LOSS, GRADS, STEP, METRIC, EPOCH)

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    PREDICT: (
        *("forward", "feedforward", "feed_forward", "forward_pass", "forward_prop", "forward_propagation", "propagate"),
        *("predict_proba", "predict", "query", "model", "net", "network", "output", "apply", "__call__"),
    ),
    LOSS: (
        *("loss", "compute_loss", "calculate_loss", "get_loss", "loss_fn", "loss_function", "cost", "compute_cost"),
        *("cost_function", "cross_entropy", "crossentropy", "cross_entropy_loss", "categorical_crossentropy", "mse"),
        *("mean_squared_error", "objective", "error"),
    ),
    GRADS: (
        *("gradients", "grads", "gradient", "compute_gradients", "get_gradients", "grad", "backprop", "back_prop"),
        *("backward", "backward_pass", "backward_prop", "backpropagation", "back_propagation", "backward_propagation"),
    ),
    STEP: (
        *("step", "train_step", "train_on_batch", "train_batch", "update_mini_batch", "fit_batch", "partial_fit"),
        *("learn", "train_one", "update", "optimize", "train"),
    ),
    METRIC: (
        "accuracy",
        "get_accuracy",
        "compute_accuracy",
        "calculate_accuracy",
        "evaluate",
        "score",
        "metric",
        "mae",
    ),
    EPOCH: ("train_epoch", "run_epoch", "fit_epoch", "one_epoch", "epoch"),
}
_INPUTS: Final = re.compile(
    r"^(a|x|xs|xb|xn|x_?\d|inputs?|data|batch|images?|a0|features|x_\w+|batch_x|pixels?|vec|vector"
    r"|inputs?_(?!size|dim|shape|units|nodes|layer|feature|channel)\w+)$",
    re.I,
)
_TARGETS: Final = re.compile(
    r"^(y|ys|yb|t|targets?|labels?|y_true|truth|targets_list|y_\w*(true|train|batch)|batch_y|one_hot|expected|answers?)$",
    re.I,
)
_OUTPUTS: Final = re.compile(
    r"^(a[l\d]|yhat|y_hat|y_pred\w*|preds?|predictions?|outputs?|probs?|probabilities|p|out)$", re.I
)
_RATES: Final = re.compile(r"^(lr|rate|learning_rate|eta|alpha|step_size|l_?rate)$", re.I)
_CACHES: Final = re.compile(r"^(caches?|memory|cached|activations|state|hidden)$", re.I)
_PARAMS: Final = re.compile(r"^(params?|parameters|weights|theta|ws|model|network|net)$", re.I)


def recognised_calls(names: Mapping[str, Any], root: str, places: list[Place]) -> dict[str, list[str]]:
    """Return expressions for each call that the program seems to have, the likeliest first.

    Args:
        names: those of its file.
        root: the expression that its weights' paths begin at; empty for the file itself.
        places: where its weights are.
    """
    found: dict[str, list[str]] = {call: [] for call in CALLS}
    holders = list(_holders(names, root, places))
    params = _params(names, root, places)
    for call in CALLS:
        for name in _NAMES[call]:
            for holder, owner in holders:
                function = _function(owner, name)
                if function is not None:
                    called = (
                        f"{holder}({{}})"
                        if name == "__call__"
                        else f"{holder}.{name}({{}})"
                        if holder
                        else f"{name}({{}})"
                    )
                    found[call] += _written(called, function, found[PREDICT], params, root)
    return {call: list(dict.fromkeys(expressions)) for call, expressions in found.items()}


def recognised_rates(names: Mapping[str, Any], root: str, places: list[Place]) -> list[str]:
    """Return what holds a learning rate that a step may use, each as what can be assigned to.

    It is a number of the object that holds the weights, of the file, or of an object of the file, such as an optimizer.
    """
    found = []
    objects = [(n, v) for n, v in names.items() if not n.startswith("__") and n != root and hasattr(v, "__dict__")]
    objects = [(n, v) for n, v in objects if not isinstance(v, type | FunctionType | ModuleType)]
    for holder, owner in [*_holders(names, root, places), *objects]:
        held = owner if isinstance(owner, Mapping) else getattr(owner, "__dict__", {})
        for name, value in held.items():
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if _RATES.match(name) and number:
                found.append(f"{holder}.{name}" if holder else f"globals()[{name!r}]")
    return list(dict.fromkeys(found))


def _holders(names: Mapping[str, Any], root: str, places: list[Place]) -> Iterator[tuple[str, Any]]:
    """Yield what has the calls: the object that holds the weights, and the file."""
    if root:
        yield root, names[root]
    elif places:
        first = places[0].path.partition(".")[0]
        owner = names.get(first)
        if owner is not None and type(owner).__module__ != "builtins" and "." in places[0].path:
            yield first, owner
    yield "", names


def _params(names: Mapping[str, Any], root: str, places: list[Place]) -> str:
    """Return the expression of what holds all weights, for functions that are passed it; empty where nothing does."""
    ways = [place.keys()[:-1] for place in places]
    common: list[str] = [keys[0] for keys in takewhile(lambda keys: len({*keys}) == 1, zip(*ways, strict=False))]
    if not root and not common:
        return ""
    path: str
    path, *rest = [root, *common] if root else common
    value = names.get(path)
    for key in rest:
        if isinstance(value, list | tuple):
            path, value = f"{path}[{key}]", value[int(key)]
        elif isinstance(value, Mapping):
            path, value = f"{path}[{key!r}]", value.get(key)
        else:
            path, value = f"{path}.{key}", getattr(value, key, None)
    return path


def _function(owner: Any, name: str) -> Callable[..., Any] | None:
    if isinstance(owner, Mapping):
        value = owner.get(name)
        return value if isinstance(value, FunctionType) else None
    if name == "__call__" and not callable(owner):
        return None
    value = getattr(owner, name, None)
    return value if callable(value) and not isinstance(value, type) else None


def _written(called: str, function: Callable[..., Any], predicts: list[str], params: str, root: str) -> Iterator[str]:
    """Yield ways to write a call, by the names of its parameters."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return
    predict = predicts[0] if predicts else ""
    for output in ("", "[0]", "[-1]"):
        arguments: list[str] = []
        uses_output = False
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            written = _argument(parameter.name, predict, output, params)
            optional = parameter.default is not parameter.empty
            if written is None or (written == "rate" and optional):  # its own rate is the program's choice
                if not optional:
                    arguments = []
                    break
                continue
            uses_output |= bool(predict) and written.startswith(predict)
            keyword = parameter.kind is parameter.KEYWORD_ONLY or len(arguments) < parameters.index(parameter)
            arguments.append(f"{parameter.name}={written}" if keyword else written)
        else:
            yield called.format(", ".join(arguments))
        if not uses_output:
            return


def _argument(name: str, predict: str, output: str, params: str) -> str | None:
    if _INPUTS.match(name):
        return "x"
    if _OUTPUTS.match(name) and predict:
        return f"{predict}{output}"
    if _TARGETS.match(name):
        return "y"
    if _RATES.match(name):
        return "rate"
    if _CACHES.match(name) and predict:
        return f"{predict}{'[1]' if output == '[0]' else output}"
    if _PARAMS.match(name) and params:
        return params
    return None
