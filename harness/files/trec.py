"""TREC run and qrels files, read and written."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.data import Hit, Qrels, Run
from harness.errors import DataError
from harness.files import ids
from harness.files.disk import text_lines
from harness.files.wrong_values import shown
from harness.ranking import score_fault


class Line(NamedTuple):
    """One line of a run file."""

    query_id: str
    doc_id: str
    rank: str
    """As it is written: no tool that measures a run looks at it."""
    score: float


def run_lines(file: Path) -> Iterator[Line]:
    """The lines of a run file, in their order; a name that ends in .gz is unpacked.

    Raises DataError naming file and line of what is malformed or repeated, or a score that
    `ranking.score_fault` tells of.
    """
    seen: set[tuple[str, str]] = set()
    for place, text in text_lines(file):
        fields = text.split()
        if len(fields) != 6:
            raise DataError(
                f"{place}: expected `query_id Q0 doc_id rank score tag`, "
                f"found {len(fields)} fields."
            )
        query_id, _, doc_id, rank, score_text, _ = fields
        try:
            score = float(score_text)
        except ValueError:
            raise DataError(
                f"{place}: the score {shown(score_text)} is not a finite number."
            ) from None
        if why := score_fault(score):
            raise DataError(f"{place}: the score {shown(score_text)} {why}.")
        ids.checked(place, query_id)
        ids.checked(place, doc_id)
        if (query_id, doc_id) in seen:
            raise DataError(f"{place}: {doc_id!r} occurs twice for query {query_id!r}.")
        seen.add((query_id, doc_id))
        yield Line(query_id, doc_id, rank, score)


def read_run(file: Path) -> dict[str, list[Hit]]:
    """Hits per query id, as they stand in `file`; raises DataError as `run_lines` does."""
    run: dict[str, list[Hit]] = {}
    for line in run_lines(file):
        run.setdefault(line.query_id, []).append(Hit(line.doc_id, line.score))
    return run


def stored_run(file: Path) -> dict[str, list[Hit]]:
    """What `run_bytes` put into `file`, whose digest is known to be right.

    As `read_run`, in a third of the time, since nothing needs to be checked.
    """
    import pyarrow as pa
    from pyarrow import csv

    content = gzip.decompress(file.read_bytes())
    if not content:
        return {}
    kinds = {"query_id": pa.string(), "doc_id": pa.string(), "score": pa.float64()}
    table = csv.read_csv(
        pa.BufferReader(content),
        csv.ReadOptions(column_names=["query_id", "Q0", "doc_id", "rank", "score", "tag"]),
        csv.ParseOptions(delimiter=" ", quote_char=False),
        csv.ConvertOptions(column_types=kinds, include_columns=list(kinds)),
    )
    queries, docs, scores = (column.to_numpy() for column in table.columns)
    hits = list(map(Hit, docs.tolist(), scores.tolist()))
    starts = [0, *(np.flatnonzero(queries[1:] != queries[:-1]) + 1).tolist()]
    ends = [*starts[1:], len(hits)]
    return {queries[a]: hits[a:b] for a, b in zip(starts, ends, strict=True)}


def run_bytes(run: Run, tag: str) -> bytes:
    """`run_text`, gzipped: the same bytes for the same run."""
    return gzip.compress(run_text(run, tag).encode(), compresslevel=6, mtime=0)


def run_text(run: Run, tag: str) -> str:
    """`run` as a TREC run file; white space is dropped from the tag.

    Scores are written with as many digits as their float32 value needs. Raises DataError for an
    id that cannot be one.
    """
    tag = "".join(tag.split()) or "run"
    for query_id, hits in run.items():
        for name in (query_id, *(hit.doc_id for hit in hits)):
            if why := ids.fault(name):
                raise DataError(
                    f"The id {name!r} {why}, which a TREC run cannot carry; rename it in the "
                    "dataset, then run again."
                )
    return "".join(
        f"{query_id} Q0 {hit.doc_id} {rank} {np.float32(hit.score)!s} {tag}\n"
        for query_id in sorted(run)
        for rank, hit in enumerate(run[query_id], start=1)
    )


def qrels_bytes(qrels: Qrels) -> bytes:
    """`qrels` as a gzipped TREC qrels file, the same bytes for the same judgements."""
    lines = [
        f"{query_id} 0 {doc_id} {relevance}\n"
        for query_id in sorted(qrels)
        for doc_id, relevance in sorted(qrels[query_id].items())
    ]
    return gzip.compress("".join(lines).encode(), compresslevel=6, mtime=0)


def read_qrels(file: Path) -> dict[str, dict[str, int]]:
    """What `qrels_bytes` gave: relevance per query id and doc id.

    Raises DataError naming file and line of what is malformed.
    """
    qrels: dict[str, dict[str, int]] = {}
    for place, line in text_lines(file):
        fields = line.split()
        try:
            query_id, _, doc_id, relevance = fields
            qrels.setdefault(query_id, {})[doc_id] = int(relevance)
        except ValueError:
            raise DataError(
                f"{place}: expected `query_id 0 doc_id relevance`, found {fields!r}."
            ) from None
    return qrels
