"""What the baseline keeps: one entry a comparison, each tied to the circumstances that it was obtained under."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from parity import subjects
from parity.circumstances.doctor import CODE_PATHS
from parity.report.numbers import plain
from parity.trajectory.golden.place import is_golden
from parity.verdicts.results import Comparison
from parity.verdicts.verdict import Verdict

Key = tuple[str, str]
"""A case cell's id and a way of comparing."""

_ALWAYS = ("numpy", "ml_dtypes")
_BEHIND: dict[str, tuple[str, ...]] = {"tensorflow": ("tensorflow", "keras"), "optax": ("optax", "jax")}
_COMPUTING = (*_ALWAYS, "tensorflow", "keras", "tf_keras", "torch", "optax", "jax")
_NOT_COMPUTED = ("id", "case", "summary", "probes", "comparisons", "non_finite")


class Circumstances(Struct, frozen=True, forbid_unknown_fields=True):
    """What may change numbers: the machine, which decides about bits, and versions, which decide about arithmetic."""

    cpu: str
    cores: int
    system: str
    python: str
    parity: str
    packages: dict[str, str]
    environment: dict[str, str]

    @property
    def name(self) -> str:
        """A short name that depends on the content alone."""
        return _digest(msgspec.to_builtins(self))[:8]

    @property
    def machine(self) -> tuple[object, ...]:
        """What decides about bits: width of vectors, contraction, split sums, the C library, and what narrows them."""
        paths = [self.environment.get(name) for name in CODE_PATHS]
        widest = re.search(r"--xla_cpu_max_isa=(\w+)", self.environment.get("XLA_FLAGS", ""))
        return self.cpu, self.cores, self.system, *paths, widest and widest[1]


class Required(Struct, frozen=True, forbid_unknown_fields=True):
    """The bound that the worst difference needed: ``ratio`` of it, and where."""

    ratio: float | str
    bound: float | str
    difference: float | str
    step: int
    slot: str
    tensor: str
    index: list[int]


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """The first divergence; the values and the index of the worst element are what a processor may change."""

    step: int
    slot: str
    tensor: str
    stage: str
    index: list[int]
    obtained: float | str
    expected: float | str


Part = TypeVar("Part", Required, Place)


class Entry(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The accepted outcome of one comparison.

    ``digest`` identifies every bit of the subject's trajectory, ``definition`` the case that asked for it, ``under``
    the circumstances in the same file; ``selector`` is set for a case file that does not lie among the cases.
    """

    case: str
    comparison: str
    verdict: str
    compared: int
    under: str
    required: Required | None = None
    first_divergence: Place | None = None
    digest: str = ""
    definition: str = ""
    selector: str = ""

    @property
    def key(self) -> Key:
        """What identifies the entry within its subject."""
        return self.case, self.comparison

    @property
    def outcome(self) -> Verdict:
        """The verdict as a member of the enum."""
        return Verdict[self.verdict]

    @property
    def result(self) -> tuple[Any, ...]:
        """Everything that is judged on the machine that the entry was made on."""
        return self.verdict, self.compared, self.required, self.first_divergence, self.digest

    @property
    def mark(self) -> str:
        """A digest of the entry, by which a pending change knows what it was compared with."""
        return _digest(msgspec.to_builtins(self))[:16]


def entry_of(item: Comparison, definition: str, under: str) -> Entry:
    """Return what the baseline keeps of a comparison."""
    worst, first = item.worst, item.first_divergence
    made = Entry(
        case=item.case,
        comparison=item.comparison,
        verdict=item.verdict,
        compared=item.compared,
        under=under,
        required=_picked(worst, Required) if worst else None,
        first_divergence=_picked(first, Place) if first else None,
        digest=item.digest,
        definition=definition,
        selector="" if item.selector == item.case else item.selector,
    )
    return msgspec.convert(plain(made), Entry)


def _picked(record: Struct, kind: type[Part]) -> Part:
    """Return a part with those fields of a larger record that it has."""
    return kind(**{field: getattr(record, field) for field in kind.__struct_fields__})


def definition_of(cell: Mapping[str, Any]) -> str:
    """Return a short digest of what a described cell computes; its words and what is judged do not count."""
    return _digest({key: value for key, value in cell.items() if key not in _NOT_COMPUTED})[:12]


def circumstances_of(run: Mapping[str, Any], subject: str) -> Circumstances:
    """Return the part of a run's circumstances that may change this subject's numbers."""
    packages = run.get("packages", {})
    return Circumstances(
        cpu=str(run.get("cpu", "unknown")),
        cores=int(run.get("cores") or 0),
        system=str(run.get("system", "unknown")),
        python=str(run.get("python", "unknown")),
        parity=str(run.get("parity", "unknown")),
        packages={name: packages[name] for name in sorted(_behind(subject)) if name in packages},
        environment=dict(sorted(run.get("environment", {}).items())),
    )


def _behind(subject: str) -> Iterable[str]:
    """Return the packages that compute for a subject; for what others wrote, all that might."""
    entry = subjects.REGISTRY.get(subject)
    if is_golden(subject):
        return _ALWAYS
    if entry is None:
        return _COMPUTING
    return {*_ALWAYS, *(package for module in entry.requires for package in _BEHIND.get(module, (module,)))}


def _digest(value: Any) -> str:
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
