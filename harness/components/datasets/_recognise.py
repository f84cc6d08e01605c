"""What a folder of somebody's data holds: which source reads it, and with which settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from harness.components.datasets import table
from harness.components.datasets._streams import NO_QRELS
from harness.errors import DataError
from harness.files.disk import text_lines
from harness.page.text import listed

SPLITS = ("test", "dev", "train")
"""The order in which a folder's judgements are preferred."""

USUAL = {"beir": ("corpus.jsonl", "queries.jsonl"), "tsv": ("collection.tsv", "queries.tsv")}
"""By format of `files` the names by which its folder is known."""

TABLES = (*table.DELIMITERS, ".jsonl", ".parquet")

FILES: Mapping[str, Sequence[str]] = {
    "qrels": ("qrel", "judg", "label", "relev", "rating", "grade", "click", "truth"),
    "queries": ("quer", "topic", "question", "search"),
    "corpus": ("doc", "corpus", "collection", "passage", "article", "product", "page", "text"),
}
"""By part of a dataset what the name of its file may hold; the first part that fits is taken."""

HELD = {"corpus": "documents", "queries": "queries", "qrels": "judgements"}
"""By part what it has, as it is said."""

NEEDED = {
    "corpus": "(an id and a text each)",
    "queries": "(an id and a text each)",
    "qrels": "(which document answers which query: a query's id, a document's id, a grade)",
}
"""By part what its file has to say."""

DOC_IDS = ("docid", "documentid", "passageid", "productid", "corpusid", "docno", "pid", "sku")

COLUMNS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "corpus": {
        "doc_id": (*DOC_IDS, "id"),
        "doc_text": ("text", "body", "content", "contents", "passage", "document", "description"),
        "doc_title": ("title", "name", "headline"),
    },
    "queries": {
        "query_id": ("queryid", "qid", "topicid", "id"),
        "query_text": ("query", "querytext", "text", "question", "title", "search"),
    },
    "qrels": {
        "judged_query": ("queryid", "qid", "topicid", "query", "topic"),
        "judged_doc": (*DOC_IDS, "doc", "document"),
        "relevance": ("relevance", "rel", "score", "grade", "label", "rating", "judgement"),
    },
}
"""By part and setting of `table` what its column may be called, the likeliest first, without case
and punctuation."""

WHAT = {
    "doc_id": "the ids of the documents",
    "doc_text": "the texts of the documents",
    "query_id": "the ids of the queries",
    "query_text": "the texts of the queries",
    "judged_query": "the ids of the queries",
    "judged_doc": "the ids of the documents",
}
"""By setting what its column has, as it is asked."""

MAY_LACK = ("doc_title", "relevance")
"""Settings whose column need not be there."""

SAME = {"judged_query": "query_id", "judged_doc": "doc_id"}
"""By setting the one whose column may have the same name in another file."""

TOO_COMMON = ("id", "ID", "Id", "_id")
"""Names that say nothing of whose id it is: a column of the same name may be another."""


class Question(NamedTuple):
    """Something that the folder leaves open; whoever knows it can say it."""

    setting: str
    """One of `table`."""
    text: str
    choices: Sequence[str]
    """What the setting may be."""

    def __str__(self) -> str:
        """The question, and the option that answers it."""
        option = f"--{self.setting}" if self.setting in FILES else f"--column {self.setting}"
        return f"{self.text} Say {option}=NAME; there are {listed(self.choices)}."


class UnclearError(DataError):
    """All that the folder leaves open."""

    def __init__(self, questions: Sequence[Question]) -> None:
        """At least one question."""
        self.questions = questions
        super().__init__(" ".join(map(str, questions)))


def recognised(folder: Path, said: Mapping[str, str]) -> dict[str, Any]:
    """What an experiment file says under `datasets` for `folder`.

    `said` has settings of `table` that somebody named. Raises UnclearError with all that the files
    leave open, DataError where there is nothing that could be a dataset.
    """
    if folder.is_file():
        raise DataError(f"{folder} is a file: name the folder that it lies in.")
    if not folder.is_dir():
        raise DataError(f"The folder {folder} does not exist.")
    there = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    for kind, names in USUAL.items():
        if not said and all(name in there or f"{name}.gz" in there for name in names):
            return _known(folder, there, kind)
    return _table(folder, [name for name in there if table.kind_of(Path(name)) in TABLES], said)


