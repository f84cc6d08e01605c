"""Search by a Qdrant server: what it is sent, what it holds, and the same hits as here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from contract_qdrant import ContractQdrant
from contract_server import STANFORD_DOCS, Answer, ContractServer
from fakes import HashingEncoder, HashingTokenEncoder

from harness.components.retrievers import qdrant_server
from harness.components.retrievers.maxsim import Maxsim
from harness.components.retrievers.qdrant_server import QdrantServer
from harness.components.servers import qdrant
from harness.components.vectors.compression import unit
from harness.data import Doc, Query
from harness.errors import ComponentError, ServerError

ENCODER = HashingTokenEncoder(8)
DOCS = [Doc(f"d{i}", text) for i, text in enumerate(STANFORD_DOCS)]
QUERIES = [Query("q1", "apple pear"), Query("q2", "pear 7")]


@pytest.fixture
def asked(server: ContractServer) -> ContractServer:
    server.reset("qdrant")
    server.qdrant = ContractQdrant()
    return server


def at(server: ContractServer, **fields: Any) -> QdrantServer:
    return QdrantServer(encoder=ENCODER, url=server.url, retries=0, **fields)


def sent(server: ContractServer) -> list[tuple[str, str]]:
    """Method and route of all requests, without the collection's name."""
    ways = [(method, path.partition("?")[0].split("/")) for method, path, _ in server.asked]
    return [(method, "/".join(parts[3:])) for method, parts in ways]


def test_hits_are_those_of_maxsim_here(asked: ContractServer) -> None:
    ours = Maxsim(ENCODER).index(DOCS).search(QUERIES, len(DOCS))  # all, since many are tied
    theirs = at(asked).index(DOCS).search(QUERIES, len(DOCS))
    for here, there in zip(ours, theirs, strict=True):
        assert [hit.doc_id for hit in there] == [hit.doc_id for hit in here]
        found, expected = ([hit.score for hit in hits] for hits in (there, here))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_candidates_are_the_nearest_by_single_vectors(asked: ContractServer) -> None:
    dense = HashingEncoder()
    (hits, _) = at(asked, prefetch=dense, candidates=7).index(DOCS).search(QUERIES, 7)
    docs = unit(dense.encode([doc.text for doc in DOCS], "doc"))
    (query,) = unit(dense.encode([QUERIES[0].text], "query"))
    seventh = np.sort(docs @ query)[-7]
    near = {
        doc.doc_id for doc, one in zip(DOCS, docs, strict=True) if one @ query >= seventh - 1e-6
    }
    assert len(hits) == 7
    assert {hit.doc_id for hit in hits} <= near
    (body, _) = asked.work
    (prefetch,) = body["prefetch"]
    assert (prefetch["using"], prefetch["limit"], prefetch["params"]) == (
        "first",
        7,
        {"hnsw_ef": 128},
    )
    with pytest.raises(ComponentError, match=r"candidates = 7 documents, and 8"):
        at(asked, prefetch=dense, candidates=7).index(DOCS).search(QUERIES, 8)


def test_what_is_there_is_not_fed_again(asked: ContractServer) -> None:
    at(asked).index(DOCS)
    assert sent(asked) == [
        *[("GET", "exists"), ("PUT", ""), ("PUT", "points"), ("GET", "")],
    ]
    asked.asked.clear()
    at(asked).index(DOCS)
    assert sent(asked) == [("GET", "exists"), ("POST", "points/count"), ("GET", "")]
    at(asked, quantization="int8").index(DOCS)
    at(asked).index(DOCS[:-1])
    assert len(asked.qdrant.collections) == 3


def test_what_was_fed_in_part_is_made_anew(asked: ContractServer) -> None:
    at(asked).index(DOCS)
    (held,) = asked.qdrant.collections.values()
    held.points.pop(5)
    asked.asked.clear()
    at(asked).index(DOCS)
    (held,) = asked.qdrant.collections.values()
    assert len(held.points) == len(DOCS)
    assert ("DELETE", "") in sent(asked)


