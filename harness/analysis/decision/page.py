"""The decision as blocks that both templates show alike, and as the record that a team commits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from harness.analysis.costs.sentences import load_words
from harness.analysis.decision.amounts import WORDS
from harness.analysis.decision.frontier import RESAMPLES
from harness.analysis.decision.frontier_figure import frontier_figure
from harness.analysis.decision.measurements import Option
from harness.analysis.decision.reasons import tested
from harness.analysis.decision.recommend import Recommendation
from harness.analysis.quality.page import counts
from harness.analysis.statistics.intervals import mean_text
from harness.analysis.statistics.tail import Seen
from harness.experiment.decision_terms import Decision
from harness.experiment.result_folders import slug
from harness.page.blocks import Block, CaptionedTable, tabled
from harness.page.tables import Table
from harness.page.text import NONE, chance, change, milliseconds, number, significant
from harness.results.store import Results
from harness.results.terms import objective, terms

LONG = 20
"""Rows above which a table is folded."""

KEY = 12
"""Digits of a trial's key in the record: as many as its folder is named by."""

VERDICTS = {"in": "in", "out": "OUT", "unknown": "assess"}

SHOWN = {"better": "beats it", "worse": "ranks worse", "open": "no", "same": "never differs"}

DOMINATED = (
    "Dominated: another is at least as good in {metric}, latency and bytes, and better in one of "
    f"them. Its chance is the share of {RESAMPLES:,} draws of the queries in which that holds, by the "
    "quality and the timed calls of the same queries, each system's times moved as one system timed twice differed."
)


def decision_blocks(
    results: Results, decided: Recommendation, frontiers: pd.DataFrame
) -> Iterator[Block]:
    """Reasons, who meets the requirements, what would flip it; `frontiers` has columns FRONTIER."""
    yield Block("Why", decided.reasons)
    if len(decided.gains.table):
        yield _gains(results, decided)
    if len(decided.requirements):
        table = _requirements(decided.requirements)
        caption = "What each system needs, and by how much it misses what is allowed."
        tables = [CaptionedTable(caption, table, len(table.rows) > LONG)]
        yield Block("Who meets the requirements", tables=tables, method="decision")
    if decided.flips:
        yield Block("What would flip it", decided.flips, method="decision")
    if len(decided.sensitivity):
        caption = "With the quality that was measured; the figures are needs of the named system."
        alike = len(decided.sensitivity[["answer", "system", "mode"]].drop_duplicates()) == 1
        lines = ["The decision is the same for all of these."] * alike
        table = _sensitivity(decided.sensitivity)
        yield tabled("For other workloads", caption, table, "decision", lines)
    for (dataset, device), rows in frontiers.groupby(["dataset", "device"], sort=False):
        yield _frontier(rows, objective(results), str(dataset), str(device))


def _gains(results: Results, decided: Recommendation) -> Block:
    """Who is shown to beat the baseline: the one table of tests."""
    gained, smallest = decided.gains, terms(results).smallest_gain_that_matters
    tests = {_p_of_gain(0.0): "p_none_holm", _p_of_gain(smallest): "p_holm"}
    cells = []
    for row in gained.surest:
        shown = f"beats it by {smallest:g}" if row.state == "shown" and smallest else ""
        p = [_p(getattr(row, name)) for name in tests.values()]
        gain = change(row.gain, row.low, row.high, "+.4f")
        cells.append([row.system, gain, *p, shown or SHOWN[row.verdict]])
    over = f", over {len(gained.by_dataset)} datasets" * (len(gained.by_dataset) > 1)
    caption = (
        f"By {objective(results)}{over}; queries: {gained.queries:,}, comparisons that are tested: "
        f"{gained.family}. No other table tests a gain."
    )
    table = Table(["system", "gain", *tests, "shown"], cells)
    return tabled(f"Who beats {results.plan['baseline']}", caption, table, "tests")


def _p(p: float) -> str:
    return NONE if math.isnan(p) else chance(p).removeprefix("p ").removeprefix("= ")


