"""The scanner and tomllib agree on every key of any document, and each key's line is the one it was written on."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.case.error import Keys
from parity.case.lines import key_lines, line_of
from parity.case.places import case_paths

ROOT = Path(__file__).resolve().parents[2]
NAMES = st.text("ab.[]{}=#,'\"\\ \n\té€-_0", max_size=4)
SPACES = st.sampled_from(["", " ", "\t ", "  "])
COMMENTS = st.sampled_from(["", "# a = [", "# '''", '#"""', "# [x]", "#}, é"])
STRINGS = [
    '"a = 1 # [b]"',
    "'c:\\'",
    '"\\"]\\\\"',
    '""',
    "''",
    '""""""',
    '"""\n[x]\na = 1\n"""',
    '"""a"" ""\\""" # \\\n  b"""',
    '"""one quote more""""',
    '"""two quotes more"""""',
    "''''''",
    "'''\n[[x]]\n# '' \\'''",
    "'''one quote more''''",
]
OTHERS = ["1", "-0.5e3", "0x1f", "1_000", "inf", "true", "1979-05-27 07:32:00", "1979-05-27T07:32:00.5Z", "07:32:00"]
SCALARS = st.sampled_from([*STRINGS, *OTHERS])
KINDS = ["scalar"] * 3 + ["list", "inline", "dotted", "table", "tables"]


class Writer:
    """Writes a document by the grammar and notes what it holds and where each of its keys stands."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[Keys, int] = {}

    def any_of(self, *words: str) -> str:
        return self.draw(st.sampled_from(words))

    def note(self, keys: Keys) -> None:
        self.lines.setdefault(keys, self.text.count("\n") + 1)

    def names(self, most: int = 3) -> list[str]:
        return self.draw(st.lists(NAMES, max_size=most, unique=True))

    def key(self, name: str) -> str:
        styles = [json.dumps(name)]
        styles += [name] * bool(re.fullmatch(r"[A-Za-z0-9_-]+", name))
        styles += [f"'{name}'"] * (not set("'\n") & set(name))
        return self.any_of(*styles)

    def dotted(self, names: list[str]) -> str:
        return f"{self.draw(SPACES)}.{self.draw(SPACES)}".join(self.key(name) for name in names)

    def document(self) -> dict[str, Any]:
        return self.table((), [])

    def table(self, keys: Keys, names: list[str]) -> dict[str, Any]:
        """Write the pairs of a table, then the tables inside it."""
        children = {name: self.any_of(*KINDS) if len(keys) < 4 else "scalar" for name in self.names()}
        content: dict[str, Any] = {}
        for name, kind in children.items():
            if kind not in ("table", "tables"):
                content[name] = self.pair((*keys, name), [name], kind)
                self.noise()
        for name, kind in children.items():
            if kind == "table":
                content[name] = self.inner((*keys, name), [*names, name])
            elif kind == "tables":
                content[name] = [
                    self.element((*keys, name), [*names, name], number)
                    for number in range(self.draw(st.integers(1, 3)))
                ]
        return content

    def inner(self, keys: Keys, names: list[str]) -> dict[str, Any]:
        """Write a table under its header, or first a table inside it, whose header mentions it on the way."""
        inside: dict[str, Any] = {}
        if self.draw(st.booleans()):
            name = f"deep{self.draw(NAMES)}"
            inside = {name: self.headed((*keys, name), [*names, name], keys)}
            if self.draw(st.booleans()):
                return inside
            del self.lines[keys]
        others = self.headed(keys, names, keys)
        return {**{name: value for name, value in others.items() if name not in inside}, **inside}

    def headed(self, keys: Keys, names: list[str], mentioned: Keys) -> dict[str, Any]:
        self.text += f"{self.draw(SPACES)}[{self.draw(SPACES)}"
        self.note(mentioned)
        self.note(keys)
        self.text += f"{self.dotted(names)}{self.draw(SPACES)}]{self.draw(SPACES)}{self.draw(COMMENTS)}\n"
        return self.table(keys, names)

    def element(self, keys: Keys, names: list[str], number: int) -> dict[str, Any]:
        self.text += f"{self.draw(SPACES)}[["
        self.note(keys)
        self.note((*keys, number))
        self.text += f"{self.draw(SPACES)}{self.dotted(names)}{self.draw(SPACES)}]]{self.draw(COMMENTS)}\n"
        return self.table((*keys, number), names)

    def pair(self, keys: Keys, names: list[str], kind: str, end: str = "\n") -> Any:
        """Write ``a = …``, or the pairs ``a.b = …`` that make a table; of these, each on a line of its own."""
        if kind == "dotted" and len(keys) < 4:
            inner = self.draw(st.lists(NAMES, min_size=1, max_size=2, unique=True))
            content = {}
            for position, name in enumerate(inner):
                self.note(keys)
                last = position == len(inner) - 1
                content[name] = self.pair((*keys, name), [*names, name], "scalar", end if last or end == "\n" else ", ")
            return content
        self.text += self.draw(SPACES) if end == "\n" else ""
        self.note(keys)
        self.text += f"{self.dotted(names)}{self.draw(SPACES)}={self.draw(SPACES)}"
        value = self.value(keys, kind)
        self.text += f"{self.draw(SPACES)}{self.draw(COMMENTS)}{end}" if end == "\n" else end
        return value

    def value(self, keys: Keys, kind: str) -> Any:
        if kind == "list":
            return self.elements(keys)
        if kind == "inline":
            return self.inline(keys)
        scalar = self.draw(SCALARS)
        self.text += scalar
        return tomllib.loads(f"key = {scalar}")["key"]

    def elements(self, keys: Keys) -> list[Any]:
        """Write a list on one line or on many, with comments between its elements."""
        self.text += "["
        content = []
        for number in range(self.draw(st.integers(0, 3))):
            self.gap()
            self.note((*keys, number))
            kind = self.any_of("scalar", "list", "inline") if len(keys) < 4 else "scalar"
            content.append(self.value((*keys, number), kind))
            self.gap()
            self.text += ","
        if content and self.draw(st.booleans()):
            self.text = self.text[:-1]
        self.gap()
        self.text += "]"
        return content

    def inline(self, keys: Keys) -> dict[str, Any]:
        """Write a table in braces; only the values in it may go over several lines."""
        self.text += "{ "
        content = {}
        for name in self.names(2):
            kind = self.any_of("scalar", "list", "inline", "dotted") if len(keys) < 4 else "scalar"
            content[name] = self.pair((*keys, name), [name], kind, ", ")
        self.text = self.text.removesuffix(", ") + " }"
        return content

    def gap(self) -> None:
        self.text += self.any_of("", " ", "\n", "\n\n\t", " # ]\n", "\n# '''\n  ")

    def noise(self) -> None:
        self.text += self.any_of("", "", "\n", "# [c]\n", "  # a = 1\n\n", '# """\n')


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[str, Any], dict[Keys, int]]:
    writer = Writer(draw)
    writer.noise()
    content = writer.document()
    text = writer.text if draw(st.booleans()) else writer.text.rstrip("\n")
    return text, content, writer.lines


