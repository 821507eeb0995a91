"""An error's message in one line keeps what says why."""

import pytest

from parity.errors import one_line


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("no root", "ValueError: no root"),
        ("", "ValueError"),
        (" \n\n ", "ValueError"),
        ("shape (3,) does not fit\nhint: transpose it", "ValueError: shape (3,) does not fit / hint: transpose it"),
        ("\n  in user code:\n\n    File x, line 3\n    KeyError: 'v'\n", "ValueError: in user code: … KeyError: 'v'"),
        ("a\r\nb", "ValueError: a / b"),
        ("ends in a colon:", "ValueError: ends in a colon:"),
    ],
)
def test_first_line_and_last_are_shown(message: str, said: str) -> None:
    assert one_line(ValueError(message)) == said


def test_a_long_message_keeps_its_cause_and_its_end() -> None:
    said = one_line(RuntimeError("cause " + "x" * 10_000 + "\n" + "y" * 10_000 + "\nend"))
    assert said.startswith("RuntimeError: cause x")
    assert said.endswith("x … end")
    assert len(said) < 500
