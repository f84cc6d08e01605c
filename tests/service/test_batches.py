"""Who waits for the model is scored with whom, in which order, and what one does to the others."""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from harness.data import Doc, Query
from harness.service.app import application
from harness.service.batches import Batches, Scored
from harness.service.request import GONE, Limits, RefusedError, Wanted

Asked = Sequence[tuple[str, Sequence[Doc]]]


def score_of(query: str, text: str) -> float:
    return float(zlib.crc32(f"{query}\0{text}".encode()) % 10_000)


@dataclass(frozen=True)
class Apart:
    """Scores by a checksum of query and text, none before `go`, and notes who is asked together."""

    go: threading.Event = field(default_factory=threading.Event)
    scoring: threading.Event = field(default_factory=threading.Event)
    calls: list[list[str]] = field(default_factory=list)

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        (found,) = self.found([(query, docs)])
        return found

    def found(self, asked: Asked) -> list[list[float]]:
        queries = [query for query, _ in asked]
        self.calls.append(queries)
        self.scoring.set()
        self.go.wait(20)
        if "broken" in queries:
            raise RuntimeError("out of memory")
        found = [[score_of(query, doc.text) for doc in docs] for query, docs in asked]
        for query, scores in zip(queries, found, strict=True):
            if query == "nan":
                scores[0] = float("nan")
            if query == "few":
                scores.pop()
        return found


@dataclass(frozen=True)
class Together(Apart):
    def score_together(self, asked: Asked) -> Sequence[Sequence[float]]:
        found = self.found(asked)
        return found[1:] if "missing" in self.calls[-1] else found


async def there() -> bool:
    return False


async def left() -> bool:
    return True


def wanted(query: str, documents: int = 2) -> Wanted:
    docs = [Doc(str(i), f"text {i}") for i in range(documents)]
    return Wanted(Query("", query), docs, named=False, top_n=documents)


def asked_while_busy(
    reranker: Apart,
    requests: Sequence[Wanted],
    documents: int = 100,
    gone: Callable[[str], Callable[[], Awaitable[bool]]] = lambda _: there,
) -> list[Any]:
    """What comes of requests that arrive while the model is busy with `first`."""

    async def run() -> list[Any]:
        batches = Batches(reranker, documents)
        first = asyncio.create_task(batches.scored(wanted("first"), there))
        await asyncio.to_thread(reranker.scoring.wait, 20)
        scored = [batches.scored(one, gone(one.query.text)) for one in requests]
        waiting = [asyncio.create_task(one) for one in scored]
        await asyncio.sleep(0)  # now they stand in line
        reranker.go.set()
        found = await asyncio.gather(first, *waiting, return_exceptions=True)
        batches.close()
        return list(found[1:])

    return asyncio.run(run())


def assert_scored(found: Any, asked: Wanted) -> None:
    assert isinstance(found, Scored)
    assert found.scores == [score_of(asked.query.text, doc.text) for doc in asked.docs]


def test_those_who_wait_are_scored_together_in_the_order_in_which_they_came() -> None:
    reranker, requests = Together(), [wanted(q, n) for q, n in (("c", 3), ("a", 1), ("b", 2))]
    found = asked_while_busy(reranker, requests)
    assert reranker.calls == [["first"], ["c", "a", "b"]]
    for one, asked in zip(found, requests, strict=True):
        assert_scored(one, asked)
    assert len({(one.started, one.seconds) for one in found}) == 1


def test_one_that_cannot_is_asked_one_request_at_a_time() -> None:
    reranker = Apart()
    found = asked_while_busy(reranker, [wanted(query) for query in "cab"])
    assert reranker.calls == [["first"], ["c"], ["a"], ["b"]]
    starts = [one.started for one in found]
    assert starts == sorted(set(starts))


def test_a_batch_is_bounded_and_nobody_overtakes() -> None:
    reranker = Together()
    sizes = {"a": 2, "b": 3, "c": 1, "big": 9, "d": 1, "e": 4, "f": 1}
    asked_while_busy(reranker, [wanted(q, n) for q, n in sizes.items()], documents=5)
    # c would fit beside neither a and b (5 of 5) nor big (more than 5 by itself).
    assert reranker.calls[1:] == [["a", "b"], ["c"], ["big"], ["d", "e"], ["f"]]


