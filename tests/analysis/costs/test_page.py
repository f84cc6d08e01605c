"""The sections on cost, from literal tables: what was not measured is said, and never 0."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from harness.analysis.costs import page
from harness.page.blocks import Block
from harness.page.tables import Table
from harness.report.analyse import analyse
from harness.report.render import write_report
from harness.results.store import Results

Make = Callable[..., Results]
EVIL = "la|te<b>&`$x$"


def blocks(results: Results) -> dict[str, Block]:
    """By title; without quality, whose queries these results do not keep."""
    found = analyse(results)
    costs = found.costs.of("x")
    made = [*page.latency_blocks(results, costs, "x"), *page.cost_details(results, "x", costs)]
    return {block.title: block for block in made}


def rows(table: Table) -> list[Mapping[str, str]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_what_was_measured_on(make_results: Make) -> None:
    block = blocks(make_results())["How cost was measured"]
    text = " ".join(block.lines)
    assert "2 threads" in text
    assert "20 queries, each timed up to 5 times" in text
    assert "bm25 finds the candidates of cross, because a first stage with random weights" in text
    # standard deviation of 0.5 and 0.6 over their mean: 0.0707 / 0.55
    assert "varied by 12.9 % (CV)" in text
    # both copies have the same seconds: their ratio is 1 without any spread
    assert blocks(make_results())["x on cpu"].lines[-1] == (
        "Timing check: the same system (twin, precomputed) timed twice on cpu agreed within 0.1 % (a "
        "factor of 1.000 [1.000, 1.000] at k = 2)."
    )
    (warning,) = block.warnings
    assert warning.startswith("cross (rerank, cpu) ranked only 50.0 % of the timed queries as in")


def test_who_took_turns_in_memory_is_told(make_results: Make) -> None:
    results = make_results()
    alone = {"limit_bytes": 4e9, "groups": 1, "too_large": {}}
    for device, seen in {
        "cpu": alone,
        "cuda": {**alone, "groups": 3, "too_large": {"cross": 5.26e9, "late": 4.1e9}},
    }.items():
        results.cost_facts["x", "latency"].setdefault("memory", {})[device] = seen
    text = " ".join(blocks(results)["How cost was measured"].lines)
    limit = "the 4.0 GB of memory that the measurement may hold"
    assert (
        f"On cuda systems took turns in 3 groups in every round, because not all fit into {limit}."
        in text
    )
    assert f"Alone on cuda, more than {limit} was in use for cross (5.3 GB), late (4.1 GB)." in text
    assert "On cpu" not in text


def test_a_noisy_machine_is_a_warning(make_results: Make) -> None:
    calls = make_results().costs["calls"]
    slower = calls["seconds"].where(calls["copy"] == 0, 2 * calls["seconds"])
    found = blocks(make_results(calls=calls.assign(seconds=slower)))
    (first,) = found["x on cpu"].warnings
    assert first.startswith(
        "Noisy: the same system (twin, precomputed) timed twice on cpu differed by a factor"
    )
    without = blocks(make_results(calls=calls[calls["copy"] == 0]))
    assert without["x on cpu"].warnings == ["Noise unknown: no system was timed twice."]


def test_latencies_by_mode(make_results: Make) -> None:
    block = blocks(make_results())["Latency of each stage on cpu"]
    retrieval, cross, precomputed, fly = (shown.table for shown in block.tables)
    assert rows(retrieval)[0]["calls"] == "20"
    measured, predicted = rows(cross)
    # the median of 1.00 .. 1.19 s; 20 calls carry no other percentile
    assert measured["p50 ms [95 %]"].startswith("1,100 [")
    assert (measured["p95 ms [95 %]"], measured["p99"]) == ("n/a", "n/a")
    assert predicted["calls"] == "predicted"
    assert cross.apart == [1]
    # one k was timed, so that the line goes through the origin: twice the tokens, twice the mean
    assert predicted["p50 ms [95 %]"] == "2,190"
    assert rows(precomputed)[3]["calls"] == "not measured"
    assert rows(precomputed)[3]["batches"] == "it broke"
    assert [row["system"] for row in rows(fly)] == [EVIL]
    assert block.tables[3].caption.endswith(f"twin: as {EVIL}.")


def test_calls_that_were_left_out_are_told(make_results: Make) -> None:
    results = make_results()
    arms = results.costs["arms"].copy()
    is_cross = (arms["system"] == "cross") & (arms["status"] == "measured")
    arms.loc[is_cross, "reason"] = "3 calls left out"
    told = dataclasses.replace(results, costs={**results.costs, "arms": arms})
    (_, cross, *_) = (shown.table for shown in blocks(told)["Latency of each stage on cpu"].tables)
    assert rows(cross)[0]["batches"] == "batches of 2; 3 calls left out"


def test_the_whole_query(make_results: Make) -> None:
    found = rows(blocks(make_results())["x on cpu"].tables[0].table)
    assert [row["how"] for row in found] == [
        *("retrieval only", "rerank", "precomputed", "precomputed", "on the fly"),
    ]
    base, cross, late, twin, fly = found
    assert base["k = 2"] == "11.0 / n/a"
    # medians: 1.095 + 0.01095 s; of what was predicted 2.19 + 0.01095 s
    assert (cross["k = 2"], cross["k = 4"]) == ("1,110 / n/a", "predicted 2,200")
    assert late["k = 4"] == "120 / n/a"
    assert (twin["k = 2"], twin["k = 4"]) == ("230 / n/a", "not measured")
    assert (fly["k = 2"], fly["k = 4"]) == ("558 / n/a", "not measured")  # 0.5475 + 0.01095 s
    (shown,) = blocks(make_results())["x on cpu"].tables
    assert shown.caption.endswith(f"On the fly, twin: as {EVIL}.")


def test_ratios_are_to_the_cross_encoder(make_results: Make) -> None:
    found = rows(blocks(make_results())["How many times as fast as cross on cpu"].tables[0].table)
    assert [(row["system"], row["how"], row["k = 2"].split()[0]) for row in found] == [
        (EVIL, "precomputed", "10.0"),
        ("twin", "precomputed", "5.00"),
        (EVIL, "on the fly", "2.00"),
    ]


def test_ways_to_keep_vectors(make_results: Make) -> None:
    block = blocks(make_results())["Ways to store token vectors"]
    packed, plaid = rows(block.tables[0].table)
    assert (packed["bytes / doc"], packed["on disk"], packed["difference"]) == (
        *("128", "160", "+25.0%"),
    )
    assert (packed["memory ms"], packed["map ms"]) == ("2.00", "n/a")
    assert (plaid["precision"], plaid["on disk"]) == ("plaid, 2 bits", "not measured")
    assert block.lines[1] == "<m>, plaid with 2 bits: not measured: <no>."


def test_offline_work_and_workload(make_results: Make) -> None:
    found = blocks(make_results())
    (start,) = rows(found["Memory and cold start on cpu"].tables[0].table)
    assert (start["imports s"], start["load s"], start["peak GB"]) == ("2.00", "n/a", "n/a")
    late, twin = rows(found["When encoding beforehand pays on cpu"].tables[0].table)
    # 1,000 documents of 0.5 s each over savings of 0.5475 - 0.1095 and 0.5475 - 0.219 s
    assert (late["k = 2"], twin["k = 2"]) == ("1,142", "1,523")
    assert late["ms / document"] == "500"
    needs = found["What the workload would need on cpu"]
    assert needs.lines[-1].startswith("There are no prices")
    by_arm = {(row["system"], row["how"]): row for row in rows(needs.tables[0].table)}
    assert by_arm["twin", "precomputed"]["disk GB"] == "n/a"
    assert by_arm[EVIL, "precomputed"]["disk GB"] == "0.000120"
    assert ("twin", "on the fly") not in by_arm


def test_nothing_timed(make_results: Make) -> None:
    results = make_results()
    nothing = {name: table[:0] for name, table in results.costs.items()}
    missing = results.costs["arms"].assign(status="not measured", reason="no time")
    found = blocks(make_results(**(nothing | {"arms": missing})))
    assert list(found) == [
        "How cost was measured",
    ]


def written(results: Results, folder: Path) -> tuple[str, str]:
    """The report in Markdown and HTML, without the queries' texts, which are on no disk here."""
    same = results.measurements.assign(value=0.5)
    results = dataclasses.replace(results, folder=folder, measurements=same)
    write_report(results, analyse(results))
    return (folder / "report.md").read_text(), (folder / "report.html").read_text()


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.seen.append(tag)


