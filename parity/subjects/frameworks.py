"""Somebody's optimizer that is one of a framework's: a class that extends it, an instance, or what makes one."""

import inspect
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from parity.case.spec import hyperparameters
from parity.errors import SubjectError, UsageError
from parity.subjects.adapter import Adapter, Own
from parity.subjects.binding.arguments import bind
from parity.subjects.binding.candidates.rules import is_rule
from parity.subjects.binding.fitting import unheard
from parity.subjects.naming import split_bound

_BASES: Final = {
    "keras.Optimizer": "keras",
    "torch.Optimizer": "torch",
    "optax.GradientTransformation": "optax",
}
"""What an optimizer of each framework is an instance of: the package, and the name of the class."""


def framework_of(value: Any) -> str:
    """Return the framework whose optimizer a class extends, or something is an instance of; empty if none's."""
    kind = value if inspect.isclass(value) else type(value)
    bases = {f"{str(base.__module__).partition('.')[0]}.{base.__name__}" for base in type.mro(kind)}
    return next((framework for base, framework in _BASES.items() if base in bases), "")


def of_framework(kind: Any, name: str, mode: str = "") -> Callable[[], Adapter] | None:
    """Return what makes the adapter of an optimizer of a framework's, None for any other.

    Args:
        kind: a class, an instance, or a function that makes one.
        name: the subject's name, with what was bound by hand.
        mode: how the steps of one of Keras' run, such as ``keras-graph``; eagerly where it is empty.

    Raises:
        UsageError: a mode is given for what has none.
        SubjectError: an instance does not tell what it was made with.
    """
    framework = framework_of(kind)
    if framework and not inspect.isclass(kind):
        kind = _maker_like(kind, framework)
    framework = framework or _makes(kind, split_bound(name)[1])
    if mode and framework != "keras":
        allowed = "a mode is for an optimizer that extends keras.optimizers.Optimizer"
        raise UsageError(f"{name}: received the mode {mode!r}; {allowed}: name it without.")
    own = Own(kind, name)
    return (lambda: _adapter(framework, own, mode)) if framework else None


def _adapter(framework: str, own: Own, mode: str) -> Adapter:
    if framework == "torch":
        from parity.subjects.torch import OwnTorchSubject

        return OwnTorchSubject(own)
    if framework == "optax":
        from parity.subjects.optax import OwnOptaxSubject

        return OwnOptaxSubject(own)
    from parity.subjects.keras import KerasSubject
    from parity.subjects.keras_fit import KerasFitSubject

    if mode == "keras-fit":
        return KerasFitSubject(own=own)
    return KerasSubject(mode.removeprefix("keras-") or "eager", own=own)  # type: ignore[arg-type]  # one of MODES


def _makes(kind: Any, chosen: dict[str, str]) -> str:
    """Return the framework of what a function makes, empty for an update rule and for who makes none of those."""
    known = [framework for framework in _BASES.values() if framework in sys.modules]
    if not known or inspect.isclass(kind) or not callable(kind):
        return ""
    with unheard(), suppress(Exception):  # whatever it raises, it is told by whoever drives it in another shape
        bound = bind(kind, hyperparameters()(), chosen)
        if not is_rule(kind, bound):
            return framework_of(kind(**bound.passed, **({bound.owns: _parameters()} if bound.owns else {})))
    return ""


def _parameters() -> list[Any]:
    """Return what one of torch's is made over."""
    torch = sys.modules["torch"]
    return [torch.nn.Parameter(torch.zeros(2))]


def _maker_like(instance: Any, framework: str) -> Callable[..., Any]:
    """Return what makes optimizers like an instance, with other numbers where a case sets them.

    Raises:
        SubjectError: it does not tell with which arguments it was made.
    """
    if framework == "optax":
        return lambda: instance  # its numbers are closed over, and stay
    kind = type(instance)
    told = dict(instance.get_config() if framework == "keras" else instance.defaults)
    taken = [p for p in inspect.signature(kind).parameters.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    over = 0 if framework == "keras" else 1  # the first argument of torch's are the parameters
    missing = [p.name for p in taken[over:] if p.name not in told]
    if missing:
        where = "get_config()" if framework == "keras" else "defaults"
        raise SubjectError(
            f"an instance of {kind.__name__} does not tell what it was made with: its {where} lacks "
            f"{', '.join(missing)}. Add that, or name the class, or a function that makes one."
        )
    names = [p.name for p in taken] if framework == "torch" else list(told)

    def like(*params: Any, **given: Any) -> Any:
        if framework == "keras":
            return kind.from_config({**told, **given})
        return kind(*params, **{name: told[name] for name in names[1:]} | given)

    named = inspect.Parameter.POSITIONAL_OR_KEYWORD
    own = [inspect.Parameter(name, named) for name in names[:over]]
    own += [inspect.Parameter(name, named, default=told[name]) for name in names[over:]]
    like.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]  # PEP 362: what inspect.signature returns
    like.__name__ = kind.__name__
    return like
