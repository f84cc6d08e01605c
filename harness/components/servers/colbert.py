"""Stanford ColBERT's server.py: GET /api/search?query=...&k=..., which searches and never reranks.

At most 100 hits come, whatever is asked, each with its place in the collection (`pid`, from 0) and
its text. The server remembers a million pairs of query and k: `unlike` makes each request another.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from typing import Any

from harness.components.servers.dialect import Dialect, IndexedValue

MOST = 100
"""Hits of a search."""

_numbers = itertools.count(int.from_bytes(os.urandom(4)))


def unlike(query: str) -> str:
    """The query with a number behind it that no other request has, written in spaces and tabs.

    BERT's tokenizer, which all of that server's models have, drops them; its cache does not.
    """
    return query + format(next(_numbers), "b").translate({ord("0"): " ", ord("1"): "\t"})


def _read(content: Any) -> Iterable[IndexedValue]:
    return (IndexedValue(item["pid"], (item["score"], item["text"])) for item in content["topk"])


SEARCH = Dialect(
    path="/api/search",
    body=lambda request: {"query": unlike(request.query), "k": str(request.depth)},
    read=_read,
    method="GET",
    remark=(
        "The server remembers answers (lru_cache): every query was sent with other white space "
        "behind it, which its tokenizer drops, so that none was answered from memory. It does not "
        "say which index it has; the texts of its hits were compared with the documents."
    ),
)
