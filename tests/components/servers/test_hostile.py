"""Servers that mean harm: one paragraph, bounded memory and time, and never another exception."""

from __future__ import annotations

import gzip
import math
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
import raw_server
from contract_server import Answer, ContractServer
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_server import Handler, answering
from spoilt import ONE_SERVER, SPOILS, Spoil, check_spoilt_answer, check_spoilt_words
from spoken import CASES, Case

from harness.components.rerankers.endpoint import Endpoint
from harness.components.servers import client, content, joined, served, waiting
from harness.components.servers.dialect import limit_of
from harness.data import Doc
from harness.errors import ComponentError, ServerError

MIB = 2**20
DOCS = [Doc("a", "red apple"), Doc("b", "pear")]
GOOD = b'{"results": [{"index": 0, "score": 2.0}, {"index": 1, "score": 1.0}]}'


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *lines, "")).encode()


def whole(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    return head(f"Content-Length: {len(body)}", *lines, status=status) + body


def repeated(first: bytes, again: bytes, pause: float = 0.0) -> Handler:
    """Begins with `first` and sends `again` until nobody listens any more."""

    def handle(connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(again)
            time.sleep(pause)

    return handle


def silent(connection: socket.socket) -> None:
    connection.recv(1)


BOMB = gzip.compress(bytes(64 * MIB))
CHUNK = b"10000\r\n" + b" " * 2**16 + b"\r\n"
LATE = "no whole answer within 0.5 s"
MOST = MIB // 2

HOSTILE = {
    "a bomb": (answering(whole(BOMB, "Content-Encoding: gzip")), "too large .more than 524,288 b"),
    "a bomb in a bomb": (
        answering(whole(gzip.compress(BOMB), "Content-Encoding: gzip, gzip")),
        "compressed as 'gzip, gzip', which was not asked for",
    ),
    "another compression": (
        answering(whole(b"\x0b\x00", "Content-Encoding: br")), "compressed as 'br'"
    ),
    "half a compression": (
        answering(whole(gzip.compress(GOOD)[:-9], "Content-Encoding: gzip")), "ends early"
    ),
    "a bomb of words": (
        answering(whole(BOMB, "Content-Encoding: gzip", status="500 No")), "answered 500"
    ),
    "nested": (answering(whole(b"[" * 100_000)), "nested too deeply"),
    "nested in objects": (answering(whole(b'{"results":' * 9_000)), "nested too deeply"),
    "doubled key": (
        answering(whole(GOOD.replace(b'"index": 0', b'"index": 0, "index": 1'))),
        "the key 'index' comes twice",
    ),
    "doubled results": (
        answering(whole(GOOD[:-1] + b', "results": []}')), "the key 'results' comes twice"
    ),
    "hundreds of digits": (answering(whole(GOOD.replace(b"2.0", b"9" * 400))), "the score 9999"),
    "thousands of digits": (answering(whole(GOOD.replace(b"2.0", b"9" * 5000))), "no JSON"),
    "a far index": (answering(whole(GOOD.replace(b" 0,", b"9" * 4000 + b","))), "the index 9999"),
    "a list as index": (answering(whole(GOOD.replace(b" 0,", b"[0],"))), "no whole number"),
    "chunks without end": (
        repeated(head("Transfer-Encoding: chunked"), CHUNK), "too large"
    ),
    "small chunks without end": (
        repeated(head("Transfer-Encoding: chunked"), b"1\r\n \r\n", 0.01), LATE
    ),
    "a body that drips": (repeated(head("Content-Length: 9999"), b" ", 0.05), LATE),
    "a head that drips": (repeated(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05), LATE),
    "a head without end": (repeated(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 999), "connection failed"),
    "go on, go on": (repeated(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01), LATE),
    "silence": (silent, LATE),
    "nothing": (answering(), "connection failed"),
    "no HTTP": (answering(b"SSH-2.0-OpenSSH_9.7\r\n"), "connection failed"),
    "less than it says": (answering(whole(GOOD)[:-20]), "connection failed"),
    "no length": (answering(head("Content-Length: -1")), "connection failed"),
    "two lengths": (answering(whole(GOOD, "Content-Length: 3")), "connection failed"),
    "no content": (answering(head(status="204 No Content")), "answered 204"),
    "a page": (
        answering(whole(b"<html>\x1b[31mWelcome", "Content-Type: text/html")), "is no JSON"
    ),
    "a page of an error": (
        answering(whole(b"<h1>\x1b[2J\nBad", status="500 No")), "answered 500, saying <h1>\ufffd.2J Bad"
    ),
    "elsewhere": (
        answering(whole(b"", "Location: http://127.0.0.1:9/", status="302 Found")), "answered 302"
    ),
    "another charset": (
        answering(whole('{"results": "é"}'.encode("latin-1"), "Content-Type: a/b; charset=x")),
        "is no JSON",
    ),
    "a status of its own": (answering(whole(b"", status="999 Odd")), "answered 999"),
    "come back in 31 million years": (
        answering(whole(b"", f"Retry-After: {'9' * 21}", status="503 Busy")),
        "left alone for 11,574,074 days",
    ),
    "come back in the year 9999": (
        answering(whole(b"", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", status="503 Busy")),
        "left alone for 2,9.* days",
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What was known of servers of other tests, whose ports may come again."""
    served._known.cache_clear()
    yield
    client._http.cache_clear()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handle, told = HOSTILE[name]
    monkeypatch.setattr(client, "MOST_BYTES", MOST)
    with raw_server.doing(handle) as url:
        asked = Endpoint(dialect="plain", url=url, timeout_s=0.5, retries=0)
        asked.identity()
        tracemalloc.start()
        try:
            with pytest.raises(ComponentError, match=told) as caught:
                asked.score("apple", DOCS)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    said = str(caught.value)
    assert url in said
    assert "Way out: " in said
    assert said.isprintable()
    assert len(said) < 700
    assert peak < 8 * MIB  # the bomb alone is 64


def test_an_answer_of_few_bytes_that_would_be_many() -> None:
    """Three bytes are a list of 56 and its place."""
    with pytest.raises(content.OversizeError, match="12,000,002 bytes of JSON would take more"):
        content.parsed(b"[" + b"[]," * 4_000_000 + b"]")
    assert content.parsed(b"[" + b"0.25," * 1000 + b"1]")[0] == [0.25] * 1000 + [1]


def test_a_compressed_answer_is_read() -> None:
    zipped = whole(gzip.compress(GOOD), "Content-Encoding: gzip")
    with raw_server.doing(answering(zipped)) as url:
        asked = Endpoint(dialect="plain", url=url, timeout_s=20, retries=0)
        assert asked.score("apple", DOCS) == [2.0, 1.0]


# Before any work


NOT_TOLD = {
    "nested": whole(b'{"model": ' + b"[" * 40 + b"]" * 40 + b"}"),
    "half a pair": whole(b'{"model": "\\ud800"}'),
    "a key of half a pair": whole(b'{"\\ud800": 1}'),
    "no number": whole(b'{"model": "m", "max_documents": NaN}'),
    "infinitely many": whole(b'{"model": "m", "max_documents": 1e999}'),
    "fewer than none": whole(b'{"model": "m", "max_documents": -1}'),
    "true": whole(b'{"model": "m", "max_documents": true}'),
    "a long name": whole(b'{"model": "' + b"m" * 9999 + b'"}'),
    "a bomb": whole(BOMB, "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("name", NOT_TOLD)
def test_what_a_server_tells_of_itself_is_no_poison(name: str) -> None:
    with raw_server.doing(silent, answering(NOT_TOLD[name])) as url:
        asked = Endpoint(dialect="plain", url=url, timeout_s=20, retries=0)
        with pytest.raises(ServerError, match="Way out: ") as caught:
            asked.identity()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize("looks", [silent, repeated(head("Content-Length: 9999"), b" ", 0.05)])
def test_who_does_not_answer_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float], looks: Handler
) -> None:
    """A plan waits for nobody five times over, however patient the work itself is."""
    monkeypatch.setattr(client, "LOOK_SECONDS", 0.3)
    with raw_server.doing(silent, looks) as url:
        asked = Endpoint(dialect="plain", url=url, timeout_s=3600, retries=5)
        with pytest.raises(ServerError, match=r"no whole answer within 0.3 s\. Way out: start"):
            asked.identity()
    assert pauses == []


def test_a_name_that_nobody_knows_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may ask for the address of a name for half a minute."""
    monkeypatch.setattr(client, "LOOK_CONNECT_SECONDS", 0.2)
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(60) and [])
    asked = Endpoint(dialect="plain", url="http://host.test", retries=5)
    try:
        with pytest.raises(ServerError, match=r"\(nobody knows the address of host.test\)"):
            asked.identity()
    finally:
        ended.set()


def test_a_name_of_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `localhost` has them, though a server listens at one only."""
    known = socket.getaddrinfo

    def look_up(host: str, *asked: Any, **named: Any) -> Any:
        names = ("127.0.0.2", "127.0.0.1") if host == "localhost" else (host,)
        return [address for name in names for address in known(name, *asked, **named)]

    monkeypatch.setattr("harness.components.servers.wire.socket.getaddrinfo", look_up)
    with raw_server.doing(answering(whole(GOOD))) as url:
        named = url.replace("127.0.0.1", "localhost")
        asked = Endpoint(dialect="plain", url=named, timeout_s=20, retries=0)
        assert asked.score("apple", DOCS) == [2.0, 1.0]


def test_a_server_that_is_starting_is_waited_for(
    server: ContractServer, pauses: list[float]
) -> None:
    server.reset("tei")
    server.only_work = False
    server.fault, server.times = (lambda *_: Answer({"error": "loading"}, status=503)), 2
    assert Endpoint(dialect="tei", url=server.url).identity()
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7), ("7.5", 7.5), ("9" * 21, 999_999_999_999), ("-7", 0), ("+7", 0), ("1e9", 0),
        ("NaN", 0), ("inf", 0), ("7 s", 0), ("\u0667", 0), ("0x7", 0), ("1_0", 0),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", 0), ("Wed, 99 Oct 2026 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2026 99:28:00 GMT", 0), (",,,", 0), ("\x00", 0), ("9" * 999 + ".", 999_999_999_999),
    ],
)  # fmt: skip
def test_seconds_to_wait(told: str, seconds: float) -> None:
    assert waiting.seconds(told) == seconds


NUMBERS = st.integers(-1, 10**24)


@settings(max_examples=300)
@given(st.text(max_size=40) | st.builds("Fri, {} Oct {} {}:{}:00 {}".format, *[NUMBERS] * 5))
def test_any_time_to_wait(told: str) -> None:
    assert 0 <= waiting.seconds(told) < math.inf


@pytest.mark.parametrize(("value", "limit"), [(None, None), (0, None), (8, 8), ("8", 8), (8.0, 8)])
def test_limits(value: Any, limit: int | None) -> None:
    assert limit_of(value) == limit


@given(st.recursive(st.none() | st.floats() | st.text(), lambda s: st.lists(s, max_size=3)))
def test_any_value_is_shown_in_one_short_line(value: Any) -> None:
    assert len(joined.shown(value)) <= 40
    line = content.line(str(value))
    assert line.isprintable()
    assert len(line) <= content.LONGEST


# Answers of the dialects, each with something wrong in it


MANY_CASES = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@MANY_CASES
@settings(max_examples=25, suppress_health_check=[ONE_SERVER])
@given(spoil=SPOILS)
def test_spoilt_answers(server: ContractServer, case: Case, spoil: Spoil) -> None:
    check_spoilt_answer(server, case, spoil)


@MANY_CASES
@settings(max_examples=15, suppress_health_check=[ONE_SERVER])
@given(spoil=SPOILS)
def test_spoilt_words(server: ContractServer, case: Case, spoil: Spoil) -> None:
    check_spoilt_words(server, case, spoil)
