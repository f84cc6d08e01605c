"""The service as an ASGI application: requests are read, wait for the model, and are answered.

Beyond a number of requests inside, 503 says when to come again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from harness.components.protocols import Reranker
from harness.service.batches import Batches
from harness.service.contracts import Cohere, Contract, contract_of
from harness.service.docs import Page, described
from harness.service.limits import Limits, Patience
from harness.service.request import GONE, RefusedError, Wanted, parsed, short

BODIES = 256 * 2**20
"""Bytes of all bodies that are here or arriving, at most; or of one body, if its limit is higher."""

LARGE = 256 * 2**10
"""Bytes of a body from which on it is read beside those of others and not before them."""

SKIPPED = 8
"""A body of up to so many times the limit is read to its end before it is refused: a client that is
still sending when the connection closes would not hear why."""

LONGEST_WAIT = 30
"""Seconds after which an overloaded service is asked again, at most."""

PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
"""A page fetches nothing from elsewhere and runs no script."""

Handler = Callable[[Request], Awaitable[Response]]


def application(
    reranker: Reranker,
    info: Mapping[str, Any],
    limits: Limits | None = None,
    token: str = "",
    patience: Patience | None = None,
) -> Starlette:
    """The service of a reranker that is loaded; `info` says what it is, and `token` lets in whoever has it."""
    service = _Service(reranker, info, limits or Limits(), token, patience or Patience())
    routes = [
        Route("/rerank", service.rerank(), methods=["POST"]),
        Route("/v1/rerank", service.rerank(Cohere), methods=["POST"]),
        Route("/v2/rerank", service.rerank(Cohere), methods=["POST"]),
        Route("/info", service.guarded(service.info)),
        Route("/v1/models", service.guarded(service.models)),
        Route("/metrics", service.guarded(service.metrics)),
        Route("/docs", service.docs),
        Route("/openapi.json", service.openapi),
        Route("/health", _health),
        Route("/ready", _health),
    ]
    handlers: dict[Any, Any] = {
        RefusedError: _refusal,
        HTTPException: _no_route,
        Exception: _failure,
    }
    made = Starlette(routes=routes, exception_handlers=handlers, lifespan=service.lifespan)
    made.router.redirect_slashes = False  # the header Host would say whereto
    return made


async def _health(_: Request) -> Response:
    """The service starts when its model is loaded and warm, so an answer says that all is well."""
    return JSONResponse({"status": "ready"})


async def _refusal(_: Request, error: RefusedError) -> Response:
    return JSONResponse({"error": str(error)}, error.status, error.headers)


async def _no_route(request: Request, error: HTTPException) -> Response:
    fault = f"{error.detail}: {request.method} {short(request.scope['path'])}."
    return JSONResponse({"error": fault}, error.status_code, error.headers)


async def _failure(_: Request, error: Exception) -> Response:
    """The answer to an error that nobody foresaw; uvicorn's log has the rest."""
    return JSONResponse({"error": f"The service failed ({type(error).__name__})."}, 500)


