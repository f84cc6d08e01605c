"""The scores of a rerank in progress, so that an interrupted one goes on where it stood."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from harness import files


class Journal:
    """Appends a line a query; a line that an interruption cut short is ignored."""

    def __init__(self, file: Path) -> None:
        """Read what an earlier go left in `file`."""
        self._file = file
        self.scores: dict[str, list[float]] = {}
        self.seconds_before = 0.0
        """How long the queries took that were already scored."""
        whole: list[str] = []
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            try:
                query_id, scores, seconds = json.loads(line)
            except ValueError:
                break
            whole.append(line)
            self.scores[query_id] = scores
            self.seconds_before += seconds
        self._since = time.perf_counter()
        files.write(file, "".join(f"{line}\n" for line in whole))

    def add(self, query_id: str, scores: Sequence[float]) -> None:
        """Note the scores of a query; raises StoreError if that cannot be written."""
        now = time.perf_counter()
        with files.telling(self._file), self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps([query_id, list(scores), now - self._since]) + "\n")
        self.scores[query_id] = list(scores)
        self._since = now
