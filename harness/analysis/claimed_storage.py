"""What the storage sample says of claims on bytes."""

from __future__ import annotations

from typing import Any

import pandas as pd

from harness import catalogue
from harness.analysis.answer import significant
from harness.analysis.compare import storage_per_document
from harness.analysis.evidence import Found, Stored, exact, not_measured
from harness.analysis.kept import configurations, dense_bytes
from harness.claim import Storage, Way
from harness.store import Results


def kept(asked: Storage, stored: Stored) -> Found:
    """Bytes of a document or a vector, or how many times those of another way to keep them."""
    return stored.any_weights(asked.experiment, lambda results: _kept(asked, results))


COUNTED = {"formula": "by formula", "payload": "in files", "disk": "with all of its folder"}


def _kept(asked: Storage, results: Results) -> Found:
    row = _row(results, asked)
    size = _size(row, asked)
    told = f"{size:,.0f} bytes a {asked.per} ({_named(asked)})"
    where = f"{COUNTED[asked.counted]}; {asked.model} over {row['documents']:,} documents of "
    where += str(row["dataset"])
    if asked.over is None:
        return exact(size, f"{told}, {where}")
    if asked.over == "dense":
        other, against = _dense(results, str(row["dataset"])), "one dense vector"
    else:
        model = f"{asked.over.model}, " * (asked.over.model != asked.model)
        other, against = _size(_row(results, asked.over), asked), model + _named(asked.over)
    ratio = size / other
    return exact(
        ratio, f"{significant(ratio)} times: {told} over {other:,.0f} ({against}), {where}"
    )


def _named(way: Way) -> str:
    bits = f" with {way.nbits} bits" if way.nbits else ""
    pooled = f", pooled by {way.pool_factor}" if way.pool_factor > 1 else ""
    return f"{way.dim} dims, {way.precision}{bits}{pooled}"


def _row(results: Results, way: Way) -> Any:
    """The row of the storage sample; raises UnjudgedError where it is not there."""
    grid = results.costs["grid"]
    found = grid[grid["model"].map(_original).eq(way.model).astype(bool)]
    found = found[(found["dim"] == way.dim) & (found["precision"] == way.precision)]
    found = found[found["pool_factor"] == way.pool_factor]
    if way.nbits is not None:
        found = found[found["nbits"] == way.nbits]
    if found.empty:
        raise not_measured(
            f"the storage sample of {results.plan['experiment']} has no {way.model} ({_named(way)}): see "
            "its block `storage`, and run it without `--quick`"
        )
    return found.iloc[0]


def _original(model: object) -> str:
    """The name that a model's authors gave it."""
    known = catalogue.known(str(model))
    return (known and known.original) or str(model).removeprefix(catalogue.DUMMY).partition("@")[0]


def _size(row: Any, asked: Storage) -> float:
    size, count = row[f"{asked.counted}_bytes"], row[f"{asked.per}s"]
    if pd.isna(size):
        raise not_measured(f"{row['precision']} of {row['model']}: {row['remark']}")
    return float(size) / float(count)


def _dense(results: Results, dataset: str) -> float:
    storage = storage_per_document(results)
    counted = storage[storage["dataset"] == dataset]
    found = dense_bytes(counted, results.plan["baseline"], configurations(results))
    if pd.isna(found):
        raise not_measured("how large a dense vector is, is not known")
    return found
