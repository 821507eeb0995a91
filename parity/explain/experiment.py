"""Experiment files in, checked experiments out: two training programs that differ in named factors."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from parity.case.error import Keys, dotted, explain
from parity.case.places import case_paths
from parity.case.spec import FileName, Line, Name, Positive, described
from parity.case.tomlfile import TomlFile, read_toml
from parity.errors import SpecError, UsageError, did_you_mean
from parity.explain.factors import FACTORS, FIXED, MEANING, Program, differing

SCHEMA = "cases/question/schema.json"
Label: TypeAlias = Annotated[str, Meta(min_length=1, max_length=8)]


class Side(Program, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One program with its name; ``published`` names its curve, ``real`` the program that it claims to describe."""

    name: Line
    published: str | None = None
    real: Literal["keras", "posted"] | None = None

    @property
    def program(self) -> Program:
        """The factors alone."""
        return Program(**{name: getattr(self, name) for name in FACTORS})


class Supposed(Struct, frozen=True, forbid_unknown_fields=True):
    """A reason that somebody supposed: the factors it speaks of, and values that would be true if it were right."""

    label: Label
    claim: Line
    factors: Annotated[list[str], Meta(min_length=1)]
    what_if: dict[str, Any] = {}


class Published(Struct, frozen=True, forbid_unknown_fields=True):
    """Curves that somebody printed: a CSV file with the columns run, epoch, loss, accuracy, beside the experiment."""

    file: FileName
    source: Line = ""


