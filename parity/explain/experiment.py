"""Experiment files in, checked experiments out: two training programs that differ in named factors."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from parity.case.spec import FileName, Line, Name, Positive
from parity.case.tomlfile import read_toml
from parity.errors import SpecError, did_you_mean
from parity.explain.factors import FACTORS, FIXED, MEANING, Program, differing

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
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A parity experiment", **document}


def schema_text() -> str:
    """Return the schema as ``cases/question/schema.json`` holds it."""
    return msgspec.json.format(msgspec.json.encode(schema(), order="deterministic"), indent=2).decode() + "\n"


def load(path: Path) -> Experiment:
    """Read an experiment file.

    Raises:
        SpecError: it is missing, damaged, or holds something that an experiment must not hold.
    """
    document = read_toml(path)
    if "experiment" not in document:
        raise SpecError(
            f"{path.name}: key 'experiment' is missing; an experiment file begins with experiment = \"name\"."
        )
    _refuse_strangers(document, path)
    both = document.get("both", {})
    merged = {**document, **{side: {**both, **document.get(side, {})} for side in ("a", "b")}}
    experiment = _convert(merged, Experiment, path)
    _check(experiment, path)
    return experiment


def what_if(program: Program, changes: Mapping[str, Any], where: str) -> Program:
    """Return a program with some factors set to other values.

    Raises:
        SpecError: a factor does not exist or cannot have that value.
    """
    for name in changes:
        if name not in FACTORS:
            raise SpecError(_unknown(where, name, list(FACTORS)))
    try:
        return msgspec.convert({**msgspec.to_builtins(program), **changes}, Program)
    except msgspec.ValidationError as error:
        raise SpecError(f"{where}: {_in_words(str(error))}.") from error


def _refuse_strangers(document: Mapping[str, Any], path: Path) -> None:
    """Name a misspelt key before the decoder does, since it knows no suggestions."""
    _known(document, list(Experiment.__struct_fields__), path.name)
    own = [name for name in Side.__struct_fields__ if name not in FACTORS]
    for side in ("both", "a", "b"):
        table = document.get(side, {})
        if not isinstance(table, dict):
            raise SpecError(f"{path.name}: {side}: received {table!r}; allowed: a table of factors, [{side}].")
        _known(table, [*FACTORS, *(own if side != "both" else [])], f"{path.name}: {side}")
    if document.get("factors") == []:
        raise SpecError(
            f"{path.name}: factors: received an empty list; name the factors to attribute, or leave the key out."
        )
    for name in document.get("factors") or []:
        if name not in FACTORS:
            raise SpecError(_unknown(f"{path.name}: factors", str(name), list(FACTORS)))


def _known(table: Mapping[str, Any], allowed: list[str], where: str) -> None:
    for name in table:
        if name not in allowed:
            raise SpecError(_unknown(where, name, allowed))


def _unknown(where: str, name: str, allowed: list[str]) -> str:
    return f"{where}: unknown name {name!r}.{did_you_mean(name, allowed)} Allowed: {', '.join(allowed)}."


def _convert(document: Mapping[str, Any], kind: type[Experiment], path: Path) -> Experiment:
    try:
        return msgspec.convert(document, kind, strict=True)
    except msgspec.ValidationError as error:
        raise SpecError(f"{path.name}: {_in_words(str(error))}.") from error


def _in_words(message: str) -> str:
    text, _, place = message.partition(" - at `$")
    text = re.sub(r"^Object missing required field `(.+)`", r"key '\1' is missing", text)
    key = place.rstrip("`").lstrip(".")
    return f"{key}: {text[:1].lower()}{text[1:]}" if key else text[:1].lower() + text[1:]


def _check(experiment: Experiment, path: Path) -> None:
    """Refuse what types alone cannot."""
    for name in FIXED:
        if getattr(experiment.a, name) != getattr(experiment.b, name):
            raise SpecError(
                f"{path.name}: {name}: differs; losses on different problems cannot be compared. Give one in [both]."
            )
    differ = differing(experiment.a, experiment.b)
    for name in experiment.factors or []:
        if name not in differ:
            raise SpecError(
                f"{path.name}: factors: {name!r} is the same on both sides. Differing: {', '.join(differ) or 'none'}."
            )
    for supposed in experiment.supposed:
        where = f"{path.name}: supposed {supposed.label!r}"
        _known(dict.fromkeys(supposed.factors), list(FACTORS), f"{where}: factors")
        what_if(experiment.a.program, supposed.what_if, f"{where}: what_if")
    layers = experiment.a.layers
    if layers[0] != 784 or layers[-1] != 10:
        raise SpecError(
            f"{path.name}: layers: received {layers}; the images have 784 pixels and 10 classes, so [784, …, 10]."
        )
    for side in (experiment.a, experiment.b):
        if sum(bool(limit) for limit in (side.clipvalue, side.clipnorm, side.global_clipnorm)) > 1:
            raise SpecError(
                f"{path.name}: {side.name}: only one of clipvalue, clipnorm and global_clipnorm can be set."
            )


if __name__ == "__main__":
    print(schema_text(), end="")
