import io
import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pandas
import pytest
import synthetic

from parity.report import formats, html, json_, junit, markdown, parquet, write
from parity.verdicts.results import TABLE_COLUMNS, Comparison, Pair, Run
from parity.verdicts.verdict import Verdict

SHORT = 12


@pytest.fixture(scope="module")
def run() -> Run:
    return synthetic.run(SHORT, hostile=True)


def test_every_format_is_found_without_a_list() -> None:
    assert set(formats()) == {"index.html", "summary.md", "results.json", "junit.xml", "steps.parquet"}


def test_write_returns_the_page_and_writes_every_format(run: Run, tmp_path: Path) -> None:
    page = write(run, tmp_path / "latest")
    assert page.name == "index.html"
    assert {path.name for path in page.parent.iterdir()} == set(formats())


def test_a_run_without_pairs_renders_in_every_format() -> None:
    empty = Run([], {}, "2026-01-01", 0.0)
    for module in formats().values():
        assert module.render(empty)
    assert "Nothing was compared" in html.render(empty)


def test_a_pair_without_comparisons_counts_as_failed() -> None:
    lonely = Run([Pair("a/b", "no", "mine.py:X", "", [])], {}, "2026-01-01", 0.0)
    for module in formats().values():
        assert module.render(lonely)
    assert "no comparison came back" in html.render(lonely)


@pytest.mark.parametrize("name", ["results.json", "summary.md", "index.html", "junit.xml", "steps.parquet"])
def test_the_same_run_renders_to_the_same_bytes_in_any_order(name: str) -> None:
    one = synthetic.run(SHORT)
    other = msgspec.structs.replace(one, pairs=one.pairs[::-1])
    assert formats()[name].render(one) == formats()[name].render(other)


def test_times_stand_in_keys_of_their_own(run: Run) -> None:
    slower = msgspec.structs.replace(
        run, started="later", seconds=999.0, pairs=[msgspec.structs.replace(pair, seconds=7.5) for pair in run.pairs]
    )
    timeless = [re.sub(r'"(seconds|started)": .*', "", json_.render(each)) for each in (run, slower)]
    assert timeless[0] == timeless[1]
    without_last_line = [markdown.render(each).rsplit("\nStarted", 1)[0] for each in (run, slower)]
    assert without_last_line[0] == without_last_line[1]


def test_json_is_strict_and_names_what_is_not_finite(run: Run) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    document = json.loads(json_.render(run), parse_constant=refuse)
    assert document["schema"] == 1
    assert len(document["results"]) == sum(len(pair.comparisons) for pair in run.pairs)
    hostile = next(result for result in document["results"] if result["subject"].startswith("</script>"))
    assert hostile["first_divergence"]["bound"] == "Infinity"
    assert "table" not in hostile
    assert any(pair["circumstances"].get("nan") == "NaN" for pair in document["pairs"])


def test_no_place_of_the_machine_leaves_through_a_cell(run: Run) -> None:
    for name, module in formats().items():
        content = module.render(run)
        text = content if isinstance(content, str) else content.decode("latin-1")
        assert "/secret/place" not in text, name


def test_junit_has_a_suite_for_each_subject_and_counts_right(run: Run) -> None:
    root = ElementTree.fromstring(junit.render(run))
    assert [suite.get("name") for suite in root] == sorted(suite.get("name", "") for suite in root)
    for suite in root:
        assert int(suite.get("tests", "")) == len(suite.findall("testcase"))
        for plural, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(plural, "")) == len(suite.findall(f"testcase/{kind}"))
    comparisons = [item for pair in run.pairs for item in pair.comparisons]
    failing = sum(item.outcome.fails for item in comparisons)
    assert int(root.get("failures", "")) + int(root.get("errors", "")) == failing
    assert int(root.get("skipped", "")) == sum(not item.outcome.compared for item in comparisons)
    assert all(case.get("classname") and case.get("name") for case in root.iter("testcase"))


def test_junit_failure_text_has_the_fixed_order(run: Run) -> None:
    root = ElementTree.fromstring(junit.render(run))
    failure = next(node for node in root.iter("failure") if node.get("type") == "DIVERGED")
    text = failure.text or ""
    words = ["case ", "subject ", "DIVERGED", "first divergence: step", "slot", "tensor", "index"]
    words += ["obtained", "expected", "difference", "bound", "reproduce: parity run"]
    places = [text.index(word) for word in words[:3]] + [text.index(word, text.index("first")) for word in words[3:]]
    assert places == sorted(places)


