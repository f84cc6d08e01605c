"""A dataset in files: a BEIR folder, MS MARCO's TSV files, TREC qrels, or a mixture of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar

from harness.components.datasets._qrels import FORMATS, Placed, read_judgements
from harness.components.protocols import PLACE
from harness.data import Dataset, Doc, Query
from harness.errors import DataError
from harness.files import ids
from harness.files.disk import sha256, text_lines
from harness.files.wrong_values import shown
from harness.page.text import counted

Item = TypeVar("Item", Doc, Query)

SELF_HITS_FROM = 0.1
"""Share of the queries that are documents, above which that is said."""


@dataclass(frozen=True)
class Files:
    """Documents, queries and judgements by path; every file may be packed as .gz."""

    path: str = field(metadata=PLACE)
    """The folder; the paths below are inside it unless they are absolute."""
    split: str = field(default="test", metadata=PLACE)
    """Which judgements: `qrels/SPLIT.tsv`, unless `qrels` names a file."""
    format: Literal["beir", "tsv", "trec"] = "beir"
    """`beir`: corpus.jsonl, queries.jsonl, qrels of three columns. `tsv`: MS MARCO's
    collection.tsv and queries.tsv (id, text) and four-column qrels. `trec`: BEIR's documents and
    queries with four-column TREC qrels. Qrels may have a header line that names the columns."""
    corpus: str | None = field(default=None, metadata=PLACE)
    """The file of documents, if not the format's own name."""
    queries: str | None = field(default=None, metadata=PLACE)
    """The file of queries, if not the format's own name."""
    qrels: str | None = field(default=None, metadata=PLACE)
    """The file of judgements, if not the format's own name."""
    drop_self_hits: bool = False
    """Drop hits whose doc id is the query's own id (ArguAna, Quora)."""

    def label(self) -> str:
        """The folder's name, with the split where it is not the test split."""
        name = Path(self.path).resolve().name
        return name if self.split == "test" else f"{name}-{self.split}"

    def identity(self) -> Mapping[str, str]:
        """The digests of the three files."""
        return {kind: sha256(file) for kind, file in self._files().items()}

    def training(self) -> Files:
        """The queries judged in `qrels/train.tsv`.

        Raises DataError where that is the split to measure on; a missing file shows in `identity`.
        """
        if self.split == "train" and self.qrels is None:
            raise DataError(
                f"The dataset {self.label()!r} is measured on its training queries, which leaves "
                "none to learn from: measure on another split."
            )
        return replace(self, split="train", qrels=None)

    def load(self) -> Dataset:
        """The dataset; queries without judgements are left out and counted.

        Raises DataError naming file and line of a malformed line, a repeated id, a judgement of
        an unknown query, or if nothing is left.
        """
        read, files = (_tsv if self.format == "tsv" else _jsonl), self._files()
        return assembled(
            self.label(),
            unique(read(files["corpus"], Doc)),
            unique(read(files["queries"], Query)),
            read_judgements(files["qrels"], FORMATS[self.format]),
            str(files["qrels"]),
            self.drop_self_hits,
        )

    def _files(self) -> Mapping[str, Path]:
        folder = Path(self.path)
        if not folder.is_dir():
            raise DataError(f"The dataset folder {folder} does not exist.")
        corpus, ending = ("collection", "tsv") if self.format == "tsv" else ("corpus", "jsonl")
        usual = {
            "corpus": self.corpus or f"{corpus}.{ending}",
            "queries": self.queries or f"queries.{ending}",
            "qrels": self.qrels or f"qrels/{self.split}.tsv",
        }
        return {kind: _existing(folder / name, kind) for kind, name in usual.items()}


def assembled(
    label: str,
    docs: Sequence[Doc],
    queries: Sequence[Query],
    judgements: Iterable[Placed],
    qrels_name: str,
    drop_self_hits: bool,
) -> Dataset:
    """One dataset of parts, with notes that count what does not fit.

    `judgements` come with the place where each stands. Raises DataError for a judgement of an
    unknown query, one that contradicts another, if no document or no judged query is left, or if
    (nearly) no judged document is in the corpus.
    """
    known = {query.query_id for query in queries}
    qrels: dict[str, dict[str, int]] = {}
    for place, (query_id, doc_id, relevance) in judgements:
        if query_id not in known:
            raise DataError(f"{place}: {_unknown_query(query_id, known, docs)}")
        judged = qrels.setdefault(query_id, {})
        if judged.setdefault(doc_id, relevance) != relevance:
            raise DataError(
                f"{place}: query {query_id!r} and document {doc_id!r} were judged "
                f"{judged[doc_id]} before and {relevance} here."
            )
    judged_queries = [query for query in queries if query.query_id in qrels]
    if not docs:
        raise DataError(f"The dataset {label!r} has no documents.")
    if not judged_queries:
        raise DataError(f"No query of the dataset {label!r} has a judgement in {qrels_name}.")
    left_out = len(queries) - len(judged_queries)
    dataset = Dataset(label, docs, judged_queries, qrels, drop_self_hits=drop_self_hits)
    return replace(dataset, notes=tuple(_notes(dataset, left_out, qrels_name)))


