"""The one HTTP client: patient within bounds, and every fault of a server in one paragraph.

Asking twice changes nothing on these servers, so what may pass is tried again: no connection, a
connection that breaks, no answer in time, and the statuses of PASSING. The pauses double, with
jitter; a server that says how long to wait is obeyed. Any other fault is raised at once; so is
silence where a server is asked what it is, before any work.
"""

from __future__ import annotations

import atexit
import functools
import json
import logging
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from harness.components import timing
from harness.components.servers import content, remedies, waiting
from harness.components.servers.dialect import FOREIGN, Reply
from harness.components.servers.joined import AnswerError
from harness.components.servers.remedies import LARGE, OTHERWISE, REMEDIES, START, START_FIRST
from harness.components.timing import Fault
from harness.errors import BusyError, ComponentError, ServerError, TextError

if TYPE_CHECKING:
    import httpx
    import tenacity

log = logging.getLogger(__name__)

Value = TypeVar("Value")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds before the second try, and the most before any."""

CONNECT_SECONDS = 5.0
"""To open a connection, at most."""

LOOK_SECONDS, LOOK_CONNECT_SECONDS = 10.0, 2.0
"""For an answer to what the server is, and to open a connection for it: somebody is watching."""

MOST_BYTES, LOOK_BYTES = 128 * 2**20, 4 * 2**20
"""Of an answer, decompressed: 64 texts of 700 token vectors of 128 numbers, twenty bytes each; and of
one to what the server is, which is stored with the results."""

WORDS_BYTES = 64 * 2**10
"""That are read of an answer that refuses: a message repeats a few words of it."""

IDLE_CONNECTIONS, IDLE_SECONDS = 100, 3.0
"""Connections that stay open for the next request, and how long: less than the 5 s after which
uvicorn and others close one that is idle, because a request on its way then would be lost."""

PASSING = (429, 502, 503, 504)
"""Statuses of what may be over soon."""

SHOWN = 300
"""Characters of a server's own words that a message repeats."""


class HttpRequest(NamedTuple):
    """One request below a server's url."""

    method: str
    path: str
    body: Any = None
    """JSON of a POST or PUT, or a zip file as bytes; parameters of any other method."""
    what: str = ""
    """What it is for, in messages."""
    texts: Sequence[str] = ()
    """The texts in it."""
    looks: bool = False
    """Whether it asks what the server is, before any work."""


@dataclass(eq=False)
class _PassingError(Exception):
    """What may be over at the next try."""

    fault: str
    kind: Fault
    remedy: str = START
    wait: float = 0.0
    """Seconds that the server asks to be left alone."""
    silent: bool = False
    """Whether nobody answered."""