@pytest.mark.parametrize("weights", ["real", "dummy"])
def test_both_reports_show_all_blocks(make_results: Make, weights: str, tmp_path: Path) -> None:
    results = make_results(weights)
    text, page = written(results, tmp_path)
    tags = Tags()
    tags.feed(page)
    assert "b" not in tags.seen  # the system's name has one
    assert "<b>&`" not in text
    for title in blocks(results):
        assert f">{title}</{'h3' if title == 'x on cpu' else 'summary'}>" in page
        assert title in text
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"latency-x-cpu.svg", "candidates-x-cpu.svg"} <= figures
    assert ("frontier-latency-x-cpu.svg" in figures) == (weights == "real")
    assert '<tr class="apart">' in page


def test_random_weights_are_said_first(make_results: Make, tmp_path: Path) -> None:
    text, page = written(make_results("dummy"), tmp_path)
    assert text.splitlines()[2] == (
        "**Assess further: nothing says how these systems rank, because there are no weights here; the "
        r"fastest reranker, la\|te&lt;b&gt;&amp;\`$x$, answers in 120 ms (median).**"
    )
    assert "The weights of the models are random." in text
    assert "Quality was not measured." in page
    assert "&lt;m&gt;: the catalogue no longer knows it." in text
    assert "judged@10" not in text


def test_random_weights_of_some_systems_are_named(make_results: Make, tmp_path: Path) -> None:
    results = make_results()
    trials = results.trials.copy()
    trials.loc[trials["system"] == "cross", "status"] = "not measured"
    text, _ = written(dataclasses.replace(results, trials=trials), tmp_path)
    assert "The weights of cross are random." in text


def test_reasons_are_grouped(make_results: Make, tmp_path: Path) -> None:
    text, _ = written(make_results("dummy"), tmp_path)
    missing = text[text.index("## What was not measured and why") :]
    assert "- cuda: no GPU (systems: 2)." in missing
    assert "- cpu: it broke (twin, precomputed, k = 4)." in missing
    assert "- cpu, predicted: one call takes 7 s (cross, rerank, k = 4)." in missing
    assert "plaid with 2 bits: not measured: &lt;no&gt;." in missing
    assert "quality and the bytes of the index" not in missing


def test_the_fastest_of_each_kind(make_results: Make) -> None:
    first, *_ = blocks(make_results())["x on cpu"].lines
    # medians as in the table of the whole query
    assert first == (
        "The fastest of each kind with 2 candidates, at the median: retrieval alone 11.0 ms (base); "
        f"cross-encoder 1,110 ms (cross); late interaction, precomputed 120 ms ({EVIL}); late "
        f"interaction, on the fly 558 ms ({EVIL})."
    )


def test_tables_keep_their_dataset(make_results: Make) -> None:
    found = analyse(make_results()).costs
    for one in dataclasses.fields(found):
        table = getattr(found, one.name)
        assert isinstance(table, pd.DataFrame)
        assert (table["dataset"] == "x").all(), one.name
