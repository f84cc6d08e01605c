"""Part of a dataset that still ranks: all judged documents, and random others around them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.data import Dataset, Doc
from harness.files.stored_docs import Numbers
from harness.page.text import counted

LABEL = "subset: not comparable with published numbers"


class Draw:
    """A subset that is drawn while the documents go by.

    The others are those of the lowest numbers, which a hash makes of id and seed: the order of the
    documents does not matter, and only documents that are among the lowest so far are of use.
    """

    def __init__(self, asked: Dataset, documents: int, queries: int | None, seed: int) -> None:
        """`queries` random queries of `asked`, which needs no documents (None: all)."""
        chosen = list(asked.queries)
        if queries is not None and queries < len(chosen):
            rng = np.random.default_rng(seed)
            places = rng.choice(len(chosen), size=queries, replace=False)
            chosen = [chosen[i] for i in sorted(places)]
        names = [query.query_id for query in chosen if query.query_id in asked.qrels]
        qrels = {name: asked.qrels[name] for name in names}
        self._judged = frozenset(doc_id for judged in qrels.values() for doc_id in judged)
        self._of_all, self._documents, self._seed = asked, documents, seed
        self._chosen = dataclasses.replace(asked, queries=chosen, qrels=qrels)
        self._salt = np.random.default_rng(seed).integers(2**64, size=1, dtype=np.uint64)
        self._most = np.uint64(2**64 - 1)
        """Numbers above it are not among the lowest."""
        self._lowest: list[Numbers] = []
        self._numbers: list[Numbers] = []
        self._are_judged: list[NDArray[np.bool_]] = []
        self._seen = 0

    def taken(self, docs: Sequence[Doc], hashes: Numbers) -> NDArray[np.int64]:
        """Which of the next documents may be part of the subset; `hashes` are those of their ids."""
        self._seen += len(docs)
        numbers = _scrambled(hashes ^ self._salt)
        judged = np.fromiter((doc.doc_id in self._judged for doc in docs), np.bool_, len(docs))
        taken = np.flatnonzero(judged | (numbers <= self._most))
        numbers, judged = numbers[taken], judged[taken]
        self._numbers.append(numbers)
        self._are_judged.append(judged)
        self._lowest.append(numbers[~judged])
        if sum(map(len, self._lowest)) > 2 * self._documents:
            lowest = np.concatenate(self._lowest)
            lowest = np.partition(lowest, self._documents - 1)[: self._documents]
            self._lowest, self._most = [lowest], lowest.max()
        return taken

    def kept(self) -> NDArray[np.int64]:
        """Which of all documents that were taken are the subset, in their order.

        If more documents are judged than asked for, all of those are kept.
        """
        numbers, judged = np.concatenate(self._numbers), np.concatenate(self._are_judged)
        others = np.flatnonzero(~judged)
        room = max(self._documents - int(judged.sum()), 0)
        lowest = others[np.argsort(numbers[others], kind="stable")[:room]]
        return np.sort(np.concatenate([np.flatnonzero(judged), lowest]))

    def over(self, docs: Sequence[Doc], notes: Sequence[str]) -> Dataset:
        """The dataset of the documents that were kept, with `notes` on the whole and its label.

        It is labelled as a subset, since fewer distractors make every system look better.
        """
        queries, every = self._chosen.queries, self._of_all.queries
        note = (
            f"{LABEL} ({len(docs):,} of {counted(self._seen, 'document')}, {len(queries):,} of "
            f"{counted(len(every), 'query', 'queries')}, seed {self._seed})."
        )
        return dataclasses.replace(self._chosen, docs=docs, notes=(*notes, note))


def _scrambled(numbers: Numbers) -> Numbers:
    """Other numbers, each as likely: the finalizer of splitmix64 (Steele, Lea and Flood, 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