class _Service:
    """What the requests share: the turns of the model, the token, and the counts."""

    def __init__(
        self,
        reranker: Reranker,
        info: Mapping[str, Any],
        limits: Limits,
        token: str,
        patience: Patience,
    ) -> None:
        self._batches = Batches(reranker, limits.batch)
        self._limits = limits
        self._token = token
        self._patience = patience
        self._model = str(info["model"])
        as_tei = {"model_id": self._model, "model_sha": info.get("fingerprint")}
        most = {"max_documents": limits.documents, "max_client_batch_size": limits.documents}
        how = {"together": self._batches.together, "limits": limits._asdict()}
        self._info = {**info, **as_tei, **most, **how}
        self._inside = 0
        self._room = max(BODIES, limits.bytes)
        self._answers: Counter[int] = Counter()

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Lets the model's thread go when the last request was answered."""
        yield
        self._batches.close()

    def guarded(self, handler: Handler) -> Handler:
        """The handler, for whoever has the token."""

        async def answer(request: Request) -> Response:
            kind, _, given = request.headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(given.strip().encode(), self._token.encode())
            if self._token and not (right and kind.lower() == "bearer"):
                fault = "This service wants its token, as Authorization: Bearer TOKEN."
                raise RefusedError(401, fault, {"WWW-Authenticate": "Bearer"})
            return await handler(request)

        return answer

    async def info(self, _: Request) -> Response:
        """What is served, with everything that its scores depend on."""
        return JSONResponse(self._info)

    async def models(self, _: Request) -> Response:
        """The one model, as OpenAI lists them."""
        entry = {"id": self._model, "object": "model", "owned_by": "rerank-harness"}
        return JSONResponse({"object": "list", "data": [entry]})

    async def docs(self, request: Request) -> Response:
        """The routes and their fields, for people."""
        url = str(request.base_url).rstrip("/")
        page = Page(described(self._limits), url, bool(self._token)).html()
        return HTMLResponse(page, headers=PAGE_HEADERS)

    async def openapi(self, _: Request) -> Response:
        """The routes and their fields, for programs that make clients."""
        return JSONResponse(described(self._limits))

    async def metrics(self, _: Request) -> Response:
        """Counts in the text format of Prometheus."""
        lines = ["# TYPE rerank_requests_total counter"]
        for status, count in sorted(self._answers.items()):
            lines.append(f'rerank_requests_total{{status="{status}"}} {count}')
        lines += self._batches.metrics()
        lines += ["# TYPE rerank_requests_inside gauge", f"rerank_requests_inside {self._inside}"]
        text = "".join(f"{line}\n" for line in lines)
        return Response(text, media_type="text/plain; version=0.0.4")

    def rerank(self, contract: type[Contract] | None = None) -> Handler:
        """Answers by a contract; without one by that which the fields of the request belong to."""

        async def answer(request: Request) -> Response:
            try:
                response = await self._ranking(request, contract)
            except RefusedError as error:
                self._answers[error.status] += 1
                raise
            self._answers[response.status_code] += 1
            return response

        return self.guarded(answer)

    async def _ranking(self, request: Request, contract: type[Contract] | None) -> Response:
        begun = time.perf_counter()
        self._check_room()
        with self._arriving() as body:
            await self._receive(request, body)
            with self._admitted():
                if len(body) > LARGE:
                    parts, asked = await asyncio.to_thread(self._read, body, contract)
                else:
                    parts, asked = self._read(body, contract)
                scored = await self._batches.scored(asked, request.is_disconnected)
                answer = parts.answer(asked, scored.scores)
        now = time.perf_counter()
        spent = {"queue": scored.started - begun, "score": scored.seconds, "total": now - begun}
        timing = ", ".join(f"{name};dur={1000 * seconds:.3f}" for name, seconds in spent.items())
        ignored = [name for name in parts.ignored if getattr(parts, name) is not None]
        more = {"Ignored-Fields": ", ".join(ignored)} if ignored else {}
        return JSONResponse(answer, headers={"Server-Timing": timing, **more})

    def _read(self, body: bytearray, contract: type[Contract] | None) -> tuple[Contract, Wanted]:
        parts: Contract = parsed(body, contract or contract_of(body), self._limits)
        return parts, parts.read(self._model, self._limits)

    def _check_room(self) -> None:
        """Refuse with 503 where as many are inside as may be."""
        if self._inside >= self._limits.requests:
            raise self._full(f"{self._inside} requests are inside and no more are taken")

    def _full(self, fault: str) -> RefusedError:
        wait = min(max(math.ceil(self._batches.last_seconds), 1), LONGEST_WAIT)
        return RefusedError(503, f"{fault}: ask again in {wait} s.", {"Retry-After": str(wait)})

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[None]:
        """A place inside while it is open, for a request that is there as a whole."""
        self._check_room()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    @contextlib.contextmanager
    def _arriving(self) -> Iterator[bytearray]:
        """A body, whose bytes count against the room of all while it is open."""
        body = bytearray()
        try:
            yield body
        finally:
            self._room += len(body)

    async def _receive(self, request: Request, body: bytearray) -> None:
        """Fill a body; refuses with 413 one that is too large, with 408 one that is too slow."""
        size, most, patience = 0, self._limits.bytes, self._patience
        now = asyncio.get_running_loop().time
        end = now() + patience.body
        try:
            async with asyncio.timeout_at(min(end, now() + patience.part)) as limit:
                async for part in request.stream():
                    limit.reschedule(min(end, now() + patience.part))
                    size += len(part)
                    if size <= most:
                        self._take(part, body)
                    elif size > SKIPPED * most:
                        break
        except TimeoutError:
            fault = f"The body did not arrive: each part has {patience.part:g} s, the whole {patience.body:g} s."
            raise RefusedError(408, fault, {"Connection": "close"}) from None
        except ClientDisconnect:
            raise RefusedError(GONE, "The sender left.") from None
        if size > most:
            raise RefusedError(413, f"The body has more than the {most:,} bytes that are taken.")

    def _take(self, part: bytes, body: bytearray) -> None:
        if len(part) > self._room:
            raise self._full("The bodies of other requests leave no room for this one")
        self._room -= len(part)
        body += part