@dataclass(frozen=True)
class Client:
    """A server: where it is, what it is called in messages, and how patiently it is asked."""

    url: str
    name: str
    token_env: str
    timeout_s: float
    retries: int
    starts: str = ""
    """What else may help where nobody answers, before any work."""

    def ask(self, request: HttpRequest) -> Reply:
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
            raise self.fault(request, f"its answer is no JSON ({reply.broken})")
        return reply

    def read(
        self,
        request: HttpRequest,
        read: Callable[[Any], Value],
        seconds: Callable[[Reply], float] = lambda _: math.nan,
    ) -> Value:
        """What `read` makes of the answer; raises ComponentError for an answer of another form.

        The `seconds` that the server says it took are noted, unless they cannot be true.
        """
        reply = self.ask(request)
        with suppress(*FOREIGN):
            reported = seconds(reply)
            if math.isfinite(reported) and 0 <= reported <= self.timeout_s:
                timing.add("server_seconds", reported)
        try:
            return read(reply.content)
        except AnswerError as error:
            raise self.fault(request, f"its answer cannot be used: {error}") from error
        except FOREIGN as error:
            why = f"it has not the form of the dialect ({type(error).__name__}: {error})"
            raise self.fault(request, f"its answer cannot be used: {why}") from error

    def look(self, path: str) -> Reply:
        """The answer to a GET, whatever it is but for what may pass."""
        return self._patiently(HttpRequest("GET", path, what="what it is", looks=True))

    def fault(self, request: HttpRequest, fault: str, remedy: str = OTHERWISE) -> ComponentError:
        """One paragraph: which server, which request, what happened, what to do."""
        what = f" ({request.what})" if request.what else ""
        asked = f"{request.method} {request.path}{what}"
        said = content.line(fault)
        return ComponentError(f"{self.name} at {self.url}, {asked}: {said}. Way out: {remedy}.")

    def _patiently(self, request: HttpRequest) -> Reply:
        import tenacity

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: (
                    isinstance(error, _PassingError) and not (request.looks and error.silent)
                )
            ),
            stop=tenacity.stop_after_attempt(self.retries + 1),
            wait=_pause,
            before_sleep=_note,
            sleep=_sleep,
            reraise=True,
        )
        try:
            return retrying(self._once, request)
        except _PassingError as error:
            made = retrying.statistics["attempt_number"]
            tries = f" in {made} tries" if made > 1 else ""
            absent = START_FIRST + (f"; {self.starts}" if self.starts else "")
            remedy = absent if request.looks and error.silent else error.remedy
            fault = self.fault(request, f"{error.fault}{tries}", remedy)
            if error.__cause__ is None:  # it was a status, not a connection
                fault = BusyError(str(fault))
            raise fault from error.__cause__

    def _once(self, request: HttpRequest) -> Reply:
        seconds = LOOK_SECONDS if request.looks else self.timeout_s
        with _passing(seconds):
            start = time.perf_counter()
            try:
                reply = self._exchanged(request, seconds)
            except content.OversizeError as error:
                raise self.fault(request, f"its answer is too large ({error})", LARGE) from error
            timing.add("client_seconds", time.perf_counter() - start)
        timing.add("requests")
        if reply.status not in PASSING:
            return reply
        words = f", saying {self._words(reply)}" if self._words(reply) else ""
        fault, remedy = f"it answered {reply.status}{words}", REMEDIES[reply.status]
        wait = waiting.seconds(reply.headers.get("retry-after", ""))
        if wait > LONGEST_PAUSE:
            fault += f", and asks to be left alone for {waiting.in_words(wait)}"
            raise self.fault(request, fault, "run again when that is over: what is done is kept")
        raise _PassingError(fault, "refused", remedy, wait)

    def _exchanged(self, request: HttpRequest, seconds: float) -> Reply:
        """The answer as it came, within `seconds` from the first byte to the last."""
        import httpx

        from harness.components.servers import wire

        zipped, token = isinstance(request.body, bytes), token_in(self.token_env)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        sent = "content" if zipped else "json" if request.method in ("POST", "PUT") else "params"
        connect = LOOK_CONNECT_SECONDS if request.looks else CONNECT_SECONDS
        asking = _http(self.url).stream(
            request.method,
            self.url + request.path,
            headers=headers | ({"Content-Type": "application/zip"} if zipped else {}),
            timeout=httpx.Timeout(seconds, connect=min(connect, seconds)),
            **{sent: request.body},
        )
        most = LOOK_BYTES if request.looks else MOST_BYTES
        with wire.until(seconds), asking as response:
            fine = response.status_code == 200
            body, whole = wire.body(response, most if fine else WORDS_BYTES)
        headers = {name.lower(): value for name, value in response.headers.items()}
        if not fine:
            return Reply(response.status_code, headers, body.decode("utf-8", errors="replace"))
        if not whole:
            raise content.OversizeError(f"more than {most:,} bytes")
        value, broken = content.parsed(body)
        if broken:
            value = body[:WORDS_BYTES].decode("utf-8", errors="replace")
        return Reply(response.status_code, headers, value, broken)

    def _words(self, reply: Reply) -> str:
        """The server's own words, in one line and without the token."""
        words, token = str(reply.content), token_in(self.token_env)
        for secret in {token, json.dumps(token)[1:-1]} - {""}:
            words = words.replace(secret, "(the token)")
        return content.line(words, SHOWN)


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
    """Connections to a server, which stay open; proxies of the environment are not for this machine."""
    import httpx

    from harness.components.servers import wire

    limits = httpx.Limits(max_keepalive_connections=IDLE_CONNECTIONS, keepalive_expiry=IDLE_SECONDS)
    made = wire.connections(trust_env=not is_here(url), limits=limits)
    atexit.register(made.close)
    return made


@contextmanager
def _passing(seconds: float) -> Iterator[None]:
    """Faults of the connection as what may pass."""
    import httpx

    try:
        yield
    except httpx.ConnectTimeout as error:
        fault = f"the connection failed ({error})"
        raise _PassingError(fault, "late", silent=True) from error
    except httpx.TimeoutException as error:
        fault = f"no whole answer within {seconds:g} s"
        raise _PassingError(fault, "late", silent=True) from error
    except httpx.RequestError as error:
        why = " ".join(str(error).split()) or type(error).__name__
        absent = isinstance(error, httpx.ConnectError)
        raise _PassingError(f"the connection failed ({why})", "broken", silent=absent) from error


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
    timing.add("retries")
    timing.add("waited_seconds", seconds)
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _PassingError):
        timing.add(error.kind)
        log.debug("try %d: %s; again in %.1f s", state.attempt_number, error.fault, seconds)
