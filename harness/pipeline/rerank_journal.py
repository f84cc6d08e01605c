"""The scores of a rerank in progress, so that an interrupted one goes on where it stood."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.data import digest
from harness.files import digests, disk
from harness.files.digests import DamagedError

DIGITS = 16
"""Of the digest before each line."""


class Journal:
    """Appends a line a query, each with a digest of itself and of what is scored.

    A last line that an interruption cut short is left out. Where a line before it is damaged, or
    of other candidates, the file is set aside, and what stands before that line is used.
    """

    def __init__(self, file: Path, of: str, others: Iterable[Path] = ()) -> None:
        """Read what an earlier go left in `file`; `of` is a digest of what is scored.

        What `others` hold, of other parts of the queries, is known, too; they may be written to
        while they are read. Raises StoreError where one cannot be read.
        """
        self._file = file
        self._of = of
        self.scores: dict[str, list[float]] = {}
        self.seconds_before = 0.0
        """How long the queries took that were already scored."""
        for other in others:
            self._take_up(other)
        whole, cut = self._take_up(file)
        if cut:
            disk.write(file, b"".join(line + b"\n" for line in whole))
        self._since = time.perf_counter()

    def _take_up(self, file: Path) -> tuple[list[bytes], bool]:
        """Note what a journal says; gives its whole lines, and whether it holds more than these."""
        try:
            with digests.reading(file):
                *lines, rest = file.read_bytes().split(b"\n")
        except DamagedError:  # it is not there
            return [], False
        whole = self._read(lines)
        if len(whole) < len(lines):
            why = "is damaged, or of other candidates than are scored now"
            digests.set_aside(file, f"{file}:{len(whole) + 1} {why}")
        return whole, bool(rest) or len(whole) < len(lines)

    def _read(self, lines: Sequence[bytes]) -> list[bytes]:
        """Note what whole lines say; returns those before the first that is not whole."""
        for number, line in enumerate(lines):
            own, _, content = line.partition(b" ")
            if own != self._digest(content):
                return list(lines[:number])
            query_id, scores, seconds = json.loads(content)
            self.scores[query_id] = scores
            self.seconds_before += seconds
        return list(lines)

    def _digest(self, content: bytes) -> bytes:
        return digest([self._of, content])[:DIGITS].encode()

    def add(self, query_id: str, scores: Sequence[float]) -> None:
        """Note the scores of a query; raises StoreError if that cannot be written."""
        now = time.perf_counter()
        content = json.dumps([query_id, list(scores), now - self._since]).encode()
        with disk.writing(self._file):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("ab") as stream:
                stream.write(self._digest(content) + b" " + content + b"\n")
        self.scores[query_id] = list(scores)
        self._since = now
