"""The templates of the page: no name breaks out of any of them, and none renders what it was not given."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
import synthetic
from jinja2 import UndefinedError
from markupsafe import Markup

from parity.report import html, markup
from parity.verdicts.results import Run

HOSTILE = f"""{synthetic.HOSTILE}" onload="alert(3)" x='{{{{ 7 * 7 }}}}'&lt;"""
# Words from closed lists: another would be another page, not the same one with a hostile name in it.
CLOSED = {"verdict", "comparison", "stage", "mode", "dtype", "kind", "gradients"}
KEYS_OF_OTHERS = {"circumstances", "hyperparameters", "switches"}
TEMPLATES = sorted(path.name for path in (Path(markup.__file__).parent / "templates").iterdir())


class Reader(HTMLParser):
    """Collects the elements, and the attributes and texts that name something."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[str]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, [name for name, _ in attrs]))
        self.texts += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def spoiled(value: Any, key: str = "") -> Any:
    """Return the same document with a hostile beginning of every text, and of every key that is a name of others."""
    if isinstance(value, str):
        return value if key in CLOSED or not value else HOSTILE + value
    if isinstance(value, list):
        return [spoiled(inner, key) for inner in value]
    if isinstance(value, dict):
        return {
            HOSTILE + name if key in KEYS_OF_OTHERS else name: spoiled(inner, "" if key in KEYS_OF_OTHERS else name)
            for name, inner in value.items()
        }
    return value


@pytest.fixture
def measured() -> dict[str, Any]:
    """Return what `make answer` and `make matrix` wrote, in short."""
    libraries = [
        {"subject": "torch", "mode": "plain", "verdict": "EXPLAINED", "switches": {"epsilon_place": "outside"}}
    ]
    caught = {"mistake": "rho", "case": "a/b", "caught": True, "constructor": "Keras' arguments"}
    lives = {"mistake": "rho", "case": "a/b", "caught": None, "constructor": "none", "variant": "lost", "probed": True}
    kills = [{**caught, "probed": True}, {**caught, "probed": False}, lives]
    return {
        "answer": {"question": {"summary": "Why?", "conclusion": ["Because of two lines."]}},
        "matrix": {"subjects": libraries, "kill": kills},
    }


def write(folder: Path, measured: dict[str, Any]) -> None:
    for name, document in measured.items():
        (folder / "reports" / name).mkdir(parents=True, exist_ok=True)
        (folder / "reports" / name / f"{name}.json").write_text(json.dumps(document))
    for picture in ("curves.svg", "interaction.svg", "waterfall.svg"):
        (folder / "reports" / "answer" / picture).write_text("<svg><text>loss</text></svg>")


def plain(subjects: tuple[str, ...] = ()) -> Run:
    """Return a run without curves, with circumstances of which some stand in groups."""
    run = synthetic.run(12, subjects)
    pairs = [
        msgspec.structs.replace(
            pair, comparisons=[msgspec.structs.replace(item, table=None) for item in pair.comparisons]
        )
        for pair in run.pairs
    ]
    return msgspec.structs.replace(run, pairs=pairs)


@pytest.mark.parametrize(
    ("subjects", "sections"), [((), {"matrix", "parting"}), (("keras-eager", "torch"), {"matrix", "answer"})]
)
def test_names_change_no_element_of_the_page(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    measured: dict[str, Any],
    subjects: tuple[str, ...],
    sections: set[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run = plain(subjects)
    write(tmp_path, measured)
    expected = read(html.render(run))
    write(tmp_path, spoiled(measured))
    obtained = read(html.render(msgspec.convert(spoiled(msgspec.to_builtins(run)), Run)))
    assert obtained.elements == expected.elements
    assert {"answer", "matrix", "parting"} & set(obtained.texts) == sections
    shown = [document for name, document in measured.items() if name in sections]
    words = [*texts_of(shown), *texts_of(msgspec.to_builtins(run.circumstances)), *html.Facts(run).subjects]
    missing = [word for word in words if not any(HOSTILE + word in text for text in obtained.texts)]
    assert missing == []


def texts_of(value: Any, key: str = "") -> Iterator[str]:
    """Yield every text of a document that the page shows as it is."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from texts_of(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner, key)
    elif isinstance(value, str) and key not in CLOSED | {"commit"}:
        yield value


def test_the_tags_in_a_text_are_shown_and_not_obeyed() -> None:
    shown = markup.render("circumstances.html", flat=[("<b>", Markup("<i>ours</i>"))], nested=[("'\"&", [])])
    assert "<dt>&lt;b&gt;</dt><dd><i>ours</i></dd>" in shown
    assert "<h3>&#39;&#34;&amp;</h3>" in shown


def test_control_characters_reach_no_page() -> None:
    shown = markup.render("circumstances.html", flat=[(synthetic.CONTROL, "\u202e\x00")], nested=[])
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800-\udfff]", shown)


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name != "macros.html"])
def test_a_template_without_its_values_is_an_error(name: str) -> None:
    with pytest.raises(UndefinedError):
        markup.render(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_turns_escaping_off(name: str) -> None:
    source = (Path(markup.__file__).parent / "templates" / name).read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape", source)