def test_a_batch_of_one_document_is_no_batching() -> None:
    reranker = Together()
    asked_while_busy(reranker, [wanted("a", 1), wanted("b", 1)], documents=1)
    assert reranker.calls == [["first"], ["a"], ["b"]]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("broken", "The reranker failed (RuntimeError: out of memory)."),
        ("nan", "a score that is not a finite number"),
        ("few", "gave 1 score for the 2 candidates"),
    ],
)
def test_neighbours_of_a_request_that_fails_are_answered(query: str, told: str) -> None:
    reranker, requests = Together(), [wanted(name) for name in ("a", query, "b", "c", "d")]
    found = asked_while_busy(reranker, requests, documents=6)
    assert reranker.calls[1:] == [["a", query, "b"], ["a"], [query], ["b"], ["c", "d"]]
    refused = found[1]
    assert isinstance(refused, RefusedError)
    assert (refused.status, told in str(refused)) == (500, True)
    for place in (0, 2, 3, 4):
        assert_scored(found[place], requests[place])


def test_answers_that_are_missing_are_asked_for_apart() -> None:
    reranker, requests = Together(), [wanted("a"), wanted("missing")]
    found = asked_while_busy(reranker, requests)
    assert reranker.calls[1:] == [["a", "missing"], ["a"], ["missing"]]
    for one, asked in zip(found, requests, strict=True):
        assert_scored(one, asked)


def test_whoever_left_is_not_scored_and_takes_no_room() -> None:
    reranker = Together()
    requests = [wanted("a"), wanted("gone", 9), wanted("b")]
    found = asked_while_busy(
        reranker, requests, documents=9, gone=lambda query: left if query == "gone" else there
    )
    assert reranker.calls == [["first"], ["a"], ["b"]]
    assert isinstance(found[1], RefusedError)
    assert found[1].status == GONE


def test_whoever_is_given_up_is_not_scored() -> None:
    reranker = Together()

    async def run() -> None:
        batches = Batches(reranker, 100)
        first = asyncio.create_task(batches.scored(wanted("first"), there))
        await asyncio.to_thread(reranker.scoring.wait, 20)
        waiting = [asyncio.create_task(batches.scored(wanted(q), there)) for q in "ab"]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        first.cancel()  # it is being scored: that goes on, and the next is scored after it
        reranker.go.set()
        assert_scored(await waiting[1], wanted("b"))
        batches.close()

    asyncio.run(run())
    assert reranker.calls == [["first"], ["b"]]


def test_one_that_comes_alone_is_not_delayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """To wait for company a timer would have to be set."""
    reranker = Together()
    reranker.go.set()

    async def run() -> None:
        batches = Batches(reranker, 100)
        loop, timers = asyncio.get_running_loop(), []
        set_timer = loop.call_at

        def noted(*given: Any, **options: Any) -> asyncio.TimerHandle:
            timers.append(given)
            return set_timer(*given, **options)

        monkeypatch.setattr(loop, "call_at", noted)
        for query in "abc":
            assert_scored(await batches.scored(wanted(query), there), wanted(query))
        assert timers == []
        batches.close()

    asyncio.run(run())
    assert reranker.calls == [["a"], ["b"], ["c"]]


# Over HTTP


def test_clients_of_other_queries_get_their_own_answers_and_batches_are_counted() -> None:
    reranker = Together()
    service = application(reranker, {"model": "org/model"}, Limits(batch=40))
    ours = {f"query {client} {n}" for client in range(8) for n in range(25)}

    async def ask(http: httpx.AsyncClient, client: int) -> None:
        for number in range(25):
            query = f"query {client} {number}"
            texts = [f"{query} {i}" for i in range(1 + (client + number) % 9)]
            answer = await http.post("/rerank", json={"query": query, "documents": texts})
            places = {one["index"]: one["score"] for one in answer.json()["results"]}
            expected = {i: score_of(query, text) for i, text in enumerate(texts)}
            assert places == expected
            assert list(places) == sorted(expected, key=lambda i: -expected[i])

    async def run() -> list[str]:
        transport = httpx.ASGITransport(service)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
            reranker.go.set()
            await asyncio.gather(*(ask(http, client) for client in range(8)))
            return (await http.get("/metrics")).text.splitlines()

    metrics = asyncio.run(run())
    assert sorted(query for call in reranker.calls for query in call) == sorted(ours)
    assert max(map(len, reranker.calls)) > 1
    assert "rerank_batch_requests_sum 200" in metrics
    assert f"rerank_batch_requests_count {len(reranker.calls)}" in metrics
    few = sum(len(call) <= 4 for call in reranker.calls)
    assert f'rerank_batch_requests_bucket{{le="4"}} {few}' in metrics
    assert f'rerank_batch_requests_bucket{{le="+Inf"}} {len(reranker.calls)}' in metrics


@pytest.mark.parametrize(("reranker", "together"), [(Apart(), False), (Together(), True)])
def test_the_service_says_whether_it_can(reranker: Apart, together: bool) -> None:
    async def run() -> Any:
        transport = httpx.ASGITransport(application(reranker, {"model": "org/model"}))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
            return (await http.get("/info")).json()

    info = asyncio.run(run())
    assert (info["together"], info["limits"]["batch"]) == (together, 256)
