"""What stands in for libraries that show something: it takes any call and shows nothing."""

from collections.abc import Iterator
from typing import Any


class Shown:
    """A module, a figure or a bar of progress, as far as a program's own code meets it.

    Args:
        items: what it is a bar of progress for; else it yields itself twice, as ``figure, axes = subplots()`` needs.
    """

    def __init__(self, items: Any = None) -> None:
        self._items = items

    def __getattr__(self, name: str) -> "Shown":
        """Return itself for any name, but for those that Python asks for."""
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep nothing but what it is a bar of progress for."""
        if name == "_items":
            object.__setattr__(self, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> "Shown":
        """Return what goes over the first argument if that can be gone over."""
        return Shown(args[0]) if args and hasattr(args[0], "__iter__") and not isinstance(args[0], str) else self

    def __iter__(self) -> Iterator[Any]:
        """Go over what it is a bar of progress for."""
        return iter((self, self) if self._items is None else self._items)

    def __getitem__(self, index: Any) -> "Shown":
        """Return itself."""
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        """Keep nothing."""

    def __enter__(self) -> "Shown":
        """Return itself."""
        return self

    def __exit__(self, *details: object) -> None:
        """Let what was raised go on."""

    def __deepcopy__(self, memo: Any) -> "Shown":
        """Return itself: there is nothing to put back."""
        return self
