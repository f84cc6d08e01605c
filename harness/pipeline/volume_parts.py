"""The parts of a volume of stored vectors: what was appended at one time, as a line tells it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.files import digests

Keys = NDArray[np.uint64]
"""A row of two numbers a text: 128 bits of BLAKE2b."""

RECORD = np.dtype([("key", "<u8", (2,)), ("end", "<i8")])

DIGITS = 16
"""Of the digest before each line."""


class Part(NamedTuple):
    """The texts that were appended at one time."""

    first: int
    """The place of its first text in the volume."""
    texts: int
    row: int
    """Its first row in the volume."""
    rows: int
    layout: np.dtype[Any]
    """Type and shape of a row."""
    digest: str
    """Of its records and rows."""

    def line(self) -> bytes:
        """As it stands in the volume's file of parts."""
        shape = "".join(f"{size}," for size in self.layout.shape)
        numbers = f"{self.first} {self.texts} {self.row} {self.rows}"
        said = f"{numbers} ({shape}){self.layout.base.str} {self.digest}".encode()
        return b"%s %s\n" % (_line_digest(said), said)

    @classmethod
    def of_line(cls, line: bytes) -> Part | None:
        """What `line` gave, without its end; None for a line that is damaged."""
        own, _, said = line.partition(b" ")
        if own != _line_digest(said):
            return None
        *numbers, layout, digest = said.decode().split(" ")
        first, texts, row, rows = map(int, numbers)
        return cls(first, texts, row, rows, np.dtype(layout), digest)


def _line_digest(said: bytes) -> bytes:
    return digests.digest(said)[:DIGITS].encode()


def content_digest(records: NDArray[Any], rows: Iterator[Any]) -> str:
    """Of a part: its records, then its rows."""
    state = hashlib.blake2b(records.tobytes(), digest_size=digests.BITS // 8)
    for block in rows:
        state.update(block)
    return state.hexdigest()
