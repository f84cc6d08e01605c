"""The report of a run of fakes with hostile names and texts."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import harness
from harness.cli import commands
from harness.page.tables import markdown
from harness.report import methods
from harness.report.analyse import analyse
from harness.report.render import report_context
from harness.results.store import load_results


class Page(HTMLParser):
    """What a page's elements are, point to, and are called; and the cells of its tables."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.names: list[str] = []
        self.cells: list[str] = []
        self._in_cell = False
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        known = {name: value or "" for name, value in attrs}
        self.addresses += [known[name] for name in ("src", "href", "xlink:href") if name in known]
        self.names += [known["id"]] if "id" in known else []
        assert not any(name.startswith("on") for name in known)
        if tag in ("td", "th"):
            self._in_cell = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data.strip()


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page(folder / "report.html")


def test_html_is_self_contained(folder: Path, page: Page) -> None:
    assert all(address.startswith("#") or address == "data:," for address in page.addresses)
    text = (folder / "report.html").read_text()
    assert "url(" not in text
    assert "@import" not in text
    assert page.tags.count("svg") == 3  # frontier, gains, storage


def test_html_runs_its_own_script_only(folder: Path, page: Page) -> None:
    text = (folder / "report.html").read_text()
    assert page.tags.count("script") == 1
    (script,) = re.findall("<script>(.*)</script>", text, re.DOTALL)
    ours = Path(methods.__file__).with_name("templates") / "report.js"
    assert script.strip() == ours.read_text().strip()
    assert "&lt;script&gt;alert(&#34;x&#34;)" in text


def test_every_link_leads_somewhere_and_every_name_is_one_place(page: Page) -> None:
    assert len(page.names) == len(set(page.names))
    targets = {address[1:] for address in page.addresses if address.startswith("#")}
    assert targets <= set(page.names)


def test_the_contents_name_every_section(page: Page, folder: Path) -> None:
    results = load_results(folder)
    sections = report_context(results, analyse(results))["sections"]
    assert [section.title for section in sections] == [
        *("The decision", "Quality", "Storage", "What was not measured and why"),
        *("The decision in detail", "Everything on data"),
        "How it was measured",
        "What was run",
    ]
    for section in sections:
        assert f"#{section.anchor}" in page.addresses
        assert all(block.anchor in page.names for block in section.blocks)


def test_a_row_leads_to_its_system_s_configuration_and_key(page: Page, folder: Path) -> None:
    results = load_results(folder)
    key = results.trials.set_index("system")["key"]["late[dim=8,precision=binary]"]
    systems = report_context(results, analyse(results))["systems"]
    assert f"#{systems['late[dim=8,precision=binary]']}" in page.addresses
    place = page.cells.index(key)
    assert page.cells[place - 1] == "key of the trial on data"
    assert "fakes:HashingTokenEncoder" in page.cells


def test_numbers_say_how_they_were_measured(folder: Path) -> None:
    results = load_results(folder)
    sections = report_context(results, analyse(results))["sections"]
    (how,) = (section for section in sections if section.title == methods.TITLE)
    known = {block.anchor for block in how.blocks}
    for block in (*sections[1].blocks, *sections[5].blocks):
        assert not block.tables or methods.anchor(block.method) in known, block.title
        for shown in block.tables:
            kinds = zip(shown.table.columns, shown.table.kinds(), strict=True)
            numeric = [name for name, kind in kinds if kind == "number"]
            assert all(map(methods.method_of, numeric)) or block.method, block.title


def test_markdown_has_no_row_that_the_page_lacks(page: Page, folder: Path) -> None:
    text = (folder / "report.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    cells = [
        html.unescape(re.sub(r"\\(.)", r"\1", cell.strip()))
        for row in rows
        if not re.fullmatch(r"[|: -]+", row)
        for cell in re.split(r"(?<!\\)\|", row)[1:-1]
    ]
    assert len(cells) > 50
    seen = iter(" ".join(cell.split()) for cell in page.cells)
    assert all(cell in seen for cell in cells)  # in the same order


