from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from literal import literal

from harness.analysis.costs import latency, projection, vector_bytes
from harness.analysis.costs.measured import analyse_costs
from harness.experiment.decision_terms import Prices, Workload
from harness.results import columns

WHERE = {"dataset": "x", "device": "cpu"}
WORKLOAD = Workload(documents=2_000_000, queries_per_day=36_000, candidates=50)
PRICES = Prices(ram_gb_month=3.0, disk_gb_month=0.1, cpu_core_hour=0.05, gpu_hour=2.0)


def start(system: str, number: int, *seconds: float, **changes: Any) -> dict[str, Any]:
    names = ("import_seconds", "load_seconds", "first_call_seconds")
    row = WHERE | {"system": system, "mode": "rerank", "start": number}
    sizes = {"libraries_bytes": 3e8, "loaded_bytes": 7e8, "peak_bytes": 9e8}
    return row | dict(zip(names, seconds, strict=True)) | sizes | changes


def test_memory_is_the_median_of_starts() -> None:
    rows = [
        start("a", 0, 1.0, 2.0, 0.5),
        start("a", 1, 5.0, 4.0, 0.1, loaded_bytes=8e8, peak_bytes=1e9),
        start("a", 2, 3.0, 9.0, 0.2, loaded_bytes=1.3e9, peak_bytes=2e9),
        start("b", 0, 1.0, 1.0, 1.0, libraries_bytes=math.nan),
    ]
    found = projection.memory(pd.DataFrame(rows, columns=list(columns.STARTS)))
    assert tuple(found.columns) == projection.MEMORY
    a, b = found.to_dict("records")
    assert (a["system"], a["mode"], a["starts"]) == ("a", "rerank", 3)
    assert [a["import_seconds"], a["load_seconds"], a["first_call_seconds"]] == [3.0, 4.0, 0.2]
    # of 4e8, 5e8 and 1e9
    assert (a["model_bytes"], a["peak_bytes"]) == (5e8, 1e9)
    assert math.isnan(a["gpu_peak_bytes"])
    assert math.isnan(b["model_bytes"])


def test_throughput_by_hand() -> None:
    row = WHERE | {"system": "a", "unit": "pairs", "count": 200, "tokens": 50_000, "seconds": 4.0}
    (found,) = projection.throughput(pd.DataFrame([row], columns=list(columns.THROUGHPUT))).to_dict(
        "records"
    )
    assert tuple(found) == projection.THROUGHPUT
    assert (found["per_second"], found["tokens_per_second"]) == (50, 12_500)
    assert found["seconds_per_1k_tokens"] == pytest.approx(0.08)


def test_storage_choices_by_hand() -> None:
    # 500 vectors a document of 128 dimensions in float16: 128,000 bytes, 128 GB per million
    # documents, which the protocol's table (E.2) gives for "500 (report)"
    row = {"dataset": "x", "system": "late", "dim": 128, "precision": "float16", "pool_factor": 1}
    row |= {"documents": 10, "vectors": 5000, "formula_bytes": 1_280_000}
    row |= {"payload_bytes": 1_280_000, "disk_bytes": 1_600_000}
    table = pd.DataFrame([row], columns=list(columns.GRID))
    (found,) = projection.storage_choices(table, 4 * 384).to_dict("records")
    assert tuple(found) == projection.CHOICES
    assert found["vectors_per_document"] == 500
    assert found["formula_bytes_per_document"] == 128_000
    assert found["gb_per_million_documents"] == 128
    assert found["disk_gb_per_million_documents"] == 160
    assert found["times_dense"] == pytest.approx(128_000 / 1536)
    assert (found["payload_excess"], found["disk_excess"]) == (0, 0.25)
    (without,) = projection.storage_choices(table).to_dict("records")
    assert math.isnan(without["times_dense"])


def timed(system: str, mode: str, k: int, mean: float, **changes: Any) -> dict[str, Any]:
    """An arm that kept four processors busy in its calls."""
    row = WHERE | {"system": system, "mode": mode, "k": k, "status": "measured", "mean": mean}
    return row | {"processor": 4 * mean, "served": False, "timed_by": system} | changes


LATENCIES = [
    timed("dense", "retrieve", 100, 0.01),
    timed("bge", "rerank", 10, 0.5),
    timed("bge", "rerank", 50, 2.0),
    timed("late", "on the fly", 50, 1.0, status="predicted"),
    timed("late", "precomputed", 50, 0.02),
    timed("late", "precomputed", 50, 0.01, device="cuda"),
    timed("late[int8]", "on the fly", 50, 1.0, timed_by="late", status="predicted"),
    timed("late[int8]", "precomputed", 50, 0.02),
    timed("other", "rerank", 10, 0.5),
]


