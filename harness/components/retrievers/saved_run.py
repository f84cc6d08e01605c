"""A first stage that was run elsewhere, as a TREC run file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.components.abilities import Footprint
from harness.components.protocols import PLACE, Searcher
from harness.data import Doc, Hit, Query, Run
from harness.errors import DataError
from harness.files import bounds, ids, trec
from harness.files.disk import sha256
from harness.page.text import counted
from harness.ranking import ranked


@dataclass(frozen=True)
class SavedRun:
    """Hits by query id from a file of lines `query_id Q0 doc_id rank score tag`, gz accepted."""

    path: str = field(metadata=PLACE)

    def identity(self) -> Mapping[str, str]:
        """The digest of the file; raises DataError if it cannot be read."""
        return {"run": sha256(Path(self.path))}

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher that answers by query id; of the documents only the ids are looked at.

        Raises DataError if the file cannot be read, or (nearly) no hit in it is one of `docs`.
        """
        run: dict[str, list[Hit]] = {}
        ranks: dict[str, list[str]] = {}
        for line in trec.run_lines(Path(self.path)):
            run.setdefault(line.query_id, []).append(Hit(line.doc_id, line.score))
            ranks.setdefault(line.query_id, []).append(line.rank)

        known = {doc.doc_id for doc in docs}
        found = dict.fromkeys(hit.doc_id for hits in run.values() for hit in hits)
        if known and ids.unrelated(found, known):
            strange = [name for name in found if name not in known]
            why = ids.alike(strange, known) or f"the corpus has ids such as {docs[0].doc_id!r}"
            raise DataError(
                f"The saved run {self.path} is of another corpus: none, or next to none, of its "
                f"{counted(len(found), 'document')}, such as {strange[0]!r}, is in this one: {why}."
            )
        return _Saved(run, ranks)


@dataclass(frozen=True)
class _Saved:
    run: Run
    ranks: Mapping[str, Sequence[str]]
    """By query id what the file has as ranks, parallel to the hits."""

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        """Order is by score, as every evaluation tool takes it; ranks in the file do not count.

        Raises DataError if no query of the run is asked for: the file is of another dataset.
        """
        if queries and not any(query.query_id in self.run for query in queries):
            near = ids.alike((query.query_id for query in queries), self.run)
            why = near or f"it has {', '.join(map(repr, list(self.run)[:1])) or 'no line'}"
            raise DataError(
                f"The saved run answers none of the {counted(len(queries), 'query', 'queries')} "
                f"(such as {queries[0].query_id!r}); it belongs to another dataset: {why}."
            )
        return [ranked(self.run.get(query.query_id, ()))[:depth] for query in queries]

    def footprints(self) -> list[Footprint]:
        return [
            Footprint.not_known("a saved run does not tell the bytes of the index that made it")
        ]

    def facts(self, queries: Sequence[Query], depth: int) -> Mapping[str, Any]:
        """Of how many queries the ranks run against the scores, or are not their order."""
        del depth
        asked = [query.query_id for query in queries if query.query_id in self.run]
        steps = [_steps(self.ranks[query_id], self.run[query_id]) for query_id in asked]
        against = sum(up > MOSTLY * down for up, down in steps)
        unsorted = sum(up > 0 for up, _ in steps)
        return {"ranks": {"queries": len(asked), "against": against, "unsorted": unsorted}}


RANK = re.compile(rf"-?[0-9]{{1,{bounds.DIGITS}}}")

MOSTLY = 9
"""Scores that rise so many times as often as they fall, from rank to rank, run against the ranks."""


def _steps(ranks: Sequence[str], hits: Sequence[Hit]) -> tuple[int, int]:
    """How often the score rises, and falls, from one rank to the next greater one."""
    if len(set(ranks)) < len(ranks) or not all(map(RANK.fullmatch, ranks)):
        return 0, 0  # some tools write 0 into every line
    scores = [hit.score for _, hit in sorted(zip(map(int, ranks), hits, strict=True))]
    steps = list(pairwise(scores))
    return sum(a < b for a, b in steps), sum(a > b for a, b in steps)
