"""The page as a browser shows it: whole at both widths, light and dark, sorted from the keyboard."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import pytest
from browser import Browser

from harness.report.analyse import analyse
from harness.report.render import write_report
from harness.results.store import Results

pytestmark = pytest.mark.skipif(
    browser.found() is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
)

WIDTHS = (400, 1400)

OUTSIDE = """[...document.querySelectorAll("svg, table")].filter((one) => {
    const box = one.getBoundingClientRect(), inside = one.closest(".wide");
    const seen = inside && inside.getBoundingClientRect();
    return !inside || getComputedStyle(inside).overflowX !== "auto" || box.left < seen.left - 1 ||
        box.width > inside.scrollWidth + 1 || seen.right > innerWidth;
}).map((one) => one.outerHTML.slice(0, 200))"""
"""Figures and tables that reach out of what scrolls them."""

CUT_WORDS = """[...document.querySelectorAll("svg text")].filter((one) => {
    const box = one.getBBox(), all = one.ownerSVGElement.viewBox.baseVal;
    return box.x < 0 || box.y < 0 || box.x + box.width > all.width ||
        box.y + box.height > all.height;
}).map((one) => one.textContent)"""

CROSSED_WORDS = """[...document.querySelectorAll("svg")].flatMap((svg) => {
    const words = [...svg.querySelectorAll("text")].map((one) => [one.textContent, one.getBBox()]);
    return words.flatMap(([said, a], i) => words.slice(i + 1).filter(([, b]) =>
        a.x < b.x + b.width && b.x < a.x + a.width &&
        a.y + 2 < b.y + b.height - 2 && b.y + 2 < a.y + a.height - 2
    ).map(([other]) => said + " | " + other));
})"""
"""Words of a figure that lie on each other, but for 2 units of the space above and below letters."""

CUT_TEXTS = """[...document.querySelectorAll("h1, h2, h3, p, li, summary, nav a")].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && (box.right > innerWidth || box.left < 0);
}).map((one) => one.textContent.slice(0, 80))"""


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with Browser(str(browser.found())) as one:
        yield one


@pytest.fixture(scope="module")
def costly_page(
    make_results: Callable[..., Results], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A page of cost, with names that would break it; without the queries' texts."""
    folder, results = tmp_path_factory.mktemp("costly"), make_results()
    same = results.measurements.assign(value=0.5)
    results = dataclasses.replace(results, folder=folder, measurements=same)
    return write_report(results, analyse(results))


@pytest.fixture(params=["run", "cost"], name="page")
def _page(request: pytest.FixtureRequest, folder: Path, costly_page: Path) -> Path:
    return folder / "report.html" if request.param == "run" else costly_page


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off(window: Browser, page: Path, width: int) -> None:
    window.show(page, width)
    window.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert window.value("document.documentElement.scrollWidth") <= width
    for question in (OUTSIDE, CUT_WORDS, CROSSED_WORDS, CUT_TEXTS):
        assert window.value(question) == []


def test_the_console_stays_empty(window: Browser, page: Path) -> None:
    window.said.clear()
    window.show(page, 1400)
    window.value("document.querySelectorAll('button.sort').forEach((one) => one.click())")
    assert window.said == []
    window.value("console.error('seen')")
    assert "seen" in "".join(window.said)  # the console is listened to


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_screen_has_answer_figure_and_table(
    window: Browser, costly_page: Path, width: int
) -> None:
    """A phone shows about 400 x 900, a laptop 1400 x 900; the table of this page has four rows."""
    window.show(costly_page, width)
    for part in (".answer", ".first svg", ".first table"):
        assert (
            window.value(f"document.querySelector('{part}').getBoundingClientRect().bottom") < 900
        )
    inside = "document.querySelector('.first .wide:has(table)')"
    assert window.value(f"{inside}.scrollWidth <= {inside}.clientWidth")


def test_variants_open_and_close_without_script(window: Browser, folder: Path) -> None:
    window.show(folder / "report.html", 1400)
    shown = (
        "[...document.querySelectorAll('#quality ~ * tbody.variants tr')]"
        ".filter((row) => row.getBoundingClientRect().height > 0).length"
    )
    assert window.value(shown) == 1
    window.value("document.querySelector('#quality ~ * tbody.variants label').click()")
    assert window.value(shown) == 5  # late in two dimensions and precisions


def colours(window: Browser, page: Path, scheme: str) -> dict[str, Any]:
    window.show(page, 1400, scheme)
    found: dict[str, Any] = window.value(
        """(() => {
            const look = (what) => getComputedStyle(document.querySelector(what));
            return { paper: look("body").backgroundColor, ink: look("body").color,
                figure: look("svg").backgroundColor, words: look("svg text[style*='--ink']").fill };
        })()"""
    )
    return found


def test_figures_follow_the_colour_scheme(window: Browser, page: Path) -> None:
    light, dark = (colours(window, page, scheme) for scheme in ("light", "dark"))
    for scheme in (light, dark):
        assert scheme["figure"] == scheme["paper"]
        assert scheme["words"] == scheme["ink"]
    assert light["paper"] == "rgb(255, 255, 255)"
    assert dark["paper"] == "rgb(13, 17, 23)"
    assert light["ink"] != dark["ink"]


