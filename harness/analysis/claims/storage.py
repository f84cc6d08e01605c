"""What the storage sample says of claims on bytes."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import pandas as pd

from harness.analysis.claims.evidence import Found, NoValueError, Stored, bounded, original
from harness.analysis.costs.vector_bytes import configurations, dense_bytes, storage_per_document
from harness.analysis.statistics.intervals import CONFIDENCE
from harness.experiment.claims import StorageEvidence, Way
from harness.page.text import significant
from harness.results.store import Results

FEWEST_DOCUMENTS = 30
"""With fewer the mean of skewed lengths is not yet near normal."""

Z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2)

COUNTED = {"formula": "by formula", "payload": "in files", "disk": "with all of its folder"}


def storage(asked: StorageEvidence, results: Results, _: Stored) -> Found:
    """Bytes of a document or a vector, or how many times those of another way to store them."""
    row = _row(results, asked)
    dataset = str(row["dataset"])
    size = _size(row, asked)
    said = f"{size:,.0f} bytes a {asked.per} ({_named(asked)})"
    where = f"{asked.model} over {row['documents']:,} documents of {dataset}"
    where = f"{COUNTED[asked.counted]}; {where}"
    spread = _spread(row, asked, results)
    if asked.over is None:
        return _sampled(size, spread, f"{said}, {where}")
    if asked.over == "dense":
        other, against = _dense(results, dataset), "one dense vector"
    else:
        model = f"{asked.over.model}, " * (asked.over.model != asked.model)
        base = _row(results, asked.over)
        other, against = _size(base, asked), model + _named(asked.over)
        same_vectors = all(row[name] == base[name] for name in ("documents", "vectors", "model"))
        spread = (1 + spread) * (1 + _spread(base, asked, results)) - 1 if not same_vectors else 0.0
    said = f"{significant(size / other)} times: {said} over {other:,.0f} ({against}), {where}"
    return _sampled(size / other, spread, said)


def _sampled(value: float, spread: float, said: str) -> Found:
    """A value with the interval of other documents, as far as the sample tells."""
    if math.isnan(spread):
        return bounded(value, math.nan, math.nan, f"{said}, a sample too small for an interval")
    low, high = value * (1 - spread), value * (1 + spread)
    between = f" [{significant(low, 4)}, {significant(high, 4)}]" if spread else ""
    return bounded(value, low, high, said + between)


def _spread(row: Any, asked: StorageEvidence, results: Results) -> float:
    """By what share the mean of all documents may differ from the sample's; NaN where it cannot say.

    The half width of the 95 % interval of the mean number of vectors (normal, without replacement).
    Bytes of a vector are no sample, nor is anything where all documents were taken.
    """
    sizes = [
        facts["dataset"]["documents"]
        for (dataset, _), facts in results.facts.items()
        if dataset == row["dataset"]
    ]
    left = 1 - row["documents"] / max(sizes, default=math.inf)
    if asked.per == "vector" or left <= 0:
        return 0.0
    if row["documents"] < FEWEST_DOCUMENTS:
        return math.nan
    error = row["vectors_sd"] * math.sqrt(left / row["documents"])
    return float(Z * error * row["documents"] / row["vectors"])


def _named(way: Way) -> str:
    bits = f" with {way.nbits} bits" if way.nbits else ""
    pooled = f", pooled by {way.pool_factor}" if way.pool_factor > 1 else ""
    return f"{way.dim} dims, {way.precision}{bits}{pooled}"


def _row(results: Results, way: Way) -> Any:
    """The row of the storage sample; raises NoValueError where it is not there."""
    grid = results.costs["grid"]
    found = grid[grid["model"].map(original).eq(way.model).astype(bool)]
    found = found[(found["dim"] == way.dim) & (found["precision"] == way.precision)]
    found = found[found["pool_factor"] == way.pool_factor]
    if way.nbits is not None:
        found = found[found["nbits"] == way.nbits]
    if found.empty:
        raise NoValueError(
            f"the storage sample of {results.plan['experiment']} has no {way.model} ({_named(way)}): see "
            "its block `storage`, and run it without `--quick`"
        )
    return found.iloc[0]


def _size(row: Any, asked: StorageEvidence) -> float:
    size, count = row[f"{asked.counted}_bytes"], row[f"{asked.per}s"]
    if pd.isna(size):
        raise NoValueError(f"{row['precision']} of {row['model']}: {row['remark']}")
    return float(size) / float(count)


def _dense(results: Results, dataset: str) -> float:
    storage = storage_per_document(results)
    counted = storage[storage["dataset"] == dataset]
    found = dense_bytes(counted, results.plan["baseline"], configurations(results))
    if pd.isna(found):
        raise NoValueError("the size of a dense vector is unknown")
    return found
