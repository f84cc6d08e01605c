"""A server of bare sockets that does whatever a test wants, byte by byte."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Handler = Callable[[socket.socket], None]


def read_request(client: socket.socket) -> bytes:
    """The method and path of a request that was read to its end; empty where none came."""
    stream = client.makefile("rb")
    first, length = stream.readline(), 0
    while (line := stream.readline()).strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    stream.read(length)
    return first


def answering(*parts: bytes) -> Handler:
    """Sends these bytes, and no more."""

    def handle(client: socket.socket) -> None:
        for part in parts:
            client.sendall(part)

    return handle


not_here = answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


@contextlib.contextmanager
def doing(handle: Handler, looks: Handler = not_here) -> Iterator[str]:
    """The url of a server that answers GET with `looks`, and everything else with `handle`.

    It closes a connection when the handler returns.
    """
    ended = threading.Event()
    clients: list[socket.socket] = []

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while (asked := read_request(client)).startswith(b"GET"):
                looks(client)
            if asked:
                handle(client)

    with socket.create_server(("127.0.0.1", 0)) as here:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while not ended.is_set():
                    clients.append(here.accept()[0])
                    threading.Thread(target=serve, args=(clients[-1],), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{here.getsockname()[1]}"
        finally:
            ended.set()
            here.shutdown(socket.SHUT_RDWR)
            for client in clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            thread.join()
