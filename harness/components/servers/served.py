"""What all components that are answered by a server have in common."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote, urlsplit

from harness.components.protocols import PLACE, SPEED
from harness.components.servers import content, remedies
from harness.components.servers.client import Client, HttpRequest, token_in
from harness.components.servers.dialect import (
    FOREIGN,
    Dialect,
    IndexedValue,
    Request,
    ServerInfo,
    WrongServerError,
)
from harness.components.servers.joined import AnswerError, joined
from harness.errors import ComponentError, ServerError


class Known(NamedTuple):
    """What is known of a server before it is put to work."""

    info: ServerInfo
    identity: Mapping[str, str]
    limit: int | None


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server, and the model on it."""

    needs: ClassVar[tuple[str, ...]] = ("httpx", "tenacity")
    dialects: ClassVar[Mapping[str, Dialect]] = {}
    """Those that a component of this kind speaks, by name."""

    dialect: str
    """How the server is spoken to: one of those that the file of the component lists."""
    url: str
    """Where it is, with any prefix of its routes: `http://127.0.0.1:8080`, `https://api.x.ai/v1`."""
    model: str = ""
    """The model's name on the server; may be left out where a server has one model only."""
    token_env: str = field(default="", metadata=PLACE)
    """The environment variable that holds the token; the token itself is written nowhere."""
    timeout_s: float = field(default=60.0, metadata=SPEED)
    """For one request, from the first byte sent to the last one received; before any work, when the
    server is asked what it is, it has ten seconds."""
    retries: int = field(default=5, metadata=SPEED)
    """More tries after one that failed for what may pass, with doubling pauses."""
    batch: int | None = field(default=None, metadata=SPEED)
    """Texts a request, at most; None is what the server allows, if it says."""

    def __post_init__(self) -> None:
        """Refuse what no request could be made of, and secrets where they would be stored."""
        if self.dialect not in self.dialects:
            known = ", ".join(sorted(self.dialects))
            raise ValueError(f"there is no dialect {self.dialect!r}; known: {known}")
        check_url(self.url)
        if self.token_env and not re.fullmatch("[A-Z_][A-Z0-9_]*", self.token_env):
            raise ValueError(
                "token_env must be the name of an environment variable, such as MY_TOKEN, and "
                "never a token"
            )
        if self.spoken.names_model and not self.model:
            raise ValueError(f"the dialect {self.dialect!r} needs the key 'model'")
        if self.timeout_s <= 0 or self.retries < 0 or (self.batch is not None and self.batch < 1):
            raise ValueError("timeout_s and batch must be above 0, and retries not below it")

    @property
    def spoken(self) -> Dialect:
        """The dialect."""
        return self.dialects[self.dialect]

    def identity(self) -> Mapping[str, str]:
        """The model, revision and settings that the server tells; the same in one process.

        Raises ServerError if the server is not there, refuses, or lacks the model.
        """
        return _known(self.teller, self.spoken, self.model).identity

    def server(self) -> Mapping[str, Any]:
        """What the server says of itself now, or said when the work was planned."""
        before = _known(self.teller, self.spoken, self.model)
        facts = {
            "url": self.url,
            "dialect": self.dialect,
            "identity": dict(before.identity),
            "texts_a_request": self._texts_a_request(),
            "remark": self.spoken.remark,
        }
        try:
            now = _found(replace(self.teller, retries=0), self.spoken, self.model)
        except ServerError as error:
            return {**facts, "configuration": dict(before.info), "silent_afterwards": str(error)}
        if now.identity != before.identity:
            raise ComponentError(
                f"{self.client.name} at {self.url} serves {dict(now.identity)} now and served "
                f"{dict(before.identity)} when the work was planned, so that its scores may be of "
                "both. Way out: let it serve one model, empty the cache, and run again."
            )
        return {**facts, "configuration": dict(now.info)}

    @property
    def client(self) -> Client:
        """The client, by which everything is asked."""
        name = f"The server ({self.dialect})"
        patience = (self.timeout_s, self.retries, self.spoken.starts)
        return Client(self.url.rstrip("/"), name, self.token_env, *patience)

    @property
    def teller(self) -> Client:
        """Who tells what the server is."""
        return self.client

    def values(
        self, request: Request, value: Callable[[Any], Any], check: Callable[[list[Any]], None]
    ) -> list[Any]:
        """A value a text, in their order, by as many requests as the limit demands.

        Raises ComponentError naming server, request and fault.
        """
        found: list[Any] = []

        def read(placed: Iterable[IndexedValue]) -> list[Any]:
            values = joined(placed, len(part.texts), value)
            check([*found[:1], *values])
            return values

        size = self._texts_a_request() or max(len(request.texts), 1)
        for start in range(0, len(request.texts), size):
            part = replace(request, texts=request.texts[start : start + size], model=self.model)
            found += self.answer(part, f"{len(part.texts)} texts", read)
        return found

    def answer(
        self, request: Request, what: str, read: Callable[[Iterable[IndexedValue]], list[Any]]
    ) -> list[Any]:
        """What `read` makes of the answer to one request.

        Faults of the answer, its AnswerErrors among them, name the request.
        """
        spoken = self.spoken
        path = spoken.path.format(model=quote(self.model, safe=""))
        texts = [text for text in (*request.texts, request.query) if isinstance(text, str)]
        http = HttpRequest(spoken.method, path, spoken.body(request), what, texts)
        values = self.client.read(http, lambda content: list(spoken.read(content)), spoken.seconds)
        try:
            return read(values)
        except AnswerError as error:
            raise self.client.fault(http, f"its answer cannot be used: {error}") from error

    def _texts_a_request(self) -> int | None:
        limits = (self.batch, _known(self.teller, self.spoken, self.model).limit)
        return min((limit for limit in limits if limit), default=None)


