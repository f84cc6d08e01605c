"""The blocks on quality of one dataset: leaderboard, differences, storage, changed queries."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.analysis.costs.dimensions import line
from harness.analysis.costs.vector_bytes import Configs, configurations
from harness.analysis.quality import figures
from harness.analysis.statistics.intervals import mean_text
from harness.experiment.result_folders import slug
from harness.page.blocks import Block, CaptionedTable, tabled
from harness.page.tables import NOT_MEASURED, Table
from harness.page.text import NONE, change, counted, number, significant, spoken
from harness.results.metrics import DIAGNOSTICS
from harness.results.store import NO_JUDGMENTS, Results
from harness.results.terms import objective


def quality_details(
    results: Results, dataset: str, board: pd.DataFrame, changes: pd.DataFrame
) -> list[Block]:
    """Every metric of every system; columns LEADERBOARD and DIFFERENCES of the dataset."""
    metric, baseline = objective(results), results.plan["baseline"]
    if board.empty:
        why = f": {NO_JUDGMENTS}" * (dataset in results.unjudged)
        return [Block("Leaderboard", [f"Quality was not measured{why}."])]
    caption = f"Means over all judged queries, with 95 % intervals.{_label(board)}"
    table = leaderboard_table(board, results.plan["metrics"])
    several = len(set(results.trials["dataset"])) > 1
    return [
        tabled("Leaderboard", caption, table, "metrics"),
        *_differences(changes, metric, baseline, dataset, several=several),
    ]


def storage_blocks(
    results: Results, dataset: str, board: pd.DataFrame, sizes: pd.DataFrame
) -> Iterator[Block]:
    """How much the index of each system takes, in short.

    Of the dataset are columns LEADERBOARD, and those of `vector_bytes.vector_bytes`.
    """
    metric, baseline = objective(results), results.plan["baseline"]
    main = board[board["metric"] == metric]
    storage = _storage(sizes, main, configurations(results))
    known = storage[storage["bytes_per_document"] > 0]
    if known.empty:
        return
    others = main[~main["system"].isin(known["system"])]
    flat = list(zip(others["system"], others["value"], strict=True))
    name = f"storage-{slug(dataset)}"
    shown = [figures.quality_against_storage(known, metric, flat, name)] if len(main) else []
    table = _storage_table(storage, metric, baseline)
    few = [table.columns.index(column) for column in (*SHORT, f"times {baseline}")]
    short = Table([table.columns[i] for i in few], [[row[i] for i in few] for row in table.rows])
    tables = [CaptionedTable(f"The index of all stages.{_label(board)}", short)]
    lines = list(_storage_sentence(known, baseline))
    yield Block(dataset, lines, (), tables, shown, "storage")


def storage_details(results: Results, board: pd.DataFrame, sizes: pd.DataFrame) -> Iterator[Block]:
    """Every figure of the indexes, of the same."""
    metric, baseline = objective(results), results.plan["baseline"]
    storage = _storage(sizes, board[board["metric"] == metric], configurations(results))
    if storage.empty:
        return
    caption = (
        "Bytes of the index of all stages, over the documents that a system read; the other columns are "
        f"those of the last stage that stores anything.{_label(board)}"
    )
    table = _storage_table(storage, metric, baseline)
    unknown = [f"{row.system}: {row.unknown}." for row in storage.itertuples() if row.unknown]
    yield tabled("Bytes of each index", caption, table, "storage", unknown)


SHORT = ("system", "stored", "dim", "precision", "GB / million docs")
"""Columns of the short table of storage."""


def _label(board: pd.DataFrame) -> str:
    """That only a part of the dataset was used, behind a caption."""
    return "".join(f" {label.capitalize()}." for label in board["label"].unique() if label)


def _storage_sentence(known: pd.DataFrame, baseline: str) -> Iterator[str]:
    """From how much to how much what stores token vectors takes, beside the baseline."""
    sizes = known.set_index("system")["gb_per_million_documents"]
    late = known[known["multi_vector"]].sort_values("gb_per_million_documents", kind="stable")
    said = []
    if baseline in sizes.index:
        said.append(f"{baseline} stores {significant(sizes[baseline])} GB per million documents")
    if len(late):
        ends = [
            f"{significant(row.gb_per_million_documents)} ({spoken(row.system)})"
            for row in (late.iloc[0], late.iloc[-1])
        ]
        said.append(f"token vectors take {' to '.join(dict.fromkeys(ends))}")
    if said:
        yield f"{'; '.join(said)}."


def dataset_block(results: Results, dataset: str, notes: Sequence[str]) -> Block:
    """What the dataset is, and what a reader of its numbers must know."""
    lines = [*notes]
    known = (fact["dataset"] for name, fact in results.facts.items() if name[0] == dataset)
    if facts := next(known, None):
        sizes = f"{counts(facts)}; fingerprint {facts['fingerprint'][:16]}."
        lines = [*filter(None, [facts["description"]]), sizes, *notes]
    return Block(f"The dataset {dataset}", lines)


def counts(dataset: Mapping[str, Any]) -> str:
    """How many documents, queries and judgements a dataset has, by its facts."""
    return (
        f"{counted(dataset['documents'], 'document')}, "
        f"{counted(dataset['queries'], 'query')}, "
        f"{counted(dataset['judgements'], 'judgement')}"
    )


def leaderboard_table(board: pd.DataFrame, metrics: Sequence[str]) -> Table:
    """A row a system of one dataset: its means with intervals, and what they rest on."""
    rows, measured = [], [metric for metric in metrics if metric not in DIAGNOSTICS]
    for system, group in board.groupby("system", sort=False):
        by_metric = group.set_index("metric")
        cells = [mean_text(by_metric.loc[metric]) for metric in measured]
        extra = [f"{by_metric.loc[name, 'value']:.0%}" for name in DIAGNOSTICS]
        rows.append([str(system), *cells, *extra])
    return Table(["system", *measured, *DIAGNOSTICS], rows)


def _differences(
    changes: pd.DataFrame, metric: str, baseline: str, dataset: str, *, several: bool
) -> Iterator[Block]:
    main, others = changes[changes["metric"] == metric], changes[changes["metric"] != metric]
    if main.empty:
        return
    caption = (
        "Paired over queries, with 95 % intervals; which gains the queries show is under Quality."
    )
    tables = [CaptionedTable(caption, _difference_table(main))]
    if len(others):
        tables.append(CaptionedTable("The same by the other metrics.", _difference_table(others)))
    shown = [figures.forest(main, metric, baseline, f"forest-{slug(dataset)}")] * several
    yield Block(f"Differences to {baseline}", (), (), tables, shown, "tests")


def _difference_table(changes: pd.DataFrame) -> Table:
    rows = [
        [
            row.system,
            row.metric,
            change(row.gain, row.low, row.high, "+.4f"),
            f"{row.wins} / {row.ties} / {row.losses}",
        ]
        for row in changes.itertuples()
    ]
    return Table(["system", "metric", "gain", "wins / ties / losses"], rows, named_by=2)


SUMMED = ("bytes_per_document", "gb_per_million_documents", "disk_bytes_per_document")

SIZES = (
    *("system", "line", "kind", "dim", "precision", "multi_vector", "vectors_per_document"),
    *(*SUMMED, "unknown", "value", "low", "high"),
)
"""One row a system that stores something: its bytes over all stages, NaN where those of a part are,
and of the last stage what they are of."""


def _storage(sizes: pd.DataFrame, board: pd.DataFrame, configs: Configs) -> pd.DataFrame:
    """Columns SIZES; of all systems, without their quality, where that was not measured of any."""
    if len(board):
        sizes = sizes[sizes["system"].isin(board["system"])]
    quality = board.set_index("system").reindex(sizes["system"].unique())
    rows = []
    for system, group in sizes.groupby("system", sort=False):
        last = group[group["holder"] == min(group["holder"])]  # the reranker, where it stores any
        first = last.iloc[0]
        rows.append(
            {
                "system": system,
                "line": line(str(system), configs),
                "kind": " + ".join(dict.fromkeys(kind for kind in last["kind"] if kind)),
                "dim": first["dim"],
                "precision": first["precision"],
                "multi_vector": first["kind"] == "token vectors",
                "vectors_per_document": last["vectors_per_document"].sum(),
                **{name: group[name].sum(skipna=False) for name in SUMMED},
                "unknown": "; ".join(dict.fromkeys(why for why in group["unknown"] if why)),
                **{name: quality.loc[system, name] for name in ("value", "low", "high")},
            }
        )
    return pd.DataFrame(rows, columns=list(SIZES)).astype({"multi_vector": bool})


def _storage_table(storage: pd.DataFrame, metric: str, baseline: str) -> Table:
    columns = ["system", metric, "stored", "dim", "precision", "vectors or terms / doc"]
    columns += ["bytes / doc", "on disk", "GB / million docs", f"times {baseline}"]
    sizes = storage.set_index("system")["bytes_per_document"]
    rows = [
        [
            row.system,
            NOT_MEASURED if math.isnan(row.value) else mean_text(row._asdict()),
            row.kind or "unknown",
            number(row.dim) if row.kind else NONE,
            row.precision or NONE,
            number(row.vectors_per_document, ".1f") if row.kind else NONE,
            number(row.bytes_per_document),
            number(row.disk_bytes_per_document),
            number(row.gb_per_million_documents, ",.2f"),
            number(row.bytes_per_document / sizes.get(baseline, math.nan), ".1f"),
        ]
        for row in storage.itertuples(index=False)
    ]
    return Table(columns, rows)
