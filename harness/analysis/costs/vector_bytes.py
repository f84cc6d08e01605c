"""What every system stores of the documents: counted where it was run, else computed from a sample."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.costs.projection import GB
from harness.components.models import catalogue
from harness.results.store import Results

TERM_BYTES = 8
"""Of a learned sparse vector's term: its id and its weight, 32 bits each."""

Configs = Mapping[str, Mapping[str, Any]]
"""By system its full configuration, where it is known."""

STORAGE = (
    *("dataset", "system", "holder", "kind", "dim", "precision", "vectors_per_document"),
    *("bytes_per_document", "gb_per_million_documents", "disk_bytes_per_document", "unknown"),
)
"""One row a trial and part of what it stores; 1 GB is 10^9 bytes."""

VECTOR_BYTES = (*STORAGE, "source")
"""As STORAGE, with a row for each part that a system is known to store; `source` is
`counted`, or for systems that were not run `sample` (as many bytes as the formula gives for the
storage sample) or `formula` (one float32 vector). Where the bytes are NaN, `unknown` says why."""

INDEX, TOKENS = (
    "the bytes of its {} index were not counted",
    "the bytes of its token vectors were not counted",
)


def configurations(results: Results) -> dict[str, Mapping[str, Any]]:
    """By system its full configuration, where it is known."""
    known = results.trials[results.trials["config"].astype(bool)]
    return {
        str(row.system): found
        for row in known.itertuples()
        if (found := json.loads(str(row.config)))
    }


def models_of(config: Any) -> Iterator[str]:
    """Every model that a configuration names."""
    if isinstance(config, Mapping):
        if isinstance(config.get("model"), str):
            yield config["model"]
        for part in config.values():
            yield from models_of(part)
    elif isinstance(config, list):
        for part in config:
            yield from models_of(part)


def trained_here(results: Results) -> set[tuple[str, str]]:
    """The (dataset, system) whose own model, not only a teacher of it, was trained in the run."""
    return {
        name
        for name, facts in results.facts.items()
        for one in facts.get("trainings", ())  # results of a version that trained nothing lack it
        if one["reference"] in models_of(facts["system"])
    }


def dense_bytes(storage: pd.DataFrame, baseline: str, configs: Configs) -> float:
    """Bytes of a document's dense vector: the baseline's, else the first system's that stores one.

    Without any that was counted: of float32 with the dimensions that the catalogue gives the
    encoder. NaN where that is not known either.
    """
    is_dense = (storage["holder"] == "retriever") & (storage["kind"] == "vectors")
    counted = storage[is_dense]
    first = counted[counted["system"] == baseline]["bytes_per_document"]
    dims = map(_dense_dim, itertools.chain([configs.get(baseline, {})], configs.values()))
    by_formula = (4.0 * dim for dim in dims if dim)
    known = itertools.chain(first, counted["bytes_per_document"], by_formula)
    return float(next(known, math.nan))


def _dense_dim(config: Mapping[str, Any]) -> int | None:
    """Dimensions of a dense retriever's vectors, as configured or as the catalogue knows."""
    retriever = config.get("retriever") or {}
    if retriever.get("use") != "dense":
        return None
    model = catalogue.known(str(retriever["encoder"].get("model", "")))
    return retriever.get("dim") or (model.dims[0] if model and model.dims else None)


def vector_bytes(storage: pd.DataFrame, choices: pd.DataFrame, configs: Configs) -> pd.DataFrame:
    """Columns VECTOR_BYTES of one dataset: what was counted, and what can be computed of systems not run.

    Every system of `configs` has a row of its retriever, be it that its bytes are not known.
    `storage` is `vector_bytes.storage_per_document`, `choices` is `projection.storage_choices`, of
    the dataset.
    """
    counted = storage.assign(source="counted")
    have = set(zip(counted["system"], counted["holder"], strict=True))
    found = []
    for system, config in configs.items():
        if (system, "retriever") not in have:
            found += [{"system": system, **row} for row in _index_rows(config, counted, configs)]
        if (system, "reranker") not in have:
            found += [{"system": system, **row} for row in _token_rows(config, choices, configs)]
    computed = pd.DataFrame(found, columns=list(VECTOR_BYTES))
    if counted.empty or computed.empty:
        return (computed if counted.empty else counted)[list(VECTOR_BYTES)]
    return pd.concat([counted, computed], ignore_index=True)[list(VECTOR_BYTES)]