def _p_of_gain(gain: float) -> str:
    """The column of the test that the true gain is this."""
    return f"p ({f'gain of {gain:g}' if gain else 'no gain'}, Holm)"


def _requirements(rows: pd.DataFrame) -> Table:
    """A row an option, a column a requirement."""
    kinds = rows[["requirement", "device", "limit"]].drop_duplicates()
    heads = [_head(*kind) for kind in kinds.itertuples(index=False)]
    cells = []
    for (system, mode), group in rows.groupby(["system", "mode"], sort=False):
        found = set(group["verdict"])
        verdict = "out" if "out" in found else "unknown" if "unknown" in found else "in"
        each = group.to_dict("records")
        said = "; ".join(text for row in each for text in (row["said"], _tested(row)) if text)
        needed = [_needed(row) for row in each]
        cells.append([Option(system, mode).name, VERDICTS[verdict], *needed, said])
    return Table(["system", "verdict", *heads, "remark"], cells, prose=(-1,))


def _tested(row: Mapping[str, Any]) -> str:
    seen = Seen(*(row[name] for name in Seen._fields)) if row["outcome"] else None
    return tested(seen, row["limit"])


def _head(requirement: str, device: str, limit: float) -> str:
    most = "commercial" if requirement == "licence" else f"at most {limit:,g}"
    return f"{WORDS[requirement].column}{device and f' on {device}'} ({most})"


def _needed(row: Mapping[str, Any]) -> str:
    """The figure, and how far it is above the limit."""
    if row["requirement"] == "licence":
        return {"in": "allowed", "out": "forbidden", "unknown": "not known"}[row["verdict"]]
    least, most = row["at_least"], row["at_most"]
    if row["verdict"] == "unknown":
        what = "not settled" if row["outcome"] else "not measured"
        return f"{what} (> {significant(least)})" if least > 0 else what
    value = significant(row["value"])
    if math.isnan(row["value"]):
        if row["verdict"] == "in":
            return f"<= {significant(most)}"
        value = f"> {significant(least)}"
    times = 1 + row["over"]
    return f"{value} ({times:,.1f} times)" if times >= 2 else f"{value} ({row['over']:+.0%})"


def _sensitivity(rows: pd.DataFrame) -> Table:
    """A row a workload; figures of which none is known are left out."""
    heads = {"vectors_gb": "GB of index"}
    heads |= {name: WORDS[name].column for name in rows.columns if name in WORDS}
    known = {name: head for name, head in heads.items() if rows[name].notna().any()}
    columns = ["workload", "documents", "queries / day", "candidates", "decision"]
    cells = [
        [
            row["changed"] or "as given",
            *(f"{row[key]:,}" for key in ("documents", "queries_per_day", "candidates")),
            f"{row['answer']} {Option(row['system'], row['mode']).name}",
            *(significant(row[name]) for name in known),
        ]
        for row in rows.to_dict("records")
    ]
    return Table([*columns, *known.values()], cells)


def _frontier(rows: pd.DataFrame, metric: str, dataset: str, device: str) -> Block:
    where = f"{dataset} on {device}" if device else dataset
    figures = []
    if rows["seconds"].notna().sum() > 1:
        figures = [frontier_figure(rows, metric, where, f"frontier-{slug(dataset)}-{device}")]
    found = _frontier_table(rows, metric)
    tables = [CaptionedTable(DOMINATED.format(metric=metric), found, len(found.rows) > LONG)]
    return Block(f"Frontier: {where}", list(_left_out(rows)), (), tables, figures, "frontier")


def _left_out(rows: pd.DataFrame) -> Iterator[str]:
    """Which axes some options lack though others have them, and what stands for the 95th percentile."""
    no_bytes, no_time = rows["gb_per_million_documents"].isna(), rows["seconds"].isna()
    for said, chosen in (
        (f"Bytes not counted, {_compared(no_bytes)}", no_bytes),
        (f"Latency not measured, {_compared(no_time)}", no_time),
        ("The median stands for the 95th percentile", rows["statistic"] == "p50"),
        ("The median is predicted", rows["statistic"] == "predicted"),
    ):
        names = [Option(row.system, row.mode).name for row in rows[chosen].itertuples()]
        if names:
            yield f"{said}: {', '.join(names)}."


