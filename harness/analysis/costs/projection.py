"""What a system needs beside time, and what a workload would cost in any currency."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from harness.analysis.costs.latency import ARM, document_seconds
from harness.experiment.decision_terms import Prices, Workload

GB = 1e9

DAYS_A_MONTH = 30.4

MEMORY = (
    *(*ARM, "starts", "import_seconds", "load_seconds", "first_call_seconds"),
    *("model_bytes", "peak_bytes", "gpu_peak_bytes"),
)
"""One row an arm, medians over `starts` processes; `model_bytes` is what loading added to the
resident set after the imports."""

THROUGHPUT = (
    *(*ARM, "unit", "policy", "count", "tokens", "seconds", "processor"),
    *("per_second", "tokens_per_second", "seconds_per_1k_tokens"),
)
"""One row a piece of offline work; `per_second` counts its units."""

CHOICES = (
    *("dataset", "system", "model", "trained", "dim", "precision", "pool_factor", "nbits"),
    *("vectors_per_document", "formula_bytes_per_document", "disk_bytes_per_document"),
    *("gb_per_million_documents", "disk_gb_per_million_documents", "times_dense"),
    *("payload_excess", "disk_excess", "documents"),
    *("memory_seconds", "mapped_seconds", "cold_seconds", "build_seconds", "remark"),
)
"""One row a way to store vectors. 1 GB is 10^9 bytes; `times_dense` is the formula's bytes over those
of the dense vector; the excesses are the bytes found over the formula's, less 1; the rest is as in
`columns.GRID`."""

PROJECTION = (
    *(*ARM, "k", "status", "seconds", "vectors_gb", "model_gb", "ram_gb", "disk_gb"),
    *("index_hours", "index_processor_hours", "busy_hours_month", "processor_hours_month"),
    *("served", "timed_by"),
)
"""One row an arm: what it needs for the workload. `seconds` is the mean of a call. `busy_hours_month`
are the hours of all calls, `processor_hours_month` those of the processors in them; `served` whether
a server does part of the work, whose own processors are in neither."""

CURRENCY = ("ram_month", "disk_month", "compute_month", "month", "index_once")
"""What that costs; `month` is the sum of the three before it."""


class Timing(NamedTuple):
    """Mean seconds of a call, those of the clock and those of all processors of this process."""

    status: str
    seconds: float
    processor: float


class ArmNeeds(NamedTuple):
    """What was measured of an arm that a workload multiplies; NaN for what was not."""

    of: tuple[str, ...]
    """Dataset, device, system and mode."""
    by_k: Mapping[int, Timing]
    """By number of candidates."""
    bytes_per_document: float
    model_bytes: float
    seconds_per_document: float
    processor_per_document: float
    served: bool | None
    """Whether a server does part of the work; None in results of versions that did not tell."""
    timed_by: str
    """The system whose calls these are."""


def memory(starts: pd.DataFrame) -> pd.DataFrame:
    """Columns MEMORY, from the processes started for each arm alone."""
    table = with_model_bytes(starts)
    medians = [name for name in MEMORY if name not in (*ARM, "starts")]
    grouped = table.astype(dict.fromkeys(medians, float)).groupby(ARM, sort=False)
    found = grouped[medians].median()
    return found.assign(starts=grouped.size()).reset_index()[list(MEMORY)]


def with_model_bytes(starts: pd.DataFrame) -> pd.DataFrame:
    """`columns.STARTS` with `model_bytes`, what loading added to the resident set."""
    return starts.assign(model_bytes=starts["loaded_bytes"] - starts["libraries_bytes"])


def throughput(table: pd.DataFrame) -> pd.DataFrame:
    """Columns THROUGHPUT: units and tokens per second of offline work."""
    return table.assign(
        per_second=table["count"] / table["seconds"],
        tokens_per_second=table["tokens"] / table["seconds"],
        seconds_per_1k_tokens=1000 * table["seconds"] / table["tokens"],
    )[list(THROUGHPUT)]


def storage_choices(grid: pd.DataFrame, dense_bytes_per_document: float = math.nan) -> pd.DataFrame:
    """Columns CHOICES; without the bytes of a dense vector `times_dense` is NaN."""
    formula = grid["formula_bytes"] / grid["documents"]
    disk = grid["disk_bytes"] / grid["documents"]
    return grid.assign(
        vectors_per_document=grid["vectors"] / grid["documents"],
        formula_bytes_per_document=formula,
        disk_bytes_per_document=disk,
        gb_per_million_documents=formula * 1e6 / GB,
        disk_gb_per_million_documents=disk * 1e6 / GB,
        times_dense=formula / dense_bytes_per_document,
        payload_excess=grid["payload_bytes"] / grid["formula_bytes"] - 1,
        disk_excess=grid["disk_bytes"] / grid["formula_bytes"] - 1,
    )[list(CHOICES)]


def projection(
    latencies: pd.DataFrame,
    storage: pd.DataFrame,
    throughput: pd.DataFrame,
    memory: pd.DataFrame,
    workload: Workload,
    prices: Prices | None,
) -> pd.DataFrame:
    """Columns PROJECTION, and with `prices` CURRENCY: what each arm adds to serve `workload`.

    A row `retrieve` is what first-stage retrieval needs; a reranker's row comes on top of that of
    the retriever it shares. Processors are paid for the time that they worked for a call, a GPU and
    the machine of a server for the seconds that a call takes, each as if it were never idle; vectors
    are held in memory and on disk once; the documents' texts and the models' files are not counted.
    A part that was not measured is NaN, and so is every sum that it is in; so is what a server's
    machine costs if `prices` does not say, and a reranker's `seconds` if it was not timed, or its
    time predicted, with just `workload.candidates`.

    `latencies` is that of `latency.latencies`, `storage` that of
    `vector_bytes.storage_per_document`, `throughput` has the columns `columns.THROUGHPUT`, `memory`
    is that of `memory`.
    """
    columns = [*PROJECTION, *([] if prices is None else CURRENCY)]
    arms = arm_needs(latencies, storage, throughput, memory)
    return pd.DataFrame([needed(arm, workload, prices) for arm in arms], columns=list(columns))


def arm_needs(
    latencies: pd.DataFrame,
    storage: pd.DataFrame,
    throughput: pd.DataFrame,
    memory: pd.DataFrame,
) -> list[ArmNeeds]:
    """What was measured of each arm that a workload multiplies; the tables are as in `projection`."""
    parts = storage.groupby(["dataset", "system", "holder"])["bytes_per_document"]
    held = parts.agg(lambda sizes: sizes.sum(skipna=False)).to_dict()
    models = memory.set_index(ARM)["model_bytes"].to_dict()
    encoding = {
        (retrieval, of): document_seconds(throughput, retrieval=retrieval, of=of)
        for retrieval in (True, False)
        for of in ("seconds", "processor")
    }
    first = latencies.drop_duplicates(ARM).set_index(ARM)
    timed_by = first["timed_by"].to_dict()
    served = {arm: None if pd.isna(one) else bool(one) for arm, one in first["served"].items()}
    found = []
    for arm, by_k in _timed(latencies).items():
        dataset, device, system, mode = arm
        own = timed_by[arm]
        # What encodes documents beforehand is measured once, as it is on the fly.
        encoder = timed_by.get((dataset, device, system, "on the fly"), own)
        source = own if mode == "retrieve" else encoder
        model = models.get(arm, models.get((dataset, device, source, mode), math.nan))
        retrieves, size, seconds, processor = mode == "retrieve", 0.0, 0.0, 0.0
        if retrieves or mode == "precomputed":  # the modes that store vectors of the documents
            size = held.get((dataset, system, "retriever" if retrieves else "reranker"), math.nan)
            seconds, processor = (
                encoding[retrieves, of].get((dataset, device, source), math.nan)
                for of in ("seconds", "processor")
            )
        found.append(ArmNeeds(arm, by_k, size, model, seconds, processor, served[arm], own))
    return found


def needed(arm: ArmNeeds, workload: Workload, prices: Prices | None) -> dict[str, Any]:
    """A row of `projection`."""
    k = max(arm.by_k) if arm.of[-1] == "retrieve" else workload.candidates
    status, seconds, processor = arm.by_k.get(k, Timing("not measured", math.nan, math.nan))
    calls = workload.queries_per_day * DAYS_A_MONTH
    vectors, model = arm.bytes_per_document * workload.documents / GB, arm.model_bytes / GB
    row = {
        **dict(zip(ARM, arm.of, strict=True)),
        "k": k,
        "status": status,
        "seconds": seconds,
        "vectors_gb": vectors,
        "model_gb": model,
        "ram_gb": vectors + model,
        "disk_gb": vectors,
        "index_hours": arm.seconds_per_document * workload.documents / 3600,
        "index_processor_hours": arm.processor_per_document * workload.documents / 3600,
        "busy_hours_month": seconds * calls / 3600,
        "processor_hours_month": processor * calls / 3600,
        "served": arm.served,
        "timed_by": arm.timed_by,
    }
    return row if prices is None else row | _price(row, prices)


def _timed(latencies: pd.DataFrame) -> dict[tuple[str, ...], dict[int, Timing]]:
    """By arm and k, its status and mean seconds."""
    found: dict[tuple[str, ...], dict[int, Timing]] = {}
    columns = [latencies[name] for name in (*ARM, "k", "status", "mean", "processor")]
    for *arm, k, status, mean, processor in zip(*columns, strict=True):
        timing = Timing(status, float(mean), float(processor))
        found.setdefault(tuple(arm), {}).setdefault(k, timing)
    return found


def _price(row: Mapping[str, Any], prices: Prices) -> dict[str, float]:
    ram, disk = row["ram_gb"] * prices.ram_gb_month, row["disk_gb"] * prices.disk_gb_month
    compute = _compute(row, row["busy_hours_month"], row["processor_hours_month"], prices)
    once = _compute(row, row["index_hours"], row["index_processor_hours"], prices)
    return dict(zip(CURRENCY, (ram, disk, compute, ram + disk + compute, once), strict=True))


def _compute(row: Mapping[str, Any], busy: float, processor: float, prices: Prices) -> float:
    """Hours of processors where they work here, hours of the clock of a GPU or a server's machine.

    NaN where nobody says what these cost; of a server's client that has a GPU nobody measured for
    how much of a call it is busy.
    """
    hours = prices.gpu_hour, prices.server_hour
    gpu, server = (math.nan if price is None else price for price in hours)
    paid = {
        ("cpu", False): processor * prices.cpu_core_hour,
        ("cpu", True): processor * prices.cpu_core_hour + busy * server,
        ("cuda", False): busy * gpu,
    }
    return 0.0 if busy == 0 else paid.get((row["device"], row["served"]), math.nan)
