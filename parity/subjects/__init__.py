"""Subjects: every implementation that can be compared, by name; an adapter converts and does nothing else.

This file imports no library, so that listing subjects costs nothing. A new subject costs one module with a class that
follows ``Adapter``, and one entry: here, or in another package's entry points under ``parity.subjects``.
"""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from parity.errors import NotInstalledError, UsageError, did_you_mean
from parity.subjects.adapter import Adapter as Adapter
from parity.subjects.naming import split_bound
from parity.subjects.plugged import plugged
from parity.subjects.source import require_named
from parity.trajectory.golden.place import PREFIX, folder_of, is_golden, shipped


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered subject: ``home`` is ``module:Class``, ``requires`` the modules it needs.

    ``rounds_each_operation`` says that no compiler joins or replaces operations, so that bits are no processor's where
    none of them is.
    """

    name: str
    summary: str
    home: str
    requires: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    rounds_each_operation: bool = False


_ENTRIES = (
    Entry(
        "reference",
        "the NumPy page, tf.keras semantics",
        "parity.subjects.numpy_class:ReferenceSubject",
        rounds_each_operation=True,
    ),
    Entry(
        "posted",
        "the optimizer of the question, as posted",
        "parity.subjects.numpy_class:PostedSubject",
        rounds_each_operation=True,
    ),
    Entry(
        "keras-eager",
        "tf.keras, one op at a time",
        "parity.subjects.keras:KerasSubject",
        ("tensorflow",),
        ("eager",),
        rounds_each_operation=True,
    ),
    Entry(
        "keras-graph",
        "tf.keras in a tf.function",
        "parity.subjects.keras:KerasSubject",
        ("tensorflow",),
        ("graph",),
    ),
    Entry("keras-xla", "tf.keras compiled by XLA", "parity.subjects.keras:KerasSubject", ("tensorflow",), ("xla",)),
    Entry(
        "keras-fit",
        "tf.keras inside a real model.fit",
        "parity.subjects.keras_fit:KerasFitSubject",
        ("tensorflow",),
    ),
    Entry(
        "tf_keras",
        "Keras 2, as of 2.11",
        "parity.subjects.tf_keras:TfKerasSubject",
        ("tf_keras", "tensorflow"),
    ),
    Entry(
        "tf_keras-legacy",
        "tf.keras up to 2.10",
        "parity.subjects.tf_keras:TfKerasLegacySubject",
        ("tf_keras", "tensorflow"),
    ),
    Entry("tf1", "TensorFlow 1 RMSPropOptimizer", "parity.subjects.tf1:Tf1Subject", ("tensorflow",)),
    Entry("torch", "torch.optim, one tensor at a time", "parity.subjects.torch:TorchSubject", ("torch",)),
    Entry("optax", "optax, one operation at a time", "parity.subjects.optax:OptaxSubject", ("optax",)),
)
REGISTRY: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def installed(name: str) -> bool:
    """Return whether the modules that a registered subject needs can be found, without importing them."""
    return all(find_spec(module) is not None for module in registered()[name].requires)


@cache
def registered() -> dict[str, Entry]:
    """Return all registered subjects: ours, then those of other packages (entry-point group ``parity.subjects``)."""
    found = dict(REGISTRY)
    for point in plugged():
        found.setdefault(point.name, Entry(point.name, f"from {point.value}", point.value))
    return found


def is_users(name: str) -> bool:
    """Return whether a name points at a class, ``file.py:Class`` or ``package.module:Class``, not the registry."""
    return ":" in name and not is_golden(name)


def create(name: str) -> Adapter:
    """Return the adapter of a subject, not yet opened.

    Raises:
        UsageError: the name is neither registered nor ``golden:NAME`` nor ``path/to/file.py:Class`` nor
            ``package.module:Class``.
        NotInstalledError: the library behind it is missing.
        SubjectError: the file or class behind it cannot be loaded.
    """
    if is_users(name):
        from parity.subjects.loading import load_class

        return load_class(name)
    if is_golden(name):
        from parity.subjects.golden import GoldenSubject

        return GoldenSubject(name)
    entries = registered()
    check_name(name)
    entry = entries[name]
    missing = [module for module in entry.requires if find_spec(module) is None]
    if missing:
        instead = f" Or replay what it did when it was recorded: --subject {PREFIX}{name}." * (name in shipped())
        needed = f"{name} needs {', '.join(missing)}: pip install 'optimizer-parity[{missing[0]}]'."
        raise NotInstalledError(needed + instead)
    module, _, attribute = entry.home.partition(":")
    adapter: Adapter = getattr(import_module(module), attribute)(*entry.arguments)
    return adapter


def check_name(name: str) -> None:
    """Refuse a name that is no subject; of a user's file only its text is read.

    Raises:
        UsageError: with the nearest registered name, or with what is wrong with what the name binds.
        SubjectError: no such file, or no such class in it.
    """
    known = list(registered())
    if is_golden(name):
        folder_of(name)
        return
    plain, chosen = split_bound(name)
    if chosen and not is_users(plain):
        raise UsageError(f"{plain}: nothing can be bound; only a class of your own has names of its own for arguments.")
    if is_users(name) and name.rpartition(":")[0].endswith(".py"):
        require_named(name)
    if is_users(name) or name in known:
        return
    raise UsageError(
        f"no subject {name!r}.{did_you_mean(name, known)} Allowed: {', '.join(known)}, golden:NAME, "
        f"path/to/file.py:Class, or package.module:Class."
    )
