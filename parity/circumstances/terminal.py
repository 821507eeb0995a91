"""Text for people comes in, and lines that fit their terminal go out: broken between words, never within one."""

import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

_LEAST_LAST: Final = 24
"""Columns that the last column of a table has at least; with fewer left, each row becomes a block."""
_GAP: Final = "  "
_COMMAND: Final = re.compile(r"\s*(?:reproduce|repeat): parity ")
"""A line that people paste into a shell."""
_HARD: Final = "\N{NO-BREAK SPACE}"
"""Stands for a space within what stays together; it is printed as a space."""


def width() -> int:
    """Return how many columns standard output has, 0 where it is no terminal and lines may be as long as they are."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def say(lines: Iterable[str], columns: int | None = None) -> None:
    """Print lines, each broken between words where it is longer than the terminal is wide."""
    print("\n".join(fitted(lines, width() if columns is None else columns)))


def say_in(style: str, line: str, columns: int | None = None) -> None:
    """Print a line as ``say`` does, in a style of rich where the terminal has any."""
    columns = width() if columns is None else columns
    if not columns or not style:
        say([line], columns)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    for part in fitted([line], columns):
        console.print(Text(part, style))


def fitted(lines: Iterable[str], columns: int) -> Iterator[str]:
    """Yield lines of at most ``columns``, if no word is longer; what follows a break stands a little further in.

    Args:
        lines: without line breaks.
        columns: how wide they may be; 0 is as wide as they are.
    """
    for line in lines:
        if not columns or len(line) <= columns:
            yield line.replace(_HARD, " ")
            continue
        if _COMMAND.match(line):
            yield from _continued(line, columns)
            continue
        inner = " " * min(len(line) - len(line.lstrip()) + 2, max(0, columns // 4))
        yield from (part.replace(_HARD, " ") for part in _wrapped(line, columns, inner))


def _wrapped(line: str, columns: int, inner: str) -> list[str]:
    # A name with a hyphen is one word, and one that is longer than a line is left to the terminal, whole.
    return textwrap.wrap(
        line, columns, subsequent_indent=inner, break_long_words=False, break_on_hyphens=False, tabsize=4
    )


def _continued(line: str, columns: int) -> Iterator[str]:
    """Yield the lines of a command as a shell reads them: broken between words, each but the last going on."""
    whole = re.sub(r"'[^']*'", lambda quoted: together(quoted[0]), line)
    *parts, last = (part.replace(_HARD, " ") for part in _wrapped(whole, columns - 2, "    "))
    yield from (f"{part} \\" for part in parts)
    yield last


def together(phrase: str) -> str:
    """Return a phrase that is broken nowhere."""
    return phrase.replace(" ", _HARD)


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], columns: int, right: Iterable[int] = (), indent: str = _GAP
) -> list[str]:
    """Return a table as lines that fit: its last column is broken between words; else each row is a block of lines.

    Args:
        heads: the names of the columns, all empty where it has none.
        rows: the texts of the cells.
        columns: how wide a line may be; 0 is as wide as it is.
        right: the columns whose texts stand at the right.
        indent: what each line begins with.
    """
    every = [heads, *rows] if any(heads) else list(rows)
    widths = [max((len(row[at]) for row in every), default=0) for at in range(len(heads))]
    before = len(indent) + sum(size + len(_GAP) for size in widths[:-1])
    longest = max((len(word) for row in rows for word in row[-1].split()), default=0)
    if columns and before + widths[-1] > columns and before + max(longest, _LEAST_LAST) > columns:
        return [line for row in rows for line in _block(heads, row, columns, indent)]
    sides: list[Callable[[str, int], str]] = [str.rjust if at in {*right} else str.ljust for at in range(len(heads))]
    lines = []
    for row in every:
        cells = [side(cell, size) for side, cell, size in zip(sides, row, widths, strict=True)]
        start = indent + "".join(cell + _GAP for cell in cells[:-1])
        last = _wrapped(row[-1], columns - before, "") if columns and before + len(row[-1]) > columns else [cells[-1]]
        lines += [f"{start if not number else ' ' * before}{part}".rstrip() for number, part in enumerate(last)]
    return lines


def _block(heads: Sequence[str], row: Sequence[str], columns: int, indent: str) -> Iterator[str]:
    """Yield a row as lines: its first cell, further in the others with the names of their columns, and the last."""
    first, *others, last = (cell.strip() for cell in row)
    named = [f"{head} {cell}".strip() for head, cell in zip(heads[1:-1], others, strict=True) if cell]
    room = columns - len(indent) - 2 * len(_GAP)
    phrases = [together(phrase) if len(phrase) <= room else phrase for phrase in named]
    lines = [f"{indent}{first}" if first else "", f"{indent}{_GAP}{_GAP.join(phrases)}" if phrases else ""]
    yield from fitted([line for line in (*lines, f"{indent}{_GAP}{last}" if last else "") if line], columns)
