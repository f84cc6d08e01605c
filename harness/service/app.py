"""The service as an ASGI application: requests are read, wait for the model, and are answered.

Beyond a number of requests inside, 503 says when to come again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hmac
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from harness.files import read_yaml
from harness.protocols import Reranker
from harness.service.batches import Batches
from harness.service.docs import Page
from harness.service.forms import Cohere, Form, Plain, Tei
from harness.service.request import GONE, Limits, RefusedError, parsed

BODY_SECONDS = 30.0
"""For a request's body to arrive."""

SKIPPED = 8
"""A body of up to so many times the limit is read to its end before it is refused: a client that is
still sending when the connection closes would not hear why."""

LONGEST_WAIT = 30
"""Seconds after which an overloaded service is asked again, at most."""

PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
"""A page fetches nothing from elsewhere and runs no script."""

Handler = Callable[[Request], Awaitable[Response]]


def application(
    reranker: Reranker, info: Mapping[str, Any], limits: Limits | None = None, token: str = ""
) -> Starlette:
    """The service of a reranker that is loaded; `info` tells what it is, `token` who may ask."""
    service = _Service(reranker, info, limits or Limits(), token)
    routes = [
        Route("/rerank", service.rerank(), methods=["POST"]),
        Route("/v1/rerank", service.rerank(Cohere()), methods=["POST"]),
        Route("/v2/rerank", service.rerank(Cohere()), methods=["POST"]),
        Route("/info", service.guarded(service.info)),
        Route("/v1/models", service.guarded(service.models)),
        Route("/metrics", service.guarded(service.metrics)),
        Route("/docs", service.docs),
        Route("/openapi.json", _openapi),
        Route("/health", _health),
        Route("/ready", _health),
    ]
    handlers: dict[Any, Any] = {RefusedError: _refusal, HTTPException: _no_route}
    return Starlette(routes=routes, exception_handlers=handlers, lifespan=service.lifespan)


async def _health(_: Request) -> Response:
    """There is no service before its model is loaded and warm, so whoever answers is well."""
    return JSONResponse({"status": "ready"})


async def _openapi(_: Request) -> Response:
    """The routes and their fields, for programs that make clients."""
    return JSONResponse(_described())


@functools.cache
def _described() -> Any:
    return read_yaml(Path(__file__).with_name("openapi.yaml"))


async def _refusal(_: Request, error: RefusedError) -> Response:
    return JSONResponse({"error": str(error)}, error.status, error.headers)


async def _no_route(request: Request, error: HTTPException) -> Response:
    told = f"{error.detail}: {request.method} {request.url.path}."
    return JSONResponse({"error": told}, error.status_code, error.headers)


class _Service:
    """What the requests share: the turns of the model, the token, and the counts."""

    def __init__(
        self, reranker: Reranker, info: Mapping[str, Any], limits: Limits, token: str
    ) -> None:
        self._batches = Batches(reranker, limits.batch)
        self._limits = limits
        self._token = token
        self._model = str(info["model"])
        told = {"model_id": self._model, "model_sha": info.get("fingerprint")}  # as TEI has them
        most = {"max_documents": limits.documents, "max_client_batch_size": limits.documents}
        how = {"together": self._batches.together, "limits": limits._asdict()}
        self._info = {**info, **told, **most, **how}
        self._inside = 0
        self._answers: dict[int, int] = {}

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Lets the model's thread go when the last request was answered."""
        yield
        self._batches.close()

    def guarded(self, handler: Handler) -> Handler:
        """The handler, for whoever has the token."""

        async def answer(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode()
            if self._token and not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
                told = "This service wants its token, as Authorization: Bearer TOKEN."
                raise RefusedError(401, told, {"WWW-Authenticate": "Bearer"})
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
        page = Page(_described(), str(request.base_url).rstrip("/"), bool(self._token)).html()
        return HTMLResponse(page, headers=PAGE_HEADERS)

    async def metrics(self, _: Request) -> Response:
        """Counts in the text format of Prometheus."""
        lines = ["# TYPE rerank_requests_total counter"]
        for status, count in sorted(self._answers.items()):
            lines.append(f'rerank_requests_total{{status="{status}"}} {count}')
        lines += self._batches.metrics()
        lines += ["# TYPE rerank_requests_inside gauge", f"rerank_requests_inside {self._inside}"]
        text = "".join(f"{line}\n" for line in lines)
        return Response(text, media_type="text/plain; version=0.0.4")

    def rerank(self, form: Form | None = None) -> Handler:
        """Answers by a contract; without one by that which the fields of the request belong to."""

        async def answer(request: Request) -> Response:
            try:
                response = await self._ranking(request, form)
            except RefusedError as error:
                self._count(error.status)
                raise
            self._count(response.status_code)
            return response

        return self.guarded(answer)

    def _count(self, status: int) -> None:
        self._answers[status] = self._answers.get(status, 0) + 1

    async def _ranking(self, request: Request, form: Form | None) -> Response:
        begun = time.perf_counter()
        with self._admitted():
            content = parsed(await _body(request, self._limits.bytes))
            spoken = form or (Tei() if "texts" in content else Plain())
            asked = spoken.read(content, self._model, self._limits)
            scored = await self._batches.scored(asked, request.is_disconnected)
            answer = spoken.answer(content, asked, scored.scores)
        now = time.perf_counter()
        spent = {"queue": scored.started - begun, "score": scored.seconds, "total": now - begun}
        timing = ", ".join(f"{name};dur={1000 * seconds:.3f}" for name, seconds in spent.items())
        ignored = [name for name in spoken.ignored if content.get(name) is not None]
        told = {"Ignored-Fields": ", ".join(ignored)} if ignored else {}
        return JSONResponse(answer, headers={"Server-Timing": timing, **told})

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[None]:
        """A place inside while it is open; refuses with 503 where all are taken."""
        if self._inside >= self._limits.requests:
            wait = min(max(math.ceil(self._batches.last_seconds), 1), LONGEST_WAIT)
            told = (
                f"{self._inside} requests are inside and no more are taken: ask again in {wait} s."
            )
            raise RefusedError(503, told, {"Retry-After": str(wait)})
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1


async def _body(request: Request, most: int) -> bytes:
    """The body of a request; refuses with 413 a larger one than `most`, with 408 a slow one."""
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size <= most:
                    body += part
                elif size > SKIPPED * most:
                    break
    except TimeoutError:
        raise RefusedError(408, f"The body did not arrive within {BODY_SECONDS:g} s.") from None
    except ClientDisconnect:
        raise RefusedError(GONE, "The sender left.") from None
    if size > most:
        raise RefusedError(413, f"The body has more than the {most:,} bytes that are taken.")
    return bytes(body)
