"""A script put together: data, the subject, the formula, and what is printed of both."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.bounds.numerics import Array
from parity.export.script.literals import array, nested
from parity.export.script.side import Side
from parity.problem.problems import Problem

WIDTH = 110
LINES = 60
"""Lines that a script should not exceed: what one reads through before one believes it."""
_STEPS_APART = 3
"""Steps up to which each is written in full."""

_VALUES = """
e, o = expected(), obtained()
difference = abs(float(o) - float(e))
print("obtained  ", o, float(o).hex())
print("expected  ", e, float(e).hex())
print("difference", difference, "bound", bound)
sys.exit(0 if difference <= bound else 1)
"""
_RAISES = """
e = expected()
try:
    o = obtained()
except Exception as error:
    said = [line.strip()[:150] for line in str(error).splitlines() if line.strip()]
    print("obtained   it raises", type(error).__name__ + ":", *said[:1], *said[1:][-1:])
    print("expected   no error, and of WHAT", e.tolist())
    sys.exit(1)
difference = abs(o.astype(float) - e.astype(float)).max(initial=0)
print("obtained  ", o.tolist(), "expected", e.tolist(), "difference", difference, "bound", bound)
sys.exit(0 if difference <= bound else 1)
"""


@dataclass(frozen=True, slots=True)
class Script:
    """What a script is made of, beside its data.

    Attributes:
        title: its first sentence, without a full stop.
        rule: what the formula is the formula of.
        notes: further sentences.
        bound: how far rounding may lead from what is expected.
        place: what follows an array to show one element of it, or nothing.
        raises: whether the subject raises instead of yielding a value.
        what: what is shown, in words.
        steps: how many steps are made.
        warns: whether the formula makes NumPy warn on its way.
    """

    title: str
    rule: str
    notes: tuple[str, ...]
    bound: float
    place: str
    raises: bool
    what: str
    steps: int
    warns: bool


def written(script: Script, problem: Problem, side: Side, formula: Sequence[str]) -> str:
    """Return the text of a script."""
    parts = [
        _head(script),
        [*_imports(side, problem), *['np.seterr(all="ignore")'] * script.warns],
        _data(script, problem),
        side.source,
        [f"def obtained():  # {side.title.rstrip(',')}", *_indented(_obtained(script, side))],
        [
            f"def expected():  # what {script.rule} is defined to do, as the case has it",
            *_indented([line for text in formula for line in _wrapped(text)]),
        ],
        (_RAISES.replace("WHAT", script.what) if script.raises else _VALUES).strip().splitlines(),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _head(script: Script) -> list[str]:
    lines = textwrap.wrap(f"{script.title}.", WIDTH - 3)
    notes = [line for note in script.notes for line in textwrap.wrap(note, WIDTH)]
    return [f'"""{lines[0]}', *lines[1:], "", *notes, '"""']


def _imports(side: Side, problem: Problem) -> list[str]:
    standard = ["import sys"]
    text = "\n".join((*side.before, *side.each, side.value))
    standard += ["from types import SimpleNamespace"] if "SimpleNamespace(" in text else []
    others = ["import numpy as np"]
    others += ["import ml_dtypes"] if problem.dtype.name == "bfloat16" else []
    later = ["from __future__ import annotations"] if "from __future__ import annotations" in side.imports else []
    lines = dict.fromkeys([*later, *standard, *others, *side.imports])
    return list(lines)


def _data(script: Script, problem: Problem) -> list[str]:
    home = "ml_dtypes" if problem.dtype.name == "bfloat16" else "np"
    lines = [f"f = {home}.{problem.dtype.name}"]
    lines += _wrapped(f"start = {_mapping(problem.params)}")
    if script.steps == 1:
        lines += _wrapped(f"grads = {_mapping(problem.gradients(0), problem)}")
    elif script.steps:
        lines += _wrapped(f"gradients = {_steps(problem)}")
    if np.isfinite(script.bound):
        return [*lines, f"bound = {script.bound!r}  # how far roundings may lead from what is expected"]
    return [*lines, f"bound = float({home}.finfo(f).max)  # roundings may lead to any finite number"]


def _steps(problem: Problem) -> str:
    """Return the gradients of all steps, one mapping a step."""
    steps = range(problem.cell.steps)
    each = [_mapping(problem.gradients(step), problem, step) for step in steps]
    if len(each) > 1 and len(set(each)) == 1:
        return f"[{each[0]}] * {len(each)}"
    names = list(problem.params)
    if len(each) <= _STEPS_APART or len(names) > 1 or problem.slices(0):
        return f"[{', '.join(each)}]"
    rows = ", ".join(nested(problem.gradients(step)[names[0]]) for step in steps)
    return f'[{{"{names[0]}": np.array(g, f)}} for g in [{rows}]]'


def _mapping(tensors: Mapping[str, Array], problem: Problem | None = None, step: int = 0) -> str:
    sparse = problem.slices(step) if problem is not None else {}
    texts = {name: array(value, "f") for name, value in tensors.items()}
    for name, part in sparse.items():
        texts[name] = f"(np.array({part.rows.tolist()}), {array(part.values, 'f')})"
    return "{" + ", ".join(f'"{name}": {text}' for name, text in texts.items()) + "}"


def _obtained(script: Script, side: Side) -> list[str]:
    lines = [line for text in side.before for line in _wrapped(text)]
    each = [line for text in side.each for line in _wrapped(text)]
    if script.steps == 1:
        lines += [*["t = 0"] * _counts(side), *each]
    elif script.steps:
        lines.append("for t, grads in enumerate(gradients):" if _counts(side) else "for grads in gradients:")
        lines += _indented(each)
    lines += [line for text in side.after for line in _wrapped(text)] if script.steps else []
    return [*lines, f"return {side.value}{script.place}"]


def _counts(side: Side) -> bool:
    """Whether a step asks for its number."""
    return re.search(r"\bt\b", "\n".join(side.each)) is not None


def _wrapped(line: str) -> list[str]:
    """Return a line in as many as it takes; a break stands behind a comma inside brackets."""
    indent = line[: len(line) - len(line.lstrip())]
    lines = [indent]
    for piece in _pieces(line.strip()):
        if len(lines[-1]) + len(piece.rstrip()) > WIDTH and lines[-1].strip():
            lines.append(f"{indent}    ")
        lines[-1] += piece
    return [each.rstrip() for each in lines]


def _pieces(text: str) -> Iterator[str]:
    """Yield a line's text in the pieces between which it may break."""
    depth, start = 0, 0
    for at, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth and text.startswith(", ", at):
            yield text[start : at + 2]
            start = at + 2
    yield text[start:]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" if line else line for line in lines]
