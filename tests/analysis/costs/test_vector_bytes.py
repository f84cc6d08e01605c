"""What systems store: counted, or of systems that were not run told from the storage sample, by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from literal import literal

from harness.analysis.costs import vector_bytes
from harness.analysis.costs.measured import analyse_costs
from harness.analysis.decision import amounts
from harness.analysis.decision.amounts import Amount
from harness.analysis.decision.measurements import Measurements, Option
from harness.results import columns

ENCODER = {"use": "bge_m3", "model": "dummy:BAAI/bge-m3"}
DENSE = {"use": "dense", "encoder": ENCODER, "dim": None}
RERANKER = {"use": "late_interaction", "dim": None, "precision": "float16", "pool_factor": 1}
CONFIGS = {
    "late": {"retriever": DENSE, "reranker": {**RERANKER, "encoder": ENCODER}},
    "hybrid": {
        "retriever": DENSE,
        "reranker": {"use": "hybrid", "precision": "float16", "encoder": ENCODER},
    },
}
PER_DOCUMENT = 200 * 1024 * 2 + 8
"""200 token vectors of 1,024 dimensions in float16, and where they begin."""

CHOICES = pd.DataFrame(
    {
        "system": ["late"] * 2,
        "dim": [1024, 1024],
        "precision": ["float16", "float16"],
        "pool_factor": [1, 2],
        "vectors_per_document": [200.0, 100.5],
        "formula_bytes_per_document": [float(PER_DOCUMENT), 205_832.0],
    }
)


def test_hybrid_keeps_a_vector_and_terms_beside_its_token_vectors() -> None:
    none = pd.DataFrame(columns=list(vector_bytes.VECTOR_BYTES))
    told = vector_bytes.vector_bytes(none, CHOICES, CONFIGS).set_index(["system", "holder"])
    assert set(told["dim"]) == {1024}
    late, hybrid = told.loc[("late", "reranker")], told.loc[("hybrid", "reranker")]
    assert (late["vectors_per_document"], late["bytes_per_document"]) == (200, PER_DOCUMENT)
    assert hybrid["vectors_per_document"] == 201
    assert hybrid["bytes_per_document"] == PER_DOCUMENT + 1024 * 4 + 200 * 8
    assert hybrid["gb_per_million_documents"] == pytest.approx(415.304)
    assert told.loc[("hybrid", "retriever")]["bytes_per_document"] == 4096


BM25 = {"use": "bm25", "k1": 1.2}
FUSED = {"use": "fused", "retrievers": [DENSE, {"use": "fused", "retrievers": [BM25, DENSE]}]}


def index_of(configs: dict[str, Any], counted: pd.DataFrame) -> dict[str, list[tuple[float, str]]]:
    """By system the bytes of the parts of its retriever (-1: not known), and why or how."""
    rows = vector_bytes.vector_bytes(counted, CHOICES[:0], configs)
    rows = rows[rows["holder"] == "retriever"].fillna({"bytes_per_document": -1})
    found: dict[str, list[tuple[float, str]]] = {}
    for row in rows.itertuples():
        told = row.unknown or row.source
        found.setdefault(str(row.system), []).append((row.bytes_per_document, told))
    return found


def test_index_of_a_system_that_was_not_run() -> None:
    """As counted of a system with the same retriever, else part by part, each part once."""
    configs = {
        "words": {"retriever": BM25},
        "late": {"retriever": BM25},
        "both": {"retriever": FUSED},
    }
    row = {"system": "words", "holder": "retriever", "kind": "terms", "bytes_per_document": 480.0}
    counted = pd.DataFrame([row | {"unknown": ""}]).reindex(
        columns=list(vector_bytes.VECTOR_BYTES[:-1])
    )
    assert index_of(configs, counted) == {
        "words": [(480, "counted")],
        "late": [(480, "counted")],
        "both": [(4096, "formula"), (480, "counted")],  # 1,024 dimensions in float32
    }
    missing = (-1, "the bytes of its bm25 index were not counted")
    assert index_of(configs, counted[:0]) == {
        "words": [missing],
        "late": [missing],
        "both": [(4096, "formula"), missing],
    }


def part(system: str, holder: str, size: float | None, unknown: str = "") -> dict[str, Any]:
    row = {"dataset": "x", "system": system, "holder": holder, "kind": "terms", "documents": 1}
    return row | {"vectors": 9, "dim": 1, "precision": "float32", "bytes": size, "unknown": unknown}


def gigabytes(rows: list[dict[str, Any]], option: Option) -> Amount:
    results = literal({"base": [0.5, 0.6], "late": [0.5, 0.6], "cross": [0.5, 0.6]})
    table = pd.DataFrame(rows).reindex(columns=list(columns.STORAGE))
    results = replace(results, storage=table)
    costs = analyse_costs(results, vector_bytes.storage_per_document(results))
    return amounts.gigabytes(Measurements(results, costs), "x", option)


LATE = Option("late", "precomputed")


def test_sum_is_known_where_every_part_is() -> None:
    rows = [part(name, "retriever", 480) for name in ("base", "late", "cross")]
    rows.append(part("late", "reranker", 9000))
    assert gigabytes(rows, Option("base", "retrieve")).value == pytest.approx(0.48)
    assert gigabytes(rows, Option("cross", "rerank")).value == pytest.approx(0.48)
    assert gigabytes(rows, LATE).value == pytest.approx(9.48)
    assert gigabytes(rows, LATE._replace(mode="on the fly")).value == pytest.approx(0.48)
    fused = [*rows, part("late", "retriever", 1536)]
    assert gigabytes(fused, LATE).value == pytest.approx(9.48 + 1.536)


def test_sum_with_an_unknown_part_is_at_least_the_known_ones() -> None:
    rows = [part("late", "retriever", None, "a run"), part("late", "retriever", 1536)]
    found = gigabytes([*rows, part("late", "reranker", 9000)], LATE)
    assert math.isnan(found.value)
    assert (found.at_least, found.said) == (pytest.approx(10.536), "a run")
    assert found.verdict(10) == "out"
    assert found.verdict(11) == "unknown"
    nothing = gigabytes(rows[:1], Option("late", "on the fly"))
    assert math.isnan(nothing.value)
    assert math.isnan(nothing.at_least)


def test_results_of_a_version_that_counted_vectors_alone() -> None:
    """They have no row of an index of words, so that the sum is not known."""
    found = gigabytes([part("late", "reranker", 9000)], LATE)
    assert math.isnan(found.value)
    assert (found.at_least, found.said) == (9, "the bytes of its dense index were not counted")
    old = literal({"base": [0.5], "late": [0.5]}, bytes_per_document={"late": 5})
    old.storage[["kind", "disk_bytes", "unknown"]] = math.nan
    old.storage.loc[0, ["vectors", "dim"]] = (7, 1)
    table = vector_bytes.storage_per_document(old)
    assert list(table["kind"]) == ["terms", "vectors", "token vectors"]
    assert list(table["unknown"]) == [""] * 3
