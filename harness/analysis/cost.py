"""What a system needs beside time, and what a workload would cost in any currency."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from harness.analysis.latency import ARM, document_seconds
from harness.settings import Prices, Workload

GB = 1e9

DAYS_A_MONTH = 30.4

MEMORY = (
    *(*ARM, "starts", "import_seconds", "load_seconds", "first_call_seconds"),
    *("model_bytes", "peak_bytes", "gpu_peak_bytes"),
)
"""One row an arm, medians over `starts` processes; `model_bytes` is what loading added to the
resident set after the imports."""

THROUGHPUT = (
    *(*ARM, "unit", "policy", "count", "tokens", "seconds"),
    *("per_second", "tokens_per_second", "seconds_per_1k_tokens"),
)
"""One row a piece of offline work; `per_second` counts its units."""

FETCHES = ("memory_seconds", "mapped_seconds", "cold_seconds")

CHOICES = (
    *("dataset", "system", "model", "trained", "dim", "precision", "pool_factor", "nbits"),
    *("vectors_per_document", "formula_bytes_per_document", "disk_bytes_per_document"),
    *("gb_per_million_documents", "disk_gb_per_million_documents", "times_dense"),
    *("payload_excess", "disk_excess", "documents", *FETCHES, "build_seconds", "remark"),
)
"""One row a way to keep vectors. 1 GB is 10^9 bytes; `times_dense` is the formula's bytes over those
of the dense vector; the excesses are the bytes found over the formula's, less 1; the rest is as in
`frames.GRID`."""

PROJECTION = (
    *(*ARM, "k", "status", "seconds", "vectors_gb", "model_gb", "ram_gb", "disk_gb"),
    *("index_hours", "busy_hours_month"),
)
"""One row an arm: what it needs for the workload. `seconds` is the mean of a call."""

CURRENCY = ("ram_month", "disk_month", "compute_month", "month", "index_once")
"""What that costs; `month` is the sum of the three before it."""


class ArmNeeds(NamedTuple):
    """What was measured of an arm that a workload multiplies; NaN for what was not."""

    of: tuple[str, ...]
    """Dataset, device, system and mode."""
    by_k: Mapping[int, tuple[str, float]]
    """By number of candidates its status and mean seconds."""
    bytes_per_document: float
    model_bytes: float
    seconds_per_document: float


def memory(starts: pd.DataFrame) -> pd.DataFrame:
    """Columns MEMORY, from the processes started for each arm alone."""
    table = starts.assign(model_bytes=starts["loaded_bytes"] - starts["libraries_bytes"])
    medians = [name for name in MEMORY if name not in (*ARM, "starts")]
    grouped = table.astype(dict.fromkeys(medians, float)).groupby(ARM, sort=False)
    found = grouped[medians].median()
    return found.assign(starts=grouped.size()).reset_index()[list(MEMORY)]


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
    encodes: Mapping[str, str],
    workload: Workload,
    prices: Prices | None,
    cores: int,
) -> pd.DataFrame:
    """Columns PROJECTION, and with `prices` CURRENCY: what each arm adds to serve `workload`.

    A row `retrieve` is what first-stage retrieval needs; a reranker's row comes on top of that of
    the retriever it shares. All of it is a lower bound: processors (`cores` of them on a CPU, one
    GPU on CUDA) are paid for the seconds of calls one at a time, as if busy at 100 %; vectors are
    held in memory and on disk once; the documents' texts and the models' files are not counted.
    A part that was not measured is NaN, and so is every sum that it is in; so is a reranker's
    `seconds` if it was not timed, or its time predicted, with just `workload.candidates`.

    `latencies` is that of `latency.latencies`, `storage` that of `compare.storage_per_document`,
    `throughput` has the columns `frames.THROUGHPUT`, `memory` is that of `memory`; `encodes` maps a
    system to the one whose encoder was measured in its stead, if it was not itself.
    """
    columns = [*PROJECTION, *([] if prices is None else CURRENCY)]
    arms = arm_needs(latencies, storage, throughput, memory, encodes)
    return pd.DataFrame(
        [served(arm, workload, prices, cores) for arm in arms], columns=list(columns)
    )


def arm_needs(
    latencies: pd.DataFrame,
    storage: pd.DataFrame,
    throughput: pd.DataFrame,
    memory: pd.DataFrame,
    encodes: Mapping[str, str],
) -> list[ArmNeeds]:
    """What was measured of each arm that a workload multiplies; the tables are as in `projection`."""
    parts = storage.groupby(["dataset", "system", "holder"])["bytes_per_document"]
    held = parts.agg(lambda sizes: sizes.sum(skipna=False)).to_dict()
    models = memory.set_index(ARM)["model_bytes"].to_dict()
    encoding = {kind: document_seconds(throughput, retrieval=kind) for kind in (True, False)}
    found = []
    for arm, by_k in _timed(latencies).items():
        dataset, device, system, mode = arm
        retrieval = mode == "retrieve"
        source = system if retrieval else encodes.get(system, system)
        model = models.get(arm, models.get((dataset, device, source, mode), math.nan))
        known = encoding[retrieval].get((dataset, device, source), math.nan)
        seconds = known if _keeps(mode) else 0.0
        found.append(ArmNeeds(arm, by_k, _share(mode, held, dataset, system), model, seconds))
    return found


def served(arm: ArmNeeds, workload: Workload, prices: Prices | None, cores: int) -> dict[str, Any]:
    """A row of `projection`."""
    k, status, seconds = _called(arm.by_k, arm.of[-1], workload)
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
        "busy_hours_month": seconds * workload.queries_per_day * DAYS_A_MONTH / 3600,
    }
    return row if prices is None else row | _price(row, prices, cores)


def _keeps(mode: str) -> bool:
    """Whether an arm of this mode keeps vectors of the documents."""
    return mode in ("retrieve", "precomputed")


def _share(mode: str, held: Mapping[tuple[str, ...], float], dataset: str, system: str) -> float:
    """Bytes per document that this arm stores."""
    holder = "retriever" if mode == "retrieve" else "reranker"
    return held.get((dataset, system, holder), math.nan) if _keeps(mode) else 0.0


def _timed(latencies: pd.DataFrame) -> dict[tuple[str, ...], dict[int, tuple[str, float]]]:
    """By arm and k, its status and mean seconds."""
    found: dict[tuple[str, ...], dict[int, tuple[str, float]]] = {}
    columns = [latencies[name] for name in (*ARM, "k", "status", "mean")]
    for *arm, k, status, mean in zip(*columns, strict=True):
        found.setdefault(tuple(arm), {}).setdefault(k, (status, float(mean)))
    return found


def _called(
    by_k: Mapping[int, tuple[str, float]], mode: str, workload: Workload
) -> tuple[int, str, float]:
    """Candidates, status and mean seconds at the workload's candidates; of retrieval at its depth."""
    k = max(by_k) if mode == "retrieve" else workload.candidates
    return k, *by_k.get(k, ("not measured", math.nan))


def _price(row: Mapping[str, Any], prices: Prices, cores: int) -> dict[str, float]:
    gpu = math.nan if prices.gpu_hour is None else prices.gpu_hour
    hour = {"cpu": cores * prices.cpu_core_hour, "cuda": gpu}.get(row["device"], math.nan)
    ram, disk = row["ram_gb"] * prices.ram_gb_month, row["disk_gb"] * prices.disk_gb_month
    compute = row["busy_hours_month"] * hour
    once = row["index_hours"] * hour
    return dict(zip(CURRENCY, (ram, disk, compute, ram + disk + compute, once), strict=True))