def projected(prices: Prices | None = PRICES) -> pd.DataFrame:
    """LATENCIES, two holders of vectors, throughput and memory on the CPU, for WORKLOAD."""
    held = [("dense", "retriever", 1500.0), ("late", "retriever", 9e9), ("late", "reranker", 32e3)]
    held.append(("late[int8]", "reranker", 16e3))
    storage = pd.DataFrame(held, columns=["system", "holder", "bytes_per_document"])
    work = [("dense", "retrieve", 1.0), ("late", "retrieve", 5e9), ("late", "precomputed", 9.0)]
    throughput = pd.DataFrame(work, columns=["system", "mode", "seconds"]).assign(**WHERE)
    throughput = throughput.assign(unit="documents", count=100, processor=4 * throughput["seconds"])
    started = [
        (*WHERE.values(), *arm, 4e8)
        for arm in [("dense", "retrieve"), ("bge", "rerank"), ("late", "precomputed")]
    ]
    return projection.projection(
        pd.DataFrame(LATENCIES, columns=list(latency.LATENCIES)),
        storage.assign(dataset="x").reindex(columns=list(vector_bytes.STORAGE)),
        throughput.reindex(columns=list(columns.THROUGHPUT)),
        pd.DataFrame(started, columns=[*WHERE, "system", "mode", "model_bytes"]),
        WORKLOAD,
        prices,
    )


def of(table: pd.DataFrame, *arm: str) -> Mapping[str, Any]:
    (row,) = table[(table["system"] == arm[0]) & (table["mode"] == arm[1])][:1].to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_projection_of_retrieval() -> None:
    row = of(projected(), "dense", "retrieve")
    # 2e6 documents of 1,500 bytes are 3 GB, the model 0.4 GB; 2e6 / 100 seconds are 5.56 h
    assert (row["vectors_gb"], row["model_gb"], row["ram_gb"]) == pytest.approx((3, 0.4, 3.4))
    assert (row["disk_gb"], row["index_hours"]) == pytest.approx((3, 2e4 / 3600))
    # 36,000 * 30.4 * 0.01 s / 3600 = 3.04 h, in which 4 processors worked, at 0.05 each
    assert row["busy_hours_month"] == pytest.approx(3.04)
    assert row["processor_hours_month"] == pytest.approx(4 * 3.04)
    assert (row["ram_month"], row["disk_month"]) == pytest.approx((10.2, 0.3))
    assert (row["compute_month"], row["month"]) == pytest.approx((0.608, 11.108))
    assert row["index_once"] == pytest.approx(2e4 / 3600 * 0.2)


def test_projection_of_a_cross_encoder() -> None:
    row = of(projected(), "bge", "rerank")
    # at the 50 candidates of the workload 2 s: 36,000 * 30.4 * 2 / 3600 = 608 h
    assert (row["k"], row["seconds"], row["busy_hours_month"]) == pytest.approx((50, 2.0, 608))
    assert (row["vectors_gb"], row["index_hours"], row["ram_gb"]) == pytest.approx((0, 0, 0.4))
    assert row["month"] == pytest.approx(0.4 * 3 + 608 * 0.2)


def test_projection_of_late_interaction() -> None:
    table = projected()
    fly, pre = of(table, "late", "on the fly"), of(table, "late", "precomputed")
    # only the reranker's own 32,000 bytes, and only where they are kept
    assert (fly["vectors_gb"], pre["vectors_gb"]) == (0, 64)
    assert (fly["index_hours"], pre["index_hours"]) == pytest.approx((0, 2e6 * 0.09 / 3600))
    assert fly["status"] == "predicted"
    # its memory was not measured, so neither is the sum
    assert math.isnan(fly["ram_gb"])
    assert math.isnan(fly["month"])
    assert fly["compute_month"] == pytest.approx(304 * 0.2)


def test_projection_of_a_system_whose_encoder_was_measured_for_another() -> None:
    table = projected()
    row, other = of(table, "late[int8]", "precomputed"), of(table, "late", "precomputed")
    assert (row["vectors_gb"], row["model_gb"]) == pytest.approx((32, 0.4))
    assert row["index_hours"] == other["index_hours"]


def test_projection_on_a_gpu_pays_for_the_gpu() -> None:
    table = projected()
    row = table[table["device"] == "cuda"].iloc[0]
    assert row["compute_month"] == pytest.approx(3.04 * 2.0)
    assert math.isnan(row["index_hours"])  # no throughput there
    free = projected(PRICES.model_copy(update={"gpu_hour": None}))
    assert math.isnan(free[free["device"] == "cuda"].iloc[0]["compute_month"])


def test_projection_takes_no_other_number_of_candidates() -> None:
    row = of(projected(), "other", "rerank")
    assert (row["k"], row["status"]) == (50, "not measured")
    assert math.isnan(row["seconds"])
    assert math.isnan(row["month"])


def test_no_prices_no_currency() -> None:
    assert tuple(projected(None).columns) == projection.PROJECTION
    assert tuple(projected().columns) == (*projection.PROJECTION, *projection.CURRENCY)


