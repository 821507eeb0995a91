"""``reports/upstream/README.md`` from the records beside it: `python tests/upstream/upstream_page.py` writes it."""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

PLACE = Path(__file__).parents[2] / "reports" / "upstream"
KINDS = {
    "wrong result": "Wrong results",
    "precision": "Precision",
    "words against code": "Words against code",
}
HEAD = """\
# What is wrong upstream

Faults and oddities of Keras and TensorFlow that this project met, with {keras} and {tensorflow}: each with a
reproduction that needs nothing of ours, what it prints, what it ought to print, and what to do meanwhile.
`tests/upstream` runs each of them against the Keras that is installed; one that no longer prints what stands here fails
as FIXED.

Made from [faults.toml](faults.toml) by `python tests/upstream/upstream_page.py`. What a case shows is in
[known_divergences.toml](../../cases/known_divergences.toml), too, under the case that is named.
"""


class Fault(NamedTuple):
    """An entry: what is wrong, why and where, its reproduction, and what to do meanwhile.

    ``obtained`` is what the code prints, or how the error begins that it raises. ``case`` is that of a known
    divergence. ``alone`` needs a process of its own.
    """

    name: str
    kind: str
    title: str
    why: str
    where: str
    code: str
    obtained: str
    expected: str
    meanwhile: str
    case: str = ""
    alone: bool = False

    @property
    def raises(self) -> bool:
        """Whether the code raises, and prints nothing."""
        return self.obtained.partition(":")[0].endswith("Error")

    def still(self, printed: str) -> bool:
        """Return whether what the code printed, or the error that it raised, is what stands here."""
        return printed.startswith(self.obtained) if self.raises else printed == self.obtained


def records() -> tuple[dict[str, str], list[Fault]]:
    """Return the versions that the entries were written with, and the entries."""
    document: dict[str, Any] = tomllib.loads((PLACE / "faults.toml").read_text(encoding="utf-8"))
    return document["versions"], [Fault(**entry) for entry in document["fault"]]


def page() -> str:
    """Return the page."""
    versions, faults = records()
    told = {name: f"{name} {number}" for name, number in versions.items()}
    parts = [HEAD.format(**told)]
    for kind, title in KINDS.items():
        chosen = [fault for fault in faults if fault.kind == kind]
        parts.append(f"## {title} ({len(chosen)})\n")
        parts += [_entry(fault) for fault in chosen]
    return "\n".join(parts)


def _entry(fault: Fault) -> str:
    shown = f" Shown by the case `{fault.case}`." if fault.case else ""
    alone = "In a process of its own:\n\n" if fault.alone else ""
    return (
        f"### {fault.title}\n\n{fault.why} ({fault.where}){shown}\n\n{alone}```python\n{fault.code.strip()}\n```\n\n"
        f"- {'raises' if fault.raises else 'prints'} `{fault.obtained}`\n- expected: {fault.expected}\n"
        f"- meanwhile: {fault.meanwhile}\n"
    )


if __name__ == "__main__":
    (PLACE / "README.md").write_text(page(), encoding="utf-8")
