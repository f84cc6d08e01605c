"""An answer as it comes over the wire: all of it within a time, and no more of it than a size.

httpx's own limits start again with every byte, and it decompresses a part whatever comes of it: a
server that drips, or sends three megabytes that become gigabytes, would have the time and memory of
this process.
"""

from __future__ import annotations

import math
import queue
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

ENCODINGS = {"": None, "identity": None, "gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16}
"""How an answer may be compressed: zlib's `wbits`, None for not at all. Nothing else is asked for."""

_until: ContextVar[float] = ContextVar("until")
"""When the exchange that is going on must be over, by `time.monotonic`."""


def connections(*, trust_env: bool, limits: httpx.Limits) -> httpx.Client:
    """A client whose exchanges end in time within `until`."""
    made = httpx.Client(trust_env=trust_env, limits=limits, headers={"Accept-Encoding": "gzip"})
    for transport in (made._transport, *made._mounts.values()):  # noqa: SLF001  (httpx has no parameter for it)
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = _Backend()  # noqa: SLF001
    return made


@contextmanager
def until(seconds: float) -> Iterator[None]:
    """What is sent and received while it is open takes at most so long in all."""
    token = _until.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(token)


def body(response: httpx.Response, most: int) -> tuple[bytearray, bool]:
    """What was answered, decompressed, and whether that is all; of more than `most` bytes the first.

    Raises httpx.DecodingError for what is not compressed as it says.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        raise httpx.DecodingError(f"compressed as {encoding!r}, which was not asked for")
    wbits = ENCODINGS[encoding]
    zipped = None if wbits is None else zlib.decompressobj(wbits)
    found = bytearray()
    for part in response.iter_raw():
        if time.monotonic() > _until.get(math.inf):
            raise httpx.ReadTimeout("the answer did not end")
        try:
            found.extend(zipped.decompress(part, most + 1 - len(found)) if zipped else part)
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from error
        if len(found) > most:
            del found[most:]
            return found, False
    if zipped and found and not zipped.eof:
        raise httpx.DecodingError("what is compressed ends early")
    return found, True


def _left(timeout: float | None) -> float | None:
    """Seconds that one step may take: its own, or what is left of the exchange."""
    left = _until.get(math.inf) - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the answer did not end")
    return timeout if left == math.inf else min(left, timeout or left)


class _Backend(httpcore.SyncBackend):
    """Connections whose every step looks at the time of the whole exchange."""

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any
    ) -> httpcore.NetworkStream:
        """A connection to one of the addresses of a name, all of which share the time."""
        left = _left(timeout)
        end = math.inf if left is None else time.monotonic() + left
        fault: Exception = httpcore.ConnectTimeout(f"no address of {host} answered")
        for address in _addresses(host, port, left):
            left = None if end == math.inf else end - time.monotonic()
            if left is not None and left <= 0:
                break
            try:
                return _Stream(super().connect_tcp(address, port, left, *args, **kwargs))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
        raise fault


def _addresses(host: str, port: int, seconds: float | None) -> list[str]:
    """What a name stands for; the system itself has no limit of time for that."""
    found: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.put([str(address[0]) for *_, address in addresses])
        except (OSError, UnicodeError) as error:
            found.put(error)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        addresses = found.get(timeout=seconds)
    except queue.Empty:
        raise httpcore.ConnectTimeout(f"nobody knows the address of {host}") from None
    if isinstance(addresses, Exception):
        raise httpcore.ConnectError(str(addresses)) from addresses
    return addresses


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
