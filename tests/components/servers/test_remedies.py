"""The way out comes from what was sent: an empty text, a long one, a large request, or the url."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from contract_server import MODEL, Answer, ContractServer, texts

from harness.components.encoders.endpoint import Endpoint as Encoder
from harness.components.rerankers.endpoint import Endpoint as Reranker
from harness.components.servers import client, remedies
from harness.components.servers.client import Client, HttpRequest
from harness.data import Dataset, Doc, Query
from harness.errors import ComponentError, ServerError, TextError
from harness.pipeline import stages

WHERE = ("http://host", "/rerank")
LONG = "river " * 200
BATCH, EMPTY, LENGTH = "lower `batch`", "text 2 of 3 is empty", "the longest of 3 texts has 1,200"
LOG = "the server failed: see its log"


@pytest.mark.parametrize(
    ("status", "words", "sent", "told"),
    [
        # text-embeddings-inference: an empty input is 413 in some versions and 422 in others.
        (413, "Input validation error: `inputs` cannot be empty", ["a", "", "b"], EMPTY),
        (422, "`inputs` cannot be empty", ["a", " \n", "b"], EMPTY),
        (413, "batch size 60 > maximum allowed batch size 32", ["a", "", "b"], BATCH),
        (413, "batch size 60 > maximum allowed batch size 32", ["a", "c", "b"], BATCH),
        (413, "`inputs` must have less than 512 tokens. Given: 600", ["a", LONG, "b"], LENGTH),
        (413, "Failed to buffer the request body: length limit exceeded", ["a", LONG, "b"], BATCH),
        (413, "Request Entity Too Large", ["a", LONG, "b"], BATCH),
        # One text cannot be sent in fewer: it is the text that is too large.
        (413, "Request Entity Too Large", [LONG], "the longest of 1 text has 1,200"),
        # OpenAI, Cohere and FastAPI
        (400, "'$.input' is invalid. Please check the API reference", ["a", "", "b"], EMPTY),
        (
            400,
            "Value error, Input cannot contain empty strings or empty lists",
            ["a", "", "b"],
            EMPTY,
        ),
        (422, "String should have at least 1 character", ["a", "", "b"], EMPTY),
        (400, "maximum context length is 512 tokens, you requested 600", ["a", LONG, "b"], LENGTH),
        (422, "batch size 9 > 8", ["a", "c", "b"], BATCH),
        # llama.cpp
        (
            500,
            "input is too large to process. increase the physical batch size",
            ["a", LONG, "b"],
            LENGTH,
        ),
        (500, "prompt length exceeds n_ctx", ["a", LONG, "b"], LENGTH),
        (500, "CUDA error", ["a", LONG, "b"], LOG),
        (500, "", ["a", "", "b"], EMPTY),
        (400, "no such field", ["a", "c", "b"], remedies.OTHERWISE),
        (400, "empty", [], remedies.OTHERWISE),
        (507, "empty", ["a", "", "b"], "out of memory"),
    ],
)
def test_the_way_out_comes_from_what_was_sent(
    status: int, words: str, sent: list[str], told: str
) -> None:
    found = remedies.of(status, words, sent, WHERE)
    assert told in found.advice
    blamed = sent[1:2] if told == EMPTY else [LONG] if "longest" in told else []
    assert list(found.texts) == blamed


def test_several_empty_texts_are_counted() -> None:
    told, blamed = remedies.of(400, "empty", ["", "a", " ", ""], WHERE)
    assert told.startswith("3 of 4 texts are empty, the first is text 1")
    assert len(blamed) == 3


@pytest.mark.parametrize(
    ("url", "path", "say"),
    [
        ("http://host/rerank", "/rerank", "http://host"),
        ("http://host/v1/rerank/", "/rerank", "http://host/v1"),
        ("http://host/v1", "/v1/embeddings", "http://host"),
        ("http://host/v1/embeddings", "/v1/embeddings", "http://host"),
        ("http://host/api/embed", "/api/embed", "http://host"),
        ("http://host", "/rerank", None),
        ("http://host/v1", "/rerank", None),
        ("http://host/rerank/v1", "/rerank", None),
    ],
)
def test_a_url_that_ends_as_the_dialect_begins(url: str, path: str, say: str | None) -> None:
    found = remedies.doubled(url, path)
    assert found == "" if say is None else f"say `url: {say}`" in found
    for status in remedies.OF_PLACE:
        told = remedies.of(status, "Not Found", ["a"], (url, path)).advice
        assert told == found + remedies.REMEDIES[status]
    assert "ends in" not in remedies.of(500, "", ["a"], (url, path)).advice


DATASET = Dataset(
    name="tiny",
    docs=[Doc("d1", "a pear"), Doc("d2", ""), Doc("d3", LONG), Doc("d4", " "), Doc("d5", "river")],
    queries=[Query("q1", "pear"), Query("q2", "river")],
    qrels={},
)


def named(texts: Sequence[str], dataset: Dataset = DATASET) -> str:
    return str(stages.named(TextError("No.", texts), dataset))


def test_ids_of_the_texts_to_blame() -> None:
    assert named([""]) == "No. It is the text of document 'd2', document 'd4'."
    assert named([LONG]) == "No. It is the text of document 'd3'."
    assert named([f"passage: {LONG}"]) == "No. It is the text of document 'd3'."
    assert named(["a pear"]) == "No. It is the text of document 'd1'."
    assert named(["something else"]) == "No."
    many = Dataset("many", [Doc(str(i), "") for i in range(9)], [Query("q", "")], {})
    told = "No. It is the text of document '0', document '1', document '2' and 7 more."
    assert named(["", " "], many) == told


@pytest.mark.usefixtures("pauses")
def test_a_server_that_refuses_an_empty_document(server: ContractServer) -> None:
    refusal = {"error": "`inputs` cannot be empty", "error_type": "Validation"}
    server.reset("tei")
    asked = Encoder(dialect="tei", url=server.url, retries=0)
    asked.identity()
    server.fault = lambda *_: Answer(refusal, status=413)
    with pytest.raises(
        TextError, match=r"answered 413.*text 2 of 2 is empty.*leave it out"
    ) as caught:
        asked.encode(["a pear", ""], "doc")
    assert "batch" not in str(caught.value)
    assert list(caught.value.texts) == [""]


@pytest.mark.usefixtures("pauses")
def test_a_query_counts_among_what_was_sent(server: ContractServer) -> None:
    server.reset("cohere")
    asked = Reranker(dialect="cohere", url=server.url, model=MODEL, retries=0)
    asked.identity()
    server.fault = lambda *_: Answer({"detail": "context length exceeded"}, status=500)
    with pytest.raises(TextError, match="the longest of 3 texts has 1,200 characters"):
        asked.score(LONG, [Doc("1", "a"), Doc("2", "b")])


def test_a_url_with_the_path_of_the_dialect(server: ContractServer) -> None:
    server.reset("tei")
    told = rf"no TEI server.*ends in /rerank.*say `url: {server.url}`"
    with pytest.raises(ServerError, match=told):
        Reranker(dialect="tei", url=f"{server.url}/rerank", retries=0).identity()
    server.reset("cohere")
    with pytest.raises(
        ComponentError, match=rf"answered 404.*ends in /rerank.*`url: {server.url}`"
    ):
        Reranker(dialect="cohere", url=f"{server.url}/rerank", model=MODEL, retries=0).score(
            "q", [Doc("1", "a")]
        )


def test_openai_tells_queries_from_documents_where_it_is_asked_to(server: ContractServer) -> None:
    server.reset("openai")
    plain = Encoder(dialect="openai", url=server.url, model=MODEL)
    told = Encoder(
        dialect="openai",
        url=server.url,
        model=MODEL,
        query_input_type="query",
        doc_input_type="passage",
    )
    for encoder in (plain, told):
        encoder.encode(texts(1), "query")
        encoder.encode(texts(1), "doc")
    sent = [body.get("input_type") for method, _, body in server.asked if method == "POST"]
    assert sent == [None, None, "query", "passage"]


def test_input_types_are_for_those_who_know_them() -> None:
    both = {"query_input_type": "query", "doc_input_type": "passage"}
    with pytest.raises(ValueError, match="are for the dialect openai"):
        Encoder(dialect="tei", url="http://host", **both)
    with pytest.raises(ValueError, match="say both"):
        Encoder(dialect="openai", url="http://host", model="m", query_input_type="query")


class Part(bytes):
    """A part of an answer that refuses to be added to those before it, which copies them all."""

    def __radd__(self, before: Any) -> Any:
        raise AssertionError("what came before was copied for one part")


def test_an_answer_is_joined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Response:
        status_code, headers = 200, {"X": "1"}

        def iter_raw(self) -> Iterator[bytes]:
            yield from map(Part, (b"[1,", b" 2,", b" 3]"))

    class Http:
        @contextlib.contextmanager
        def stream(self, *_: Any, **__: Any) -> Iterator[Response]:
            yield Response()

    monkeypatch.setattr(client, "_http", lambda _: Http())
    reply = Client("http://host", "a server", "", 5.0, 0).ask(HttpRequest("GET", "/"))
    assert reply.content == [1, 2, 3]
