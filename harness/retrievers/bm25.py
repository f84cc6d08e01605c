"""Lexical search: BM25 by bm25s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness import storage
from harness.data import Doc, Hit, Query
from harness.frames import best
from harness.protocols import Footprint, Searcher


@dataclass(frozen=True)
class Bm25:
    """BM25 (Robertson's form with Lucene's idf), Snowball stems, stop words left out."""

    needs: ClassVar[tuple[str, ...]] = ("bm25s", "Stemmer")

    k1: float = 1.2
    b: float = 0.75
    language: str = "english"
    """Of the stop words (bm25s) and the Snowball stemmer."""

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over the words of `docs`."""
        import bm25s

        index = bm25s.BM25(k1=self.k1, b=self.b)
        index.index(self.words([doc.text for doc in docs]), show_progress=False)
        return _Index(self, [doc.doc_id for doc in docs], index)

    def words(self, texts: Sequence[str]) -> list[list[str]]:
        """The stems of each text."""
        import bm25s
        import Stemmer

        stems: list[list[str]] = bm25s.tokenize(
            list(texts),
            stopwords=self.language,
            stemmer=Stemmer.Stemmer(self.language),
            return_ids=False,
            show_progress=False,
        )
        return stems


@dataclass(frozen=True)
class _Index:
    system: Bm25
    doc_ids: Sequence[str]
    index: Any

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        """Documents that share no word with a query are no hits."""
        found: list[list[Hit]] = []
        for words in self.system.words([query.text for query in queries]):
            scores = self.index.get_scores(words) if words else np.zeros(0, dtype=np.float32)
            found.append(best(self.doc_ids, scores, depth, np.flatnonzero(scores > 0)))
        return found

    def footprints(self) -> list[Footprint]:
        """A document and a score for each of its terms; the files hold the vocabulary besides."""
        scores, places = self.index.scores["data"], self.index.scores["indices"]
        size = scores.nbytes + places.nbytes
        disk = storage.written_bytes(lambda folder: self.index.save(folder, show_progress=False))
        count = len(self.doc_ids)
        return [Footprint("terms", count, len(scores), 1, str(scores.dtype), size, disk)]
