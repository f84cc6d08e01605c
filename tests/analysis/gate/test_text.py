"""What a gate writes: Markdown, JUnit XML and the terminal, with hostile names in all of them."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import gated
import pandas as pd
import pytest

from harness.analysis.gate.baseline import accept
from harness.analysis.gate.judge import Gate, judge
from harness.analysis.gate.junit import gate_junit
from harness.analysis.gate.markdown import ROWS, gate_markdown
from harness.analysis.gate.text import accepted_text, gate_text
from harness.files import digests
from harness.results import values
from harness.results.store import Results

EVIL = "a|b<b>&`*]]> @all #1"
"""A system: it would end a cell, open an element, call everybody, and is no XML."""

REASON = "<script>alert(1)</script> | @team\n\n# headline"
QUERY = "who is @root? | <img src=x onerror=alert(1)> `code` [a](b)"

NOW = "2026-11-25T12:00:00"


def system(name: str) -> dict[str, Any]:
    return {"name": name, "retriever": gated.OVERLAP}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Gate, Results]:
    """Every status at once."""
    folder = tmp_path_factory.mktemp("gate")
    names = [EVIL, "same", "better", "few", "broken", "new" * 40]
    file = gated.experiment(folder / "in", systems=[system(name) for name in names[:-1]])
    spread = [0.3, 0.4, 0.5, 0.4] * 10
    old = {name: [value + 0.2 for value in spread] for name in names[:-1]}
    results = gated.store(folder / "old", file, old)
    accepted = accept(results, gated.loaded(file), REASON, "2026-01-01")
    gated.experiment(folder / "in", systems=[system(name) for name in names])
    new = {**old, EVIL: spread, "better": [value + 0.4 for value in spread]}
    new["few"] = [0.6, 0.4, 0.9, 0.3] * 10
    del new["broken"]
    new["new" * 40] = spread
    machine = {**gated.PROVENANCE, "packages": {"torch": f"3|{EVIL}"}}
    found = gated.store(folder / "new", file, new, {"broken": EVIL}, provenance=machine)
    texts = next((folder / "new").rglob("a-b*/texts.parquet"))
    rows = [(f"query q{i}", (QUERY * 9).encode()) for i in range(40)]
    values.write(texts, pd.DataFrame(rows, columns=["name", "text"]))
    digests.renew(texts.parent, [texts.name])
    return judge(found, accepted, gated.loaded(file)), found


STATUSES = ["fail", "pass", "pass", "inconclusive", "not measured", "not comparable"]


def test_every_status_is_there(judged: tuple[Gate, Results]) -> None:
    assert [one.status for one in judged[0].judgements] == STATUSES


def cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line)[1:-1]


def test_markdown_says_the_verdict_first_and_keeps_its_tables(
    judged: tuple[Gate, Results],
) -> None:
    text = gate_markdown(*judged)
    first, _, second = text.splitlines()[:3]
    assert first == "## Gate experiment: fail"
    assert second.startswith(
        "1 fail, 1 not measured, 1 not comparable, 1 inconclusive, 2 pass. Accepted on 2026-01-01: "
    )
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5  # judgements, queries of three of them, what changed
    for table in tables:
        widths = {len(cells(line)) for line in table.splitlines()}
        assert len(widths) == 1
    assert "**fail**" in tables[0]
    assert "pass, better" in tables[0]


def test_markdown_is_harmless(judged: tuple[Gate, Results]) -> None:
    text = gate_markdown(*judged)
    assert "<" not in text
    assert not re.search(r"(?<!\w)@\w", text)
    assert not re.search(r"(?<!\\)`", text)
    assert len(re.findall(r"^#", text, re.MULTILINE)) == 3


def test_markdown_shows_the_queries_that_moved_most(judged: tuple[Gate, Results]) -> None:
    text = gate_markdown(*judged)
    block = text.partition("### Queries that moved most")[2]
    assert block.count("queries moved") == 3
    head = block.splitlines()[2]
    assert head.startswith("**a\\|b&lt;b&gt;&amp;\\`\\*\\]\\]&gt; ")  # the failed one first
    assert "who is @&#8203;root? \\| &lt;img src=x" in block
    assert "…" in block


def test_long_tables_are_counted_and_cut(judged: tuple[Gate, Results]) -> None:
    gate, results = judged
    many = [gate.judgements[1]] * (ROWS + 7)
    text = gate_markdown(dataclasses.replace(gate, judgements=many), results)
    assert "and 7 more rows" in text


SUITE = {"name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors"}
SUITE |= {"skipped", "time"}


def test_junit_has_what_the_schemas_demand(judged: tuple[Gate, Results]) -> None:
    """As the schemas of Ant's JUnit report and of xunit for Jenkins have it, in our words."""
    root = ET.fromstring(gate_junit(judged[0], NOW))
    assert (root.tag, root.attrib) == ("testsuites", {})
    (suite,) = root
    assert (suite.tag, set(suite.attrib)) == ("testsuite", SUITE)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    counts = [suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["6", "1", "2", "1"]
    assert [child.tag for child in suite] == [
        "properties",
        *["testcase"] * 6,
        "system-out",
        "system-err",
    ]
    for case in suite.iter("testcase"):
        assert set(case.attrib) == {"name", "classname", "time"}
        assert len(case) <= 1
    found = [case[0].tag if len(case) else "" for case in suite.iter("testcase")]
    assert found == ["failure", "", "", "skipped", "error", "error"]
    for child in (case[0] for case in suite.iter("testcase") if len(case)):
        assert set(child.attrib) == {"message", "type"}


def test_junit_holds_hostile_text(judged: tuple[Gate, Results]) -> None:
    document = gate_junit(judged[0], NOW)
    assert b"encoding='utf-8'" in document.splitlines()[0]
    names = [case.attrib["name"] for case in ET.fromstring(document).iter("testcase")]
    assert names[0] == EVIL + " ndcg@3"
    (error,) = (
        case[0].attrib["message"]
        for case in ET.fromstring(document).iter("testcase")
        if case.attrib["name"].startswith("broken")
    )
    assert error.startswith("failed: a|b<b>&`*]]> ")
    assert "torch: 2.11.0 -> 3|a" in (ET.fromstring(document)[0].findtext("system-out") or "")


def test_terminal_fits_and_says_what_is_no_pass(judged: tuple[Gate, Results]) -> None:
    text = gate_text(judged[0], "run it", "accept it")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 79
    assert lines[0].startswith("Gate experiment: fail (1 fail, 1 not measured, ")
    assert "NOT MEASURED broken on data, ndcg@3: failed: a|b" in text
    assert "PASS better on data, ndcg@3: +0.2000" in text
    assert lines[-2:] == ["Run what has no result:", "  run it"]
    assert "Changed in configuration and versions:" in text


def test_terminal_of_a_pass_asks_for_nothing(tmp_path: Path) -> None:
    file = gated.experiment(tmp_path / "in")
    values = {"first": [0.5] * 8, "second": [0.25] * 8}
    results = gated.store(tmp_path, file, values)
    accepted = accept(results, gated.loaded(file), "first baseline", "2026-01-01")
    assert gate_text(judge(results, accepted, gated.loaded(file)), "run it", "accept it") == (
        "Gate experiment: pass (2 pass)\n"
        "Accepted on 2026-01-01: first baseline\n"
        "\n"
        "data, ndcg@3: may lose 0.01\n"
        "          accepted     now     change      \n"
        "  first     0.5000  0.5000  unchanged  pass\n"
        "  second    0.2500  0.2500  unchanged  pass"
    )


def test_accepting_says_what_changed(tmp_path: Path) -> None:
    file = gated.experiment(tmp_path / "in")
    found = []
    for name, second in (("a", 0.25), ("b", 0.5)):
        results = gated.store(tmp_path / name, file, {"first": [0.5] * 8, "second": [second] * 8})
        found.append(accept(results, gated.loaded(file), "r", "2026-01-01"))
    before, after = found
    told = accepted_text(before, after, Path("b/e.csv"))
    assert told.splitlines() == [
        "Accepted: 2 means of 16 values in b/e.csv and e.json; commit both.",
        "",
        "                         before     now   change",
        "  second ndcg@3 on data  0.2500  0.5000  +0.2500",
    ]
    assert "Every value is the same as before" in accepted_text(after, after, Path("b/e.csv"))
    assert "It is the first baseline" in accepted_text(None, after, Path("b/e.csv"))


def test_what_every_query_lost_alike_is_no_unchanged_value(tmp_path: Path) -> None:
    file = gated.experiment(tmp_path / "in")
    old = gated.store(tmp_path / "a", file, {"first": [0.5] * 8, "second": [0.5] * 8})
    accepted = accept(old, gated.loaded(file), "r", "2026-01-01")
    results = gated.store(tmp_path / "b", file, {"first": [0.5] * 8, "second": [0.25] * 8})
    gate = judge(results, accepted, gated.loaded(file))
    text = gate_text(gate, "run it", "accept it")
    assert "  second    0.5000  0.2500    -0.2500  fail" in text.splitlines()
    assert r"-0.2500 \[-0.2500, -0.2500\]" in gate_markdown(gate, results)
    assert "  first     0.5000  0.5000  unchanged  pass" in text.splitlines()
