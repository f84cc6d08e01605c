"""A first stage that was run elsewhere, as a TREC run file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import trec
from harness.data import Doc, Hit, Query, Run
from harness.errors import DataError
from harness.files import sha256
from harness.frames import ranked
from harness.protocols import PLACE, Searcher


@dataclass(frozen=True)
class SavedRun:
    """Hits by query id from a file of lines `query_id Q0 doc_id rank score tag`, gz accepted."""

    path: str = field(metadata=PLACE)

    def identity(self) -> Mapping[str, str]:
        """The digest of the file; raises DataError if it cannot be read."""
        return {"run": sha256(Path(self.path))}

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher that answers by query id; the documents are not looked at."""
        del docs
        return _Saved(trec.read_run(Path(self.path)))


@dataclass(frozen=True)
class _Saved:
    run: Run

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        """Order is by score, as every evaluation tool takes it; ranks in the file do not count.

        Raises DataError if no query of the run is asked for: the file is of another dataset.
        """
        if queries and not any(query.query_id in self.run for query in queries):
            raise DataError(
                f"The saved run answers none of the {len(queries)} queries "
                f"(such as {queries[0].query_id!r}); it belongs to another dataset."
            )
        return [ranked(self.run.get(query.query_id, ()))[:depth] for query in queries]
