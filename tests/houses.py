"""A service in this process, on a port of this machine, and clients of bare sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import httpx

from harness.data import Doc
from harness.service.app import application
from harness.service.door import Server
from harness.service.host import bound, url
from harness.service.limits import Limits, Patience

FOREVER = Patience(3600, 3600, 3600, 3600, 3600)
BODY = {"query": "apple", "documents": ["bb", "a", "dddd"]}


@dataclass(frozen=True)
class ByLength:
    def score(self, query: str, docs: Sequence[Doc]) -> list[float]:
        del query
        return [float(len(doc.text)) for doc in docs]


def connected(url: str, sent: bytes = b"") -> socket.socket:
    """A connection on which these bytes were sent, and no more."""
    host, port = url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout=60)
    client.sendall(sent)
    return client


class House(NamedTuple):
    server: Server
    url: str

    def answers(self) -> None:
        """It is well, and reranks."""
        with httpx.Client(base_url=self.url, trust_env=False, timeout=60) as client:
            assert client.get("/health").json() == {"status": "ready"}
            found = client.post("/rerank", json=BODY).json()["results"]
        assert [result["index"] for result in found] == [2, 0, 1]


@contextlib.contextmanager
def house(
    patience: Patience = FOREVER, limits: Limits | None = None, connections: int = 100
) -> Iterator[House]:
    info = {"model": "org/model", "fingerprint": "f00d"}
    limits, ready = limits or Limits(), threading.Event()
    made = application(ByLength(), info, limits, patience=patience)
    with bound("127.0.0.1", 0) as here:
        here.listen()
        server = Server(made, here, ready.set, connections, patience)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert ready.wait(60)
            yield House(server, url(here))
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()


def closed(client: socket.socket) -> bytes:
    """What came until the other side closed the connection."""
    found = b""
    with client, contextlib.suppress(ConnectionResetError):
        while part := client.recv(2**16):
            found += part
    return found
