"""The style of the page: what holds for a width stands behind what holds for all, or it never does."""

import re
from pathlib import Path

import parity.report

STYLE = Path(parity.report.__file__).with_name("page.css").read_text(encoding="utf-8")


def rules(text: str) -> list[tuple[int, str, str, set[str]]]:
    """Return where each rule stands, for which media it is, its selector, and the properties that it sets."""
    found, media, at = [], "", 0
    for opened in re.finditer(r"([^{}]*)([{}])", text):
        head, sign = opened[1].strip(), opened[2]
        if sign == "{" and head.startswith("@"):
            media = head
        elif sign == "{":
            at, selector = opened.start(), head
        elif head:
            properties = {line.partition(":")[0].strip() for line in head.split(";") if ":" in line}
            found += [(at, media, each.strip(), properties) for each in selector.split(",")]
        else:
            media = ""
    return found


def overruled(text: str) -> list[tuple[str, str]]:
    """Return the selectors, with a property of each, whose rule for a width is followed by one for all widths."""
    every = rules(text)
    return [
        (selector, name)
        for at, media, selector, names in every
        if "width" in media
        for later, where, other, set_there in every
        if not where and other == selector and later > at
        for name in sorted(names & set_there)
    ]


def test_what_holds_for_a_width_is_not_overruled_by_what_holds_for_all():
    assert len(rules(STYLE)) > 200
    assert overruled(STYLE) == []
    assert overruled("@media (max-width: 9rem) {\n  b { color: red; }\n}\nb { color: blue; }") == [("b", "color")]