def _known(folder: Path, there: Sequence[str], kind: str) -> dict[str, Any]:
    """A BEIR or MS MARCO folder, whose judgements may have three columns or four, or be missing."""
    plain = [name.removesuffix(".gz") for name in there]
    splits = [name[6:-4] for name in plain if name.startswith("qrels/") and name.endswith(".tsv")]
    others = [name for name in plain if name.startswith("qrels") and "/" not in name]
    spec: dict[str, Any] = {"use": "files", "path": str(folder)}
    if splits:
        split = min(splits, key=lambda name: SPLITS.index(name) if name in SPLITS else len(SPLITS))
        named, settings = f"qrels/{split}.tsv", {"split": split} if split != "test" else {}
    elif others:
        named, settings = others[0], {"qrels": others[0]}
    else:
        return spec | ({"format": kind} if kind != "beir" else {}) | {"qrels": NO_QRELS}
    file = folder / (named if named in there else f"{named}.gz")
    if kind == "beir" and max(_widths(file), default=3) == 4:
        kind = "trec"
    return spec | ({"format": kind} if kind != "beir" else {}) | settings


def _widths(file: Path) -> Iterator[int]:
    """How many columns the first lines have."""
    return (len(line.split()) for _, line in islice(text_lines(file), 5))


def _table(folder: Path, there: Sequence[str], said: Mapping[str, str]) -> dict[str, Any]:
    """Tables, by what files and columns are called, and by what was said of them."""
    if not there:
        raise DataError(
            f"{folder} has no documents and queries that can be read: expected a BEIR folder "
            "(corpus.jsonl, queries.jsonl, qrels/test.tsv), MS MARCO's collection.tsv and "
            f"queries.tsv, or tables that end with {listed(TABLES, ' or ')}."
        )
    spec: dict[str, Any] = {"use": "table", "path": str(folder)}
    asked: list[Question] = []
    for part in ("corpus", "queries", "qrels"):
        file = said.get(part) or _file(folder, part, there)
        if isinstance(file, Question):
            asked.append(file)
            continue
        spec[part] = file
        if part == "qrels" and file == NO_QRELS:
            continue
        for setting, column in _columns(folder, part, file, {**spec, **said}):
            if isinstance(column, Question):
                asked.append(column)
            elif column != getattr(table.Table, setting):
                spec[setting] = column
    if asked:
        raise UnclearError(asked)
    return spec


def _file(folder: Path, part: str, there: Sequence[str]) -> str | Question:
    """The only file whose name fits; else those that fit, or those that fit nothing, to choose from."""

    def role(name: str) -> str:
        stem = Path(name).name.lower()
        return next((role for role, words in FILES.items() if any(w in stem for w in words)), "")

    fit = [name for name in there if role(name) == part]
    if len(fit) == 1:
        return fit[0]
    choices = fit or [name for name in there if not role(name)]
    if part == "qrels":
        if not choices:
            return NO_QRELS
        choices = [*choices, NO_QRELS]
    if not choices:
        raise DataError(
            f"{folder} has no file of {HELD[part]} {NEEDED[part]}; there are {listed(there)}. "
            f"If one of them has the {HELD[part]}, name it with --{part}=NAME."
        )
    found = f"{len(fit)} could be it" if fit else "no name of a file says so"
    return Question(part, f"Which file has the {HELD[part]}? {found.capitalize()}.", choices)


def _columns(
    folder: Path, part: str, file: str, known: Mapping[str, str]
) -> Iterator[tuple[str, str | Question | None]]:
    """The column of each setting, None where there is none; `known` are settings so far."""
    first = next(iter(table.rows(folder / file)), None)
    if first is None:
        raise DataError(f"{folder / file} has no rows.")
    columns = list(first[1])
    for setting, names in COLUMNS[part].items():
        column = known.get(setting) or _fitting(columns, names)
        same = known.get(SAME.get(setting, ""))
        if column is None and same in columns and same not in TOO_COMMON:
            column = same
        if column is None and setting not in MAY_LACK:
            what = f"Which column of {file} has {WHAT[setting]}?"
            yield setting, Question(setting, what, columns)
        else:
            yield setting, column


def _fitting(columns: Iterable[str], names: Sequence[str]) -> str | None:
    plain = {"".join(c for c in column.casefold() if c.isalnum()): column for column in columns}
    return next((plain[name] for name in names if name in plain), None)
