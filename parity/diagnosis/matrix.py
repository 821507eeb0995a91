"""Every subject against every other, mode by mode: identical, rounding, or which switches, from running them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from parity import subjects
from parity.bounds.numerics import Array
from parity.diagnosis.behaviour import run
from parity.diagnosis.diagnose import diagnose_observed, observe_modes
from parity.diagnosis.findings import Diagnosis, Explanation, Finding
from parity.diagnosis.member import equal_bits
from parity.diagnosis.observe import Observation
from parity.diagnosis.probes import LAYOUT, MODES, first_probe
from parity.errors import NotInstalledError
from parity.reference.switches import BY_NAME
from parity.runner.repeat import first_difference

PAIR = ("a", "b", "mode", "outcome", "switches", "rounding", "reason")
"""The fields of a pair's record; the last three are empty where they say nothing."""

_MOMENTUM = ("momentum", "both")
_NEEDS = {"learning_rate_place": _MOMENTUM, "nesterov": _MOMENTUM, "weight_decay_form": ("weight_decay",)}
"""The modes in which a switch means anything; those that are not here always do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One subject with what it showed in each mode and what explains that."""

    name: str
    diagnosis: Diagnosis
    observations: list[Observation]

    def in_mode(self, mode: str) -> list[Observation]:
        """Return what it showed in a mode."""
        return [seen for seen in self.observations if seen.probe.mode == mode]

    def explanation(self, mode: str) -> Explanation | None:
        """Return what explains it in a mode; None where nothing does.

        Of a subject that some arguments leave unexplained, that is what was confirmed of the mode without them.
        """
        open_ = self.diagnosis.finding is Finding.UNEXPLAINED
        found = (each for each in self.diagnosis.explanations if each.confirmed or not open_)
        return next((each for each in found if mode in each.modes), None)


def rows(names: Iterable[str], progress: Callable[[str], None] | None = None) -> list[Row]:
    """Observe and diagnose each subject; those whose library is missing are left out.

    Raises:
        UsageError: a name is no subject.
        SubjectError: a user's class cannot be loaded.
    """
    found = []
    names = list(names)
    for name in names:
        subjects.check_name(name)
    for name in names:
        if progress:
            progress(name)
        try:
            first = run(lambda name=name: subjects.create(name), first_probe())  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        except NotInstalledError:
            continue
        make: Any = lambda name=name: subjects.create(name)  # noqa: E731
        observations, lacks = observe_modes(make, first)
        found.append(Row(name, diagnose_observed(make, name, observations, lacks), observations))
    return found


def matrix_records(found: list[Row] | None = None) -> list[dict[str, Any]]:
    """Return one record for each pair and mode; see ``PAIR``. Without rows, those of all installed subjects."""
    table = rows(installed()) if found is None else found
    return [_pair(a, b, mode) for a, b in combinations(table, 2) for mode in MODES]


def subject_records(found: list[Row]) -> list[dict[str, Any]]:
    """Return one record for each subject and mode: its switches against tf.keras, what rounding is likely, how well."""
    return [_own(row, mode) for row in found for mode in MODES]


def installed() -> list[str]:
    """Return the registered subjects whose libraries can be found."""
    return [name for name in subjects.registered() if subjects.installed(name)]


def _own(row: Row, mode: str) -> dict[str, Any]:
    record: dict[str, Any] = {"subject": row.name, "mode": mode, "verdict": "", "switches": {}, "rounding": {}}
    if not row.in_mode(mode):
        return {**record, "verdict": Finding.UNSUPPORTED.name, "reason": row.diagnosis.lacks.get(mode, "")}
    found = row.explanation(mode)
    if found is None:
        return {**record, "verdict": Finding.UNEXPLAINED.name}
    shown = {name: value for name, value in found.member.switches if mode in _NEEDS.get(name, tuple(MODES))}
    structure = {name: value for name, value in shown.items() if not _mere_rounding(name)}
    rounding = {name: value for name, value in shown.items() if _mere_rounding(name)}
    exact = all(equal_bits(found.member, seen) for seen in row.in_mode(mode))
    agrees = Finding.IDENTICAL if exact and not shown and not found.member.numbers else Finding.ROUNDING
    return {
        **record,
        "verdict": (Finding.EXPLAINED if structure or found.member.numbers else agrees).name,
        "switches": structure,
        "rounding": {**rounding, **dict(found.rounding)},
        "hyperparameters": dict(found.member.numbers),
        "bound_ratio": found.ratio,
        "every_bit_equal": exact,
        "equal_bits": list(found.shares),
    }


def _pair(a: Row, b: Row, mode: str) -> dict[str, Any]:
    record: dict[str, Any] = dict.fromkeys(PAIR, "")
    record |= {"a": a.name, "b": b.name, "mode": mode, "switches": {}, "rounding": {}}
    lacking = [row for row in (a, b) if not row.in_mode(mode)]
    if lacking:
        reason = lacking[0].diagnosis.lacks.get(mode, "")
        return {**record, "outcome": "UNSUPPORTED", "reason": f"{lacking[0].name}: {reason}"}
    if _same_bits(a.in_mode(mode), b.in_mode(mode)):
        return {**record, "outcome": "IDENTICAL"}
    own = [_own(row, mode) for row in (a, b)]
    if any(item["verdict"] == Finding.UNEXPLAINED.name for item in own):
        return {**record, "outcome": "UNEXPLAINED"}
    differing = _differences(own, "switches")
    return {
        **record,
        "outcome": "SWITCHES" if differing else "ROUNDING",
        "switches": differing,
        "rounding": _differences(own, "rounding"),
    }


def _differences(own: list[dict[str, Any]], key: str) -> dict[str, list[Any]]:
    names = [name for name in BY_NAME if any(name in item[key] for item in own)]
    values = {name: [item[key].get(name, BY_NAME[name].values[0]) for item in own] for name in names}
    return {name: pair for name, pair in values.items() if pair[0] != pair[1]}


def _same_bits(a: list[Observation], b: list[Observation]) -> bool:
    if [seen.probe.name for seen in a] != [seen.probe.name for seen in b]:
        return False
    return all(first_difference(_common(x, y), _common(y, x), LAYOUT) is None for x, y in zip(a, b, strict=True))


def _common(x: Observation, y: Observation) -> dict[str, Array]:
    return {slot: column for slot, column in x.columns.items() if slot in y.columns}


def _mere_rounding(name: str) -> bool:
    # 1 - rho in float32 is off by four roundings, more than its one operation may cost: not mere rounding.
    return BY_NAME[name].rounds == "order"
