"""A mistake in the list of known divergences names its line, its key and what is allowed."""

from pathlib import Path

import pytest

from parity.case.known import load
from parity.errors import SpecError

GOOD = """\
known = 1

[[divergence]]
case = "a"
subject = "b"
verdict = "DIVERGED"
reason = "c"
link = "d"

[[divergence]]
case = "e*"
subject = "f"
verdict = "FAILED"
reason = "g"
link = "h"
"""


def test_entries_are_read_and_an_absent_list_is_empty(tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_text(GOOD)
    assert [entry.case for entry in load(tmp_path / "known.toml")] == ["a", "e*"]
    assert load(tmp_path / "absent.toml") == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"FAILED"', '"ROUNDING"', r":13: divergence[1].verdict: received 'ROUNDING'; allowed: a verdict that fails"),
        ('"FAILED"', '"BROKEN"', r":13: divergence[1].verdict: received 'BROKEN'; allowed: a verdict that fails"),
        (
            'link = "h"',
            "",
            r":10: divergence[1]: key 'link' is missing; required: case, subject, verdict, reason, link.",
        ),
        ('link = "d"', 'lnk = "d"', r":8: divergence[0]: unknown key 'lnk'. Did you mean 'link'? Allowed: case, "),
        ('"g"', "3", r":14: divergence[1].reason: expected string, got integer; received 3. Each entry has case, "),
        ('"c"', '""', r":7: divergence[0].reason: expected string of length >= 1; received ''. Each entry has case, "),
        ("known = 1", "known = true", r":1: known: expected integer, got true or false; received True."),
        ("known = 1", "", r": top level: key 'known' is missing; required: known."),
        ("known = 1", "known = ", r":1: not valid TOML: "),
    ],
)
def test_a_mistake_names_line_key_and_what_is_allowed(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "known.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(SpecError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)
