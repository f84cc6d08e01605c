"""Who comes in: no more connections than there is room for, and none that is waited for too long.

asyncio accepts whatever knocks, and where descriptors are short it says so in the log, again and
again. Here one is accepted after the other, and where all places are taken, the connection whose
client has kept the service waiting longest makes room.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import resource
import socket
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from harness.errors import ServerError
from harness.service.limits import Patience

if TYPE_CHECKING:
    from starlette.applications import Starlette

log = logging.getLogger(__name__)

SPARE = 16
"""Descriptors that are left for files, and for those at the door."""

PAUSE = 0.1
"""Seconds until the next try where nobody can be let in."""

QUIET_SECONDS = 60.0
"""Between two lines of the log that say so."""


def places(wanted: int) -> int:
    """How many connections there can be: as many as wanted, or as descriptors are left for.

    Raises ServerError where that is none.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = sum(1 for _ in Path("/dev/fd").iterdir())
    left = wanted if limit == resource.RLIM_INFINITY else limit - used - SPARE
    if left < 1:
        raise ServerError(
            f"A process may have {limit} files open here (`ulimit -n`) and {used} are, so that "
            "no connection can be taken. Way out: raise that limit."
        )
    return min(wanted, left)


class Connection(H11Protocol):
    """One connection, and how long its client keeps the service waiting."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Nothing was heard yet."""
        self.waiting_since = self.loop.time()
        self.heard = self.stuck_since = math.inf
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """A request begins, or goes on."""
        self.heard = min(self.heard, self.loop.time())
        super().data_received(data)

    def on_response_complete(self) -> None:
        """The next request is waited for."""
        self.waiting_since, self.heard = self.loop.time(), math.inf
        super().on_response_complete()
        begun = self.conn.trailing_data[0] or self.conn.their_state is not h11.IDLE
        if begun and self.between:  # or the body goes on that nobody wanted
            self.heard = self.loop.time()

    def pause_writing(self) -> None:
        """The client takes no more of its answer."""
        self.stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client takes its answer."""
        self.stuck_since = math.inf
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the form of all refusals."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps({"error": msg}).encode()
            headers = [("content-type", "application/json"), ("connection", "close")]
            headers.append(("content-length", str(len(body))))
            head = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    @property
    def between(self) -> bool:
        """Whether no request is inside."""
        return self.cycle is None or self.cycle.response_complete

    def overdue(self, patience: Patience) -> bool:
        """Whether its client is waited for too long; uvicorn itself closes what is merely idle."""
        ends = [self.stuck_since + patience.answer]
        if self.transport.is_closing():
            ends.append(self.waiting_since + patience.answer)
        elif self.between:
            first = self.waiting_since if self.cycle is None else math.inf
            ends.append(min(first, self.heard) + patience.head)
        return min(ends) < self.loop.time()

    def place_in_line(self) -> tuple[int, float]:
        """Who goes first where there is no room: those who never asked, the idle, slow senders."""
        if self.between:
            return (0 if self.cycle is None else 1, self.waiting_since)
        return (2, self.heard) if self.cycle.more_body else (3, self.heard)


INSIDE = 3
"""The place in line of those who wait for their answer, and are not sent away."""


class Door:
    """Lets connections in from a listening socket, and shows them out; what uvicorn calls a server."""

    def __init__(
        self,
        here: socket.socket,
        made: Callable[[], Connection],
        connections: Collection[Any],
        most: int,
        patience: Patience,
    ) -> None:
        """`connections` are those that `made` makes, while they are open."""
        self._here, self._made, self._connections = here, made, connections
        self._most, self._patience = most, patience
        self._said = -math.inf
        here.setblocking(False)
        self._letting_in = asyncio.create_task(self._let_in())
        self._watching = asyncio.create_task(self._watch())

    def close(self) -> None:
        """Let nobody in any more; those inside are still watched."""
        self._letting_in.cancel()
        self._here.close()

    async def wait_closed(self) -> None:
        """Nobody is inside any more."""
        self._watching.cancel()

    async def _let_in(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._here)
            except ConnectionError:  # it left again
                continue
            except OSError as error:  # no descriptor, or no memory
                self._say(error)
                self._show_one_out()
                await asyncio.sleep(PAUSE)
                continue
            try:
                await self._room()
                await loop.connect_accepted_socket(self._made, client)
            except OSError:
                client.close()
            except asyncio.CancelledError:
                client.close()
                raise

    async def _room(self) -> None:
        while len(self._connections) >= self._most:  # noqa: ASYNC110 - uvicorn's set tells nobody
            await asyncio.sleep(0 if self._show_one_out() else PAUSE)

    def _show_one_out(self) -> bool:
        """Close the connection that is waited for longest; False where all wait for an answer."""
        staying = [one for one in self._connections if not one.transport.is_closing()]
        first = min(staying, key=Connection.place_in_line, default=None)
        if first is None or first.place_in_line()[0] == INSIDE:
            return False
        first.transport.abort()
        return True

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, min(self._patience) / 4))
            for one in list(self._connections):
                if one.overdue(self._patience):
                    one.transport.abort()

    def _say(self, error: OSError) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said > QUIET_SECONDS:
            self._said = now
            log.warning("no connection can be taken for now: %s", error)


class Server(uvicorn.Server):
    """uvicorn with a door; `ready` is called when requests are answered."""

    def __init__(
        self,
        application: Starlette,
        here: socket.socket,
        ready: Callable[[], None],
        connections: int,
        patience: Patience,
    ) -> None:
        config = uvicorn.Config(
            application,
            http=Connection,
            log_config=None,
            log_level=logging.ERROR,  # whoever sends no HTTP writes no lines of the log
            access_log=False,
            lifespan="on",
            ws="none",
            server_header=False,
            timeout_keep_alive=patience.idle,
            timeout_graceful_shutdown=patience.drain,
        )
        super().__init__(config)
        self._here, self._ready = here, ready
        self._most, self._patience = places(connections), patience

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the door."""
        del sockets
        await super().startup(sockets=[])
        connections = self.server_state.connections
        door = Door(self._here, self._made, connections, self._most, self._patience)
        self.servers.append(door)  # type: ignore[arg-type]
        self._ready()

    def _made(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)
