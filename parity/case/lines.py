"""TOML text in, the line of each of its keys out: tomllib knows what a file holds, but not where."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from parity.case.error import Keys

# https://toml.io/en/v1.0.0 in regular expressions; the text is valid already, so that they need not refuse anything.
_BLANK = re.compile(r"(?:[\s,]|#[^\n]*)*")
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|[A-Za-z0-9_-]+')
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_SPACE = re.compile(r"[ \t]*")
_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_BRACKETS = re.compile(r"[ \t]*\]{1,2}")
_SCALAR = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'"
    r"|[^\n#,\]}]*",
    re.DOTALL,
)


def line_of(text: str, *ways: Keys) -> int | None:
    """Return the line, counted from 1, of the first of some keys that a valid TOML text has.

    Where it has none of them, that of the nearest table around the first one; None where that is the whole text.
    """
    lines = key_lines(text)
    around = (ways[0][:end] for end in range(len(ways[0]), 0, -1))
    return next((lines[keys] for keys in (*ways, *around) if keys in lines), None)


def key_lines(text: str) -> dict[Keys, int]:
    """Return the line of every key, table and element of a list in a valid TOML text, counted from 1.

    A header is the place of its table, even where the header of a table inside it came first.
    """
    scan = _Scan(text)
    scan.document()
    return scan.lines


@dataclass(slots=True)
class _Open:
    """A list or inline table whose end was not reached; ``count`` is how many elements of a list began."""

    keys: Keys
    is_list: bool
    count: int = 0


class _Scan:
    """One walk over a text; no step depends on how deep it is nested."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.lines: dict[Keys, int] = {}
        self.tables: dict[Keys, int] = {}
        self._line, self._counted = 1, 0

    def document(self) -> None:
        """Read headers and pairs to the end."""
        table: Keys = ()
        while self._blank():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._value(self._key(table))

    def _blank(self) -> bool:
        """Skip what is no part of a key or value, and return whether anything is left."""
        self.at = self._end(_BLANK)
        return self.at < len(self.text)

    def _header(self) -> Keys:
        """Read ``[a.b]`` or ``[[a.b]]`` and return the way to its table."""
        several = self.text.startswith("[[", self.at)
        self.at += 2 if several else 1
        self.at = self._end(_SPACE)
        *outer, last = self._parts()
        keys = (*self._way(outer), last)
        if several:
            self.lines.setdefault(keys, self._here())
            self.tables[keys] = self.tables.get(keys, 0) + 1
            keys = (*keys, self.tables[keys] - 1)
        self.lines[keys] = self._here()
        self.at = self._end(_BRACKETS)
        return keys

    def _way(self, names: Sequence[str]) -> Keys:
        """Note the tables on the way to a header; in a list of tables it leads through the last one so far."""
        keys: Keys = ()
        for name in names:
            keys = (*keys, name)
            self.lines.setdefault(keys, self._here())
            if keys in self.tables:
                keys = (*keys, self.tables[keys] - 1)
        return keys

    def _key(self, table: Keys) -> Keys:
        """Read ``a.b =`` and return the way to its value."""
        keys = table
        for name in self._parts():
            keys = (*keys, name)
            self.lines.setdefault(keys, self._here())
        self.at = self._end(_EQUALS)
        return keys

    def _parts(self) -> list[str]:
        """Read a key, of which each part may be quoted in its own way."""
        parts = []
        while True:
            start, self.at = self.at, self._end(_PART)
            part = self.text[start : self.at]
            parts.append(tomllib.loads(f"key = {part}")["key"] if part[0] in "\"'" else part)
            if not (dot := _DOT.match(self.text, self.at)):
                return parts
            self.at = dot.end()

    def _value(self, keys: Keys) -> None:
        """Step over a value, and note the keys and lists inside it."""
        inside: list[_Open] = []
        while True:
            if self.text[self.at] in "[{":
                inside.append(_Open(keys, self.text[self.at] == "["))
                self.at += 1
            else:
                self.at = self._end(_SCALAR)
            while inside and self._blank() and self.text[self.at] in "]}":
                inside.pop()
                self.at += 1
            if not inside:
                return
            around = inside[-1]
            if around.is_list:
                keys = (*around.keys, around.count)
                around.count += 1
                self.lines[keys] = self._here()
            else:
                keys = self._key(around.keys)

    def _end(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        assert found is not None, self.text[self.at : self.at + 20]
        return found.end()

    def _here(self) -> int:
        """Return the line of the place that was reached; it only ever grows."""
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line
