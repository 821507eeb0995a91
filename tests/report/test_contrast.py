import re
from pathlib import Path

import pytest

import parity.report

CSS = (Path(parity.report.__file__).parent / "page.css").read_text()
COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", CSS)
}
PAIRS = [
    *((text, ground) for text in ("ink", "soft", "link", "bad", "good") for ground in ("page", "sheet", "sunk")),
    *((kind, f"{kind}-tint") for kind in ("good", "near", "maybe", "known", "none", "bad")),
    *((kind, "sheet") for kind in ("good", "near", "none")),
    ("bad-text", "bad-fill"),
    ("ink", "bad-tint"),
]


def luminance(colour: str) -> float:
    """Return relative luminance; formula: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_has_the_contrast_of_wcag_aa(text: str, ground: str, theme: int) -> None:
    one, other = sorted((luminance(COLOURS[text][theme]), luminance(COLOURS[ground][theme])), reverse=True)
    assert (one + 0.05) / (other + 0.05) >= 4.5
