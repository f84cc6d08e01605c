"""Every retriever over token vectors, against MaxSim of every document."""

from __future__ import annotations

import dataclasses
import functools
import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import GaussianTokenEncoder, HashingEncoder
from numpy.typing import NDArray

from harness.components.abilities import HasFacts
from harness.components.databases import fast_plaid
from harness.components.retrievers.lancedb import Lancedb
from harness.components.retrievers.maxsim import Maxsim
from harness.components.retrievers.plaid import Plaid
from harness.components.retrievers.qdrant import Qdrant
from harness.components.vectors import indexing
from harness.data import Doc, Hit, Query
from harness.errors import ComponentError
from harness.files import temporary

ENCODER = GaussianTokenEncoder()

NEEDS_LANCEDB = (
    pytest.mark.servers,
    pytest.mark.skipif(
        "not __import__('importlib.util').util.find_spec('lancedb')",
        reason="lancedb, which takes 180 MB, is not installed",
    ),
)

EXACT: Mapping[str, Any] = {
    "maxsim": Maxsim(ENCODER),
    "qdrant": Qdrant(ENCODER),
    # All documents are candidates, so that what the graph finds makes no difference.
    "qdrant by its graph": Qdrant(ENCODER, prefetch=HashingEncoder(), candidates=99),
    "lancedb": Lancedb(ENCODER),
    # All documents that the index finds are scored again by their own vectors.
    "lancedb by its index": Lancedb(ENCODER, method="ivf_pq", nprobes=99, refine_factor=99),
}

# All centroids are looked at, so that only the compression of vectors is left.
APPROXIMATE: Mapping[str, Any] = {
    f"plaid {bits}": Plaid(ENCODER, nbits=bits, n_ivf_probe=9999)  # type: ignore[arg-type]
    for bits in (1, 2, 4)
}


PLAID = APPROXIMATE["plaid 4"]


def parameters(retrievers: Mapping[str, Any]) -> list[Any]:
    return [
        pytest.param(one, id=name, marks=NEEDS_LANCEDB if isinstance(one, Lancedb) else ())
        for name, one in retrievers.items()
    ]


def words(name: str, count: int) -> str:
    """Words of no other text, so that nothing ties."""
    return " ".join(f"{name}{n}" for n in range(count))


HOSTILE = [
    Doc("quote'\";--", 'it\'s "quoted"; DROP TABLE docs'),
    Doc("nul\0id", "nul \0 inside"),
    Doc("ünïcode-\U0001f600", "日本語 \U0001f600 عربى"),
    Doc("long " * 500, words("long", 200)),
    Doc("", "no id"),
]
DOCS = [
    *(Doc(f"d{i}", words(f"d{i}-", 1 + i % 9)) for i in range(40)),
    *HOSTILE,
    Doc("empty", ""),
    Doc("blank", " \n"),
]
QUERIES = [
    *(Query(f"q{i}", words(f"q{i}-", 1 + i)) for i in range(6)),
    Query("own", HOSTILE[0].text),
    Query("none", ""),
]


@pytest.fixture(scope="module", autouse=True)
def _quick_collections() -> Iterator[None]:
    """fast-plaid collects garbage a dozen times a build: slow beside all that pytest holds."""
    import fast_plaid.search  # noqa: F401 - what it brings is held, too

    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@functools.cache
def indexed(retriever: Any) -> Any:
    """The searcher over DOCS."""
    return retriever.index(DOCS)


def by_hand(docs: Sequence[Doc], query: Query, encoder: Any = ENCODER) -> list[Hit]:
    """MaxSim as its formula has it, best first; the documents without tokens are left out."""
    (matrix,) = encoder.encode([query.text], "query")
    found = [
        Hit(doc.doc_id, float((matrix @ tokens.T).max(axis=1).sum()))
        for doc, tokens in zip(docs, encoder.encode([doc.text for doc in docs], "doc"), strict=True)
        if len(tokens) and len(matrix)
    ]
    return sorted(found, key=lambda hit: -hit.score)


@pytest.mark.parametrize("retriever", parameters(EXACT))
def test_ranks_and_scores_are_those_of_maxsim(retriever: Any) -> None:
    searcher = indexed(retriever)
    for depth in (3, 1000):
        for query, hits in zip(QUERIES, searcher.search(QUERIES, depth), strict=True):
            expected = by_hand(DOCS, query)[:depth]
            assert [hit.doc_id for hit in hits] == [hit.doc_id for hit in expected]
            assert [hit.score for hit in hits] == pytest.approx(
                [hit.score for hit in expected], abs=1e-4
            )


