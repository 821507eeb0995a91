"""What is told of a class or function that has no shape: what was found, what is missing, and a wrapper to paste."""

import inspect
from collections.abc import Callable
from typing import Any, Final

from parity.errors import one_line
from parity.subjects.binding.bound import Bound
from parity.subjects.binding.fitting import unheard
from parity.subjects.binding.wrapper import wrapper

_MOST: Final = 3
"""Methods that a refusal quotes, those that usually make a step."""


def refusal(
    kind: Callable[..., Any], bound: Bound, name: str, methods: list[str], raised: list[BaseException], why: str
) -> str:
    """Return what was found, what is missing or not told, and a wrapper for it, ready to paste.

    Args:
        kind: what was refused, a class or a function.
        bound: what its constructor is passed.
        name: what the person called it.
        methods: those of a class, what is usually a step first.
        raised: what the trials raised, the nearest shape first, with its name as a note.
        why: what is ambiguous, where that is known.
    """
    title = getattr(kind, "__name__", "optimizer")
    if inspect.isclass(kind):
        calls = [f"{m}{_text(getattr(kind, m))}" for m in methods if inspect.isroutine(getattr(kind, m, None))]
        more = f" and {len(calls) - _MOST} more" if len(calls) > _MOST else ""
        found = f"{title}{_text(kind)} has {', '.join(calls[:_MOST]) or 'no methods'}{more}"
    else:
        found = f"{title}{_text(kind)} is a function"
    nothing = "No call of it takes weights and gradients and moves the weights."
    tried = f"The nearest, {raised[0].__notes__[0]}, raised {one_line(raised[0]).rstrip('.')}." if raised else nothing
    tried = why or tried
    with unheard():
        paste = wrapper(kind, bound, [*methods, *_private(kind)])
    works = "This wrapper, which was tried, may say what it means"
    how = works if not paste.fault else f"No wrapper worked when it was tried; the likeliest {paste.fault}"
    where = f"{name.rpartition(':')[0]}:Wrapped" if ":" in name else "the wrapper"
    text = "\n".join(f"  {line}" for line in paste.text.split("\n"))
    return f"{name} has no shape that can be driven: {found}. {tried} {how}; name {where} instead:\n{text}"


def _private(kind: Any) -> list[str]:
    """Return the names of a class's own methods that are not meant to be called from outside."""
    return [name for name, held in vars(kind).items() if name[:1] == "_" != name[1:2] and inspect.isfunction(held)]


_LONG: Final = 80
"""Characters of a signature that a refusal quotes."""


def _text(function: Any) -> str:
    """Return a signature without types, and without what an instance is handed by itself."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return "(…)"
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values() if p.name not in ("self", "cls")]
    text = str(found.replace(parameters=plain, return_annotation=found.empty))
    return text if len(text) <= _LONG else f"{text[: _LONG - 3].rpartition(',')[0]}, …)"
