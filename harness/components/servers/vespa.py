"""Vespa 8: POST /search/, /document/v1 to feed and to clear, the config server's API to deploy.

An answer is used only if it comes of all documents. By default Vespa gives what it has found when
its time is up (half a second), with status 200 and `coverage` saying so; here it must take
the client's whole time or fail.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from harness.components.databases.vespa_application import CLUSTER, PROFILE, SUMMARY
from harness.components.servers.client import Client, HttpRequest, Value
from harness.components.servers.dialect import (
    Dialect,
    IndexedValue,
    ServerInfo,
    WrongServerError,
    object_at,
)
from harness.components.servers.joined import AnswerError
from harness.errors import ComponentError

DEPLOY = "/application/v2/tenant/default/prepareandactivate"

VERSION = "/state/v1/version"

STEPS = 10_000
"""Requests that clear a schema, at most; each removes documents for some seconds."""

WAIT = 0.5
"""Seconds between two looks at what is not ready yet."""

Body = Mapping[str, Any]


def search(name: str, where: str, depth: int, timeout_s: float, inputs: Body) -> dict[str, Any]:
    """The JSON of a search for the best `depth` documents that the three phases rank."""
    return {
        "yql": f"select * from {name} where {where}",  # noqa: S608  (no part of it is input)
        "hits": depth,
        "timeout": f"{timeout_s:g}s",
        "ranking.softtimeout.enable": False,
        "ranking.profile": PROFILE,
        "presentation.summary": SUMMARY,
        "presentation.timing": True,
        **inputs,
    }


def by_words(text: str, hits: int) -> tuple[str, Body]:
    """BM25's part of a search: any of the words, by Vespa's weakAnd; empty without a word.

    Punctuation is left out, since Vespa's query language has operators among it.
    """
    words = " ".join(re.findall(r"\w+", text))
    where = f'({{targetHits: {hits}, grammar: "weakAnd"}}userInput(@words))'
    return (where, {"words": words, "language": "en"}) if words else ("", {})


def by_vector(vector: Iterable[float], hits: int) -> tuple[str, Body]:
    """The nearest neighbours' part of a search."""
    where = f"({{targetHits: {hits}}}nearestNeighbor(embedding, q))"
    return where, {"input.query(q)": list(vector)}


def _whole(content: Any) -> Mapping[str, Any]:
    """The root of an answer; raises AnswerError for one that reports errors or not all documents."""
    root: Mapping[str, Any] = content["root"]
    for error in root.get("errors", ()):
        raise AnswerError(f"it reports {error['summary']!r} ({error.get('message', '')})")
    coverage = root["coverage"]
    degraded = [why for why, is_so in coverage.get("degraded", {}).items() if is_so]
    if coverage["full"] is not True or degraded:
        why = f" ({', '.join(degraded)})" if degraded else ""
        raise AnswerError(f"it comes of {coverage['coverage']} % of the documents{why}")
    return root


def _hits(content: Any) -> Iterable[IndexedValue]:
    for hit in _whole(content).get("children", ()):
        yield IndexedValue(hit["fields"]["place"], (hit["relevance"], hit["fields"]["mark"]))


def _identify(server: ServerInfo, model: str) -> dict[str, str]:
    del model
    answer = object_at(server, VERSION)
    if "version" not in answer:
        raise WrongServerError(f"it has no {VERSION} that tells a version, so it is no Vespa")
    return {"version": str(answer["version"])}


SEARCH = Dialect(
    path="/search/",
    body=lambda request: request.query,
    read=_hits,
    about=(VERSION,),
    identify=_identify,
    seconds=lambda reply: float(reply.content["timing"]["searchtime"]),
    remark=(
        "Token vectors are made by the harness's own encoder, fed to Vespa and sent with each query "
        "as JSON; Vespa stores and compares them. Searches by words use weakAnd, which may miss "
        "documents that all of BM25 would find, and by vectors HNSW, which may miss neighbours."
    ),
)


class Held(NamedTuple):
    """What an application has at the moment."""

    documents: int
    mark: str
    """Of one of them; empty without any."""


def held(client: Client, name: str) -> Held:
    """The searchable documents of a schema; raises ComponentError where it is not deployed."""
    body = search(name, "true", 1, client.timeout_s, {"ranking.profile": "unranked"})

    def read(content: Any) -> Held:
        root = _whole(content)
        marks = [str(hit["fields"]["mark"]) for hit in root.get("children", ())]
        return Held(int(root["fields"]["totalCount"]), *(marks or [""]))

    return client.read(HttpRequest("POST", SEARCH.path, body, f"to count {name}"), read)


def feed(client: Client, name: str, place: int, fields: Body) -> None:
    """Put one document; Vespa answers when it is searchable."""
    path = f"/document/v1/{CLUSTER}/{name}/docid/{place}"
    request = HttpRequest("POST", path, {"fields": fields}, "to feed a document")
    if "x-vespa-ignored-fields" in client.ask(request).headers:
        raise client.fault(request, "it ignored fields that its schema lacks")


def clear(client: Client, name: str) -> None:
    """Remove all documents of a schema; raises ComponentError where that has no end."""
    continuation: dict[str, str] = {}
    path = f"/document/v1/{CLUSTER}/{name}/docid"
    for _ in range(STEPS):
        asked = {"selection": "true", "cluster": CLUSTER, **continuation}
        request = HttpRequest("DELETE", path, asked, "to clear it")
        ahead = client.read(request, lambda content: content.get("continuation"))
        if ahead is None:
            return
        continuation = {"continuation": str(ahead)}
    raise client.fault(request, f"it is not done after {STEPS:,} requests")


def deploy(client: Client, package: bytes) -> str:
    """Deploy a zipped package by the config server; the path that tells when it is in use."""

    def read(content: Any) -> str:
        path = urlsplit(content["url"]).path
        if not path.startswith("/"):  # behind the server's own url it could name another one
            raise ValueError(f"{path!r} is no path")
        return str(path)

    return client.read(HttpRequest("POST", DEPLOY, package, "to deploy"), read)


def in_use(client: Client, path: str) -> bool:
    """Whether all services have the application that was deployed last."""
    request = HttpRequest("GET", f"{path}/serviceconverge", what="to see whether it is in use")
    return client.read(request, lambda content: content["converged"] is True)


def wait(what: str, look: Callable[[], Value | None], seconds: float) -> Value:
    """What `look` finds at last; raises ComponentError, with the last fault, when time is up."""
    until, fault = time.monotonic() + seconds, ""
    while True:
        try:
            if found := look():
                return found
        except ComponentError as error:
            fault = f" The last answer: {error}"
        if time.monotonic() > until:
            raise ComponentError(
                f"{what} within {seconds:g} s.{fault} Way out: see Vespa's log, or raise `ready_s`."
            )
        _sleep(WAIT)


def _sleep(seconds: float) -> None:
    time.sleep(seconds)
