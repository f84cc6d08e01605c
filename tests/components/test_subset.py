from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.components.subset import LABEL, Draw
from harness.data import Dataset, Doc, Query
from harness.files.stored_docs import hashes

DATASET = Dataset(
    name="x",
    docs=[Doc(f"d{i}", "") for i in range(20)],
    queries=[Query(f"q{i}", "") for i in range(5)],
    qrels={f"q{i}": {f"d{4 * i}": 1, f"d{4 * i + 1}": 0} for i in range(5)},
    notes=("earlier",),
)
JUDGED = {doc_id for judgements in DATASET.qrels.values() for doc_id in judgements}


def subset(
    dataset: Dataset, documents: int, queries: int | None, seed: int, block: int = 7
) -> Dataset:
    """The documents go by in blocks, and those that are taken lie somewhere until the end."""
    draw = Draw(dataset, documents, queries, seed)
    taken: list[Doc] = []
    for start in range(0, len(dataset.docs), block):
        docs = dataset.docs[start : start + block]
        taken += [docs[i] for i in draw.taken(docs, hashes(doc_ids(docs)))]
    return draw.over([taken[i] for i in draw.kept()], dataset.notes)


def doc_ids(docs: Sequence[Doc]) -> list[str]:
    return [doc.doc_id for doc in docs]


@given(st.integers(1, 30), st.none() | st.integers(1, 8), st.integers(0, 2**32))
def test_judged_documents_stay_and_others_fill_up(
    documents: int, queries: int | None, seed: int
) -> None:
    found = subset(DATASET, documents, queries, seed)
    count = min(queries or 5, 5)
    assert len(found.queries) == len(found.qrels) == count
    judged = {doc_id for judgements in found.qrels.values() for doc_id in judgements}
    assert judged <= set(doc_ids(found.docs))
    assert len(found.docs) == min(max(documents, 2 * count), 20)
    assert doc_ids(found.docs) == [
        d for d in doc_ids(DATASET.docs) if d in set(doc_ids(found.docs))
    ]
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
    assert set(doc_ids(subset(DATASET, documents, None, 0).docs)) == JUDGED


def test_judged_documents_that_the_corpus_lacks_are_kept_in_the_judgements() -> None:
    dataset = dataclasses.replace(DATASET, qrels={**DATASET.qrels, "q0": {"gone": 1}})
    found = subset(dataset, 10, None, 0)
    assert found.qrels["q0"] == {"gone": 1}
    assert len(found.docs) == 10


@given(st.permutations(range(200)), st.integers(1, 200), st.integers(1, 60), st.integers(0, 9))
def test_neither_the_order_of_the_documents_nor_the_blocks_decide(
    order: list[int], block: int, documents: int, seed: int
) -> None:
    docs = [Doc(f"d{i}", "") for i in range(200)]
    one = subset(dataclasses.replace(DATASET, docs=docs), documents, 3, seed)
    shuffled = dataclasses.replace(DATASET, docs=[docs[i] for i in order])
    other = subset(shuffled, documents, 3, seed, block)
    assert set(one.docs) == set(other.docs)
    assert list(other.docs) == [doc for doc in shuffled.docs if doc in set(other.docs)]


def test_every_document_is_as_likely() -> None:
    docs = [Doc(f"d{i}", "") for i in range(20)]
    dataset = Dataset("x", docs, [Query("q", "")], {"q": {"gone": 1}})
    times = dict.fromkeys(doc_ids(docs), 0)
    for seed in range(2000):
        for doc in subset(dataset, 5, None, seed).docs:
            times[doc.doc_id] += 1
    # Binomial of 2,000 and a quarter: 500, of standard deviation 19.4; five of those around it.
    assert all(abs(count - 500) < 97 for count in times.values())


def test_few_documents_are_taken_that_are_not_kept() -> None:
    docs = [Doc(f"d{i}", "") for i in range(100_000)]
    draw = Draw(dataclasses.replace(DATASET, docs=()), 100, None, 1)
    taken = 0
    for start in range(0, len(docs), 1000):
        some = docs[start : start + 1000]
        taken += len(draw.taken(some, hashes(doc_ids(some))))
    assert taken < 3_000  # about k (1 + ln(n / k)) = 790 of an exact threshold, and the first block
    assert len(draw.kept()) == 100