def every_key(value: Any, keys: Keys = ()) -> set[Keys]:
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    else:
        return set()
    return {found for name, child in inner for found in ({(*keys, name)} | every_key(child, (*keys, name)))}


@given(documents())
def test_every_key_has_the_line_that_it_was_written_on(written: tuple[str, dict[str, Any], dict[Keys, int]]) -> None:
    text, content, lines = written
    assert tomllib.loads(text) == content
    assert key_lines(text) == lines
    assert set(lines) == every_key(content)


@given(documents())
def test_lines_do_not_depend_on_how_a_line_ends(written: tuple[str, dict[str, Any], dict[Keys, int]]) -> None:
    text, _, lines = written
    assert key_lines(text.replace("\n", "\r\n")) == lines


@pytest.mark.parametrize("path", [*case_paths(), ROOT / "pyproject.toml"], ids=lambda path: path.stem)
def test_every_key_of_a_file_that_ships_is_on_its_line(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = key_lines(text)
    assert set(lines) == every_key(tomllib.loads(text))
    for keys, number in lines.items():
        if isinstance(keys[-1], str):
            assert keys[-1] in text.splitlines()[number - 1]


def test_a_key_that_is_absent_has_the_line_of_the_table_around_it() -> None:
    text = "a = 1\n\n[b.c]\nd = [\n  1,\n  2,\n]\n"
    assert line_of(text, ("b", "c", "d", 1)) == 6
    assert line_of(text, ("b", "c", "absent", "deeper")) == 3
    assert line_of(text, ("absent",)) is None
    assert line_of(text, ()) is None


def test_of_several_keys_the_first_that_is_there_has_the_line() -> None:
    text = "a = 1\n[b]\nc = 2\n"
    assert line_of(text, ("b", "absent"), ("b", "c"), ("a",)) == 3
    assert line_of(text, ("b", "absent"), ("absent",)) == 2


def test_depth_costs_no_recursion() -> None:
    deep = 2_000
    assert len(key_lines("a = " + "[" * deep + "]" * deep)) == deep
