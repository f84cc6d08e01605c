"""The service as an application, asked without a socket."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from harness.components.servers import waiting
from harness.components.servers.dialect import Reply, server_timing
from harness.data import Doc
from harness.service.app import application
from harness.service.contracts import Cohere, Plain, Tei
from harness.service.docs import described
from harness.service.limits import Limits, Patience

INFO = {"model": "org/model", "fingerprint": "f00d"}
BODY = {"query": "apple", "documents": ["bb", "a", "dddd", "ccc"]}


@dataclass(frozen=True)
class ByLength:
    """Scores by length, one call at a time, and none before `go`."""

    go: threading.Event = field(default_factory=threading.Event)
    scoring: threading.Event = field(default_factory=threading.Event)
    inside: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def score(self, query: str, docs: Sequence[Doc]) -> list[float]:
        self.asked.append(query)
        self.inside.append(1)
        assert len(self.inside) == 1
        self.scoring.set()
        self.go.wait(20)
        time.sleep(0.001)
        self.inside.pop()
        if query == "broken":
            raise RuntimeError("out of\n  memory")
        if query == "nan":
            return [float("nan")] * len(docs)
        return [len(doc.text) + 0.1 for doc in docs][: 1 if query == "few" else None]


def client(reranker: Any, limits: Limits | None = None, token: str = "") -> httpx.AsyncClient:
    patience = Patience(part=0.05)
    transport = httpx.ASGITransport(application(reranker, INFO, limits, token, patience))
    return httpx.AsyncClient(transport=transport, base_url="http://service")


def going() -> ByLength:
    reranker = ByLength()
    reranker.go.set()
    return reranker


def ask(path: str = "/rerank", method: str = "POST", **options: Any) -> httpx.Response:
    """The answer to one request of a service that scores by length."""
    made = {key: options.pop(key) for key in ("limits", "token") if key in options}

    async def asked() -> httpx.Response:
        async with client(going(), **made) as http:
            return await http.request(method, path, **options)

    return asyncio.run(asked())


def test_results_are_best_first_and_scores_are_float32_as_they_are() -> None:
    found = ask(json=BODY)
    assert found.status_code == 200
    results = [(result["index"], result["score"]) for result in found.json()["results"]]
    # float32 of 4.1, 3.1, 2.1 and 1.1, by numpy
    assert results == [(2, 4.099999904632568), (3, 3.0999999046325684), (0, 2.0999999046325684),
                       (1, 1.100000023841858)]  # fmt: skip


def test_no_more_than_top_n_come_back_with_their_ids() -> None:
    documents = [{"id": name, "text": "same"} for name in ("a", "c", "b")]
    found = ask(json={"query": "q", "documents": documents, "top_n": 2}).json()["results"]
    # All scores tie, and ties go to the greater id, as in a run.
    assert [(result["index"], result["id"]) for result in found] == [(1, "c"), (2, "b")]


def test_the_service_says_how_long_it_took() -> None:
    headers = ask(json=BODY).headers
    parts = dict(part.split(";dur=") for part in headers["server-timing"].split(", "))
    assert float(parts["score"]) >= 1
    assert float(parts["total"]) >= float(parts["queue"]) + float(parts["score"])
    seconds = server_timing(Reply(200, dict(headers), None))
    assert seconds == pytest.approx(float(parts["total"]) / 1000)


def test_what_the_service_is() -> None:
    info = ask("/info", "GET").json()
    assert info.items() >= {**INFO, "max_documents": 1000, "model_sha": "f00d"}.items()
    assert info["limits"]["requests"] == 64
    assert ask("/v1/models", "GET").json()["data"][0]["id"] == "org/model"


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("GET", "/rerank", 405, 'Method Not Allowed: GET "/rerank".'),
        ("POST", "/rank", 404, 'Not Found: POST "/rank".'),
        ("POST", "/info", 405, 'Method Not Allowed: POST "/info".'),
    ],
)
def test_what_is_not_here(method: str, path: str, status: int, told: str) -> None:
    found = ask(path, method)
    assert (found.status_code, found.json()) == (status, {"error": told})


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        ({"content": b"{"}, 400, "The body is no JSON"),
        ({"json": {**BODY, "top_n": 0}}, 422, "top_n must be a whole number above 0."),
        ({"json": {"query": "q", "texts": ["a"]}}, 422, "say raw_scores: true"),
        ({"content": b"x" * 101, "limits": Limits(bytes=100)}, 413, "more than the 100 bytes"),
        ({"content": b"x" * 9000, "limits": Limits(bytes=100)}, 413, "more than the 100 bytes"),
        ({"json": {**BODY, "query": "few"}}, 500, "gave 1 score for the 4 candidates"),
        ({"json": {**BODY, "query": "nan"}}, 500, "a score that is not a finite number"),
        ({"json": {**BODY, "query": "broken"}}, 500, "failed (RuntimeError: out of memory)."),
    ],
)
def test_one_sentence_says_why_there_is_no_ranking(
    options: dict[str, Any], status: int, told: str
) -> None:
    found = ask(**options)
    assert found.status_code == status
    assert list(found.json()) == ["error"]
    assert told in found.json()["error"]
    assert "\n" not in found.json()["error"]


@pytest.mark.parametrize("path", ["/health", "/ready", "/docs", "/openapi.json", "/info"])
def test_heads_are_those_of_the_answers(path: str) -> None:
    found = ask(path, "HEAD")
    assert (found.status_code, found.text) == (200, "")
    assert found.headers["content-length"] == ask(path, "GET").headers["content-length"]


def test_who_asks_by_another_method_is_told_which() -> None:
    assert ask("/rerank", "DELETE").headers["allow"] == "POST"
    assert set(ask("/health", "POST").headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("host", ["[", "a b", "evil.example/<script>", "x" * 9000, "\u00e9"])
@pytest.mark.parametrize("path", ["/docs", "/health/", "/%0d%0aX:%20y", "//[", "/%ff%00"])
def test_neither_host_nor_path_breaks_or_leads_elsewhere(host: str, path: str) -> None:
    found = ask(path, "GET", headers={"Host": host.encode("latin-1")})
    assert found.status_code == (200 if path == "/docs" else 404)
    assert "location" not in found.headers
    assert "<script>" not in found.text
    assert "x" not in found.headers


def test_a_fault_of_the_service_has_the_form_of_all() -> None:
    async def run() -> None:
        transport = httpx.ASGITransport(application(None, INFO), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
            found = await http.get("/docs", headers={"Host": "service"})
            assert found.status_code == 200
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("harness.service.app.described", lambda _: 1 / 0)
                found = await http.get("/openapi.json")
        assert (found.status_code, found.json()) == (
            500,
            {"error": "The service failed (ZeroDivisionError)."},
        )

    asyncio.run(run())


def test_texts_may_hold_whatever_unicode_has() -> None:
    documents = ["\0", "a\u202eb", "\N{PILE OF POO}" * 9, "\x1b[2J"]
    answer = ask("/v1/rerank", json={**BODY, "documents": documents, "return_documents": True})
    found = {one["index"]: one["document"]["text"] for one in answer.json()["results"]}
    assert [found[place] for place in range(4)] == documents
    half = ask(content=b'{"query": "\\ud800", "documents": ["a"]}')
    assert half.status_code == 400


@pytest.mark.parametrize(
    ("query", "status"), [("", 422), (" \t\n\v\f\r", 422), ("\x85", 200), (" a", 200)]
)
def test_what_is_an_empty_query_is_described(query: str, status: int) -> None:
    pattern = SCHEMAS["Plain"]["properties"]["query"]["pattern"]
    assert ask(json={**BODY, "query": query}).status_code == status
    assert bool(re.search(pattern, query)) == (status == 200)


def test_the_limits_are_described() -> None:
    made = ask("/openapi.json", "GET", limits=Limits(documents=7, characters=9)).json()
    fields = made["components"]["schemas"]["Plain"]["properties"]
    assert (fields["documents"]["maxItems"], fields["query"]["maxLength"]) == (7, 9)
    assert "'documents'" not in str(made["components"]["schemas"]["Tei"]["properties"])


def test_a_body_at_the_limit_is_taken() -> None:
    size = len(httpx.Request("POST", "http://x", json=BODY).content)
    assert ask(json=BODY, limits=Limits(bytes=size)).status_code == 200
    assert ask(json=BODY, limits=Limits(bytes=size - 1)).status_code == 413


def test_a_body_that_does_not_end_is_given_up() -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(20)

    found = ask(content=dripping())
    assert found.status_code == 408
    assert "each part has 0.05 s" in found.json()["error"]


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/info", "/v1/models", "/metrics"])
@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer s3cre", "s3cret", "Bearer s3crét"])
def test_without_its_token_nothing_is_told(path: str, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given.encode()}
    found = ask(path, "POST" if "rerank" in path else "GET", headers=headers, token="s3cret")
    assert found.status_code == 401
    assert found.headers["www-authenticate"] == "Bearer"
    assert "s3cret" not in found.text


@pytest.mark.parametrize("given", ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "])
def test_with_its_token_all_is_told(given: str) -> None:
    headers = {"Authorization": given}
    assert ask(json=BODY, headers=headers, token="s3cret").status_code == 200
    assert ask("/health", "GET", token="s3cret").json() == {"status": "ready"}


def test_requests_are_scored_one_at_a_time_and_never_mixed() -> None:
    """`ByLength` fails where two are inside; each request has another number of documents."""

    async def run() -> None:
        async with client(going()) as http:
            bodies = [
                {"query": f"q{n}", "documents": ["x" * (1 + i * n % 7) for i in range(n)]}
                for n in range(1, 41)
            ]
            found = await asyncio.gather(*(http.post("/rerank", json=body) for body in bodies))
        for body, answer in zip(bodies, found, strict=True):
            lengths = [len(text) for text in body["documents"]]
            places = sorted(range(len(lengths)), key=lambda i: -lengths[i])
            assert [result["index"] for result in answer.json()["results"]] == places

    asyncio.run(run())


def test_too_many_requests_are_told_when_to_come_again() -> None:
    reranker = ByLength()

    async def run() -> None:
        async with client(reranker, Limits(requests=3)) as http:
            inside = [asyncio.create_task(http.post("/rerank", json=BODY)) for _ in range(3)]
            await asyncio.to_thread(reranker.scoring.wait, 20)
            refused = await http.post("/rerank", json=BODY)
            assert refused.status_code == 503
            assert "3 requests are inside and no more are taken" in refused.json()["error"]
            assert waiting.seconds(refused.headers["retry-after"]) == 1
            assert (await http.get("/health")).status_code == 200  # it is busy, and well
            reranker.go.set()
            assert [answer.status_code for answer in await asyncio.gather(*inside)] == [200] * 3
            assert (await http.post("/rerank", json=BODY)).status_code == 200
            metrics = (await http.get("/metrics")).text.splitlines()
            assert 'rerank_requests_total{status="200"} 4' in metrics
            assert 'rerank_requests_total{status="503"} 1' in metrics
            assert "rerank_documents_total 16.000000" in metrics
            assert "rerank_requests_inside 0" in metrics

    asyncio.run(run())


def test_a_request_that_failed_leaves_its_place() -> None:
    async def run() -> None:
        async with client(going(), Limits(requests=1)) as http:
            for query in ("broken", "few", "", "apple"):
                found = await http.post("/rerank", json={**BODY, "query": query})
                assert found.status_code != 503
            assert found.status_code == 200

    asyncio.run(run())


def test_whoever_left_before_its_turn_is_not_scored() -> None:
    """Else requests that nobody waits for any more would keep those away that somebody does."""
    reranker = ByLength()
    service = application(reranker, INFO)

    async def request(query: str, leaves: bool) -> None:
        told = [
            {
                "type": "http.request",
                "body": httpx.Request("POST", "http://x", json={**BODY, "query": query}).content,
            }
        ]

        async def receive() -> dict[str, Any]:
            if told:
                return told.pop()
            if not leaves:
                await asyncio.sleep(20)
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None:
            pass

        scope = {"type": "http", "method": "POST", "path": "/rerank", "headers": []}
        scope |= {"query_string": b"", "root_path": "", "http_version": "1.1"}
        await service(scope, receive, send)

    async def run() -> None:
        first = asyncio.create_task(request("first", leaves=False))
        await asyncio.to_thread(reranker.scoring.wait, 20)
        others = [request("gone", leaves=True), request("last", leaves=False)]
        waiting = [asyncio.create_task(other) for other in others]
        await asyncio.sleep(0.01)
        reranker.go.set()
        await asyncio.gather(first, *waiting)

    asyncio.run(run())
    assert reranker.asked == ["first", "last"]


# What the service says of its routes


DESCRIBED: dict[str, Any] = described(Limits())
SCHEMAS = DESCRIBED["components"]["schemas"]


def test_every_route_is_described() -> None:
    routes = {(route.path, method) for route in application(going(), INFO).routes  # type: ignore[attr-defined]
              for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]  # fmt: skip
    described = {(path, m.upper()) for path, found in DESCRIBED["paths"].items() for m in found}
    assert described == routes
    assert ask("/openapi.json", "GET", token="s3cret").json() == DESCRIBED


@pytest.mark.parametrize(
    ("name", "contract", "path"),
    [("Plain", Plain, "/rerank"), ("Cohere", Cohere, "/v1/rerank"), ("Tei", Tei, "/rerank")],
)
def test_fields_are_described_as_they_are_read(name: str, contract: Any, path: str) -> None:
    schema = SCHEMAS[name]
    assert set(schema["properties"]) == set(contract.__struct_fields__)
    assert ask(path, json=schema["example"]).status_code == 200
    for key in schema["required"]:
        found = ask(path, json={**schema["example"], key: None})
        assert found.status_code == 422


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_optional_fields_that_clients_always_send_are_ignored_and_told(path: str) -> None:
    """Cohere's v2 has max_tokens_per_doc and priority, its v1 max_chunks_per_doc and rank_fields."""
    plain = ask(path, json=BODY)
    sent = {"max_tokens_per_doc": 4096, "max_chunks_per_doc": None, "rank_fields": ["text"]}
    found = ask(path, json={**BODY, **sent, "return_documents": False, "priority": 0})
    assert (found.status_code, found.json()) == (200, plain.json())
    assert found.headers["ignored-fields"] == "max_tokens_per_doc, rank_fields, priority"
    assert "ignored-fields" not in plain.headers
    refused = ask(path, json={**BODY, "max_token_per_doc": 1})
    assert refused.status_code == 422  # what nobody's contract has is still a mistake


def test_teis_truncation_is_told_to_be_ignored() -> None:
    body = {"query": "apple", "texts": ["bb", "a"], "raw_scores": True, "truncate": False}
    assert ask(json=body).headers["ignored-fields"] == "truncate"