def of_system(vector_bytes: pd.DataFrame) -> pd.Series:
    """Bytes a document by (dataset, system), of the systems of which every part is known."""
    parts = vector_bytes.groupby(["dataset", "system"])["bytes_per_document"]
    return parts.agg(lambda sizes: sizes.sum(skipna=False)).dropna()


def _index_rows(
    config: Mapping[str, Any], counted: pd.DataFrame, configs: Configs
) -> Iterator[dict[str, Any]]:
    """What a system's retriever stores: as counted of a system that has the same one, else by part."""
    retriever = config.get("retriever")
    alike = [name for name, other in configs.items() if other.get("retriever") == retriever]
    rows = counted[counted["system"].isin(alike) & (counted["holder"] == "retriever")]
    if len(rows):
        first = rows[rows["system"] == rows["system"].iloc[0]]
        yield from first.drop(columns=["dataset", "system"]).to_dict("records")
    elif retriever and retriever.get("use") == "fused":
        for one in {json.dumps(part): part for part in _fused(retriever)}.values():
            yield from _index_rows({"retriever": one}, counted, configs)
    else:
        yield {"holder": "retriever"} | _index_row(config)


def _fused(retriever: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The retrievers that a fusion is made of, however deep they lie in others."""
    for part in retriever["retrievers"]:
        yield from _fused(part) if part.get("use") == "fused" else [part]


def _index_row(config: Mapping[str, Any]) -> dict[str, Any]:
    """One float32 vector a document where its dimensions are known; else that nothing is."""
    dim = _dense_dim(config)
    if dim is None:
        use = (config.get("retriever") or {}).get("use", "retriever's")
        return {"kind": "", "precision": "", "unknown": INDEX.format(use), "source": ""}
    row = {"kind": "vectors", "dim": dim, "precision": "float32", "source": "formula"}
    return row | _sizes(1.0, 4.0 * dim)


def _token_rows(
    config: Mapping[str, Any], choices: pd.DataFrame, configs: Configs
) -> Iterator[dict[str, Any]]:
    """The way of the storage sample in which a system stores its token vectors.

    A hybrid stores besides a dense vector in float32, and at most one term for each token vector.
    """
    reranker = config.get("reranker") or {}
    if reranker.get("use") not in ("late_interaction", "hybrid"):
        return
    hybrid = reranker["use"] == "hybrid"
    alike = [
        name
        for name, other in configs.items()
        if (other.get("reranker") or {}).get("encoder") == reranker["encoder"]
    ]
    here = choices[choices["system"].isin(alike)]
    dim = reranker.get("dim") or here["dim"].max()
    here = here[(here["precision"] == reranker["precision"]) & (here["dim"] == dim)]
    here = here[here["pool_factor"] == reranker.get("pool_factor", 1)]
    for way in here.head(1).to_dict("records"):
        row = {"holder": "reranker", "kind": "token vectors", "dim": dim, "source": "sample"}
        row |= {"precision": way["precision"]}
        vectors, size = way["vectors_per_document"], way["formula_bytes_per_document"]
        beside = 4 * dim + TERM_BYTES * vectors if hybrid else 0
        yield row | _sizes(vectors + hybrid, size + beside)


def _sizes(vectors: float, size: float) -> dict[str, Any]:
    sizes = {"bytes_per_document": size, "gb_per_million_documents": size * 1e6 / GB}
    return {"vectors_per_document": vectors, "unknown": "", **sizes}


def storage_per_document(results: Results) -> pd.DataFrame:
    """Columns STORAGE, counted over the documents of which something is stored."""
    table = results.storage.astype({"kind": object, "unknown": object})
    per_document = {
        f"{name}_per_document": table[name].astype(float) / table["documents"].replace(0, math.nan)
        for name in ("vectors", "bytes", "disk_bytes")
    }
    kinds, unknown = table["kind"].fillna(_kind_before(table)), table["unknown"].fillna("")
    table = table.assign(**per_document, kind=kinds, unknown=unknown)
    return table.assign(gb_per_million_documents=table["bytes_per_document"] / 1000)[list(STORAGE)]


def _kind_before(table: pd.DataFrame) -> pd.Series:
    """What a row was counted of, in results of a version that did not write it."""
    many = table["vectors"] > table["documents"]
    kinds = np.select([table["dim"] == 1, many], ["terms", "token vectors"], "vectors")
    return pd.Series(kinds, index=table.index)
