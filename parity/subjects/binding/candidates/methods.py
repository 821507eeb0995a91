"""Methods that may make a step, the likeliest first, and what they take."""

import inspect
from typing import Any, Final

from parity.subjects.binding.roles import Parameter, parameters_of

STEPS: Final = (
    *("step", "update", "apply", "apply_gradients", "apply_grads", "optimize", "update_params", "update_weights"),
    *("update_parameters", "update_layer", "update_model", "minimize", "apply_update", "__call__"),
)
"""Names that a step usually has, the most common first; any other method with weights and gradients comes after."""
NO_STEPS: Final = frozenset(
    {"init", "slots", "reset", "zero_grad", "state_dict", "load_state_dict", "get_config", "clear", "copy"}
)


def methods_of(holder: Any) -> list[str]:
    """Return the names of public methods, those that usually make a step first."""
    public = [name for name in dir(holder) if not name.startswith("_") and name not in NO_STEPS]
    kind = holder if inspect.isclass(holder) else type(holder)
    if any("__call__" in vars(each) for each in kind.__mro__[:-1]):
        public.append("__call__")
    functions = [name for name in public if callable(inspect.getattr_static(holder, name, None)) or name == "__call__"]
    return sorted(functions, key=lambda name: STEPS.index(name) if name in STEPS else len(STEPS))


def taken_by(holder: Any, method: str) -> list[Parameter]:
    """Return the parameters of a method, without self."""
    found = parameters_of(getattr(holder, method)) or []
    bound = not inspect.isclass(holder) or isinstance(
        inspect.getattr_static(holder, method, None), staticmethod | classmethod
    )
    return found if bound else found[1:]


def spoken(method: str, holder: Any) -> str:
    """Return what a call is called in words: a function by its own name."""
    return getattr(holder, "__name__", method) if method == "__call__" and inspect.isroutine(holder) else method


def needed_by(holder: Any, name: str) -> list[Parameter]:
    """Return what a public method must be given."""
    return [p for p in taken_by(holder, name) if p.required] if not name.startswith("_") else []
