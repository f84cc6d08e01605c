"""Timed calls -> how long a query takes, what decides it, and when precomputing pays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.statistics.percentiles import COLUMNS, effective_size, percentile_columns
from harness.results.costs import timed_itself

ARM = ["dataset", "device", "system", "mode"]

CALL = ["dataset", "device", "round", "query_id"]

STAGES = ("encode_query", "encode_docs", "fetch", "score", "server")

STATISTICS = ("calls", "queries", "effective", "mean", *COLUMNS, "max")
"""Of the seconds of calls; `effective` is how many independent calls would tell as much."""

LATENCIES = (
    *(*ARM, "k", "status", "reason", "policy", "served", "timed_by"),
    *(*STATISTICS, *STAGES, "tokens", "seconds_per_1k_tokens", "processor"),
)
"""One row an arm and k; `timed_by` names the system whose calls these are: encoding on the fly takes
the same however vectors would be stored, and systems share retrievers. The stages, `tokens` and
`seconds_per_1k_tokens` are medians over calls, `processor` is a mean; a percentile that the calls do
not carry is NaN."""

FITS = (*ARM, "a", "b", "r2", "calls")
"""One row an arm: seconds = a + b * tokens over its calls at every k; `r2` is the share of the variance
of seconds that this explains."""

TOTALS = (*ARM, "k", *STATISTICS, "timed_by")
"""One row an arm and k: retrieval and reranking of the same query in the same round."""

BREAK_EVEN = (
    *("dataset", "device", "system", "k", "status", "seconds_per_document", "source"),
    *("saving", "queries_per_1000_documents", "queries"),
)
"""One row a system and k: `saving` is in seconds per query, `source` where the seconds to encode a
document come from. `queries` is inf where precomputing never pays, NaN where it is not known."""


def latencies(calls: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """Columns LATENCIES, a row for each of `arms`, of the calls of the system that it is `timed_by`.

    Second copies (A/A) are left out. A predicted arm has the value of its own line (`fits`) at the
    tokens it would have read, as median and mean, of `processor` as many seconds for each of these as
    in its calls, and no other statistic.
    """
    calls = timed_itself(calls)
    first = calls[calls["copy"] == 0]
    timed = {
        arm: _statistics(group) | _medians(group)
        for arm, group in first.groupby([*ARM, "k"], sort=False)
    }
    lines = {tuple(row[: len(ARM)]): row for row in fits(calls).itertuples(index=False)}
    summed = first.astype({"seconds": float, "processor": float}).groupby(ARM, sort=False)
    shares = summed.apply(lambda own: own["processor"].sum(skipna=False) / own["seconds"].sum())
    rows = []
    for arm in arms.to_dict("records"):
        row = {name: arm[name] for name in LATENCIES[: LATENCIES.index("calls")]}
        name = tuple((arm | {"system": arm["timed_by"]})[key] for key in ARM)
        if arm["status"] == "predicted" and name in lines:
            seconds = lines[name].a + lines[name].b * arm["tokens"]
            row |= {"p50": seconds, "mean": seconds, "tokens": arm["tokens"]}
            row |= {"processor": seconds * shares[name]}
        else:
            row |= timed.get((*name, arm["k"]), {})
        rows.append({"calls": 0, "queries": 0} | row)
    return _table(rows, LATENCIES)


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    """`rows` as `columns`, NaN where a row has none, and all statistics numbers."""
    table = pd.DataFrame(rows, columns=list(columns))
    numbers = (*STATISTICS[2:], *STAGES, "tokens", "seconds_per_1k_tokens", "processor")
    return table.astype({name: float for name in numbers if name in columns})


def _statistics(calls: pd.DataFrame) -> dict[str, float]:
    """STATISTICS of `calls`."""
    seconds, queries = calls["seconds"].to_numpy(dtype=np.float64), calls["query_id"].to_numpy()
    return {
        "calls": len(calls),
        "queries": calls["query_id"].nunique(),
        "effective": effective_size(seconds, queries),
        "mean": seconds.mean(),
        "max": seconds.max(),
        **percentile_columns(seconds, queries),
    }


def _medians(calls: pd.DataFrame) -> dict[str, float]:
    tokens = calls["tokens"].astype(float)
    found = {stage: calls[stage].astype(float).median() for stage in STAGES}
    found["tokens"] = tokens.median()
    found["processor"] = calls["processor"].astype(float).mean(skipna=False)
    found["seconds_per_1k_tokens"] = (1000 * calls["seconds"].astype(float) / tokens).median()
    return found


def fits(calls: pd.DataFrame) -> pd.DataFrame:
    """Columns FITS, by ordinary least squares; second copies (A/A) are left out.

    `a` is what a call costs however short its documents, `b` the seconds of a token more. The line
    goes through the origin where only one k was measured, for then tokens hardly differ, and where
    `a` or `b` would be negative.
    """
    rows = []
    for arm, group in calls[calls["copy"] == 0].groupby(ARM, sort=False):
        known = group[group["tokens"].notna()].astype({"tokens": float, "seconds": float})
        rows.append((*arm, *_line(known), len(known)))
    return pd.DataFrame(rows, columns=list(FITS)).astype({"a": float, "b": float, "r2": float})


def _line(calls: pd.DataFrame) -> tuple[float, float, float]:
    """`a`, `b` and `r2`."""
    if calls.empty:
        return math.nan, math.nan, math.nan
    tokens, seconds = calls["tokens"].to_numpy(), calls["seconds"].to_numpy()
    a, b = 0.0, float(tokens @ seconds / (tokens @ tokens))
    if len(set(calls["k"])) > 1 and np.ptp(tokens) > 0:
        centred = tokens - tokens.mean()
        slope = float(centred @ seconds / (centred @ centred))
        fixed = float(seconds.mean() - slope * tokens.mean())
        a, b = (fixed, slope) if fixed >= 0 and slope >= 0 else (a, b)
    spread = float(((seconds - seconds.mean()) ** 2).sum())
    left = float(((seconds - a - b * tokens) ** 2).sum())
    return a, b, 1 - left / spread if spread else math.nan


def totals(calls: pd.DataFrame) -> pd.DataFrame:
    """Columns TOTALS: the whole query, from text to reranked ids, as `whole_queries` has it."""
    keys, rows = ["dataset", "device", "mode", "k", "timed_by", "retrieved_by"], []
    for same, group in whole_queries(calls).groupby(keys, sort=False):
        systems = group["system"].unique()
        found = _statistics(group[group["system"] == systems[0]])
        rows += [dict(zip(keys, same, strict=True)) | found | {"system": name} for name in systems]
    return _table(rows, TOTALS)


def whole_queries(calls: pd.DataFrame) -> pd.DataFrame:
    """The calls that rerank, `seconds` with those of retrieving the same query in the same round.

    `retrieved_by` is the system whose retrieval was timed. Of retrievals timed at several k the
    deepest counts.
    """
    first = calls[calls["copy"] == 0]
    is_retrieval = first["mode"] == "retrieve"
    found = first[is_retrieval].sort_values("k", kind="stable")
    found = found.drop_duplicates([*CALL, "system"], keep="last")
    found = found.rename(columns={"timed_by": "retrieved_by", "seconds": "retrieving"})
    found = found[[*CALL, "system", "retrieved_by", "retrieving"]]
    both = first[~is_retrieval].merge(found, on=[*CALL, "system"])
    both["seconds"] += both["retrieving"]
    return both


def break_even(
    latencies: pd.DataFrame, throughput: pd.DataFrame, documents: int | None = None
) -> pd.DataFrame:
    """Columns BREAK_EVEN: after how many queries encoding documents beforehand has paid.

    For each system with both modes at the same k: the seconds to encode a document offline (from
    `throughput`, else from the `encode_docs` stage of a query) over the median's saving per query,
    for 1,000 documents and for `documents`. Storing the vectors is not counted here.
    """
    pre, fly = (latencies[latencies["mode"] == mode] for mode in ("precomputed", "on the fly"))
    table = pre.merge(fly, on=["dataset", "device", "system", "k"], suffixes=("", "_fly"))
    offline = document_seconds(throughput)
    encoders = table[["dataset", "device", "timed_by_fly"]].itertuples(index=False)
    known = [offline.get(name, math.nan) for name in encoders]
    offline_seconds = pd.Series(known, index=table.index, dtype=float)
    each = offline_seconds.fillna(table["encode_docs_fly"] / table["k"].astype(float))
    saving = table["p50_fly"] - table["p50"]
    pays = (each / saving).where(saving > 0, math.inf).where(saving.notna() & each.notna())
    measured = table["status_fly"] == "measured"
    return table.assign(
        status=table["status"].where(measured, table["status_fly"]),
        seconds_per_document=each,
        source=np.where(offline_seconds.isna(), "encode_docs", "throughput"),
        saving=saving,
        queries_per_1000_documents=1000 * pays,
        queries=pays * (math.nan if documents is None else documents),
    )[list(BREAK_EVEN)]


def document_seconds(
    throughput: pd.DataFrame, *, retrieval: bool = False, of: str = "seconds"
) -> dict[tuple[str, ...], float]:
    """By (dataset, device, system) the seconds to encode a document, where it was measured.

    Of rerankers, or with `retrieval` of retrievers; those of the clock, or `of` the `processor`. NaN
    where a stage has several encoders.
    """
    keys = ["dataset", "device", "system"]
    is_wanted = (throughput["mode"] == "retrieve") == retrieval
    encoded = throughput[(throughput["unit"] == "documents") & is_wanted]
    each = (encoded[of] / encoded["count"]).astype(float)
    each = each.where(~encoded.duplicated(keys, keep=False))
    return dict(zip(encoded[keys].itertuples(index=False, name=None), each, strict=True))