@pytest.mark.parametrize("retriever", parameters(APPROXIMATE))
def test_plaid_is_near_maxsim(retriever: Plaid) -> None:
    found = indexed(retriever).search(QUERIES, 1000)
    for query, hits in zip(QUERIES, found, strict=True):
        expected = {hit.doc_id: hit.score for hit in by_hand(DOCS, query)}
        assert {hit.doc_id for hit in hits} == expected.keys()
        tokens = len(query.text.split())
        # Cosines of vectors that 4, 2 or 1 bits describe: off by about .03, .1 or .2 on average.
        off = [abs(hit.score - expected[hit.doc_id]) / tokens for hit in hits]
        assert np.mean(off or [0]) < {4: 0.05, 2: 0.15, 1: 0.3}[retriever.nbits]


def test_plaid_finds_a_document_by_its_own_text() -> None:
    (hits,) = indexed(PLAID).search([Query("q", DOCS[8].text)], 1)
    assert [hit.doc_id for hit in hits] == ["d8"]


def test_more_hits_than_plaid_scores_are_refused() -> None:
    few = dataclasses.replace(PLAID, n_full_scores=40).index(DOCS)
    assert [len(hits) for hits in few.search(QUERIES[:3], 10)] == [10] * 3
    with pytest.raises(ComponentError, match="quarter of n_full_scores = 40 hits, and 11 are"):
        few.search(QUERIES, 11)


def test_qdrant_by_8_bits_is_near_maxsim() -> None:
    found = indexed(Qdrant(ENCODER, quantization="int8")).search(QUERIES, 1000)
    differences = []
    for query, hits in zip(QUERIES, found, strict=True):
        expected = {hit.doc_id: hit.score for hit in by_hand(DOCS, query)}
        assert {hit.doc_id for hit in hits} == expected.keys()
        tokens = len(query.text.split())
        differences += [abs(hit.score - expected[hit.doc_id]) / tokens for hit in hits]
    assert 0 < np.mean(differences) < 0.02


def test_qdrant_by_1_bit_compares_signs() -> None:
    """A score is MaxSim of vectors of 1 and -1: the dimensions that agree less those that do not."""

    @dataclass(frozen=True)
    class Signs(GaussianTokenEncoder):
        def encode(self, texts: Sequence[str], side: str) -> list[NDArray[np.float32]]:
            return [np.where(matrix > 0, 1, -1) for matrix in super().encode(texts, side)]

    found = indexed(Qdrant(ENCODER, quantization="binary")).search(QUERIES, 1000)
    for query, hits in zip(QUERIES, found, strict=True):
        expected = {hit.doc_id: hit.score for hit in by_hand(DOCS, query, Signs())}
        assert {hit.doc_id: hit.score for hit in hits} == expected


def test_qdrant_finds_candidates_by_its_graph() -> None:
    """47 documents are few enough for HNSW to find the nearest ten; MaxSim puts them in order."""
    graph = Qdrant(ENCODER, prefetch=HashingEncoder(), candidates=10)
    there = [doc for doc in DOCS if doc.text.split()]
    dense = np.asarray(HashingEncoder().encode([doc.text for doc in there], "doc"))
    for query, hits in zip(QUERIES, indexed(graph).search(QUERIES, 10), strict=True):
        if not query.text.split():
            assert hits == []
            continue
        (vector,) = HashingEncoder().encode([query.text], "query")
        tenth = np.sort(dense @ vector)[-10]
        near = {
            doc.doc_id
            for doc, score in zip(there, dense @ vector, strict=True)
            if score >= tenth - 1e-6
        }
        found = [hit.doc_id for hit in hits]
        assert len(found) == 10
        assert set(found) <= near
        assert found == [hit.doc_id for hit in by_hand(DOCS, query) if hit.doc_id in found]
    with pytest.raises(ComponentError, match="candidates = 10 documents, and 11 are asked for"):
        indexed(graph).search(QUERIES, 11)


@pytest.mark.parametrize("retriever", parameters({**EXACT, **APPROXIMATE}))
def test_nothing_to_be_found(retriever: Any) -> None:
    for docs in ([], [Doc("empty", "")]):
        assert retriever.index(docs).search(QUERIES, 3) == [[] for _ in QUERIES]
    assert indexed(retriever).search([], 3) == []


@pytest.mark.parametrize("retriever", [Maxsim(ENCODER), Qdrant(ENCODER), PLAID])
def test_order_of_documents_does_not_matter(retriever: Any) -> None:
    backwards = retriever.index(DOCS[::-1])
    assert backwards.search(QUERIES, 5) == indexed(retriever).search(QUERIES, 5)


