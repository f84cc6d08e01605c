"""How patient the client is, and what it never tells."""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest
from contract_server import MODEL, Answer, ContractServer, score, texts

from harness.components.rerankers.endpoint import Endpoint
from harness.components.servers import client, waiting
from harness.components.timing import TRAFFIC, recording
from harness.data import Doc
from harness.errors import ComponentError, ServerError

DOCS = [Doc(str(i), text) for i, text in enumerate(texts(5))]
SECRET = "s3cret-t0ken"


def reranker(server: ContractServer, dialect: str = "plain", **fields: Any) -> Endpoint:
    server.reset(dialect)
    return Endpoint(dialect=dialect, url=server.url, model=MODEL, **fields)


def busy(status: int = 429, **headers: str) -> Any:
    return lambda *_: Answer({"error": "busy"}, status=status, headers=headers)


def date(seconds: float) -> str:
    """The date of HTTP that lies so many seconds ahead."""
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    return email.utils.format_datetime(moment, usegmt=True)


def test_pauses_double_with_jitter(server: ContractServer, pauses: list[float]) -> None:
    asked = reranker(server, retries=5)
    server.fault, server.times = busy(503), 5
    assert asked.score("apple", DOCS)
    bounds = [0.5, 1, 2, 4, 8]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, bounds, strict=True))
    assert len({pause / most for pause, most in zip(pauses, bounds, strict=True)}) == 5


def test_pauses_have_an_end(server: ContractServer, pauses: list[float]) -> None:
    asked = reranker(server, retries=12)
    server.fault = busy(503)
    with pytest.raises(ComponentError, match="in 13 tries"):
        asked.score("apple", DOCS)
    assert max(pauses) <= client.LONGEST_PAUSE
    assert len(pauses) == 12


@pytest.mark.parametrize("told", [lambda: "7", lambda: date(7.9), lambda: " 7 "])
def test_the_server_says_how_long_to_wait(
    server: ContractServer, pauses: list[float], told: Callable[[], str]
) -> None:
    asked = reranker(server)
    server.fault, server.times = busy(**{"Retry-After": told()}), 1
    assert asked.score("apple", DOCS)
    assert pauses == [pytest.approx(7, abs=1)]


@pytest.mark.parametrize("told", [lambda: "3600", lambda: date(3600)])
def test_nobody_waits_for_an_hour(
    server: ContractServer, pauses: list[float], told: Callable[[], str]
) -> None:
    asked = reranker(server)
    server.fault = busy(**{"Retry-After": told()})
    with pytest.raises(ComponentError, match=r"left alone for 3,\d\d\d s.*run again"):
        asked.score("apple", DOCS)
    assert pauses == []
    assert len(server.work) == 1


@pytest.mark.parametrize(
    "told",
    ["", "soon", "-5", "nan", "inf", pytest.param(date(-60), id="past"), "Mon, 99 Foo 2026"],
)
def test_a_wait_that_says_nothing_is_none(told: str) -> None:
    assert waiting.seconds(told) == 0


def test_dates_without_a_zone_are_utc() -> None:
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
    assert waiting.seconds(f"{ahead:%a, %d %b %Y %H:%M:%S} -0000") == pytest.approx(30, abs=2)


def test_requests_retries_and_seconds_are_counted(
    server: ContractServer, pauses: list[float]
) -> None:
    asked = reranker(server)
    asked.identity()
    server.fault, server.times = busy(), 2
    with recording(TRAFFIC) as counts:
        asked.score("apple", DOCS)
    assert counts["requests"] == 3  # two were answered that the server is busy
    assert counts["retries"] == counts["refused"] == 2
    assert not {"broken", "late"} & counts.keys()
    assert counts["waited_seconds"] == pytest.approx(sum(pauses))
    assert counts["server_seconds"] == pytest.approx(0.0075)
    assert counts["client_seconds"] > 0


