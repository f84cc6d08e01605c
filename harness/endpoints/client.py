"""The one HTTP client: patient within bounds, and every fault of a server told in one paragraph.

Asking twice changes nothing on these servers, so what may pass is tried again: no connection, a
connection that breaks, no answer in time, and the statuses of PASSING. The pauses double, with
jitter; a server that says how long to wait is obeyed. Everything else is told at once.
"""

from __future__ import annotations

import atexit
import datetime as dt
import email.utils
import functools
import json
import logging
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from harness import stopwatch, traffic
from harness.endpoints import remedies
from harness.endpoints.dialect import Reply
from harness.endpoints.remedies import OTHERWISE, REMEDIES, START
from harness.errors import ComponentError, RefusedError, ServerError, TextError

if TYPE_CHECKING:
    import httpx
    import tenacity

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds before the second try, and the most before any."""

CONNECT_SECONDS = 5.0
"""To open a connection, at most."""

KEPT, KEPT_SECONDS = 100, 3.0
"""Connections that are kept open for the next request, and how long: less than the 5 s after which
uvicorn and others close one that is idle, for a request on its way at that moment would be lost."""

PASSING = (429, 502, 503, 504)
"""Statuses of what may be over soon."""

SHOWN = 300
"""Characters of a server's own words that a message repeats."""


class Request(NamedTuple):
    """One request below a server's url."""

    method: str
    path: str
    body: Any = None
    """JSON of a POST, or a zip file as bytes; parameters of any other method."""
    what: str = ""
    """What it is for, in messages."""
    texts: Sequence[str] = ()
    """The texts in it."""


class _PassingError(Exception):
    """What may be over at the next try."""

    def __init__(
        self, told: str, kind: traffic.Fault, remedy: str = START, wait: float = 0.0
    ) -> None:
        super().__init__(told)
        self.kind = kind
        self.remedy = remedy
        self.wait = wait
        """Seconds that the server asks to be left alone."""


@dataclass(frozen=True)
class Client:
    """A server: where it is, what it is called in messages, and how patiently it is asked."""

    url: str
    name: str
    token_env: str
    timeout_s: float
    retries: int

    def ask(self, request: Request) -> Reply:
        """The answer with status 200 in JSON; raises ComponentError for any other.

        It is a TextError where some of the texts that were sent are to blame.
        """
        reply = self._patiently(request)
        if reply.status != 200:
            words = self._words(reply)
            said = f"it answered {reply.status}{f', saying {words}' if words else ''}"
            where = (self.url, request.path)
            remedy, texts = remedies.of(reply.status, words, request.texts, where)
            fault = self.fault(request, said, remedy)
            raise TextError(str(fault), texts) if texts else fault
        if reply.broken:
            raise self.fault(request, f"its answer is no JSON ({reply.broken})", OTHERWISE)
        return reply

    def look(self, path: str) -> Reply:
        """The answer to a GET, whatever it is but for what may pass."""
        return self._patiently(Request("GET", path, what="what it is"))

    def fault(self, request: Request, told: str, remedy: str = OTHERWISE) -> ComponentError:
        """One paragraph: which server, which request, what happened, what to do."""
        what = f" ({request.what})" if request.what else ""
        asked = f"{request.method} {request.path}{what}"
        return ComponentError(f"{self.name} at {self.url}, {asked}: {told}. Way out: {remedy}.")

    def _patiently(self, request: Request) -> Reply:
        import tenacity

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_PassingError),
            stop=tenacity.stop_after_attempt(self.retries + 1),
            wait=_pause,
            before_sleep=_note,
            sleep=_sleep,
            reraise=True,
        )
        try:
            return retrying(self._once, request)
        except _PassingError as error:
            tries = f" in {self.retries + 1} tries" if self.retries else ""
            fault = self.fault(request, f"{error}{tries}", error.remedy)
            if error.__cause__ is None:  # it was a status, not a connection
                fault = RefusedError(str(fault))
            raise fault from error.__cause__

    def _once(self, request: Request) -> Reply:
        with _passing(self.timeout_s):
            start = time.perf_counter()
            reply = self._exchanged(request)
            traffic.add("client_seconds", time.perf_counter() - start)
        traffic.add("requests")
        if reply.status not in PASSING:
            return reply
        words = f", saying {self._words(reply)}" if self._words(reply) else ""
        told, remedy = f"it answered {reply.status}{words}", REMEDIES[reply.status]
        wait = seconds_to_wait(reply.headers.get("retry-after", ""))
        if wait > LONGEST_PAUSE:
            told += f", and asks to be left alone for {wait:,.0f} s"
            raise self.fault(request, told, "run again when that is over: what is done is kept")
        raise _PassingError(told, "refused", remedy, wait)

    def _exchanged(self, request: Request) -> Reply:
        """The answer as it came, within `timeout_s` from the first byte to the last."""
        import httpx

        until = time.monotonic() + self.timeout_s
        zipped = isinstance(request.body, bytes)
        sent = "content" if zipped else "json" if request.method == "POST" else "params"
        asking = _http(self.url).stream(
            request.method,
            self.url + request.path,
            headers=self._headers() | ({"Content-Type": "application/zip"} if zipped else {}),
            timeout=httpx.Timeout(self.timeout_s, connect=min(CONNECT_SECONDS, self.timeout_s)),
            **{sent: request.body},
        )
        parts: list[bytes] = []
        with asking as response:
            for part in response.iter_bytes():
                parts.append(part)
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("the answer did not end")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, headers, *_parsed(b"".join(parts)))

    def _headers(self) -> dict[str, str]:
        token = token_in(self.token_env)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _words(self, reply: Reply) -> str:
        """The server's own words, in one line and without the token."""
        words = " ".join(str(reply.content).split())
        token = token_in(self.token_env)
        return (words.replace(token, "(the token)") if token else words)[:SHOWN]


