from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness.analysis.costs import latency
from harness.results import columns
from harness.results.costs import of_every_system

WHERE = {"dataset": "x", "device": "cpu"}


def calls(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    of = {"system": "a", "mode": "rerank", "copy": 0, "k": 10, "round": 0}
    table = pd.DataFrame([WHERE | of | dict(row) for row in rows], columns=list(columns.CALLS))
    return table.assign(timed_by=table["system"])


def arms(*rows: Mapping[str, Any]) -> pd.DataFrame:
    of = {"system": "a", "mode": "rerank", "k": 10, "status": "measured", "reason": ""}
    table = [WHERE | of | {"policy": "all"} | dict(row) for row in rows]
    found = pd.DataFrame(table, columns=list(columns.ARMS))
    return found.assign(timed_by=found["system"])


def line(k: int, tokens: float, seconds: float, **changes: Any) -> dict[str, Any]:
    query_id = f"q{tokens}"
    return {"k": k, "tokens": tokens, "seconds": seconds, "query_id": query_id} | changes


LINE = [line(10, 1000, 0.3), line(10, 3000, 0.7), line(50, 5000, 1.1)]
"""Calls on seconds = 0.1 + 0.0002 * tokens."""


def test_a_measured_arm() -> None:
    stages = {"encode_query": 0.01, "score": 0.02}
    table = calls(
        [
            *(line(10, 1000, s, query_id=f"q{s}", **stages) for s in (0.1, 0.2, 0.6)),
            line(10, 1000, 9.0, copy=1),
            line(50, 1000, 9.0),
        ]
    )
    found = latency.latencies(table, arms({}))
    assert tuple(found.columns) == latency.LATENCIES
    (row,) = found.to_dict("records")
    assert (row["status"], row["policy"]) == ("measured", "all")
    assert (row["calls"], row["queries"], row["effective"]) == (3, 3, 3)
    # median of .1 .2 .6, their mean .9 / 3, and 1000 tokens each
    assert [row[name] for name in ("p50", "mean", "max")] == pytest.approx([0.2, 0.3, 0.6])
    assert (row["tokens"], row["seconds_per_1k_tokens"]) == pytest.approx((1000, 0.2))
    assert (row["encode_query"], row["score"]) == (0.01, 0.02)
    absent = ("p50_low", "p50_high", "p90", "p95", "p99", "encode_docs", "fetch")
    assert all(math.isnan(row[name]) for name in absent)


def test_effective_calls_decide_which_percentiles_are_given() -> None:
    # 300 queries in 2 rounds of equal seconds are 300 calls: enough for p95 and not for p99
    rows = [line(10, i, 1 + i / 300, round=r) for r in range(2) for i in range(300)]
    (row,) = latency.latencies(calls(rows), arms({})).to_dict("records")
    assert (row["calls"], row["queries"]) == (600, 300)
    assert row["effective"] == pytest.approx(300)
    assert row["p95_low"] < row["p95"] < row["p95_high"]
    # n = 300: ranks 277 and 293 of the queries' seconds 1 + i / 300, counted from 0
    assert row["p95_low"] == pytest.approx(1 + 276.7 / 300, abs=1.5 / 300)
    assert row["p95_high"] == pytest.approx(1 + 291.3 / 300, abs=1.5 / 300)
    assert math.isnan(row["p99"])


def test_a_predicted_arm_has_its_own_line() -> None:
    table = arms(
        {}, {"k": 100, "status": "predicted", "reason": "a call takes 2 s", "tokens": 10_000}
    )
    _, row = latency.latencies(calls(LINE), table).to_dict("records")
    assert (row["status"], row["reason"]) == ("predicted", "a call takes 2 s")
    # 0.1 + 0.0002 * 10,000
    assert (row["p50"], row["mean"], row["tokens"]) == pytest.approx((2.1, 2.1, 10_000))
    assert row["calls"] == 0
    assert math.isnan(row["processor"])  # it was not counted in the calls that it is told from
    counted = [call | {"processor": 1.5 * call["seconds"]} for call in LINE]
    first, row = latency.latencies(calls(counted), table).to_dict("records")
    # of 0.3 and 0.7 s the mean, each with one and a half processors
    assert (first["processor"], row["processor"]) == pytest.approx((0.75, 1.5 * 2.1))
    assert all(math.isnan(row[name]) for name in ("p50_low", "p90", "max", "score", "effective"))


def test_what_was_not_measured_keeps_its_reason() -> None:
    table = arms(
        {"status": "not measured", "reason": "no CUDA here", "device": "cuda"},
        {"status": "predicted", "system": "never timed", "tokens": 100},
    )
    found = latency.latencies(calls(LINE), table)
    assert found["reason"].tolist() == ["no CUDA here", ""]
    assert found["p50"].isna().all()
    assert found["calls"].tolist() == [0, 0]


def test_fits_by_hand() -> None:
    found = latency.fits(calls([*LINE, line(10, 1000, 99.0, copy=1)]))
    assert tuple(found.columns) == latency.FITS
    (row,) = found.to_dict("records")
    assert (row["a"], row["b"], row["r2"]) == pytest.approx((0.1, 0.0002, 1))
    assert row["calls"] == 3


@given(st.integers(3, 30), st.integers(0, 1000))
def test_fit_is_the_textbooks(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tokens = rng.uniform(100, 5000, count)
    seconds = 1 + tokens / 1000 + rng.normal(0, 0.1, count)
    rows = [line(10 + i, t, s) for i, (t, s) in enumerate(zip(tokens, seconds, strict=True))]
    (row,) = latency.fits(calls(rows)).to_dict("records")
    oracle = scipy_stats.linregress(tokens, seconds)
    expected = (oracle.intercept, oracle.slope, oracle.rvalue**2)
    if oracle.intercept >= 0 and oracle.slope >= 0:
        assert (row["a"], row["b"], row["r2"]) == pytest.approx(expected)
    else:
        assert row["a"] == 0


@pytest.mark.parametrize(
    "rows",
    [
        [line(10, 1000, 0.3), line(10, 3000, 0.7)],  # one k
        [line(10, 1000, 0.1), line(50, 3000, 0.8)],  # a = -0.25
        [line(10, 1000, 0.9), line(50, 3000, 0.5)],  # b < 0
        [line(10, 2000, 0.4), line(50, 2000, 0.4)],  # equal tokens
    ],
)
def test_line_through_the_origin(rows: list[dict[str, Any]]) -> None:
    (row,) = latency.fits(calls(rows)).to_dict("records")
    tokens, seconds = (np.array([r[name] for r in rows]) for name in ("tokens", "seconds"))
    assert row["a"] == 0
    assert row["b"] == pytest.approx(np.linalg.lstsq(tokens[:, None], seconds)[0].item())


def test_arms_without_tokens_have_no_line() -> None:
    (row,) = latency.fits(calls([line(10, math.nan, 0.3)])).to_dict("records")
    assert np.isnan([row["a"], row["b"], row["r2"]]).all()
    assert row["calls"] == 0


def test_totals_are_of_the_same_query_and_round() -> None:
    def call(system: str, mode: str, round_: int, query_id: str, seconds: float) -> dict[str, Any]:
        of = {"system": system, "mode": mode, "round": round_, "k": 10}
        return of | {"query_id": query_id, "seconds": seconds}

    retrieved = [call("dense", "retrieve", r, q, s) for r, q, s in
                 [(0, "p", 0.1), (0, "q", 0.2), (1, "p", 0.3), (1, "q", 0.4)]]  # fmt: skip
    shallow = call("dense", "retrieve", 0, "p", 99.0) | {"k": 5}
    deeper = [row | {"k": 100} for row in retrieved]
    reranked = [call("bge", "rerank", r, q, s) for r, q, s in
                [(0, "p", 1.0), (0, "q", 2.0), (1, "p", 3.0)]]  # fmt: skip
    other = call("alone", "rerank", 0, "p", 5.0)
    table = calls([shallow, *deeper, *reranked, other])
    table = of_every_system(table, {("x", "latency"): {"shares": {"retrieve": {"bge": "dense"}}}})
    found = latency.totals(table)
    assert tuple(found.columns) == latency.TOTALS
    (row,) = found.to_dict("records")
    assert (row["system"], row["mode"], row["k"], row["calls"]) == ("bge", "rerank", 10, 3)
    # 1.1, 2.2, 3.3: the retrieval of round 1, query q has no reranking
    assert (row["p50"], row["mean"], row["max"]) == pytest.approx((2.2, 2.2, 3.3))


def timed(system: str, fly: float, pre: float, **changes: Any) -> list[dict[str, Any]]:
    row = WHERE | {"system": system, "k": 100, "status": "measured", "timed_by": system} | changes
    return [
        row | {"mode": "on the fly", "p50": fly, "encode_docs": 4.0},
        row | {"mode": "precomputed", "p50": pre},
    ]


def throughput(*rows: tuple[str, str, int, float]) -> pd.DataFrame:
    """From (system, unit, count, seconds)."""
    table = pd.DataFrame(list(rows), columns=["system", "unit", "count", "seconds"])
    return table.assign(**WHERE).reindex(columns=list(columns.THROUGHPUT))


def test_break_even() -> None:
    rows = [
        *timed("measured", 5.0, 1.0),
        *timed("stage", 5.0, 1.0),
        *timed("no gain", 1.0, 1.0),
        *timed("unknown", math.nan, 1.0, status="not measured"),
        *timed("predicted", 5.0, 1.0),
        *timed("only fly", 5.0, 1.0)[:1],
        *timed("measured[int8]", 5.0, 3.0, timed_by="measured"),
    ]
    rows[8]["status"] = "predicted"
    table = pd.DataFrame(rows, columns=list(latency.LATENCIES))
    offline = throughput(("measured", "documents", 400, 8.0), ("measured", "pairs", 1, 99.0))
    found = latency.break_even(table, offline, documents=50_000)
    assert tuple(found.columns) == latency.BREAK_EVEN
    names = ["measured", "stage", "no gain", "unknown", "predicted", "measured[int8]"]
    assert found["system"].tolist() == names
    found = found.set_index("system")
    # 8 s / 400 documents = 0.02 s, over a saving of 4 s: 5 queries for 1,000 documents
    row = found.loc["measured"]
    assert (row["source"], row["seconds_per_document"]) == ("throughput", pytest.approx(0.02))
    assert (row["saving"], row["queries_per_1000_documents"]) == (4, pytest.approx(5))
    assert row["queries"] == pytest.approx(250)
    # the same encoder, over a saving of 5 - 3 s
    assert found.loc["measured[int8]", "queries_per_1000_documents"] == pytest.approx(10)
    # 4 s for the 100 documents of a query = 0.04 s each
    assert found.loc["stage", "source"] == "encode_docs"
    assert found.loc["stage", "queries_per_1000_documents"] == pytest.approx(10)
    assert found.loc["no gain", "queries"] == math.inf
    assert math.isnan(found.loc["unknown", "queries"])
    status = [*["measured"] * 3, "not measured", "predicted", "measured"]
    assert found["status"].tolist() == status
    without = latency.break_even(table, throughput())
    assert without["queries"].isna().all()
    assert (without["source"] == "encode_docs").all()


def test_encoders_of_retriever_and_reranker_are_told_apart() -> None:
    table = throughput(("both", "documents", 100, 1.0), ("both", "documents", 100, 9.0))
    table["mode"] = ["retrieve", "precomputed"]
    assert latency.document_seconds(table) == {("x", "cpu", "both"): 0.09}
    assert latency.document_seconds(table, retrieval=True) == {("x", "cpu", "both"): 0.01}


def test_two_encoders_of_one_stage_are_not_told_apart() -> None:
    table = throughput(
        ("both", "documents", 100, 1.0),
        ("both", "documents", 100, 9.0),
        ("one", "documents", 4, 2.0),
        ("one", "pairs", 1, 1.0),
    )
    found = latency.document_seconds(table)
    assert found["x", "cpu", "one"] == 0.5
    assert math.isnan(found["x", "cpu", "both"])


def test_nothing_was_timed() -> None:
    none = calls([])
    assert latency.latencies(none, arms()).columns.tolist() == [*latency.LATENCIES]
    assert latency.fits(none).columns.tolist() == [*latency.FITS]
    assert latency.totals(none).columns.tolist() == [*latency.TOTALS]
    table = latency.latencies(none, arms())
    assert latency.break_even(table, throughput()).columns.tolist() == [*latency.BREAK_EVEN]
    assert len(latency.latencies(none, arms({}))) == 1
