"""The JSON of a server that may be anything: read within bounds, and shown in one line."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

MEMORY = 256 * 2**20
"""Bytes that the values of an answer may take: eight million numbers."""

NUMBER, CONTAINER = 32, 72
"""Bytes of a float and its place in a list, and of an empty list or object."""

DEEPEST = 32
"""Lists and objects within each other, of what a server says of itself."""

LONGEST = 400
"""Characters of a line."""


class OversizeError(Exception):
    """An answer that is larger than what was asked for can be; the message says how large."""


def parsed(body: bytes | bytearray) -> tuple[Any, str]:
    """The value of some JSON; or None, and why it is none.

    A key that comes twice makes it none: which of the two is meant, only the server knows. Raises
    OversizeError before more than MEMORY is taken.
    """
    inside = NUMBER * body.count(b",") + CONTAINER * (body.count(b"[") + body.count(b"{"))
    if inside > MEMORY:
        raise OversizeError(f"its {len(body):,} bytes of JSON would take more than {MEMORY:,}")
    try:
        return json.loads(body, object_pairs_hook=_once), ""
    except RecursionError:
        return None, "nested too deeply"
    except ValueError as error:  # not UTF-8, or no JSON
        return None, f"{error}, {len(body):,} bytes"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {line(twice, 40)!r} comes twice")
    return found


def check_plain(value: Any) -> None:
    """Raise ValueError for what cannot be stored: nested too deeply, no text, no number."""
    layer = [value]
    for _ in range(DEEPEST):
        for one in layer:
            if isinstance(one, str):
                one.encode()
            if isinstance(one, float) and not math.isfinite(one):
                raise ValueError(f"{one} is no number")
        held = [one for one in layer if isinstance(one, list | dict)]
        if not held:
            return
        keys = [key for one in held if isinstance(one, dict) for key in one]
        layer = keys + [
            inner for one in held for inner in (one.values() if isinstance(one, dict) else one)
        ]
    raise ValueError(f"more than {DEEPEST} lists or objects within each other")


def line(text: str, most: int = LONGEST) -> str:
    """A stranger's text in one line of printable characters, its end cut off if it is long."""
    words = " ".join(text[: 4 * most].split())
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in words)
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."