def _compared(lacking: pd.Series) -> str:
    """What becomes of the options that lack an axis; of one that all lack there is nothing to know."""
    if lacking.all():
        return "compared without it"
    return "so what they dominate or what dominates them is not known"


def _frontier_table(rows: pd.DataFrame, metric: str) -> Table:
    """A row an option, with the chance that it is dominated."""
    columns = ["system", metric, "k", "ms", "statistic", "GB / million docs"]
    columns += ["chance to be dominated", "dominated by"]
    cells = [
        [
            Option(row["system"], row["mode"]).name,
            mean_text(row),
            number(row["k"]),
            milliseconds(row["seconds"]),
            row["statistic"] or "-",
            number(row["gb_per_million_documents"], ",.2f"),
            f"{row['p_dominated']:.0%}",
            row["dominated_by"] or "-",
        ]
        for row in rows.to_dict("records")
    ]
    return Table(columns, cells, prose=(-1,))


def record_context(results: Results, decided: Recommendation) -> dict[str, Any]:
    """Everything that the template of the record shows: what a team commits and looks at again."""
    asked = terms(results)
    facts = [*results.facts.values(), *results.cost_facts.values()]
    trials = [
        [str(row.system), str(row.dataset), str(row.status), str(row.key)[:KEY]]
        for row in results.trials.itertuples()
    ]
    return {
        "question": results.plan["question"],
        "experiment": results.plan["experiment"],
        "decided": decided,
        "context": list(_context(results, asked)),
        "options": _options(decided, objective(results), asked.smallest_gain_that_matters),
        "sensitivity": _sensitivity(decided.sensitivity),
        "trials": Table(["system", "dataset", "status", "key"], trials),
        "costs": [
            (entry["dataset"], entry["kind"], entry["folder"].rpartition("/")[2].split("--")[1])
            for entry in results.plan.get("costs", ())
            if (entry["dataset"], entry["kind"]) in results.cost_facts
        ],
        "provenance": next((fact["provenance"] for fact in facts), None),
        "review_by": asked.review_by,
    }


def _context(results: Results, asked: Decision) -> Iterator[str]:
    """Data, terms and workload, a line each."""
    datasets = {name: facts["dataset"] for (name, _), facts in results.facts.items()}
    for name, facts in datasets.items():
        fingerprint = facts["fingerprint"][:16]
        yield f"{name}: {counts(facts)}, fingerprint {fingerprint}. {facts['description']}".rstrip()
    yield (
        f"The baseline is {results.plan['baseline']}. A gain counts by {objective(results)}, from "
        f"{asked.smallest_gain_that_matters:g} on."
    )
    given = asked.requirements.model_dump(exclude_none=True)
    required = [f"p95_ms on {device} {limit:g}" for device, limit in given.pop("p95_ms").items()]
    required += [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in given.items()
    ]
    yield f"Required: {', '.join(required) or 'nothing'}."
    if asked.workload is not None:
        yield f"The workload: {load_words(asked.workload)}."
    if asked.prices is not None:
        prices = asked.prices.model_dump(exclude_none=True).items()
        yield f"Prices: {', '.join(f'{name} {value:g}' for name, value in prices)}."


def _options(decided: Recommendation, metric: str, smallest: float) -> Table:
    """A row an option."""
    names = ("gb_per_million_documents", "p50_ms", "p95_ms", "cost_per_month")
    columns = ["system", metric, "gain", _p_of_gain(smallest), "requirements"]
    columns += [WORDS[name].column for name in names]
    cells = [
        [
            Option(row["system"], row["mode"]).name,
            number(row["value"], ".4f"),
            NONE
            if math.isnan(row["gain"])
            else change(row["gain"], row["low"], row["high"], "+.4f"),
            _p(row["p_holm"]),
            "INVALID" if row["invalid"] else VERDICTS[row["standing"]],
            *(significant(row[name]) for name in names),
        ]
        for row in decided.options.to_dict("records")
    ]
    return Table(columns, cells)