def unchecked(values: Sequence[Any]) -> None:
    """Nothing is to be said of the values together."""
    del values


def check_url(url: str) -> None:
    """Raise ValueError for what is no plain address of a server."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fine = False
    if not fine or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "url must be like http://127.0.0.1:8080, without a user, a password or a query; a "
            "token belongs into the environment variable that token_env names"
        )


@functools.cache
def _known(asking: Client, spoken: Dialect, model: str) -> Known:
    """What the server answered when it was first asked; the same for the whole process."""
    return _found(asking, spoken, model)


def _found(asking: Client, spoken: Dialect, model: str) -> Known:
    """What the server tells; a path that it does not have is no fault."""
    token_in(asking.token_env)
    info: dict[str, Any] = {}
    try:
        for pattern in spoken.about or ("/",):
            path = pattern.format(model=quote(model, safe=""))
            reply = asking.look(path)
            if reply.status == 401:  # 403 is also said where there is no such path
                raise asking.fault(HttpRequest("GET", path), "it refuses", remedies.REFUSED)
            if reply.status == 200 and spoken.about:
                content.check_plain(reply.content)
                info[path] = reply.content
        identity = spoken.identify(info, model)
        if any(len(value) > content.LONGEST for value in identity.values()):
            raise ValueError(f"its identity has more than {content.LONGEST} characters")
        return Known(info, identity, spoken.limit(info))
    except ComponentError as error:
        raise ServerError(str(error)) from error
    except FOREIGN as error:
        why = content.line(f"{type(error).__name__}: {error}")
        raise ServerError(
            f"{asking.name} at {asking.url} describes itself in a form that the dialect does not "
            f"have ({why}). Way out: {remedies.OTHERWISE}."
        ) from error
    except WrongServerError as error:
        said, hint = content.line(str(error)), remedies.doubled(asking.url, spoken.path)
        way_out = f" Way out: {hint}{remedies.OTHERWISE}." if hint else ""
        raise ServerError(f"{asking.name} at {asking.url}: {said}.{way_out}") from error
