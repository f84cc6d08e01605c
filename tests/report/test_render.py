"""The report, from a run of fakes with hostile names and texts."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from fakes import QRELS, QUERIES, write_beir, write_experiment

from harness import cli
from harness.report.render import markdown

EVIL = '<script>alert("x")</script> | `a` [b](javascript:c) & "d"'
DENSE = {"use": "dense", "encoder": {"use": "fakes:HashingEncoder"}}
LATE = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}}


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    docs = {"d1": "red apple", "d2": f"red apple pie {EVIL}", "d3": "green pear", "d5": "plum"}
    qrels = {**QRELS, "q2": {"d3": 2, "gone": 1}}
    write_beir(folder / "data", docs, {**QUERIES, "q1": f"red apple {EVIL}"}, qrels)
    file = write_experiment(
        folder,
        question=f"Is it {EVIL}?",
        systems=[
            {"name": "dense", "retriever": DENSE},
            {"name": "words", "retriever": {"use": "fakes:WordOverlap"}},
            {
                "name": "late",
                "retriever": DENSE,
                "reranker": LATE,
                "vary": {"reranker.dim": [16, 8], "reranker.precision": ["float16", "binary"]},
            },
            {
                "name": "broken",
                "retriever": DENSE,
                "reranker": {"use": "fakes:Constant", "value": float("nan")},
            },
        ],
    )
    results, cache = folder / "results", folder / "cache"
    code = cli.main(["run", str(file), "--results", str(results), "--cache", str(cache)])
    assert code == 3  # one trial fails on purpose
    return results / "experiment"


def test_html_is_self_contained_and_runs_nothing(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert "script" not in page.tags
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert page.tags.count("svg") == 2  # differences, and quality against storage
    assert "&lt;script&gt;alert(&#34;x&#34;)" in text


def test_markdown_escapes_texts(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    assert "<script>" not in text
    assert r"\[b\](javascript:c)" in text
    assert text.startswith("# Is it &lt;script&gt;")


def test_figures_stand_where_markdown_points(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    names = {path.name for path in (folder / "figures").iterdir()}
    assert names == {"forest-data.svg", "storage-data.svg"}
    assert all(f"(figures/{name})" in text for name in names)


def test_report_says_what_failed_and_what_was_not_measured(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    missing = text[text.index("## What was not measured") :]
    assert "broken on data: The reranker gave document" in missing
    assert "Latency" in missing
    assert "1 of 6 judgements are of documents that the corpus lacks" in text
    assert "words: 1 queries have no hit" not in text


def test_storage_table_counts_bytes(folder: Path) -> None:
    rows = [line for line in (folder / "report.md").read_text().splitlines() if "| 8 |" in line]
    # 4 documents of 2, 10, 2 and 1 words: 15 vectors; beside them 4 dense vectors of 16 float32.
    binary = next(row for row in rows if "binary" in row)
    vectors = (2 + len(f"red apple pie {EVIL}".split()) + 2 + 1) / 4
    assert f"| {vectors:.1f} | {vectors * 8 / 8 + 16 * 4:.0f} |" in binary


def test_answer_names_the_family(folder: Path) -> None:
    answer = (folder / "report.md").read_text().splitlines()[2]
    assert answer.startswith("**On data no system is shown to beat dense")


def test_same_results_same_report(folder: Path) -> None:
    before = (folder / "report.html").read_bytes()
    file, results = folder.parents[1] / "experiment.yaml", folder.parent
    assert cli.main(["report", str(file), "--results", str(results)]) == 0
    assert (folder / "report.html").read_bytes() == before


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