class Experiment(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an experiment file may hold; ``cases/question/schema.json`` is generated from this class.

    ``both`` holds what the sides have in common, ``factors`` limits the attribution to some of what differs (the rest
    is then taken from side B on both sides), ``target`` is the loss that B reaches and A should.
    """

    experiment: Name
    summary: Line
    target: Positive
    epochs: Annotated[int, Meta(ge=1, le=1000)] = 10
    seeds: Annotated[int, Meta(ge=2, le=100)] = 5
    factors: Annotated[list[str], Meta(min_length=1)] | None = None
    both: dict[str, Any] = {}
    a: Side
    b: Side
    supposed: list[Supposed] = []
    published: Published | None = None

    @property
    def active(self) -> list[str]:
        """The factors that differ and are to be attributed, in the order of declaration."""
        found = differing(self.a, self.b)
        return found if self.factors is None else [name for name in found if name in self.factors]

    @property
    def programs(self) -> tuple[Program, Program]:
        """Both sides; what differs but is not to be attributed is taken from side B."""
        b = self.b.program
        return msgspec.structs.replace(b, **{name: getattr(self.a, name) for name in self.active}), b


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of an experiment file."""
    document = msgspec.json.schema(Experiment)
    for name, meaning in MEANING.items():
        document["$defs"]["Side"]["properties"][name]["description"] = meaning
    # A file may leave to ``both`` what the sides share, so only the name has to stand in each.
    return described(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A parity experiment", **document}
    )


def schema_text() -> str:
    """Return the schema as ``cases/question/schema.json`` holds it."""
    return msgspec.json.format(msgspec.json.encode(schema(), order="deterministic"), indent=2).decode() + "\n"


def load(path: Path) -> Experiment:
    """Read an experiment file.

    Raises:
        SpecError: it is missing, damaged, or holds something that an experiment must not hold.
    """
    file = read_toml(path)
    if "experiment" not in file.table:
        raise file.mistake("key 'experiment' is missing; an experiment file begins with experiment = \"name\".", ())
    _refuse_strangers(file)
    both = file.table.get("both", {})
    document = {**file.table, **{side: {**both, **file.table.get(side, {})} for side in ("a", "b")}}
    try:
        experiment = msgspec.convert(document, Experiment, strict=True)
    except msgspec.ValidationError as error:
        keys, message = explain(str(error), document, schema(), f"{SCHEMA} describes every key.")
        raise file.mistake(message, *_sources(keys)) from error
    _check(experiment, file)
    return experiment


def find(name: str) -> Path:
    """Return the file of an experiment: a path, or the name of one among the cases, such as ``question``.

    Raises:
        UsageError: there is neither a file nor an experiment of that name.
    """
    if name.endswith(".toml") or os.sep in name or Path(name).is_file():
        return Path(name)
    known = {path.stem: path for path in case_paths() if _is_experiment(path)}
    if name not in known:
        hint = did_you_mean(name, list(known))
        raise UsageError(f"no experiment {name!r}.{hint} Allowed: {', '.join(known)}, or the path of a .toml file.")
    return known[name]


def _is_experiment(path: Path) -> bool:
    try:
        return "experiment" in read_toml(path).table
    except SpecError:
        return False


def what_if(program: Program, changes: Mapping[str, Any], refuse: Callable[[str, Keys], SpecError]) -> Program:
    """Return a program with some factors set to other values; ``refuse`` makes the error of one of them.

    Raises:
        SpecError: a factor does not exist or cannot have that value.
    """
    for name in changes:
        if name not in FACTORS:
            raise refuse(_unknown(name, list(FACTORS)), (name,))
    document = {**msgspec.to_builtins(program), **changes}
    try:
        return msgspec.convert(document, Program)
    except msgspec.ValidationError as error:
        keys, message = explain(str(error), document, msgspec.json.schema(Program))
        raise refuse(message, keys) from error


def _sources(keys: Keys) -> tuple[Keys, ...]:
    """Return where a key may stand: what a side lacks is in ``both``."""
    return (keys, ("both", *keys[1:])) if keys[:1] in (("a",), ("b",)) else (keys,)


def _refuse_strangers(file: TomlFile) -> None:
    """Name a misspelt key before the decoder does, since it knows no suggestions."""
    document = file.table
    _refuse_unknown(document, list(Experiment.__struct_fields__), file, ())
    own = [name for name in Side.__struct_fields__ if name not in FACTORS]
    for side in ("both", "a", "b"):
        table = document.get(side, {})
        if not isinstance(table, dict):
            raise file.mistake(f"{side}: received {table!r}; allowed: a table of factors, [{side}].", (side,))
        _refuse_unknown(table, [*FACTORS, *(own if side != "both" else [])], file, (side,))
    factors = document.get("factors")
    if factors == []:
        text = "received an empty list; name the factors to attribute, or leave the key out."
        raise file.mistake(f"factors: {text}", ("factors",))
    if isinstance(factors, list):
        _refuse_unknown(map(str, factors), list(FACTORS), file, ("factors",))


def _refuse_unknown(names: Iterable[str], allowed: list[str], file: TomlFile, keys: Keys) -> None:
    """Refuse the first name that is not allowed among the keys of a table, or in a list of names."""
    for name in names:
        if name not in allowed:
            where = f"{dotted(keys)}: " if keys else ""
            raise file.mistake(f"{where}{_unknown(name, allowed)}", (*keys, name))


def _unknown(name: str, allowed: list[str]) -> str:
    return f"unknown name {name!r}.{did_you_mean(name, allowed)} Allowed: {', '.join(allowed)}."


def _check(experiment: Experiment, file: TomlFile) -> None:
    """Refuse what types alone cannot."""
    for name in FIXED:
        if getattr(experiment.a, name) != getattr(experiment.b, name):
            text = "differs; losses on different problems cannot be compared. Give one in [both]."
            raise file.mistake(f"{name}: {text}", ("b", name), ("a", name))
    differ = differing(experiment.a, experiment.b)
    for name in experiment.factors or []:
        if name not in differ:
            text = f"{name!r} is the same on both sides. Differing: {', '.join(differ) or 'none'}."
            raise file.mistake(f"factors: {text}", ("factors",))
    for number, supposed in enumerate(experiment.supposed):
        _check_supposed(experiment, supposed, number, file)
    layers = experiment.a.layers
    if layers[0] != 784 or layers[-1] != 10:
        text = f"received {layers}; the images have 784 pixels and 10 classes, so [784, …, 10]."
        raise file.mistake(f"layers: {text}", *_sources(("a", "layers")))
    for key, side in (("a", experiment.a), ("b", experiment.b)):
        clips = [name for name in ("clipvalue", "clipnorm", "global_clipnorm") if getattr(side, name)]
        if len(clips) > 1:
            text = "only one of clipvalue, clipnorm and global_clipnorm can be set."
            raise file.mistake(f"{side.name}: {text}", *_sources((key, clips[1])))


def _check_supposed(experiment: Experiment, supposed: Supposed, number: int, file: TomlFile) -> None:
    where, keys = f"supposed {supposed.label!r}", ("supposed", number)
    for name in supposed.factors:
        if name not in FACTORS:
            raise file.mistake(f"{where}: factors: {_unknown(name, list(FACTORS))}", (*keys, "factors"))

    def refuse(text: str, place: Keys) -> SpecError:
        return file.mistake(f"{where}: what_if: {text}", (*keys, "what_if", *place))

    what_if(experiment.a.program, supposed.what_if, refuse)


if __name__ == "__main__":
    print(schema_text(), end="")