COLUMN = """(() => {{
    const table = document.querySelectorAll("table")[{table}];
    return [...table.tBodies].map((group) => group.rows[0].cells[{column}].textContent.trim());
}})()"""


def column(window: Browser, table: int, number: int) -> list[str]:
    found: list[str] = window.value(COLUMN.format(table=table, column=number))
    return found


def press_sort(window: Browser, table: int, number: int) -> str:
    """Press Enter on the button of a column; returns what the column says of its order."""
    head = f"document.querySelectorAll('table')[{table}].tHead.rows[0].cells[{number}]"
    window.value(f"{head}.querySelector('button').focus()")
    window.press("Enter")
    order: str = window.value(f"{head}.getAttribute('aria-sort')")
    return order


TABLE = """<table><thead><tr><th>name</th><th>value</th></tr></thead>
<tbody><tr><th>b</th><td data-key="1100">1,100 [9, 2,000]</td></tr></tbody>
<tbody><tr><th>a10</th><td data-key="">n/a</td></tr></tbody>
<tbody><tr><th>a2</th><td data-key="-0.5">-0.5</td></tr>
<tr><th>z</th><td data-key="999">a variant</td></tr></tbody>
<tbody><tr><th>c</th><td data-key="Infinity">never</td></tr></tbody>
<tbody><tr><th>d</th><td data-key="20">20</td></tr></tbody></table>"""


def test_tables_are_sorted_from_the_keyboard(window: Browser, folder: Path, tmp_path: Path) -> None:
    text = (folder / "report.html").read_text()
    page = tmp_path / "page.html"
    page.write_text(text.replace("<header>", f"<header>{TABLE}", 1))
    window.show(page, 1400)
    before = column(window, 0, 1)
    assert press_sort(window, 0, 1) == "ascending"
    assert column(window, 0, 1) == ["-0.5", "20", "1,100 [9, 2,000]", "never", "n/a"]
    assert press_sort(window, 0, 1) == "descending"
    assert column(window, 0, 1) == ["never", "1,100 [9, 2,000]", "20", "-0.5", "n/a"]
    assert press_sort(window, 0, 1) == "none"
    assert column(window, 0, 1) == before
    press_sort(window, 0, 0)
    assert column(window, 0, 0) == ["a2", "a10", "b", "c", "d"]
    orders = "[...document.querySelector('table').tHead.rows[0].cells].map((c) => c.ariaSort)"
    assert window.value(orders) == ["ascending", "none"]


def test_numbers_of_the_report_sort_as_numbers(window: Browser, costly_page: Path) -> None:
    window.show(costly_page, 1400)
    tables = window.value("[...document.querySelectorAll('table')].map((t) => t.innerText)")
    whole = next(i for i, text in enumerate(tables) if "retrieval only" in text)
    press_sort(window, whole, 2)
    # medians of base, late, twin, on the fly, cross in ms; tests/analysis/costs/test_page.py derives them
    assert column(window, whole, 2) == [
        *("11.0 / n/a", "120 / n/a", "230 / n/a", "558 / n/a", "1,110 / n/a"),
    ]
    press_sort(window, whole, 3)
    assert column(window, whole, 3)[-2:] == ["not measured", "not measured"]


def test_without_script_the_page_is_whole(window: Browser, page: Path) -> None:
    cells = "document.querySelectorAll('td').length"
    window.show(page, 1400)
    with_script = window.value(cells)
    assert window.value("document.querySelectorAll('button').length") > 0
    window.show(page, 1400, script=False)
    root = window.do("DOM.getDocument", depth=-1)["root"]["nodeId"]
    found = {
        name: len(window.do("DOM.querySelectorAll", nodeId=root, selector=name)["nodeIds"])
        for name in ("td", "button", "svg", "nav a")
    }
    assert found["td"] == with_script
    assert found["button"] == 0
    assert found["svg"]
    assert found["nav a"]


def test_a_row_s_link_opens_its_configuration(window: Browser, folder: Path) -> None:
    window.show(folder / "report.html", 1400)
    window.value("document.querySelector('tbody th a').click()")
    assert window.value(
        "new Promise((done) => setTimeout(() => done("
        "document.getElementById(location.hash.slice(1)).open), 100))"
    )


def test_the_page_prints_whole(window: Browser, page: Path) -> None:
    window.show(page, 1400, "dark")
    assert window.printed().startswith(b"%PDF")
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    window.do("Emulation.setEmulatedMedia", media="print", features=dark)
    assert window.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert window.value("getComputedStyle(document.querySelector('svg')).backgroundColor") == (
        "rgb(255, 255, 255)"
    )


def test_a_file_of_a_figure_has_colours_of_its_own(
    window: Browser, folder: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / "figures" / "gains.svg", tmp_path / "figure.svg")
    found = []
    for scheme in ("light", "dark"):
        window.show(tmp_path / "figure.svg", 800, scheme)
        found.append(window.value("getComputedStyle(document.documentElement).backgroundColor"))
    assert found == ["rgb(255, 255, 255)", "rgb(13, 17, 23)"], json.dumps(found)
