from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.components.subset import LABEL, subset
from harness.data import Dataset, Doc, Query

DATASET = Dataset(
    name="x",
    docs=[Doc(f"d{i}", "") for i in range(20)],
    queries=[Query(f"q{i}", "") for i in range(5)],
    qrels={f"q{i}": {f"d{4 * i}": 1, f"d{4 * i + 1}": 0} for i in range(5)},
    notes=("earlier",),
)
JUDGED = {doc_id for judgements in DATASET.qrels.values() for doc_id in judgements}


def doc_ids(dataset: Dataset) -> list[str]:
    return [doc.doc_id for doc in dataset.docs]


@given(st.integers(1, 30), st.none() | st.integers(1, 8), st.integers(0, 2**32))
def test_judged_documents_stay_and_others_fill_up(
    documents: int, queries: int | None, seed: int
) -> None:
    found = subset(DATASET, documents, queries, seed)
    count = min(queries or 5, 5)
    assert len(found.queries) == len(found.qrels) == count
    judged = {doc_id for judgements in found.qrels.values() for doc_id in judgements}
    assert judged <= set(doc_ids(found))
    assert len(found.docs) == min(max(documents, 2 * count), 20)
    assert doc_ids(found) == [d for d in doc_ids(DATASET) if d in set(doc_ids(found))]
    assert [q for q in DATASET.queries if q in found.queries] == list(found.queries)


def test_same_seed_same_subset_and_another_differs() -> None:
    fingerprints = [subset(DATASET, 12, 3, seed).fingerprint for seed in (1, 1, 2, 3)]
    assert fingerprints[0] == fingerprints[1]
    assert len(set(fingerprints)) == 3


def test_label_says_how_much_is_left() -> None:
    notes = subset(DATASET, 12, 3, 7).notes
    assert notes == ("earlier", f"{LABEL} (12 of 20 documents, 3 of 5 queries, seed 7).")


@pytest.mark.parametrize("documents", [1, 9, 10])
def test_no_document_is_added_where_the_judged_ones_fill_it(documents: int) -> None:
    assert set(doc_ids(subset(DATASET, documents, None, 0))) == JUDGED


def test_judged_documents_that_the_corpus_lacks_are_kept_in_the_judgements() -> None:
    dataset = dataclasses.replace(DATASET, qrels={**DATASET.qrels, "q0": {"gone": 1}})
    found = subset(dataset, 10, None, 0)
    assert found.qrels["q0"] == {"gone": 1}
    assert len(found.docs) == 10


def test_given_dataset_stays_as_it_is() -> None:
    before = DATASET.fingerprint
    subset(DATASET, 3, 1, 0)
    assert dataclasses.replace(DATASET).fingerprint == before
