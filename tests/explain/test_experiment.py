import re
from collections.abc import Callable
from pathlib import Path

import pytest

from parity.case.places import CASES
from parity.errors import SpecError
from parity.explain.experiment import load, schema_text

Write = Callable[[str], Path]
QUESTION = CASES / "question"


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        (
            "forward_divisor",
            "foward_divisor",
            r"a: unknown name 'foward_divisor'\. Did you mean 'forward_divisor'",
            "foward",
        ),
        ('experiment = "small"', 'experiment = "small"\nfactors = []', r"factors: received an empty list", "factors"),
        (
            'experiment = "small"',
            'experiment = "small"\nfactors = ["momentun"]',
            r"Did you mean 'momentum'\?",
            "factors",
        ),
        (
            'experiment = "small"',
            'experiment = "small"\nfactors = ["momentum"]',
            r"'momentum' is the same on both",
            "factors",
        ),
        (
            'experiment = "small"',
            'experiment = "small"\nfactors = 3',
            r"factors: expected list, got integer",
            "factors",
        ),
        ("target = 1.9", "target = 0.0", r"target: expected number > 0.0; received 0.0", "target"),
        ("target = 1.9", "tarjet = 1.9", r"unknown name 'tarjet'\. Did you mean 'target'\?", "tarjet"),
        ("learning_rate = 0.003", 'learning_rate = "fast"', r"b\.learning_rate: expected number", "learning_rate"),
        ("examples = 40", "examples = 4000", r"a\.examples: expected integer <= 1000; received 4000", "examples"),
        ("learning_rate = 0.003", "examples = 20", r"examples: differs", "examples = 20"),
        ("[784, 12, 10]", "[100, 12, 10]", r"layers: received \[100, 12, 10\]", "layers"),
        ("learning_rate = 0.003", "clipnorm = 1.0\nclipvalue = 1.0", r"only one of clipvalue", "clipnorm"),
        ('name = "quick"', "", r"b: key 'name' is missing", "[b]"),
        ("[both]", "[other]", r"unknown name 'other'", "[other]"),
        ("target = 1.9", "", r"key 'target' is missing", ""),
        ('experiment = "small"', "", r"key 'experiment' is missing", ""),
        ("[a]", "[a]]", r"not valid TOML", "[a]]"),
    ],
)
def test_mistake_in_a_file_is_one_message_that_says_what_and_where(
    write: Write, small_text: str, old: str, new: str, message: str, line: str
) -> None:
    text = small_text.replace(old, new, 1)
    with pytest.raises(SpecError, match=message) as caught:
        load(write(text))
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("experiment.toml") == 1
    named = re.search(r"/experiment\.toml:(\d+): ", str(caught.value))
    assert bool(named) is bool(line)
    assert not named or text.split("\n")[int(named[1]) - 1].startswith(line)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        load(tmp_path / "absent.toml")


def test_supposed_values_are_checked_when_the_file_is_read(write: Write, small_text: str) -> None:
    reason = '\n[[supposed]]\nlabel = "1"\nclaim = "x"\nfactors = ["momentum"]\nwhat_if = { momentum = 2.0 }\n'
    start = small_text.count("\n") + 1
    with pytest.raises(SpecError, match=rf":{start + 5}: supposed '1': what_if: momentum: expected number <= 1.0"):
        load(write(small_text + reason))
    with pytest.raises(SpecError, match=rf":{start + 4}: supposed '1': factors: unknown name 'momentun'"):
        load(write(small_text + reason.replace('["momentum"]', '["momentun"]')))


def test_what_is_not_attributed_is_taken_from_side_b(write: Write, small_text: str) -> None:
    experiment = load(write(small_text.replace("epochs = 3", 'epochs = 3\nfactors = ["forward_divisor"]')))
    a, b = experiment.programs
    assert (a.learning_rate, a.forward_divisor, b.forward_divisor) == (0.003, 512.0, 1.0)


def test_question_differs_in_seven_of_its_choices() -> None:
    assert load(QUESTION / "question.toml").active == [
        "initial_weights",
        "hidden_slip",
        "forward_divisor",
        "probability_clip",
        "second_moment_start",
        "dtype",
        "printed_loss",
    ]


def test_every_experiment_that_ships_loads_and_the_second_has_under_thirty_lines() -> None:
    for path in QUESTION.glob("*.toml"):
        load(path)
    assert len((QUESTION / "torch_rule.toml").read_text().splitlines()) < 30


def test_schema_on_disk_is_that_of_the_code() -> None:
    text = schema_text()
    assert (QUESTION / "schema.json").read_text(encoding="utf-8") == text