def _unknown_query(query_id: str, known: Collection[str], docs: Sequence[Doc]) -> str:
    wrong = f"the query {query_id!r} is judged but not among the queries"
    if query_id in {doc.doc_id for doc in docs}:
        return f"{wrong}; a document has this id: are the columns in another order?"
    near = ids.alike([query_id], known)
    return f"{wrong}: {near}." if near else f"{wrong}."


def _notes(dataset: Dataset, left_out: int, qrels_name: str) -> Iterator[str]:
    """What does not fit, counted; raises DataError where no judgement fits the corpus."""
    if left_out:
        total = left_out + len(dataset.queries)
        yield f"Left out without a judgement: {left_out} of {counted(total, 'query', 'queries')}."
    yield from _unknown_docs(dataset, qrels_name)
    yield from _queries_that_are_docs(dataset)
    empty = sum(1 for judged in dataset.qrels.values() if max(judged.values()) < 1)
    if empty:
        many = "queries have no relevant document and count"
        yield f"{counted(empty, 'query has no relevant document and counts', many)} 0 in every mean."


def _unknown_docs(dataset: Dataset, qrels_name: str) -> Iterator[str]:
    corpus = dataset.docs_by_id
    judged = [doc_id for judgements in dataset.qrels.values() for doc_id in judgements]
    unknown = [doc_id for doc_id in judged if doc_id not in corpus]
    if not unknown:
        return
    near = ids.alike(unknown, corpus)
    if ids.unrelated(judged, corpus):
        why = near or f"the corpus has ids such as {dataset.docs[0].doc_id!r}"
        raise DataError(
            f"{qrels_name} is of another corpus: it has none, or next to none, of the "
            f"{len(set(judged)):,} judged documents, such as {unknown[0]!r}: {why}. Write the ids "
            "of both alike, or name the corpus that was judged."
        )
    hint = f" ({near})" if near else ""
    of = "are of documents" if len(unknown) > 1 else "is of a document"
    yield (
        f"{len(unknown)} of {counted(len(judged), 'judgement')} {of} that the corpus lacks{hint}; "
        "they are kept, since they belong to the ideal ranking."
    )


def _queries_that_are_docs(dataset: Dataset) -> Iterator[str]:
    """A note where queries are documents under their own ids, which is no accident of numbering."""
    if dataset.drop_self_hits:
        return
    own = [
        query.query_id
        for query in dataset.queries
        if (doc := dataset.docs_by_id.get(query.query_id))
        and dataset.qrels[query.query_id].get(doc.doc_id, 0) < 1
        and _words(query.text)
        and _words(query.text) in _words(doc.text)
    ]
    if len(own) > len(dataset.queries) * SELF_HITS_FROM:
        yield (
            f"{len(own)} of {len(dataset.queries)} queries are documents of the corpus under the "
            f"same id, such as {own[0]!r}, and each will find itself first: say "
            "`drop_self_hits: true` so that such hits are dropped."
        )


def _words(text: str) -> str:
    return " ".join(text.casefold().split())


def _existing(file: Path, kind: str) -> Path:
    packed = Path(f"{file}.gz")
    for candidate in (file, packed):
        if candidate.is_file():
            return candidate
    raise DataError(f"The file of the {kind} does not exist: {file} (nor {packed.name}).")


def unique(items: Iterator[tuple[str, Item]]) -> list[Item]:
    """The items, whose ids must be possible and distinct; raises DataError naming the line of one."""
    found: dict[str, Item] = {}
    for place, item in items:
        name = ids.checked(place, item[0])
        if name in found:
            raise DataError(f"{place}: the id {name!r} occurs a second time.")
        found[name] = item
    return list(found.values())


def objects(file: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The objects of a JSON Lines file with their places; raises DataError for what is none."""
    for place, line in text_lines(file):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place}: not a JSON object: {error}.") from error
        if not isinstance(value, dict):
            raise DataError(f"{place}: expected a JSON object, found {type(value).__name__}.")
        yield place, value


def _text(place: str, value: Mapping[str, object], key: str, required: bool = True) -> str:
    found = value.get(key)
    if found is None and not required:
        return ""
    if not isinstance(found, str):
        keys = f"; the line has {', '.join(map(shown, islice(value, 9)))}" * (key not in value)
        raise DataError(f"{place}: expected text under {key!r}, found {shown(found)}{keys}.")
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{place}: the text under {key!r} is not valid: {error.reason}.") from error
    return found


def _id(place: str, value: Mapping[str, object]) -> str:
    """The id of a line, which may be a whole number; blanks around it are no part of it."""
    found = value.get("_id")
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return _text(place, value, "_id").strip()


def _jsonl(file: Path, kind: type[Item]) -> Iterator[tuple[str, Item]]:
    for place, value in objects(file):
        title = _text(place, value, "title", required=False) if kind is Doc else ""
        text = _text(place, value, "text")
        yield place, kind(_id(place, value), f"{title} {text}" if title else text)


def _tsv(file: Path, kind: type[Item]) -> Iterator[tuple[str, Item]]:
    for place, line in text_lines(file):
        fields = line.split("\t")
        if len(fields) != 2:
            raise DataError(f"{place}: expected id, tab, text; found {len(fields)} fields.")
        yield place, kind(fields[0].strip(), fields[1])