def test_variants_are_one_row_that_opens_to_them(page: Page, folder: Path) -> None:
    results = load_results(folder)
    quality = report_context(results, analyse(results))["sections"][1].blocks[0].tables[0].table
    late = [row for row in quality.rows if row[0].startswith("late[")]
    assert len(late) == 4
    place = page.cells.index("late (4 variants)")
    assert [page.cells[place + len(row) * (i + 1)] for i, row in enumerate(late)] == [
        row[0] for row in late
    ]
    text = (folder / "report.md").read_text()
    assert "| late (4 variants) |" in text
    assert "checkbox" in (folder / "report.html").read_text()


def test_what_is_folded_is_named_in_markdown(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    more = text[text.index("## More") :]
    assert "[report.html](report.html)" in more
    assert "- Everything on data: Leaderboard, Differences to dense" in more
    assert "\n### Leaderboard" not in text
    assert "<summary>Leaderboard</summary>" in (folder / "report.html").read_text()


def test_markdown_escapes_texts(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    assert "<script>" not in text
    assert r"\[b\](javascript:c)" in text
    assert text.startswith("# Is it &lt;script&gt;")


def test_figures_stand_where_markdown_points(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    names = {path.name for path in (folder / "figures").iterdir()}
    assert names == {"frontier-storage-data.svg", "gains.svg", "storage-data.svg"}
    assert all(f"(figures/{name})" in text for name in names)
    assert all("<style>" in (folder / "figures" / name).read_text() for name in names)


def test_report_says_what_failed_and_what_was_not_measured(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    missing = text[text.index("## What was not measured") :]
    assert "broken on data: The reranker gave document" in missing
    assert "Latency" in missing
    page = (folder / "report.html").read_text()
    assert "1 of 6 judgements is of a document that the corpus lacks" in page
    assert "words: 1 queries have no hit" not in text


def test_storage_table_counts_bytes(page: Page) -> None:
    # 4 documents of 2, 9, 2 and 1 words: 14 vectors; beside them 4 dense vectors of 16 float32.
    vectors = 14 / 4
    place = page.cells.index(f"{vectors * 8 / 8 + 16 * 4:.0f}")
    assert page.cells[place - 1] == f"{vectors:.1f}"
    assert page.cells[place - 3 : place - 1] == ["8", "binary"]


def test_the_answer_comes_first(folder: Path) -> None:
    answer = (folder / "report.md").read_text().splitlines()[2]
    assert answer.startswith(
        "**Assess further: the quality of broken was not measured (The reranker"
    )


def test_same_results_same_report(folder: Path) -> None:
    written = [path for path in folder.glob("*") if path.is_file()]
    written += (folder / "figures").iterdir()
    assert {"report.html", "report.md", "leaderboard.tex"} <= {path.name for path in written}
    before = {path: path.read_bytes() for path in written}
    file, results = folder.parents[1] / "experiment.yaml", folder.parent
    assert commands.main(["report", str(file), "--results", str(results)]) == 0
    assert {path: path.read_bytes() for path in written} == before


MODELS = {"torch", "transformers", "sentence_transformers", "pylate", "onnxruntime"}


@pytest.mark.parametrize("command", [["report"], ["export", "out"]], ids=["report", "export"])
def test_no_library_of_models_is_imported(folder: Path, tmp_path: Path, command: list[str]) -> None:
    file, (verb, *rest) = folder.parents[1] / "experiment.yaml", command
    arguments = [verb, str(file), *(str(tmp_path / name) for name in rest)]
    arguments += ["--results", str(folder.parent)]
    code = f"import sys; from harness.cli.commands import main; main({arguments}); "
    code += f"sys.exit(str({MODELS} & set(sys.modules) or ''))"
    root = Path(harness.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=root
    )
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("<b>", "&lt;b&gt;"),
        ("two\nlines", "two lines"),
        ("*x* _y_ `z`", r"\*x\* \_y\_ \`z\`"),
    ],
)
def test_markdown(text: str, escaped: str) -> None:
    assert markdown(text) == escaped