def test_parquet_reads_back_as_categoricals_and_numbers() -> None:
    run = synthetic.run(SHORT)
    frame = pandas.read_parquet(io.BytesIO(parquet.render(run)))
    assert list(frame.columns) == ["case", "subject", "gradients", "comparison", *TABLE_COLUMNS]
    tables = [item.table for pair in run.pairs for item in pair.comparisons if item.table is not None]
    assert len(frame) == sum(len(table["step"]) for table in tables)
    for name in ("case", "subject", "gradients", "comparison", "slot", "tensor"):
        assert isinstance(frame[name].dtype, pandas.CategoricalDtype), name
    one = frame[(frame["case"] == "arguments/rho[float32]") & (frame["subject"] == "keras-xla")]
    item = next(
        c for p in run.pairs for c in p.comparisons if (c.case, c.subject) == (one["case"].iloc[0], "keras-xla")
    )
    assert item.table is not None
    lockstep = one[one["comparison"] == "lockstep"]
    np.testing.assert_array_equal(lockstep["ratio"].to_numpy(), item.table["ratio"])
    assert lockstep["slot"].astype(str).tolist() == item.table["slot"].tolist()


def test_parquet_takes_lists_and_has_all_columns_without_rows() -> None:
    table: dict[str, Any] = {name: [0.5, float("nan")] for name in TABLE_COLUMNS}
    table |= {"slot": ["parameter"] * 2, "tensor": ["w", "b"], "step": [0, 1]}
    table |= {"size": [1, 1], "differing": [0, 1], "index": [-1, 0]}
    item = Comparison("a", "b", "replayed", "free", "ROUNDING", "", table=table)
    frame = pandas.read_parquet(io.BytesIO(parquet.render(Run([Pair("a", "", "b", "", [item])], {}, "", 0.0))))
    assert frame["tensor"].tolist() == ["w", "b"]
    empty = pandas.read_parquet(io.BytesIO(parquet.render(Run([], {}, "", 0.0))))
    assert list(empty.columns) == list(frame.columns)


def test_markdown_collapses_rows_that_read_alike() -> None:
    agreeing = markdown.render(synthetic.agreeing(SHORT))
    assert agreeing.startswith("# All ")
    rows = [line for line in agreeing.splitlines() if line.startswith("| ") and "identical" in line]
    assert len(rows) < 12
    assert "cases: " in rows[-1]


def test_markdown_shows_each_failure_with_its_place_and_command() -> None:
    text = markdown.render(synthetic.run(SHORT))
    part = text.split("### `mine.py:RMSprop` in `arguments/momentum[float32]`")[1].split("###")[0]
    assert "stage **momentum buffer**" in part
    assert "| obtained | expected | difference | bound |" in part
    assert "parity run 'arguments/momentum[float32]' --subject mine.py:RMSprop" in part


def test_markdown_tables_hold_against_pipes_and_tags(run: Run) -> None:
    text = markdown.render(run)
    head = next(line for line in text.splitlines() if line.startswith("| rule | case |"))
    width = len(re.findall(r"(?<!\\)\|", head))
    rows = text.split("| rule | case |")[1].split("\n\n")[0].splitlines()[2:]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == width for row in rows)
    outside_code = re.sub(r"(`+).+?\1", "", text)
    assert not re.search(r"(?<!\\)<(?!/?details|/?summary)", outside_code)


class Reader(HTMLParser):
    """Collects the elements and attributes that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]


def test_hostile_names_stay_text(run: Run) -> None:
    reader = Reader()
    page = html.render(run)
    reader.feed(page)
    assert reader.tags.count("script") == 2
    assert "img" not in reader.tags
    assert reader.handlers == []
    assert all(re.match(r"#|data:image/svg|[a-z]+\.(md|json|xml|parquet)$", address) for address in reader.addresses)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800-\udfff]", page)


def test_every_verdict_shows_a_symbol_and_a_word() -> None:
    page = html.render(synthetic.run(SHORT))
    for verdict in Verdict:
        assert re.search(rf'chip {verdict.name}"><i aria-hidden="true">[^<]</i>[a-z-]+', page), verdict
        assert verdict.value.split(":")[0] in unescape(page)


@pytest.mark.exhaustive
def test_a_large_run_stays_within_the_size_limits() -> None:
    large = synthetic.large()
    page = html.render(large)
    assert len(page.encode()) <= html.MAX_BYTES
    assert len(markdown.render(large).encode()) <= markdown.MAX_BYTES
    assert '"curves":true' in page
