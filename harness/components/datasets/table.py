"""A dataset in tables: CSV, TSV, JSON Lines or Parquet files whose columns have names of your own."""

from __future__ import annotations

import csv
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.components.datasets._qrels import GRADE, Judgement, Placed
from harness.components.datasets._streams import NO_QRELS, Questions, asked, in_memory, unjudged
from harness.components.datasets.files import objects, unique
from harness.components.protocols import PLACE
from harness.data import Dataset, Doc, PlacedDoc, Query
from harness.errors import DataError
from harness.files import bounds, ids
from harness.files.disk import open_text, sha256
from harness.files.wrong_values import shown
from harness.page.text import counted

Row = tuple[str, Mapping[str, Any]]
"""The place of a row, such as `docs.csv:7`, and its values by column."""

DELIMITERS = {".csv": ",", ".tsv": "\t"}

SIGNS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
"""What tables are separated by, and what these are called."""


@dataclass(frozen=True)
class Table:
    """Documents, queries and judgements in CSV, TSV, JSON Lines or Parquet, by the names of columns."""

    path: str = field(metadata=PLACE)
    """The folder; the files below are inside it unless their paths are absolute."""
    corpus: str = field(metadata=PLACE)
    """The file of documents: `.csv`, `.tsv`, `.jsonl` or `.parquet`; all but the last may be `.gz`."""
    queries: str = field(metadata=PLACE)
    """The file of queries."""
    qrels: str = field(metadata=PLACE)
    """The file that says which documents answer which query, a row a pair; `none`: nothing is judged."""
    doc_id: str = "doc_id"
    """The column of the documents' ids."""
    doc_text: str = "text"
    """The column of their texts."""
    doc_title: str | None = None
    """The column of a title that is put before the text; None: there is none."""
    query_id: str = "query_id"
    """The column of the queries' ids."""
    query_text: str = "query"
    """The column of their texts."""
    judged_query: str = "query_id"
    """The column of the judgements that has the query's id."""
    judged_doc: str = "doc_id"
    """The column of the judgements that has the document's id."""
    relevance: str | None = "relevance"
    """The column of the grade, a whole number from 0; None: each pair in the file is relevant."""

    def label(self) -> str:
        """The folder's name."""
        return Path(self.path).resolve().name

    def identity(self) -> Mapping[str, str]:
        """The digests of the files."""
        kinds = ("corpus", "queries", "qrels")[: 2 if self.qrels == NO_QRELS else 3]
        return {kind: sha256(self._file(kind)) for kind in kinds}

    def load(self) -> Dataset:
        """The dataset; queries without judgements are left out and counted, unless there are none.

        Raises DataError naming file and line of what cannot be used.
        """
        return in_memory(self)

    def questions(self) -> Questions:
        """Queries and judgements."""
        queries = unique(self._queries())
        if self.qrels == NO_QRELS:
            return unjudged(self, queries, drop_self_hits=False)
        judgements = self._file("qrels")
        return asked(self, queries, self._judged(judgements), str(judgements), drop_self_hits=False)

    def stream(self) -> Iterator[PlacedDoc]:
        """The documents, a row each."""
        for place, row in rows(self._file("corpus")):
            title = _text(place, row, self.doc_title) if self.doc_title else ""
            text = _text(place, row, self.doc_text)
            yield place, Doc(_id(place, row, self.doc_id), f"{title} {text}" if title else text)

    def documents_key(self) -> Hashable:
        """The file, and how it is read."""
        file = self._file("corpus").resolve()
        return file, self.doc_id, self.doc_text, self.doc_title

    def _queries(self) -> Iterator[tuple[str, Query]]:
        for place, row in rows(self._file("queries")):
            yield place, Query(_id(place, row, self.query_id), _text(place, row, self.query_text))

    def _judged(self, file: Path) -> Iterator[Placed]:
        for place, row in rows(file):
            query_id, doc_id = (
                ids.checked(place, _id(place, row, name))
                for name in (self.judged_query, self.judged_doc)
            )
            grade = _grade(place, row, self.relevance) if self.relevance else 1
            yield place, Judgement(query_id, doc_id, grade)

    def _file(self, kind: str) -> Path:
        name: str = getattr(self, kind)
        file = Path(self.path) / name
        if not file.is_file():
            raise DataError(f"The file of the {kind} does not exist: {file}.")
        return file


def kind_of(file: Path) -> str:
    """The ending that says how a file is written, in lower case and without `.gz`."""
    return Path(file.name.lower().removesuffix(".gz")).suffix


def rows(file: Path) -> Iterator[Row]:
    """The rows of a table, each with its place.

    Raises DataError naming the line of one that cannot be read, or for a file of another kind.
    """
    kind = kind_of(file)
    if kind in DELIMITERS:
        return _separated(file, DELIMITERS[kind])
    if kind == ".jsonl":
        return objects(file)
    if kind == ".parquet":
        return _parquet(file)
    raise DataError(f"{file}: expected a file that ends with .csv, .tsv, .jsonl or .parquet.")


def _separated(file: Path, delimiter: str) -> Iterator[Row]:
    """A row may go on in the next lines inside quotation marks; its place is its last line."""
    csv.field_size_limit(bounds.LINE)
    with open_text(file) as stream:
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        try:
            names = next(reader, [])
            if len(names) == 1 and (other := [sign for sign in SIGNS if sign in names[0]]):
                raise DataError(
                    f"{file}:1: expected {SIGNS[delimiter]} between the columns, as the file's ending "
                    f"says, found {SIGNS[other[0]]}."
                )
            if len(set(names)) < len(names):
                raise DataError(f"{file}:1: two columns have the same name: {', '.join(names)}.")
            for values in filter(None, reader):
                place = f"{file}:{reader.line_num}"
                if len(values) != len(names):
                    raise DataError(
                        f"{place}: expected {counted(len(names), 'field')}, as the first line has, "
                        f"found {len(values)}."
                    )
                yield place, dict(zip(names, values, strict=True))
        except csv.Error as error:
            raise DataError(f"{file}:{reader.line_num}: {error}.") from error


def _parquet(file: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield f"{file}, row {number:,}", row
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}.") from error


def _value(place: str, row: Mapping[str, Any], column: str) -> Any:
    if column not in row:
        there = ", ".join(map(shown, row))
        raise DataError(f"{place}: there is no column {shown(column)}; there are {there}.")
    return row[column]


def _text(place: str, row: Mapping[str, Any], column: str) -> str:
    """A text; an empty cell is an empty one."""
    found = _value(place, row, column)
    if found is not None and not isinstance(found, str):
        raise DataError(f"{place}: expected text under {shown(column)}, found {shown(found)}.")
    return found or ""


def _id(place: str, row: Mapping[str, Any], column: str) -> str:
    """An id, which may be a whole number; blanks around it are no part of it."""
    found = _value(place, row, column)
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise DataError(f"{place}: expected an id under {shown(column)}, found {shown(found)}.")
    return str(found).strip()


def _grade(place: str, row: Mapping[str, Any], column: str) -> int:
    found = str(_value(place, row, column)).strip()
    if not GRADE.fullmatch(found):
        raise DataError(
            f"{place}: expected a whole number under {shown(column)}, found {shown(found)}."
        )
    return int(float(found))
