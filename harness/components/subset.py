"""Part of a dataset that still ranks: all judged documents, and random others around them."""

from __future__ import annotations

import dataclasses

import numpy as np

from harness.data import Dataset
from harness.page.text import counted

LABEL = "subset: not comparable with published numbers"


def subset(dataset: Dataset, documents: int, queries: int | None, seed: int) -> Dataset:
    """`queries` random queries (None: all), every document judged for them, others at random.

    The order of documents and queries is kept. If more documents are judged than `documents`,
    all of those are kept. The result is labelled as a subset, since fewer distractors make every
    system look better.
    """
    rng = np.random.default_rng(seed)
    chosen = list(dataset.queries)
    if queries is not None and queries < len(chosen):
        places = rng.choice(len(chosen), size=queries, replace=False)
        chosen = [chosen[i] for i in sorted(places)]
    qrels = {query.query_id: dataset.qrels[query.query_id] for query in chosen}
    judged = {doc_id for judgements in qrels.values() for doc_id in judgements}
    others = [i for i, doc in enumerate(dataset.docs) if doc.doc_id not in judged]
    room = max(documents - (len(dataset.docs) - len(others)), 0)
    added = set(rng.permutation(others)[:room].tolist())
    docs = [doc for i, doc in enumerate(dataset.docs) if doc.doc_id in judged or i in added]
    note = (
        f"{LABEL} ({len(docs):,} of {counted(len(dataset.docs), 'document')}, {len(chosen):,} of "
        f"{counted(len(dataset.queries), 'query', 'queries')}, seed {seed})."
    )
    return dataclasses.replace(
        dataset, docs=docs, queries=chosen, qrels=qrels, notes=(*dataset.notes, note)
    )
