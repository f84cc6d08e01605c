"""TREC run and qrels files, read and written."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.data import Hit, Qrels, Run
from harness.errors import DataError
from harness.files import open_text


def read_run(file: Path) -> dict[str, list[Hit]]:
    """Hits per query id, as they stand in `file`; a name that ends in .gz is unpacked.

    Raises DataError naming file and line of what is malformed, not finite or repeated.
    """
    run: dict[str, dict[str, float]] = {}
    for number, fields in _fields(file):
        if len(fields) != 6:
            raise DataError(
                f"{file}:{number}: expected `query_id Q0 doc_id rank score tag`, "
                f"found {len(fields)} fields."
            )
        query_id, _, doc_id, _, score_text, _ = fields
        try:
            score = float(score_text)
        except ValueError:
            score = math.nan
        if not math.isfinite(score):
            raise DataError(f"{file}:{number}: the score {score_text!r} is not a finite number.")
        hits = run.setdefault(query_id, {})
        if doc_id in hits:
            raise DataError(f"{file}:{number}: {doc_id!r} occurs twice for query {query_id!r}.")
        hits[doc_id] = score
    return {query_id: [Hit(*hit) for hit in hits.items()] for query_id, hits in run.items()}


def first_hits(file: Path) -> dict[str, str]:
    """The doc id of the hit with rank 1 of every query, from a file that `run_text` made."""
    with open_text(file) as lines:
        likely = (line.split(" ", 4) for line in lines if " 1 " in line)
        return {query_id: doc_id for query_id, _, doc_id, rank, _ in likely if rank == "1"}


def _fields(file: Path) -> Iterator[tuple[int, list[str]]]:
    with open_text(file) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, line.split()


def run_bytes(run: Run, tag: str) -> bytes:
    """`run_text`, gzipped: the same bytes for the same run."""
    return gzip.compress(run_text(run, tag).encode(), compresslevel=6, mtime=0)


def run_text(run: Run, tag: str) -> str:
    """`run` as a TREC run file; white space is dropped from the tag.

    Scores are written with as many digits as their float32 value needs. Raises DataError if an id
    holds white space, at which every reader of such a file would split it.
    """
    tag = "".join(tag.split()) or "run"
    for query_id, hits in run.items():
        for name in (query_id, *(hit.doc_id for hit in hits)):
            if name.split() != [name]:
                raise DataError(
                    f"The id {name!r} is empty or holds white space, which a TREC run cannot "
                    "carry; rename it in the dataset, then run again."
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
    for number, fields in _fields(file):
        try:
            query_id, _, doc_id, relevance = fields
            qrels.setdefault(query_id, {})[doc_id] = int(relevance)
        except ValueError:
            raise DataError(
                f"{file}:{number}: expected `query_id 0 doc_id relevance`, found {fields!r}."
            ) from None
    return qrels