@pytest.mark.parametrize(
    ("dialect", "seconds"), [("tei", 0.012), ("plain", 0.0075), ("cohere", None)]
)
def test_server_time(server: ContractServer, dialect: str, seconds: float | None) -> None:
    asked = reranker(server, dialect)
    with recording(TRAFFIC) as spent:
        asked.score("apple", DOCS)
    assert spent.get("server_seconds") == (seconds and pytest.approx(seconds))


@pytest.mark.parametrize(
    "header", ["total;dur=fast", "total", "db;dur=1", "", "total;dur=nan", ";;=,=;"]
)
def test_server_time_that_says_nothing(server: ContractServer, header: str) -> None:
    asked = reranker(server)
    server.fault = lambda _, answer: Answer(answer.content, headers={"Server-Timing": header})
    with recording(TRAFFIC) as spent:
        assert asked.score("apple", DOCS)
    assert "server_seconds" not in spent


def echo(server: ContractServer, _: Answer) -> Answer:
    """A server that repeats what it was sent, as some do in their errors."""
    return Answer({"error": "refused", "headers": server.headers[-1]}, status=401)


def test_the_token_is_sent_and_never_told(
    server: ContractServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    asked = reranker(server, token_env="MY_TOKEN")
    with caplog.at_level(logging.DEBUG):
        facts = asked.server()
        asked.score("apple", DOCS)
        server.fault = echo
        with pytest.raises(ComponentError) as caught:
            asked.score("apple", DOCS)
    assert {headers.get("authorization") for headers in server.headers} == {f"Bearer {SECRET}"}
    assert "(the token)" in str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error!r}"
        error = error.__cause__ or error.__context__
    assert SECRET not in f"{asked!r} {facts} {dict(asked.identity())} {caplog.text}"


@pytest.mark.parametrize(
    ("value", "fault"), [(None, "is not set"), ("", "is not set"), (f"{SECRET} x", "holds no token"),
                         (f"{SECRET}\nx", "holds no token"), (f"{SECRET}ü", "holds no token")]
)  # fmt: skip
def test_a_token_that_cannot_be_sent_is_named_by_its_variable(
    server: ContractServer, monkeypatch: pytest.MonkeyPatch, value: str | None, fault: str
) -> None:
    monkeypatch.delenv("MY_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_TOKEN", value)
    asked = reranker(server, token_env="MY_TOKEN")
    with pytest.raises(ServerError, match=f"MY_TOKEN, which {fault}") as caught:
        asked.identity()
    assert SECRET not in str(caught.value)
    assert server.asked == []


def test_a_token_may_end_in_a_newline(
    server: ContractServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", f"{SECRET}\n")
    assert reranker(server, token_env="MY_TOKEN").score("apple", DOCS)
    assert server.headers[-1]["authorization"] == f"Bearer {SECRET}"


def test_no_token_without_a_variable(server: ContractServer) -> None:
    reranker(server).score("apple", DOCS)
    assert not any("authorization" in headers for headers in server.headers)


def test_proxies_are_not_for_this_machine(
    server: ContractServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    client._http(server.url).close()
    client._http.cache_clear()
    found = reranker(server, retries=0).score("apple", DOCS)
    assert found == pytest.approx([score("apple", doc.text) for doc in DOCS])


@pytest.mark.usefixtures("pauses")
def test_an_answer_that_drips_is_too_late(server: ContractServer) -> None:
    """Each byte comes in time, and the answer does not."""
    asked = reranker(server, timeout_s=1.0, retries=0)
    asked.identity()
    server.fault = lambda *_: Answer(b"x" * 400, bytes_at_once=1)
    with pytest.raises(ComponentError, match=r"no whole answer within 1 s"):
        asked.score("apple", DOCS)


def test_environment_is_read_late(server: ContractServer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = reranker(server, token_env="LATE_TOKEN")
    monkeypatch.setenv("LATE_TOKEN", "one")
    asked.score("apple", DOCS)
    monkeypatch.setitem(os.environ, "LATE_TOKEN", "two")
    asked.score("apple", DOCS)
    assert [headers["authorization"] for headers in server.headers][-1] == "Bearer two"
