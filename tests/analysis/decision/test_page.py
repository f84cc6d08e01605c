"""What the report, the record and the command line say of a decision, with hostile names."""

from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from fakes import write_beir, write_experiment
from literal import literal

from harness.analysis.decision import first_screen, page
from harness.cli import commands
from harness.page.blocks import Block, Figure
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
    parts = (found, made.decision, made.frontier)
    both = [*page.decision_blocks(*parts), *page.decision_details(*parts)]
    return {block.title: block for block in both}


def rows(table: Table) -> list[Mapping[str, str]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_requirements_of_each_system() -> None:
    required = {"p95_ms": {"cpu": 200}, "gb_per_million_documents": 4, "licence": "commercial"}
    found = blocks(results(requirements=required))
    base, late, cross = rows(found["Every requirement"].tables[0].table)
    assert base == {
        "system": "base",
        "verdict": "in",
        "p95 ms on cpu (at most 200)": "10.0 (-95%)",
        "GB / million docs (at most 4)": "1.00 (-75%)",
        "licence (commercial)": "allowed",
        "remark": (
            "none of 200 calls took more than 200 ms, enough to say that p95 meets the limit (p < 0.001)"
        ),
    }
    assert late["verdict"] == "OUT"
    assert late["GB / million docs (at most 4)"] == "10.0 (2.5 times)"
    assert (cross["verdict"], cross["licence (commercial)"]) == ("OUT", "unknown")
    assert cross["p95 ms on cpu (at most 200)"] == "1,010 (5.0 times)"
    assert cross["remark"] == (
        "all 200 calls took more than 200 ms, enough to say that p95 misses the limit (p < 0.001); the "
        "licence of no/such is unknown"
    )
    short = rows(found["Who meets the requirements"].tables[0].table)
    assert short[1] == {name: cell for name, cell in late.items() if name != "remark"}


@pytest.mark.parametrize(
    ("timed", "verdict", "cell"),
    [(71, "in", "<= 10.0"), (40, "open", "open (> 10.0)")],
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
    assert row["verdict"] == "open"
    assert next(iter(found)) == "Why"
    decided = analyse(with_decision(few, requirements=required, workload=LOAD)).decision
    assert decided.headline.endswith("against the requirements.")
    (line,) = found["Frontier: x"].lines
    assert line.startswith("Latency not measured, compared without it: base, late|te")


def test_other_workloads() -> None:
    block = blocks(results(workload=LOAD))["Other workloads"]
    (shown,) = block.tables
    table = rows(shown.table)
    assert shown.folded
    assert block.lines == [
        (
            "The decision stays the same with documents x 0.1, documents x 10, queries per day x 0.1, queries "
            "per day x 10."
        )
    ]
    assert [row["workload"] for row in table] == [
        *("as given", "documents x 0.1", "documents x 10"),
        *("queries per day x 0.1", "queries per day x 10"),
    ]
    assert table[0]["decision"] == "adopt cross"
    assert table[2]["documents"] == "10,000"
    assert table[2]["GB of index"] == "0.0100"  # 10,000 documents of 1,000 bytes
    assert "cost / month" not in table[0]  # there are no prices
    assert "Other workloads" not in blocks(results())


def test_the_frontier_and_its_figure() -> None:
    block = blocks(results())["Frontier: x on cpu"]
    base, late, cross = rows(block.tables[0].table)
    assert (late["chance to be dominated"], late["dominated by"]) == ("0%", "-")
    assert (base["ms"], base["statistic"], base["GB / million docs"]) == ("10.0", "p95", "1.00")
    assert cross["m@1"] == "0.8000 [0.800, 0.800]"


def opened(found: Results) -> Block:
    made = analyse(found)
    return first_screen.opening_block(found, made.decision, made.frontier)


def words(figure: Figure) -> list[str]:
    return [str(n.text) for n in ET.fromstring(figure.svg).iter() if n.tag.endswith("}text")]


def titles(figure: Figure) -> list[str]:
    """What shows under the pointer."""
    return [str(n.text) for n in ET.fromstring(figure.svg).iter() if n.tag.endswith("}title")]


def test_the_first_screen_has_one_figure_and_a_short_table() -> None:
    found = results(requirements={"p95_ms": {"cpu": 200}})
    block = opened(found)
    (shown,) = block.figures
    assert shown.name == "frontier-latency-x-cpu"  # the one limit keeps the cross-encoder out
    root = ET.fromstring(shown.svg)
    assert not [node for node in root.iter() if node.tag.endswith(("}b", "}script"))]
    assert "var(--paper)" not in shown.svg  # no mark is hollow: every p95 was carried
    assert "base: 0.5000, p95 10.0 ms, 1.00 GB per million documents" in titles(shown)
    assert {"base", "cross"} <= set(words(shown))
    assert rows(block.tables[0].table) == [
        {"system": name, "role": role, "m@1": gain, "p95 ms": ms, "GB / million docs": size}
        for name, role, gain, ms, size in (
            ("base", "baseline", "0.500", "10.0", "1.00"),
            (
                *(EVIL, "adopt, best late interaction, precomputed"),
                *("+0.200 [+0.200, +0.200]", "110", "10.0"),
            ),
            (
                *("cross", "runner-up, best cross-encoder"),
                *("+0.300 [+0.300, +0.300]", "1,010 (limit 200)", "1.00"),
            ),
        )
    ]
    why, *_ = blocks(found).values()
    assert [one.name for one in why.figures] == ["frontier-storage-x-cpu"]


def test_a_system_without_weights_has_no_number() -> None:
    quality = {"base": [0.5] * 200, "late": [0.7] * 200}
    failed = {"random": "no weights here"}
    block = opened(literal(quality, failed=failed, seconds={"late": 0.1, "random": 1.0}))
    row = rows(block.tables[0].table)[-1]
    assert (row["system"], row["m@1"]) == ("random", "not measured: no weights here")
    assert row["p95 ms"] == "1,010"
    assert not [title for title in titles(block.figures[0]) if title.startswith("random")]


def test_limits_are_shaded_and_the_rest_is_grey() -> None:
    plain, limited = (
        opened(results(requirements=asked)).figures[0].svg
        for asked in ({}, {"p95_ms": {"cpu": 200}})
    )
    assert limited.count("opacity: 0.45") == plain.count("opacity: 0.45") + 1
    names = [f"late[dim={i},precision=float16]" for i in range(14)]
    quality = {"base": [0.5] * 200} | {name: [0.6 + i / 1e5] * 200 for i, name in enumerate(names)}
    sizes, seconds = dict.fromkeys(names, 9000), dict.fromkeys(names, 0.1)
    found = literal(quality, bytes_per_document=sizes, seconds=seconds)
    (shown,) = opened(found).figures
    assert len(titles(shown)) == 15
    named = {word for word in words(shown) if word.startswith(("late", "base"))}
    assert named == {"base", "late 13 float16"}  # no other is better; fourteen are as fast


def test_a_figure_needs_two_that_were_timed() -> None:
    found = literal({"base": [0.5] * 9, "late": [0.6] * 9})
    shown = [one.name for block in blocks(found).values() for one in block.figures]
    assert [one for one in shown if "latency" in one] == []


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
    title = (
        r"**Adopt late\|te&lt;b&gt;&amp;\`$x$ \[a\](javascript:b): ranks 0.200 m@1 better than base"
    )
    assert text.index(title) < text.index("### Why") < text.index("## Quality")
    assert page.index(">The decision</h2>") < page.index(">Everything on x</h2>")
    tags = Tags()
    tags.feed(page)
    assert "b" not in tags.seen
    assert tags.seen.count("script") == 1  # the page's own
    for block in blocks(results(requirements={"p95_ms": {"cpu": 200}})):
        assert f"{block}</" in page


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
    assert "- Required: 95th percentile of a query at most 200 ms on cpu." in text
    assert "fingerprint ffffffffffffffff. d &lt;b&gt;" in text
    assert re.search(r"^- x: base k, late.* k, cross k$", text, re.MULTILINE)
    assert r"| +0.300 \[+0.300, +0.300\] |" in text


def test_the_record_of_nothing_measured(make_results: Make, tmp_path: Path) -> None:
    files = written(make_results("dummy"), tmp_path)
    assert "Assess further: nothing says how these systems rank, because" in files["decision.md"]
    assert "no date is given" in files["decision.md"]
    assert "- Required: nothing." in files["decision.md"]
    assert "no weights here" in files["report.md"]


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
    assert said["flips"][0].startswith(
        "Adopt late if the limit were 0.776 GB of index"
    )  # 3 x 64 x 4 + 8 bytes
    assert commands.main(["run", str(file)]) == 0
    assert "\nDecision: Keep dense: late ranks" in capsys.readouterr().out

    content = yaml.safe_load(file.read_text())
    content["decision"]["requirements"]["gb_per_million_documents"] = 1
    file.write_text(yaml.safe_dump(content))
    assert commands.main(["report", str(file)]) == 0
    assert capsys.readouterr().out.endswith("\nDecision: Adopt late.\n")
    assert (
        "per million documents.** Review by: 2027-01-01."
        in Path("results/experiment/decision.md").read_text()
    )

    content["decision"]["requirements"] = {"gb": 1}
    file.write_text(yaml.safe_dump(content))
    assert commands.main(["report", str(file)]) == 2
    assert "decision.requirements.gb: unknown key" in capsys.readouterr().err
