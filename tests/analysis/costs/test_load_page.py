"""The block on load: what was answered, what was required, and how far the client can be believed."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from harness.analysis.costs.figures import rates_figure
from harness.analysis.costs.load_page import load_blocks
from harness.page.blocks import Block
from harness.report.analyse import analyse
from harness.report.methods import method_of
from harness.report.render import report_context, write_report
from harness.results.store import Results

Make = Callable[..., Results]
EVIL = "la|te<b>&`$x$"
SVG = "{http://www.w3.org/2000/svg}"
PROVENANCE = {"machine": {"cores": 2}}
FACTS = {
    "settings": {"device": "cpu"},
    "cores": 2,
    "servers": {"cross": {"here": True, "remembers": False, "queries": 9}},
    "ceiling": [{"clients": 8, "per_second": 1000.0, "median_seconds": 0.0081, "cores": 1.31}],
    "provenance": PROVENANCE,
}


def steps(system: str, levels: Sequence[float], **more: Any) -> list[dict[str, Any]]:
    row = {"dataset": "x", "system": system, "k": 5, "reason": "", "remark": "", "cores": 0.25}
    row |= {"status": "measured", "window": 10.0} | more
    rates = [
        row | {"loop": "open", "level": level, "share": level / 100, "window": 400 / level}
        for level in levels
    ]
    return [row | {"loop": "closed", "level": 4.0, "share": math.nan}, *rates]


def requests(step: dict[str, Any], seconds: float, refused: int = 0) -> list[dict[str, Any]]:
    names = {name: step[name] for name in ("dataset", "system", "loop", "level")}
    return [
        names
        | {"query_id": f"q{i}", "due": i * step["window"] / 400, "late": 0.0}
        | {"seconds": math.nan if i < refused else seconds}
        | {"outcome": "refused" if i < refused else "answered"}
        for i in range(400)
    ]


@pytest.fixture
def results(make_results: Make) -> Results:
    """Two servers: `cross` is too slow at 40 a second and refuses at 80, EVIL broke."""
    cross = steps("cross", [20.0, 40.0, 80.0])
    cross[3]["remark"] = "it answered 503, saying <busy>."
    broken = steps(EVIL, [], status="failed", reason="it mixes <answers>")
    absent = {"dataset": "x", "system": "twin", "loop": "", "status": "not measured"}
    absent |= {"reason": "it is no server", "remark": ""}
    made = zip(cross, (0.01, 0.02, 0.3, 0.05), (0, 0, 0, 200), strict=True)
    sent = [row for step, seconds, refused in made for row in requests(step, seconds, refused)]
    found = make_results(steps=pd.DataFrame([*cross, *broken, absent]), requests=pd.DataFrame(sent))
    decision = found.plan["decision"] | {"requirements": {"p95_ms": {"cpu": 100.0}}}
    return dataclasses.replace(
        found,
        plan=found.plan | {"decision": decision, "seed": 1},
        cost_facts={**found.cost_facts, ("x", "load"): FACTS},
    )


def block(results: Results) -> Block:
    (found,) = load_blocks(results, analyse(results).loads, "x")
    return found


def without_limit(results: Results) -> Results:
    decision = results.plan["decision"] | {"requirements": {}}
    return dataclasses.replace(results, plan=results.plan | {"decision": decision})


def test_without_load_there_is_no_block(make_results: Make) -> None:
    results = make_results()
    assert list(load_blocks(results, analyse(results).loads, "x")) == []


def test_the_answer_comes_first(results: Results) -> None:
    found = block(results)
    assert found.lines[0].startswith(
        "cross answers within 100 ms (p95) up to 20.0 requests a second"
    )
    assert "at the next rate, 40.0, p95 is 312 ms" in found.lines[0]  # 300 and 10 to 12
    text = " ".join(found.lines)
    assert "is 100 ms (p95). Requests are reranking alone" in text
    assert "shared the 2 cores of this machine (cross)" in text
    assert "cross: 9 queries, again and again." in text
    assert (
        "8 clients: 1,000 such requests a second to a server that answers at once, 8.10 ms" in text
    )
    assert "cross, first request without an answer: it answered 503, saying <busy>." in text
    assert "twin" not in text
    assert [*found.warnings] == [f"{EVIL} under load failed: it mixes <answers>."]


def test_tables(results: Results) -> None:
    closed, opened = (shown.table for shown in block(results).tables)
    (row,) = [dict(zip(closed.columns, cells, strict=True)) for cells in closed.rows]
    assert (row["clients"], row["cores"]) == ("4", "0.2")
    assert row["answered / s [95 %]"].startswith("40.0 [")
    assert row["p95 ms [95 %]"] == "21.9 [21.8, 21.9]"  # 10, and 10 to 12 of retrieval
    rows = [dict(zip(opened.columns, cells, strict=True)) for cells in opened.rows]
    assert [one["verdict"] for one in rows] == [
        "in",
        "OUT: p95 is 312 ms",
        "OUT: 50.0% are not answered",
    ]
    assert [one["of the most"] for one in rows] == ["20%", "40%", "80%"]
    assert [one["refused"] for one in rows] == ["0", "0", "200"]
    assert rows[2]["p95 ms [95 %]"] == "never"
    assert "failed" not in opened.columns


def test_columns_lead_to_how_they_were_measured(results: Results) -> None:
    for shown in block(results).tables:
        named = {name: method_of(name) for name in shown.table.columns}
        assert all(named[name] for name in named if name != "system"), named


def test_without_a_requirement_nothing_is_out(results: Results) -> None:
    found = block(without_limit(results))
    assert "No requirement limits p95" in found.lines[0]
    assert found.lines[1] == "No requirement limits p95 on cpu."
    assert {row[-1] for row in found.tables[1].table.rows} == {"n/a"}


def test_nobody_is_a_server(results: Results) -> None:
    table = results.costs["steps"]
    costs = {**results.costs, "steps": table[table["system"] == "twin"]}
    costs["requests"] = results.costs["requests"].iloc[:0]
    found = block(dataclasses.replace(results, costs=costs))
    assert found.lines == ["No system of this experiment has its reranker on a server."]
    assert not found.tables


def test_a_server_that_remembers_is_named(results: Results) -> None:
    servers = {"cross": {"here": False, "remembers": True, "queries": 9}}
    facts = {**results.cost_facts, ("x", "load"): FACTS | {"servers": servers, "ceiling": []}}
    text = " ".join(block(dataclasses.replace(results, cost_facts=facts)).lines)
    assert "so each of 9 queries was sent once" in text
    assert "shared the" not in text


def test_both_reports_show_it(results: Results, tmp_path: Any) -> None:
    same = results.measurements.assign(value=0.5)  # no query's text is on any disk here
    placed = dataclasses.replace(results, folder=tmp_path, measurements=same)
    analysis = analyse(placed)
    context = report_context(placed, analysis)
    assert "load-x" in context["figures"]
    write_report(placed, analysis)
    for name in ("report.md", "report.html"):
        text = (tmp_path / name).read_text()
        assert "answers within 100 ms (p95)" in text
        assert "How it was measured" in text
        assert "Load of twin on x: it is no server" in text
        assert "<answers>" not in text
        assert "<busy>" not in text
    assert (tmp_path / "figures" / "load-x.svg").exists()


def loads(systems: int, rates: int) -> pd.DataFrame:
    rows = [
        {"system": f"{EVIL} {i}", "offered": 10.0 * (j + 1), "p50": 0.01, "p95": 0.02 * (i + j + 1)}
        | {"p95_low": 0.01, "p95_high": math.inf if j else 0.5, "saturated": j == 2}
        for i, j in itertools.product(range(systems), range(rates))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("limit", [0.1, math.nan, 100.0])
@pytest.mark.parametrize(("systems", "rates"), [(1, 1), (3, 5), (20, 3)])
def test_figure(systems: int, rates: int, limit: float) -> None:
    table = loads(systems, rates)
    table.loc[table.index[-1], "p95"] = math.inf
    figure = rates_figure(table, limit, "load-x")
    root = ET.fromstring(figure.svg)
    words = [str(node.text) for node in root.iter(f"{SVG}text")]
    titles = [str(node.text) for node in root.iter(f"{SVG}title")]
    assert "requests offered a second (log scale)" in words
    assert ("required" in words) == (not math.isnan(limit))
    assert "median, where that is all there is" in words
    assert [w for w in words if w.startswith(EVIL)] == [
        f"{EVIL} {i}" for i in range(min(systems, 8))
    ]
    assert ("in the tables" in figure.alt) == (systems > 8)
    assert f"{EVIL} 0, 10.0 a second: p95 20.0 ms" in titles or (systems, rates) == (1, 1)
    assert len([title for title in titles if "a second" in title]) == systems * rates
    assert "nan" not in figure.svg
    assert "inf" not in figure.svg
