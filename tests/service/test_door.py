"""Clients that are slow, idle or many: others are answered meanwhile, and those are shown out."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from pathlib import Path

import httpx
import pytest
from houses import closed, connected, house
from services import experiment, serving, wait_until

from harness.errors import ServerError
from harness.service import door
from harness.service.limits import Limits, Patience

HEAD = b"POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"


# Who waits, and for what


SLOW = {
    "nothing": (b"", Patience(0.2, 3600, 3600, 3600, 3600), b""),
    "half a head": (b"POST /rerank HTT", Patience(0.2, 3600, 3600, 3600, 3600), b""),
    "idle": (
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", Patience(3600, 1, 3600, 3600, 3600),
        b"200 OK.*ready",
    ),
    "half a second head": (
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET", Patience(0.2, 3600, 3600, 3600, 3600),
        b"200 OK.*ready",
    ),
    "one byte of a body": (
        HEAD + b"{", Patience(3600, 3600, 0.2, 3600, 3600), b"408.*each part has 0.2 s"
    ),
    "half a body": (
        HEAD + b"{", Patience(3600, 3600, 3600, 0.2, 3600), b"408.*the whole 0.2 s"
    ),
    "a body that nobody wants": (
        HEAD.replace(b"/rerank", b"/nowhere") + b"{", Patience(0.2, 3600, 3600, 3600, 3600),
        b"404.*Not Found",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_the_slow_are_shown_out(name: str) -> None:
    sent, patience, told = SLOW[name]
    with house(patience) as here:
        assert re.search(told, closed(connected(here.url, sent)), re.DOTALL)


def test_who_does_not_take_an_answer_is_shown_out() -> None:
    """Eight megabytes fit into no buffer of a socket whose owner reads nothing."""
    documents = ["x" * 100_000] * 80
    body = json.dumps({"query": "q", "documents": documents, "return_documents": True}).encode()
    sent = HEAD.replace(b"/rerank", b"/v1/rerank").replace(b"100", str(len(body)).encode())
    with house(Patience(3600, 3600, 3600, 3600, 0.2)) as here, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = here.url.removeprefix("http://").split(":")
        client.connect((host, int(port)))
        client.sendall(sent + body)
        wait_until(lambda: here.server.server_state.total_requests == 1)
        wait_until(lambda: not here.server.server_state.connections)


# Many of them


@pytest.mark.parametrize("sent", [b"", b"POST /rerank HTTP/1.1\r\n", HEAD + b"{"])
def test_idle_and_slow_clients_make_room(sent: bytes) -> None:
    """They would stay for an hour; the service answers others at once."""
    with house(connections=8) as here, contextlib.ExitStack() as waiting:
        clients = [waiting.enter_context(connected(here.url, sent)) for _ in range(20)]
        for _ in range(3):
            here.answers()
        assert len(here.server.server_state.connections) <= 8
        assert closed(clients[0]) == b""


def test_slow_bodies_take_nobodys_place() -> None:
    with house(limits=Limits(requests=2)) as here, contextlib.ExitStack() as waiting:
        for _ in range(8):
            waiting.enter_context(connected(here.url, HEAD + b"{"))
        wait_until(lambda: len(here.server.server_state.tasks) == 8)
        here.answers()


def test_slow_bodies_have_no_more_memory_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.service.app.BODIES", 300)
    with house(limits=Limits(bytes=200)) as here, contextlib.ExitStack() as waiting:
        for _ in range(2):
            waiting.enter_context(connected(here.url, HEAD + b"{" + 98 * b" "))
        wait_until(lambda: len(here.server.server_state.tasks) == 2)
        answer = httpx.post(f"{here.url}/rerank", content=b" " * 150, trust_env=False, timeout=60)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "leave no room" in answer.json()["error"]
        here.answers()


def test_what_is_no_http_is_refused_in_the_form_of_all() -> None:
    with house() as here:
        head, _, body = closed(connected(here.url, b"\x16\x03\x01 TLS?\r\n\r\n")).partition(
            b"\r\n\r\n"
        )
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert json.loads(body) == {"error": "Invalid HTTP request received."}
        broken = HEAD.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked") + b"zz\r\n"
        assert closed(connected(here.url, broken)).startswith(b"HTTP/1.1 400 ")
        here.answers()


# Descriptors


def test_few_descriptors_are_enough_for_many_clients(tmp_path: Path) -> None:
    file = experiment(tmp_path, {"use": "services:Hoarding", "marker": str(tmp_path / "marker")})
    with (
        serving(file, "ours", "--port", "0", files=128) as service,
        contextlib.ExitStack() as waiting,
    ):
        for _ in range(200):
            waiting.enter_context(connected(service.url))
        for _ in range(3):
            answer = httpx.get(f"{service.url}/health", trust_env=False, timeout=60)
            assert answer.status_code == 200
        service.process.terminate()
        _, err = service.process.communicate(timeout=60)
    assert err == ""


def test_without_any_descriptor_one_line_says_so(tmp_path: Path) -> None:
    """A reranker that opens whatever can be opened; then the door is shut, and opens again."""
    marker = tmp_path / "marker"
    file = experiment(tmp_path, {"use": "services:Hoarding", "marker": str(marker)})
    with serving(file, "ours", "--port", "0", files=128) as service:
        with (
            connected(service.url),
            connected(service.url),
            httpx.Client(timeout=60, trust_env=False) as http,
        ):
            answers: list[httpx.Response] = []
            body = {"query": "pear", "documents": ["a"]}
            asking = threading.Thread(
                target=lambda: answers.append(http.post(f"{service.url}/rerank", json=body))
            )
            asking.start()
            wait_until(marker.exists)
            with connected(service.url, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n") as late:
                assert service.process.stderr is not None
                said = service.process.stderr.readline()
                marker.with_suffix(".go").touch()
                assert b"200 OK" in late.recv(2**16)
            asking.join()
        service.process.terminate()
        _, err = service.process.communicate(timeout=60)
    assert [answer.status_code for answer in answers] == [200]
    assert "no connection can be taken for now: [Errno 24] Too many open files" in said
    assert err == ""


def test_no_descriptor_for_any_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (16, 16))
    with pytest.raises(ServerError, match=r"may have 16 files open here .*raise that limit"):
        door.places(100)
