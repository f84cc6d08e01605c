"""What a dialect is: how a request is made, how its answer is read, how a server says what it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

ServerInfo = Mapping[str, Any]
"""What a server said of itself: the answers by the paths that were asked."""


FOREIGN = (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError)
"""What may come of reading an answer that has another form than was expected."""


class WrongServerError(Exception):
    """What a server says of itself shows that it is not the one that was meant."""


@dataclass(frozen=True)
class Request:
    """What is wanted of one request."""

    texts: Sequence[Any] = ()
    """The documents, or texts to encode; or a document's token vectors each."""
    query: Any = None
    """A query's text, or its token vectors; None where texts are encoded."""
    model: str = ""
    input_type: str = ""
    """What the texts are, as the server is to know, where the dialect can; empty says nothing."""
    of_queries: bool = False
    """Whether `texts` are queries to encode."""
    depth: int = 0
    """How many hits are wanted of a search."""
    raw: bool = True
    """Scores before any sigmoid, where the dialect can ask for them."""


class IndexedValue(NamedTuple):
    """A value of an answer, and which of the texts it belongs to."""

    index: Any
    value: Any


class Reply(NamedTuple):
    """A server's answer."""

    status: int
    headers: Mapping[str, str]
    """With names in lower case."""
    content: Any
    """The parsed JSON, or the text of what is none."""
    broken: str = ""
    """Why the content is no JSON."""


Read = Callable[[Any], Iterable[IndexedValue]]
"""The values of an answer; may raise whatever comes of an answer of another form."""


def by_index(value: str, under: str = "") -> Read:
    """Reads a list of objects that each have an `index`, in any order, and a value.

    The list is the answer, or stands in it under a key.
    """

    def read(content: Any) -> Iterable[IndexedValue]:
        items = content[under] if under else content
        return (IndexedValue(item["index"], item[value]) for item in items)

    return read


def in_order(values: Any) -> list[IndexedValue]:
    """Values of a dialect that has no indexes: the order of the texts is all there is to go by.

    Raises TypeError for what is no list.
    """
    if not isinstance(values, list):
        raise TypeError(f"a {type(values).__name__} where a list should be")
    return [IndexedValue(place, value) for place, value in enumerate(values)]


def server_timing(reply: Reply) -> float:
    """Seconds by the header `Server-Timing: total;dur=MILLISECONDS`; NaN without it."""
    for metric in reply.headers.get("server-timing", "").split(","):
        name, *parameters = (part.strip() for part in metric.split(";"))
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if (name, key) == ("total", "dur"):
                return float(value) / 1e3
    return math.nan


def limit_of(value: Any) -> int | None:
    """The most texts of one request, as a server gives it: null and 0 say nothing.

    Raises ValueError, TypeError or OverflowError for what is no such number.
    """
    if value is None or value == 0:
        return None
    count = int(value)
    if count < 1 or isinstance(value, bool):
        raise ValueError(f"a limit of {value} texts")
    return count


def object_at(server: ServerInfo, path: str) -> Mapping[str, Any]:
    """The JSON object that a server answered at a path; empty where it has none there."""
    answer = server.get(path)
    return answer if isinstance(answer, Mapping) else {}


def as_named(server: ServerInfo, model: str) -> dict[str, str]:
    """The model by the name under which it is asked for, since the server says no more."""
    del server
    return {"model": model or "(the server does not say)"}


def model_facts(server: ServerInfo, model: str) -> dict[str, str]:
    """The model as a list of models in OpenAI's form has it.

    Raises WrongServerError if there is such a list without the model.
    """
    lists = [object_at(server, path).get("data") for path in ("/models", "/v1/models")]
    entries = [
        entry
        for found in lists
        for entry in (found if isinstance(found, list) else ())
        if isinstance(entry, Mapping) and "id" in entry
    ]
    if not entries:
        return as_named(server, model)
    found = next((entry for entry in entries if entry["id"] == model), None)
    if found is None:
        names = sorted(str(entry["id"]) for entry in entries)
        raise WrongServerError(f"it has no model {model!r} but {', '.join(names)}")
    deciding = ("id", "root", "owned_by", "max_model_len", "backend")
    version = object_at(server, "/version").get("version")
    facts = {key: found.get(key) for key in deciding} | {"version": version}
    return {key: str(value) for key, value in facts.items() if value}


MODEL_LISTS = ("/models", "/v1/models", "/version")
"""Where servers with OpenAI's routes say what they are; the url may end in /v1 or not."""


@dataclass(frozen=True)
class Dialect:
    """How servers of one kind are asked for one kind of thing."""

    path: str
    """Below the server's url; `{model}` stands for the model's name."""
    body: Callable[[Request], Any]
    """The JSON of a request, or the parameters of a GET."""
    read: Read
    method: str = "POST"
    about: tuple[str, ...] = ()
    """Paths that may say what the server is; not every server need have them."""
    identify: Callable[[ServerInfo, str], dict[str, str]] = as_named
    """What decides the answers, from what the server says of itself and the model's name.

    Raises WrongServerError saying what the server has instead of the model."""
    limit: Callable[[ServerInfo], int | None] = lambda _: None
    """The most texts of one request; None is any number."""
    seconds: Callable[[Reply], float] = server_timing
    """What the server says that it took; NaN if it does not."""
    tells_type: bool = False
    """Whether a request can say what its texts are (`input_type`)."""
    names_model: bool = False
    """Whether a request must name a model."""
    remembers: bool = False
    """Whether such a server may answer what was asked before from a cache, so that under load nothing
    may be asked twice."""
    starts: str = ""
    """Why such a server may not have started, and what to do, where that is not in its own words."""
    remark: str = ""
    """What a reader of the results must know of such servers: caches, scales, what they cannot do."""
