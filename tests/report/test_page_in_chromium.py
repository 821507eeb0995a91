from collections.abc import Iterator
from pathlib import Path

import pytest
import synthetic
from chromium import BINARY, Chromium

from parity.report import html

pytestmark = pytest.mark.skipif(BINARY is None, reason="chromium is not installed: apt-get install chromium")
PAIR = "#case=arguments/momentum[float32]&subject=mine.py:RMSprop"
NETWORK = "#case=mnist/computed[float32]&subject=keras-xla"
OPEN = "document.getElementById('pair').open"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as running:
        yield running


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(html.render(synthetic.run(120, hostile=True)))
    return path


@pytest.fixture(autouse=True)
def _fresh(browser: Chromium) -> None:
    browser.console.clear()
    browser.requests.clear()


def quiet(browser: Chromium, page: Path) -> None:
    browser.evaluate("new Promise(done => setTimeout(done, 100))")
    assert browser.console == []
    asked = {url.partition("#")[0] for url in browser.requests if not url.startswith(("data:", "about:"))}
    assert asked == {page.as_uri()}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("fragment", ["", PAIR, NETWORK], ids=["page", "pair", "network"])
def test_the_page_is_quiet_and_fits_its_width(
    browser: Chromium, page: Path, fragment: str, width: int, dark: bool
) -> None:
    browser.open(page, fragment, width, 900, dark)
    assert browser.evaluate(OPEN) is bool(fragment)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.getElementById('pair').scrollWidth") <= width
    quiet(browser, page)


def test_a_link_to_a_pair_opens_it_with_its_curves(browser: Chromium, page: Path) -> None:
    browser.open(page, PAIR)
    assert browser.evaluate("document.querySelector('#pair h2').innerText").endswith("mine.py:RMSprop")
    assert browser.evaluate("document.querySelector('#pair .chain .broken b').innerText") == "momentum buffer"
    assert browser.evaluate("document.querySelectorAll('#pair svg.chart .out').length") > 0
    assert browser.evaluate("document.querySelectorAll('#pair svg.chart').length") == 7
    browser.open(page, NETWORK)
    assert "Loss" in browser.evaluate("document.querySelector('#pair .charts').innerText")


def test_escape_and_back_close_a_pair_and_return_the_focus(browser: Chromium, page: Path) -> None:
    browser.open(page)
    browser.evaluate("window.cell = document.querySelector('td a'); cell.focus(); cell.click()")
    browser.wait(OPEN)
    browser.press("Escape", 27)
    browser.wait(f"!{OPEN}")
    browser.wait("document.activeElement === cell && location.hash === ''")
    browser.evaluate("cell.click()")
    browser.wait(OPEN)
    browser.evaluate("history.back()")
    browser.wait(f"!{OPEN}")
    quiet(browser, page)


def test_arrow_keys_walk_the_table_and_the_pairs(browser: Chromium, page: Path) -> None:
    browser.open(page)
    assert browser.evaluate("document.querySelectorAll('td a[tabindex=\"0\"]').length") == 1
    where = "[document.activeElement.closest('td').cellIndex, document.activeElement.closest('tr').rowIndex]"
    browser.evaluate("document.querySelector('td a').focus()")
    column, row = browser.evaluate(where)
    browser.press("ArrowRight", 39)
    browser.press("ArrowDown", 40)
    assert browser.evaluate(where) == [column + 1, row + 1]
    browser.open(page, PAIR)
    browser.press("ArrowRight", 39)
    browser.wait("location.hash && document.querySelector('#pair h2').innerText.endsWith('torch')")


def test_filters_leave_the_rows_they_name(browser: Chromium, page: Path) -> None:
    browser.open(page)
    shown = "[...document.querySelectorAll('tr[data-text]')].filter(row => row.offsetParent).length"
    everything = browser.evaluate(shown)
    browser.evaluate("document.querySelector('.filter[data-verdict=FAILED]').click()")
    assert browser.evaluate(shown) == 4
    browser.evaluate("document.querySelector('.filters [type=reset]').click()")
    browser.wait(f"{shown} === {everything}")
    browser.evaluate("s = document.getElementById('filter-text'); s.value = 'place of epsilon'; s.form.oninput")
    browser.evaluate("s.dispatchEvent(new Event('input', {bubbles: true}))")
    assert browser.evaluate(shown) == 4
    browser.evaluate("s.value = 'nothing like it'; s.dispatchEvent(new Event('input', {bubbles: true}))")
    assert browser.evaluate("!document.getElementById('none').hidden")


def test_every_kind_of_pair_opens_without_an_error(browser: Chromium, page: Path) -> None:
    browser.open(page)
    kinds = "new Map([...document.querySelectorAll('td a')].map(a => [a.innerText + a.closest('td').cellIndex, a]))"
    opened = browser.evaluate(
        f"[...{kinds}.values()].map(a => (a.click(), document.querySelector('#pair h2').innerText)).length"
    )
    # Chromium throttles a page that changes its address more than 200 times in 30 seconds.
    assert 10 < opened < 150
    quiet(browser, page)


def test_hostile_names_never_run(browser: Chromium, page: Path) -> None:
    browser.evaluate("window.alert = () => console.error('ran')")
    browser.open(page)
    browser.evaluate("[...document.querySelectorAll('td a')].filter(a => a.href.includes('%3C'))[0].click()")
    browser.wait(OPEN)
    assert browser.evaluate("document.querySelectorAll('img, #pair script').length") == 0
    quiet(browser, page)


def test_the_theme_button_switches_and_stays(browser: Chromium, page: Path) -> None:
    browser.open(page)
    before = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    browser.evaluate("document.getElementById('theme').click()")
    after = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    browser.open(page)
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == after
    browser.evaluate("localStorage.clear()")


def test_the_page_reads_without_scripts(browser: Chromium, page: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        assert "diverges in" in browser.evaluate("document.querySelector('h1').innerText")
        assert "obtained" in browser.evaluate("document.querySelector('.card').innerText")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
