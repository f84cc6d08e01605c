"""Lexical search: BM25 by bm25s."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from harness.components import footprints
from harness.components.abilities import Footprint
from harness.components.protocols import Searcher
from harness.data import Doc, Hit, Query, digest, doc_ids, doc_texts
from harness.errors import DataError
from harness.files import kept
from harness.ranking import best

Language = Literal[
    "danish",
    "dutch",
    "english",
    "french",
    "german",
    "italian",
    "norwegian",
    "portuguese",
    "russian",
    "spanish",
    "swedish",
    "turkish",
]
"""Those of which bm25s has stop words and Snowball a stemmer."""

UNSEGMENTED = (
    "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9f"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
)
"""Characters of scripts that put no blanks between words."""

RUN = re.compile(f"[{UNSEGMENTED}]+")

TOKEN = rf"(?u)[{UNSEGMENTED}]{{1,2}}|\b\w\w+\b"
"""A pair of such characters, or one alone; else bm25s' own pattern, of two letters and more."""

MOST = 1_000
"""Of k1, from which on it changes nothing: a score grows with each occurrence of a word."""

NOTED_FROM = 0.01
"""Share of the documents in such scripts from which on it is said how they were indexed."""


@dataclass(frozen=True)
class Bm25:
    """BM25 (Robertson's form with Lucene's idf), Snowball stems, stop words left out.

    Where a script puts no blanks between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), a
    word is a pair of neighbouring characters, as in Lucene's CJKBigramFilter, whatever the language.
    """

    needs: ClassVar[tuple[str, ...]] = ("bm25s", "Stemmer")

    k1: float = 1.2
    b: float = 0.75
    language: Language = "english"
    """Of the stop words (bm25s) and the Snowball stemmer."""

    def __post_init__(self) -> None:
        """Refuse what its formula has no meaning for."""
        if not (0 <= self.k1 <= MOST and 0 <= self.b <= 1):
            raise ValueError(f"k1 must be from 0 to {MOST:,}, and b from 0 to 1")

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over the words of `docs`; raises DataError if none of them has any.

        Its index lies below the cache, so that the next one over the same texts is there at once.
        """
        texts = doc_texts(docs)
        releases = [importlib.metadata.version(name) for name in ("bm25s", "PyStemmer")]
        settings = repr((self.k1, self.b, self.language, TOKEN, RUN.pattern, releases))
        key = f"bm25-{digest(itertools.chain([settings], texts))[:32]}"
        place = kept.folder("indexes", key, lambda folder: self._write(texts, folder))
        unsegmented = sum(map(_has_run, texts)) / len(texts)
        return _Index(self, doc_ids(docs), _opened(place), unsegmented)

    def _write(self, texts: Sequence[str], folder: Path) -> None:
        import bm25s
        import Stemmer

        stemmer = Stemmer.Stemmer(self.language)
        tokenizer = bm25s.tokenization.Tokenizer(
            splitter=TOKEN, stopwords=self.language, stemmer=stemmer
        )
        stream = tokenizer.streaming_tokenize(map(_apart, texts), allow_empty=False)
        ids = [array("i", of_text) for of_text in stream]
        if not any(ids):
            why = (
                f"they have nothing but stop words of {self.language}, single letters and signs"
                if any(text.strip() for text in texts)
                else "all texts are empty"
            )
            raise DataError(
                f"None of the {len(texts):,} documents holds a word that BM25 can index: {why}. "
                "Look at the file of documents, or leave BM25 out."
            )
        index = bm25s.BM25(k1=self.k1, b=self.b)
        tokenized = bm25s.tokenization.Tokenized(ids, tokenizer.get_vocab_dict())
        index.index(tokenized, show_progress=False)
        index.save(folder, show_progress=False)

    def words(self, texts: Sequence[str]) -> list[list[str]]:
        """The stems of each text."""
        import bm25s
        import Stemmer

        stems: list[list[str]] = bm25s.tokenize(
            list(map(_apart, texts)),
            token_pattern=TOKEN,
            stopwords=self.language,
            stemmer=Stemmer.Stemmer(self.language),
            return_ids=False,
            show_progress=False,
        )
        return stems


def _opened(place: Path) -> Any:
    """The index in a folder, its arrays mapped; plain ones, whose slices are made faster."""
    import bm25s

    index = bm25s.BM25.load(place, mmap=True, show_progress=False)
    for name in ("data", "indices", "indptr"):
        index.scores[name] = np.asarray(index.scores[name])
    return index


def _has_run(text: str) -> bool:
    """Whether a script in a text puts no blanks between words."""
    return not text.isascii() and RUN.search(text) is not None


def _apart(text: str) -> str:
    """A text whose words have blanks between them."""
    return text if text.isascii() else RUN.sub(_pairs, text)


def _pairs(run: re.Match[str]) -> str:
    """Overlapping pairs of the characters of a run, apart from each other and from what is beside."""
    text = run[0]
    pairs = [text[i : i + 2] for i in range(len(text) - 1)] or [text]
    return f" {' '.join(pairs)} "


@dataclass(frozen=True)
class _Index:
    system: Bm25
    doc_ids: Sequence[str]
    index: Any
    unsegmented: float
    """The share of documents in which a script puts no blanks between words."""

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        """Documents that share no word with a query are no hits."""
        found: list[list[Hit]] = []
        for words in self.system.words([query.text for query in queries]):
            scores = self.index.get_scores(words) if words else np.zeros(0, dtype=np.float32)
            found.append(best(self.doc_ids, scores, depth, np.flatnonzero(scores > 0)))
        return found

    def facts(self, queries: Sequence[Query], depth: int) -> Mapping[str, Any]:
        """A note where documents were indexed by pairs of characters."""
        del queries, depth
        if self.unsegmented < NOTED_FROM:
            return {}
        note = (
            f"{self.unsegmented:.0%} of the documents are in a script without blanks between words "
            "(such as Chinese, Japanese or Thai): BM25 takes pairs of neighbouring characters for "
            "words there, which a segmenter may beat."
        )
        return {"notes": [note]}

    def footprints(self) -> list[Footprint]:
        """A document and a score for each of its terms; the files hold the vocabulary besides."""
        scores, places = self.index.scores["data"], self.index.scores["indices"]
        size = scores.nbytes + places.nbytes
        disk = footprints.written_bytes(lambda folder: self.index.save(folder, show_progress=False))
        count = len(self.doc_ids)
        return [Footprint("terms", count, len(scores), 1, str(scores.dtype), size, disk)]
