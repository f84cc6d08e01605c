"""The fruit of `fakes` as tables, with columns of their own names."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fakes import DOCS, QRELS, QUERIES

PAIRS = [(q, d, grade) for q, judged in QRELS.items() for d, grade in judged.items()]


def write_csv(file: Path, names: list[str], values: list[tuple[Any, ...]]) -> None:
    with file.open("w", newline="") as stream:
        csv.writer(stream, delimiter="\t" if file.suffix == ".tsv" else ",").writerows(
            [names, *values]
        )


def tables(folder: Path) -> dict[str, str]:
    """Documents as Parquet, queries as CSV, judgements as JSON Lines, with columns of their own."""
    docs = {
        "pid": list(DOCS),
        "body": list(DOCS.values()),
        "name": ["Fruit"] + [""] * (len(DOCS) - 1),
    }
    pq.write_table(pa.table(docs), folder / "articles.parquet")
    write_csv(folder / "searches.csv", ["qid", "words"], list(QUERIES.items()))
    lines = [json.dumps({"qid": q, "pid": d, "rating": grade}) for q, d, grade in PAIRS]
    (folder / "ratings.jsonl").write_text("\n".join(lines))
    return {
        "corpus": "articles.parquet",
        "queries": "searches.csv",
        "qrels": "ratings.jsonl",
        "doc_id": "pid",
        "doc_text": "body",
        "doc_title": "name",
        "query_id": "qid",
        "query_text": "words",
        "judged_query": "qid",
        "judged_doc": "pid",
        "relevance": "rating",
    }