def token_in(variable: str) -> str:
    """The token that an environment variable holds, empty without a variable.

    Raises ServerError, without the token, where it is not set or no token can look like that: a
    library's own complaint about a header would repeat it.
    """
    if not variable:
        return ""
    token = os.environ.get(variable, "").strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        fault = "holds no token that HTTP can carry" if token else "is not set"
        raise ServerError(
            f"`token_env` names the environment variable {variable}, which {fault}. Set it to the "
            "token, or leave `token_env` out where the server wants none."
        )
    return token


def is_here(url: str) -> bool:
    """Whether a server is on this machine."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


@functools.cache
def _http(url: str) -> httpx.Client:
    """Connections to a server, kept open; proxies of the environment are not for this machine."""
    import httpx

    limits = httpx.Limits(max_keepalive_connections=KEPT, keepalive_expiry=KEPT_SECONDS)
    made = httpx.Client(trust_env=not is_here(url), limits=limits)
    atexit.register(made.close)
    return made


@contextmanager
def _passing(timeout_s: float) -> Iterator[None]:
    """Faults of the connection as what may pass."""
    import httpx

    try:
        yield
    except httpx.TimeoutException as error:
        raise _PassingError(f"no whole answer within {timeout_s:g} s", "late") from error
    except httpx.RequestError as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise _PassingError(f"the connection failed ({why})", "broken") from error


def _parsed(content: bytes) -> tuple[Any, str]:
    """JSON, or text and why it is none."""
    try:
        return json.loads(content), ""
    except ValueError as error:  # not UTF-8, or no JSON
        return content.decode("utf-8", errors="replace"), f"{error}, {len(content):,} bytes"


def seconds_to_wait(retry_after: str) -> float:
    """The header Retry-After, in seconds or as a date of HTTP; 0 where it says neither."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            until = email.utils.parsedate_to_datetime(retry_after)
        except ValueError:
            return 0.0
        aware = until if until.tzinfo else until.replace(tzinfo=dt.UTC)
        seconds = (aware - dt.datetime.now(dt.UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0


def _pause(state: tenacity.RetryCallState) -> float:
    """Seconds before the next try: what the server asks for, else doubling ones with jitter."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, _PassingError) else 0.0
    own = min(FIRST_PAUSE * 2 ** (state.attempt_number - 1), LONGEST_PAUSE)
    return max(asked, random.uniform(own / 2, own))  # noqa: S311  (no secret depends on it)


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _note(state: tenacity.RetryCallState) -> None:
    seconds = state.next_action.sleep if state.next_action else 0.0
    traffic.add("retries")
    traffic.add("waited_seconds", seconds)
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _PassingError):
        traffic.add(error.kind)
    log.debug("try %d: %s; again in %.1f s", state.attempt_number, error, seconds)


def report_seconds(reply: Reply, seconds: Callable[[Reply], float]) -> None:
    """Note what the server says that it took, where it says so and can be understood."""
    try:
        told = seconds(reply)
    except (LookupError, TypeError, ValueError):
        return
    if math.isfinite(told):
        traffic.add("server_seconds", told)
        stopwatch.told("server", told)
