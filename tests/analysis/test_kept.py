"""What systems that were not run would keep: told from the storage sample, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from harness.analysis import kept

ENCODER = {"use": "bge_m3", "model": "dummy:BAAI/bge-m3"}
DENSE = {"use": "dense", "encoder": ENCODER, "dim": None}
LATE = {"use": "late_interaction", "dim": None, "precision": "float16", "pool_factor": 1}
CONFIGS = {
    "late": {"retriever": DENSE, "reranker": {**LATE, "encoder": ENCODER}},
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
    none = pd.DataFrame(columns=list(kept.KEPT))
    told = kept.kept(none, CHOICES, CONFIGS).set_index(["system", "holder"])
    assert set(told["dim"]) == {1024}
    late, hybrid = told.loc[("late", "reranker")], told.loc[("hybrid", "reranker")]
    assert (late["vectors_per_document"], late["bytes_per_document"]) == (200, PER_DOCUMENT)
    assert hybrid["vectors_per_document"] == 201
    assert hybrid["bytes_per_document"] == PER_DOCUMENT + 1024 * 4 + 200 * 8
    assert hybrid["gb_per_million_documents"] == pytest.approx(415.304)
    assert told.loc[("hybrid", "retriever")]["bytes_per_document"] == 4096