@pytest.mark.parametrize(
    ("retriever", "precision", "least"),
    [
        pytest.param(one, precision, least, marks=NEEDS_LANCEDB if "lance" in name else (), id=name)
        for name, one, precision, least in (
            ("maxsim", Maxsim(ENCODER), "float32", 64),
            ("qdrant", Qdrant(ENCODER), "float32", 64),
            ("qdrant int8", Qdrant(ENCODER, quantization="int8"), "int8", 16),
            ("qdrant binary", Qdrant(ENCODER, quantization="binary"), "binary", 2),
            ("lancedb", Lancedb(ENCODER), "float32", 64),
            ("lancedb by its index", Lancedb(ENCODER, "ivf_pq"), "float32, ivf_pq", 65),
            ("plaid", PLAID, "plaid 4 bits", 16),
        )
    ],
)
def test_footprint_is_of_what_is_kept(retriever: Any, precision: str, least: float) -> None:
    (found,) = indexed(retriever).footprints()
    documents = [doc for doc in DOCS if doc.text.split()]
    vectors = sum(len(doc.text.split()) for doc in documents)
    assert found[:5] == ("token vectors", len(documents), vectors, 16, precision)
    assert found.bytes >= least * vectors  # bytes a vector: 16 dimensions of 4 bytes, or 4 bits + 8


@pytest.mark.parametrize("which", ["doc", "query"])
@pytest.mark.parametrize("kind", [Maxsim, Qdrant, Plaid])
def test_vector_that_is_not_finite_is_refused(kind: Any, which: str) -> None:
    @dataclass(frozen=True)
    class Broken(GaussianTokenEncoder):
        def encode(self, texts: Sequence[str], side: str) -> list[NDArray[np.float32]]:
            scale = np.float32(np.nan if which == side else 1)
            return [matrix * scale for matrix in super().encode(texts, side)]

    with pytest.raises(ComponentError, match="not finite"):
        kind(Broken()).index(DOCS).search(QUERIES, 3)


def test_what_a_reader_must_know() -> None:
    for retriever, said in ((PLAID, "beside BM25"), (Qdrant(ENCODER), "a server adds")):
        searcher = indexed(retriever)
        assert isinstance(searcher, HasFacts)
        (note,) = searcher.facts(QUERIES, 3)["notes"]
        assert said in note


def test_an_index_is_built_once_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    first = indexed(PLAID).search(QUERIES, 3)

    def refuse(*_args: Any) -> float:
        raise AssertionError("built again")

    monkeypatch.setattr(fast_plaid, "create", refuse)
    again = dataclasses.replace(PLAID, n_full_scores=4000).index(DOCS[::-1])
    assert again.search(QUERIES, 3) == first
    with pytest.raises(AssertionError, match="built again"):
        Plaid(GaussianTokenEncoder(dim=8)).index(DOCS)


def test_key_is_of_the_content() -> None:
    one, two = (indexing.encoded(ENCODER, docs) for docs in (DOCS, DOCS[1:]))
    assert one.key("x") == indexing.encoded(ENCODER, DOCS[::-1]).key("x")
    assert len({one.key("x"), one.key("y"), two.key("x")}) == 3


def test_folder_on_disk_goes_with_the_searcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(temporary.CACHE, str(tmp_path))
    searcher = Qdrant(ENCODER).index(DOCS)
    assert len(list(tmp_path.glob("tmp/*/*"))) == 1
    del searcher
    gc.collect()
    assert not list(tmp_path.glob("tmp/*/*"))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Plaid, {"n_ivf_probe": 0}),
        (Plaid, {"n_full_scores": 0}),
        (Lancedb, {"nprobes": 0}),
        (Lancedb, {"refine_factor": 0}),
        (Qdrant, {"candidates": 0}),
        (Qdrant, {"ef": 0}),
    ],
)
def test_settings_below_1_are_refused(kind: Any, fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        kind(ENCODER, **fields)


def test_panic_of_rust_is_told_as_any_other_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at more centroids than there are makes fast-plaid panic, past `except Exception`."""
    monkeypatch.setattr(fast_plaid, "centroids", lambda _folder: 10**6)
    searcher = dataclasses.replace(PLAID, n_ivf_probe=10**6).index(DOCS)
    with pytest.raises(ComponentError, match=r"^fast-plaid failed: .*out of range"):
        searcher.search(QUERIES, 3)


def test_torch_that_plaid_was_not_made_for_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from harness.errors import PackageError

    monkeypatch.setattr("importlib.metadata.requires", lambda _name: ["torch==1.2.3"])
    with pytest.raises(PackageError, match=r"is made for torch 1\.2\.3, and this is torch"):
        Plaid(ENCODER).identity()
