"""What the report, the record and the command line say of a decision, with hostile names."""

from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import yaml
from fakes import write_beir, write_experiment
from literal import literal

from harness.analysis.decision import frontier_figure, page
from harness.cli import commands
from harness.page.blocks import Block
from harness.page.tables import Table
from harness.report.analyse import analyse
from harness.report.render import write_report
from harness.results.store import Results
from harness.results.terms import with_decision

Make = Callable[..., Results]
EVIL = "late|te<b>&`$x$\n[a](javascript:b)"
"""A late-interaction system."""

LOAD = {"documents": 1000, "queries_per_day": 10, "candidates": 10}
QUALITY = {"base": [0.5] * 200, EVIL: [0.7] * 200, "cross": [0.8] * 200}


def results(**terms: object) -> Results:
    return literal(
        QUALITY,
        bytes_per_document={EVIL: 9000},
        seconds={EVIL: 0.1, "cross": 1.0},
        models={"cross": "no/such"},
        **terms,
    )


def blocks(found: Results) -> dict[str, Block]:
    made = analyse(found)
    return {
        block.title: block for block in page.decision_blocks(found, made.decision, made.frontier)
    }


def rows(table: Table) -> list[Mapping[str, str]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_requirements_of_each_system() -> None:
    required = {"p95_ms": {"cpu": 200}, "gb_per_million_documents": 4, "licence": "commercial"}
    found = blocks(results(requirements=required))
    base, late, cross = rows(found["Who meets the requirements"].tables[0].table)
    assert base == {
        "system": "base",
        "verdict": "in",
        "p95 ms on cpu (at most 200)": "10.0 (-95%)",
        "GB / million docs (at most 4)": "1.00 (-75%)",
        "licence (commercial)": "allowed",
        "remark": "200 calls, none above 200 ms: p95 <= 200 ms is shown (p < 0.001)",
    }
    assert late["verdict"] == "OUT"
    assert late["GB / million docs (at most 4)"] == "10.0 (2.5 times)"
    assert (cross["verdict"], cross["licence (commercial)"]) == ("OUT", "not known")
    assert cross["p95 ms on cpu (at most 200)"] == "1,010 (5.0 times)"
    assert cross["remark"] == (
        "200 calls, all above 200 ms: p95 > 200 ms is shown (p < 0.001); the licence of no/such is "
        "not known"
    )


@pytest.mark.parametrize(
    ("timed", "verdict", "cell"),
    [(71, "in", "<= 10.0"), (40, "assess", "not settled (> 10.0)")],
)
def test_a_percentile_that_the_calls_do_not_carry(timed: int, verdict: str, cell: str) -> None:
    quality = {"base": [0.5] * 200, "cross": [0.8] * 200}
    few = literal(quality, seconds={"cross": 1.0}, timed=timed)
    found = blocks(with_decision(few, requirements={"p95_ms": {"cpu": 200}}))
    base, cross = rows(found["Who meets the requirements"].tables[0].table)
    assert (base["verdict"], base["p95 ms on cpu (at most 200)"]) == (verdict, cell)
    assert cross["p95 ms on cpu (at most 200)"] == "> 1,010 (5.0 times)"


def test_what_was_not_measured_is_said() -> None:
    few = dataclasses.replace(results(), costs=literal(QUALITY).costs)
    required = {"p95_ms": {"cuda": 200}, "memory_gb": 1}
    found = blocks(with_decision(few, requirements=required, workload=LOAD))
    row, *_ = rows(found["Who meets the requirements"].tables[0].table)
    assert row["p95 ms on cuda (at most 200)"] == "not measured"
    assert row["RAM GB on cuda (at most 1)"] == "not measured"
    assert row["verdict"] == "assess"
    assert next(iter(found)) == "Why"
    decided = analyse(with_decision(few, requirements=required, workload=LOAD)).decision
    assert decided.headline.endswith("against the requirements.")
    (line,) = found["Frontier: x"].lines
    assert line.startswith("Latency not measured, compared without it: base, late|te")


def test_other_workloads() -> None:
    block = blocks(results(workload=LOAD))["For other workloads"]
    table = rows(block.tables[0].table)
    assert block.lines == ["The decision is the same for all of these."]
    assert [row["workload"] for row in table] == [
        *("as given", "documents x 0.1", "documents x 10"),
        *("queries per day x 0.1", "queries per day x 10"),
    ]
    assert table[0]["decision"] == "adopt cross"
    assert table[2]["documents"] == "10,000"
    assert table[2]["GB of index"] == "0.0100"  # 10,000 documents of 1,000 bytes
    assert "cost / month" not in table[0]  # there are no prices
    assert "For other workloads" not in blocks(results())


def test_the_frontier_and_its_figure() -> None:
    block = blocks(results())["Frontier: x on cpu"]
    base, late, cross = rows(block.tables[0].table)
    assert (late["chance to be dominated"], late["dominated by"]) == ("0%", "-")
    assert (base["ms"], base["statistic"], base["GB / million docs"]) == ("10.0", "p95", "1.00")
    assert cross["m@1"] == "0.8000 [0.800, 0.800]"
    (shown,) = block.figures
    assert shown.name == "frontier-x-cpu"
    root = ET.fromstring(shown.svg)
    assert not [node for node in root.iter() if node.tag.endswith(("}b", "}script"))]
    assert "var(--paper)" not in shown.svg  # no mark is hollow: every p95 was carried
    titles = [node.text for node in root.iter() if node.tag.endswith("}title")]
    assert "base: 0.5000, p95 10.0 ms, dominated with a chance of 0%" in titles


def test_eight_names_are_in_the_figure() -> None:
    names = [f"late[dim={i},precision=float16]" for i in range(14)]
    quality = {"base": [0.5] * 200} | {name: [0.6 + i / 1e5] * 200 for i, name in enumerate(names)}
    made = blocks(literal(quality, seconds=dict.fromkeys(names, 0.1)))
    (shown,) = made["Frontier: x on cpu"].figures
    texts = [str(n.text) for n in ET.fromstring(shown.svg).iter() if n.tag.endswith("}text")]
    named = [text for text in texts if text.rpartition(" ")[0] in quality]
    assert len(named) == 8
    assert "base 0%" in named  # the least likely dominated come first
    assert "8 of 15, the others are in the tables" in shown.alt
    titles = [str(n.text) for n in ET.fromstring(shown.svg).iter() if n.tag.endswith("}title")]
    assert len(titles) == 15


def test_a_figure_needs_two_that_were_timed() -> None:
    made = blocks(literal({"base": [0.5] * 9, "late": [0.6] * 9}))
    assert not [figure for block in made.values() for figure in block.figures]


@pytest.mark.parametrize("sizes", [(), (1.0,), (1.0, 1.0), (0.0, 2.0)])
def test_sizes_of_marks_of_few_or_equal_sizes(sizes: tuple[float, ...]) -> None:
    found = frontier_figure._sizes(pd.Series(sizes, dtype=float))
    assert len(found) == len(sizes)
    assert found.dropna().between(*frontier_figure.SIZES).all()


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.seen.append(tag)


def written(found: Results, folder: Path) -> Mapping[str, str]:
    """The files of a report; without the texts of queries, which are on no disk here."""
    found = dataclasses.replace(found, folder=folder)
    analysis = analyse(found)
    unchanged = dataclasses.replace(found, measurements=found.measurements.assign(value=0.5))
    write_report(unchanged, analysis)
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_the_decision_stands_right_after_the_answer(tmp_path: Path) -> None:
    files = written(results(requirements={"p95_ms": {"cpu": 200}}), tmp_path)
    text, page = files["report.md"], files["report.html"]
    title = r"**Adopt late\|te&lt;b&gt;&amp;\`$x$ \[a\](javascript:b)"
    answer = analyse(results()).answer[:10]
    assert text.index(title) < text.index(answer) < text.index("### Why") < text.index("## x")
    assert page.index(">The decision</h2>") < page.index(">x</h2>")
    tags = Tags()
    tags.feed(page)
    assert "b" not in tags.seen
    assert tags.seen.count("script") == 1  # the page's own
    for block in blocks(results(requirements={"p95_ms": {"cpu": 200}})):
        assert f"### {block}" in text


def test_the_record_is_whole_and_escaped(tmp_path: Path) -> None:
    terms = {"requirements": {"p95_ms": {"cpu": 200}}, "review_by": "2027-01-31", "workload": LOAD}
    text = written(results(**terms), tmp_path)["decision.md"]
    assert text.startswith("# ?\n")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [
        *("Context", "Options", "Decision", "What would change our mind", "For other workloads"),
        "Evidence",
    ]
    assert "<b>" not in text
    assert r"\[a\](javascript:b)" in text
    assert "Review by: 2027-01-31." in text
    assert "- Required: p95\\_ms on cpu 200." in text
    assert "fingerprint ffffffffffffffff. d &lt;b&gt;" in text
    assert re.search(r"\| base \| x \| done \| k \|", text)
    assert "| +0.3000 [+0.300, +0.300] |".replace("[", r"\[").replace("]", r"\]") in text


def test_the_record_of_nothing_measured(make_results: Make, tmp_path: Path) -> None:
    files = written(make_results("dummy"), tmp_path)
    assert "Assess further: measure the quality of base, the baseline" in files["decision.md"]
    assert "no date is given" in files["decision.md"]
    assert "- Required: nothing." in files["decision.md"]
    assert "its weights are random" in files["report.md"]


HASHED = {"use": "dense", "encoder": {"use": "fakes:HashingEncoder", "dim": 2}}
LATE = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder", "dim": 64}}


def test_a_changed_requirement_moves_the_decision_of_stored_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    docs = {f"d{i}": " ".join(f"w{i * 3 + j}" for j in range(3)) for i in range(40)}
    queries = {f"q{i}": docs[f"d{i}"] for i in range(40)}
    write_beir(tmp_path / "data", docs, queries, {f"q{i}": {f"d{i}": 1} for i in range(40)})
    systems = [
        {"name": "dense", "retriever": HASHED},
        {"name": "late", "retriever": HASHED, "reranker": LATE},
    ]
    block = {"requirements": {"gb_per_million_documents": 0.1}, "review_by": "2027-01-01"}
    file = write_experiment(tmp_path, systems=systems, decision=block)
    assert commands.main(["run", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["decision"]
    assert (said["answer"], said["system"], said["headline"]) == ("keep", "dense", "Keep dense.")
    assert said["flips"][0].startswith("Adopt late if 0.776 GB of index")  # 3 x 64 x 4 + 8 bytes
    assert commands.main(["run", str(file)]) == 0
    assert "\nDecision: Keep dense. late is shown to gain enough" in capsys.readouterr().out

    content = yaml.safe_load(file.read_text())
    content["decision"]["requirements"]["gb_per_million_documents"] = 1
    file.write_text(yaml.safe_dump(content))
    assert commands.main(["report", str(file)]) == 0
    assert capsys.readouterr().out.endswith("\nDecision: Adopt late.\n")
    assert (
        "**Adopt late.** Review by: 2027-01-01."
        in Path("results/experiment/decision.md").read_text()
    )

    content["decision"]["requirements"] = {"gb": 1}
    file.write_text(yaml.safe_dump(content))
    assert commands.main(["report", str(file)]) == 2
    assert "decision.requirements.gb: unknown key" in capsys.readouterr().err
