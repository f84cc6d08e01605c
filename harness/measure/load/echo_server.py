"""A server that answers at once: what a client reaches that nothing holds up.

A program of its own, which imports nothing of this package: it is given the number of a listening
socket that it inherits and how many documents a request has, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys

LENGTH = re.compile(rb"content-length: *([0-9]+)")


def answer(documents: int) -> bytes:
    """The same for every request: a score for each document, in the dialect `plain`."""
    results = [{"index": i, "score": -float(i)} for i in range(documents)]
    body = json.dumps({"results": results}).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Instant(asyncio.Protocol):
    """One connection."""

    def __init__(self, said: bytes) -> None:
        """Answer every request with `said`."""
        self._said = said
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer as many requests as are whole."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n") + 4) > 3:
            length = LENGTH.search(self._data[:end].lower())
            whole = end + (int(length[1]) if length else 0)
            if len(self._data) < whole:
                return
            self._data = self._data[whole:]
            self._transport.write(self._said)  # type: ignore[attr-defined]


async def serve(listening: socket.socket, documents: int) -> None:
    """Answer until standard input ends."""
    loop, gone, said = asyncio.get_running_loop(), asyncio.Event(), answer(documents)
    server = await loop.create_server(lambda: Instant(said), sock=listening)
    loop.add_reader(sys.stdin.fileno(), gone.set)
    await gone.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])))
