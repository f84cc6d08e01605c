"""What a folder of somebody's data holds: which source reads it, and with which settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from harness.components.datasets import table
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

DOC_IDS = ("docid", "documentid", "passageid", "productid", "corpusid", "docno", "pid")

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

MAY_LACK = ("doc_title", "relevance")
"""Settings whose column need not be there."""


class UnclearError(DataError):
    """Something that the folder leaves open; whoever knows it can say it."""

    def __init__(self, setting: str, question: str, choices: Sequence[str]) -> None:
        """`setting` is one of `table`; `choices` what it may be."""
        self.setting = setting
        self.question = question
        self.choices = choices
        option = f"--{setting}" if setting in FILES else f"--column {setting}"
        super().__init__(f"{question} Say {option}=NAME; there are {listed(choices)}.")


def recognised(folder: Path, said: Mapping[str, str]) -> dict[str, Any]:
    """What an experiment file says under `datasets` for `folder`.

    `said` has settings of `table` that somebody named. Raises UnclearError for what the files leave
    open, DataError where there is nothing that could be a dataset.
    """
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
    """A BEIR or MS MARCO folder, whose judgements may have three columns or four."""
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
        raise DataError(
            f"{folder} has documents and queries, but no judgements: which document answers which "
            "query stands in qrels/test.tsv, with the columns query-id, corpus-id, score."
        )
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
    for part in ("corpus", "queries", "qrels"):
        spec[part] = said.get(part) or _file(part, there)
        spec |= _columns(folder, part, spec[part], said)
    return spec


def _file(part: str, there: Sequence[str]) -> str:
    def role(name: str) -> str:
        stem = Path(name).name.lower()
        return next((role for role, words in FILES.items() if any(w in stem for w in words)), "")

    fit = [name for name in there if role(name) == part]
    if len(fit) != 1:
        found = f"{len(fit)} could be it" if fit else "no name of a file says so"
        raise UnclearError(
            part, f"Which file has the {HELD[part]}? {found.capitalize()}.", fit or there
        )
    return fit[0]


def _columns(
    folder: Path, part: str, file: str, said: Mapping[str, str]
) -> Iterator[tuple[str, str | None]]:
    """The settings that differ from the defaults of `table`."""
    first = next(iter(table.rows(folder / file)), None)
    if first is None:
        raise DataError(f"{folder / file} has no rows.")
    columns = list(first[1])
    for setting, names in COLUMNS[part].items():
        column = said.get(setting) or _fitting(columns, names)
        if column is None and setting not in MAY_LACK:
            what = setting.replace("_", " ")
            raise UnclearError(setting, f"Which column of {file} has the {what}?", columns)
        if column != getattr(table.Table, setting):
            yield setting, column


def _fitting(columns: Iterable[str], names: Sequence[str]) -> str | None:
    plain = {"".join(c for c in column.casefold() if c.isalnum()): column for column in columns}
    return next((plain[name] for name in names if name in plain), None)