def test_a_retriever_does_not_take_the_throughput_of_its_systems_reranker() -> None:
    rows = [timed("late", "retrieve", 100, 0.01), timed("late", "precomputed", 50, 0.02)]
    work = WHERE | {"system": "late", "mode": "on the fly", "unit": "documents"}
    work |= {"count": 1, "seconds": 3.6}
    table = projection.projection(
        pd.DataFrame(rows, columns=list(latency.LATENCIES)),
        pd.DataFrame(columns=list(vector_bytes.STORAGE)),
        pd.DataFrame([work], columns=list(columns.THROUGHPUT)),
        pd.DataFrame(columns=list(projection.MEMORY)),
        WORKLOAD,
        None,
    )
    assert math.isnan(table["index_hours"][0])
    assert table["index_hours"][1] == pytest.approx(2000)
    assert table["vectors_gb"].isna().all()


def compute(
    arm: dict[str, Any], workload: Workload = WORKLOAD, prices: Prices = PRICES
) -> tuple[float, float]:
    """Compute and the sum of a month, of an arm whose memory was measured."""
    table = projection.projection(
        pd.DataFrame([arm], columns=list(latency.LATENCIES)),
        pd.DataFrame(columns=list(vector_bytes.STORAGE)),
        pd.DataFrame(columns=list(projection.THROUGHPUT)),
        pd.DataFrame([{name: arm[name] for name in latency.ARM} | {"model_bytes": 0.0}]),
        workload,
        prices,
    )
    return float(table["compute_month"].iloc[0]), float(table["month"].iloc[0])


@settings(max_examples=20)
@given(st.integers(1, 10), st.integers(0, 64))
def test_compute_grows_with_queries_and_processors(times: int, processors: int) -> None:
    more = WORKLOAD.model_copy(update={"queries_per_day": times * WORKLOAD.queries_per_day})
    one = compute(timed("bge", "rerank", 50, 2.0, processor=2.0))[0]
    found = compute(timed("bge", "rerank", 50, 2.0, processor=2.0 * processors), more)[0]
    assert found == pytest.approx(times * processors * one)


def test_serial_work_is_not_paid_as_that_of_all_threads() -> None:
    # 608 h of calls in which one processor worked, at 0.05: not 4 times as much
    assert compute(timed("bge", "rerank", 50, 2.0, processor=2.0))[0] == pytest.approx(608 * 0.05)


def test_waiting_for_a_server_is_no_work_of_this_machine() -> None:
    """Its own machine costs what the file says, for as long as a call takes; else nobody knows."""
    arm = timed("tei", "rerank", 50, 2.0, processor=0.01, served=True)
    month, total = compute(arm)
    assert math.isnan(month)
    assert math.isnan(total)
    # 608 h of a machine at 0.3, and 3.04 h of a processor here at 0.05
    priced = PRICES.model_copy(update={"server_hour": 0.3})
    assert compute(arm, prices=priced)[0] == pytest.approx(608 * 0.3 + 3.04 * 0.05)
    # how much of its calls a GPU here is busy was not measured
    assert math.isnan(compute(arm | {"device": "cuda"}, prices=priced)[0])


def test_processor_time_that_was_not_counted_is_not_free() -> None:
    assert math.isnan(compute(timed("old", "rerank", 50, 2.0, processor=math.nan))[0])
    assert math.isnan(compute(timed("old", "rerank", 50, 2.0, served=math.nan))[0])


def test_nothing_was_measured() -> None:
    memory = projection.memory(pd.DataFrame(columns=list(columns.STARTS)))
    throughput = pd.DataFrame(columns=list(columns.THROUGHPUT))
    assert memory.columns.tolist() == [*projection.MEMORY]
    assert projection.throughput(throughput).columns.tolist() == [*projection.THROUGHPUT]
    choices = projection.storage_choices(pd.DataFrame(columns=list(columns.GRID)), 10.0)
    assert choices.columns.tolist() == [*projection.CHOICES]
    table = projection.projection(
        pd.DataFrame(columns=list(latency.LATENCIES)),
        pd.DataFrame(columns=list(vector_bytes.STORAGE)),
        throughput,
        memory,
        WORKLOAD,
        PRICES,
    )
    assert table.columns.tolist() == [*projection.PROJECTION, *projection.CURRENCY]


def test_tables_are_in_the_order_of_the_experiment() -> None:
    """Not in that of the calls, which is drawn anew in each round."""
    values = {name: [0.5] * 20 for name in ("base", "late", "cross", "alpha", "fly")}
    seconds = {name: 0.1 for name in values if name != "base"}
    memory = dict.fromkeys(values, 1e9)
    results = literal(values, seconds=seconds, memory=memory)
    timed = ("calls", "arms", "starts")
    shuffled = {name: results.costs[name].sort_values("system") for name in timed}
    results = replace(results, costs={**results.costs, **shuffled})
    found = analyse_costs(results, vector_bytes.storage_per_document(results))
    order = ["base", "late", "cross", "alpha", "fly"]
    for table in (found.latencies, found.end_to_end, found.memory):
        assert [name for name in dict.fromkeys(table["system"]) if name in order] == order
    assert list(dict.fromkeys(found.ratios["system"])) == ["late", "alpha", "fly"]
    assert set(found.ratios["reference"]) == {"cross"}  # the first that the file names