@pytest.mark.parametrize(
    ("quantization", "told", "held"),
    [
        ("none", None, 32),
        ("int8", {"scalar": {"type": "int8", "always_ram": True}}, 8),
        ("binary", {"binary": {"always_ram": True}}, 1),
    ],
)
def test_quantization(asked: ContractServer, quantization: str, told: Any, held: int) -> None:
    searcher: Any = at(asked, quantization=quantization).index(DOCS)
    searcher.search(QUERIES, 3)
    (collection,) = asked.qdrant.collections.values()
    tokens = collection.config["vectors"]["tokens"]
    assert tokens.get("quantization_config") == told
    assert tokens["multivector_config"] == {"comparator": "max_sim"}
    assert tokens["hnsw_config"] == {"m": 0}
    assert asked.work[0]["params"]["quantization"]["ignore"] == (told is None)
    (found,) = searcher.footprints()
    assert found.vectors * 8 * held // 8 == found.bytes


def test_large_documents_are_fed_in_parts(
    asked: ContractServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qdrant_server, "NUMBERS_PER_UPSERT", 100)
    at(asked).index(DOCS)
    parts = [body["points"] for _, path, body in asked.asked if "points?" in path]
    sizes = [sum(8 * len(point["vector"]["tokens"]) for point in part) for part in parts]
    assert sum(map(len, parts)) == len(DOCS)
    assert max(sizes) <= 100
    assert len(sizes) > 10


def test_a_graph_is_waited_for(asked: ContractServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant, "WAIT", 0.0)
    asked.qdrant.slow = 3
    at(asked).index(DOCS)
    assert sent(asked).count(("GET", "")) == 4
    asked.qdrant.slow = 10**9
    with pytest.raises(ComponentError, match=r"was 'yellow' and not 'green'.*raise `ready_s`"):
        at(asked, ready_s=0.01, quantization="int8").index(DOCS)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            Answer({"status": {"error": "disk full"}}, status=500),
            r"to make it.*500.*disk full.*log",
        ),
        (Answer({"result": False}), r"to make it.*a result of False"),
        (Answer([1]), r"to make it.*not the form"),
    ],
)
def test_a_collection_that_cannot_be_made(asked: ContractServer, fault: Answer, told: str) -> None:
    asked.only_work = False

    def commit(server: ContractServer, answer: Answer) -> Answer:
        return fault if server.asked[-1][0] == "PUT" else answer

    asked.fault = commit
    with pytest.raises(ComponentError, match=told):
        at(asked).index(DOCS)


def test_points_that_are_not_stored(asked: ContractServer) -> None:
    asked.only_work = False

    def commit(server: ContractServer, answer: Answer) -> Answer:
        fed = "points?" in server.asked[-1][1]
        return Answer({"result": {"status": "acknowledged"}}) if fed else answer

    asked.fault = commit
    with pytest.raises(ComponentError, match=r"to feed 120 documents.*'acknowledged'"):
        at(asked).index(DOCS)


def test_identity_is_the_version(asked: ContractServer) -> None:
    assert at(asked).identity() == {"version": "1.18.0"}
    asked.reset("plain")
    with pytest.raises(ServerError, match="no title and version of Qdrant"):
        replace(at(asked), timeout_s=3.0).identity()


def test_no_documents_are_no_collection(asked: ContractServer) -> None:
    assert at(asked).index([]).search(QUERIES, 3) == [[], []]
    assert asked.asked == []


@pytest.mark.parametrize("fields", [{"candidates": 0}, {"ef": 0}, {"ready_s": 0}])
def test_nothing_to_look_at(fields: Any) -> None:
    with pytest.raises(ValueError, match=r"candidates and ef|ready_s"):
        QdrantServer(encoder=ENCODER, url="http://127.0.0.1:1", **fields)
