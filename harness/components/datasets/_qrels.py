"""Files of judgements: BEIR's three columns, and TREC's four."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.errors import DataError
from harness.files import bounds, ids
from harness.files.disk import text_lines
from harness.files.wrong_values import shown


class Judgement(NamedTuple):
    """One line of a qrels file."""

    query_id: str
    doc_id: str
    relevance: int


Placed = tuple[str, Judgement]
"""A judgement with the place where it stands, such as `test.tsv:7`."""

HEADERS: Mapping[str, Sequence[str]] = {
    "query": ("query", "queryid", "qid", "topic", "topicid"),
    "document": ("corpusid", "doc", "docid", "document", "documentid", "docno", "did", "pid"),
    "relevance": ("score", "relevance", "rel", "grade", "label", "judgement", "judgment"),
    "ignored": ("iteration", "iter", "q0", "0"),
}
"""What the columns of a header are called, without case and punctuation."""

GRADE = re.compile(rf"[+-]?0*[0-9]{{1,{bounds.GRADE_DIGITS}}}(\.0*)?")


class Columns(NamedTuple):
    """Where in a line its parts stand."""

    query: int
    document: int
    relevance: int
    width: int


class Format(NamedTuple):
    """How a qrels file is written."""

    columns: Columns
    """Unless a header names others."""
    expected: str
    other: str
    """What to do about a file that has three columns instead of four, or four instead of three."""


_FOUR_COLUMNS = Format(
    Columns(0, 2, 3, width=4),
    "query, 0, document, relevance",
    "put a column of 0 after the query",
)

FORMATS: Mapping[str, Format] = {
    "beir": Format(
        Columns(0, 1, 2, width=3),
        "query-id, corpus-id, score",
        "four columns are those of TREC qrels: say `format: trec`",
    ),
    "tsv": _FOUR_COLUMNS,
    "trec": _FOUR_COLUMNS._replace(
        other="three columns are those of BEIR's qrels: say `format: beir`"
    ),
}


def read_judgements(file: Path, format: Format) -> Iterator[Placed]:  # noqa: A002 - the field's name
    """The judgements of `file`, each with its place; blanks around ids are no part of them.

    The first line may be a header, whose names then say which column is which. A line that begins
    with `#` and holds no judgement is a comment. Raises DataError naming file and line of what is
    malformed.
    """
    columns, first = format.columns, True
    for place, line in text_lines(file):
        fields = _fields(line, columns.width)
        if first and (named := _header(fields)):
            columns, first = named, False
            continue
        whole = len(fields) == columns.width
        grade = _grade(fields[columns.relevance]) if whole else None
        if grade is not None:
            first = False
            query_id, doc_id = (ids.checked(place, fields[i]) for i in columns[:2])
            yield place, Judgement(query_id, doc_id, grade)
        elif not fields[0].startswith("#"):
            raise DataError(f"{place}: {_wrong(fields, columns, format)}.")


def _fields(line: str, width: int) -> list[str]:
    """By tabs where they make the right number of columns, or there is one; else by white space."""
    by_tab = [field.strip() for field in line.split("\t")]
    by_blank = line.split()
    tabbed = len(by_tab) == width or (len(by_tab) > 1 and len(by_blank) != width)
    return by_tab if tabbed else by_blank


def _header(fields: Sequence[str]) -> Columns | None:
    """The columns that a header names; None where `fields` are no header."""
    words = ["".join(c for c in field.casefold() if c.isalnum()) for field in fields]
    kinds = [next((kind for kind, known in HEADERS.items() if w in known), None) for w in words]
    wanted = ("query", "document", "relevance")
    if None in kinds or any(kinds.count(kind) != 1 for kind in wanted):
        return None
    query, document, relevance = map(kinds.index, wanted)
    return Columns(query, document, relevance, len(fields))


def _wrong(fields: Sequence[str], columns: Columns, format: Format) -> str:  # noqa: A002
    """What is wrong with a line, and the way out."""
    if len(fields) == columns.width:
        return (
            f"the relevance {shown(fields[columns.relevance])} is not a whole number of at most "
            f"{bounds.GRADE_DIGITS} digits (a header stands on the first line, with names such as "
            "query-id, corpus-id, score)"
        )
    wrong = f"expected {format.expected}; found {len(fields)} field{'s' * (len(fields) != 1)}"
    if len(fields) == 1 and "," in fields[0]:
        return f"{wrong}: put tabs in the place of the commas"
    if len(fields) in (3, 4) and _grade(fields[-1]) is not None:
        return f"{wrong}: {format.other}"
    return wrong


def _grade(text: str) -> int | None:
    """A whole number, which may be written as `2.0`; None where it is none."""
    return int(text.partition(".")[0]) if GRADE.fullmatch(text) else None
