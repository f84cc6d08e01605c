"""A dataset in files: a BEIR folder, MS MARCO's TSV files, TREC qrels, or a mixture of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from harness.data import Dataset, Doc, Qrels, Query
from harness.errors import DataError
from harness.files import open_text, sha256
from harness.protocols import PLACE

Item = TypeVar("Item", Doc, Query)


class Judgement(NamedTuple):
    """One line of a qrels file."""

    query_id: str
    doc_id: str
    relevance: int


@dataclass(frozen=True)
class Files:
    """Documents, queries and judgements by path; every file may be packed as .gz."""

    path: str = field(metadata=PLACE)
    """The folder; the paths below are inside it unless they are absolute."""
    split: str = "test"
    """Which judgements: `qrels/SPLIT.tsv`, unless `qrels` names a file."""
    format: Literal["beir", "tsv", "trec"] = "beir"
    """`beir`: corpus.jsonl, queries.jsonl, qrels with a header line. `tsv`: MS MARCO's
    collection.tsv and queries.tsv (id, text) and four-column qrels. `trec`: BEIR's documents and
    queries with four-column TREC qrels."""
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
        tsv = self.format == "tsv"
        files = self._files()
        docs = _unique(_tsv(files["corpus"], Doc) if tsv else _jsonl_docs(files["corpus"]))
        queries = _unique(
            _tsv(files["queries"], Query) if tsv else _jsonl_queries(files["queries"])
        )
        judged = QRELS_FORMATS[self.format](files["qrels"])
        return assembled(
            self.label(), docs, queries, judged, str(files["qrels"]), self.drop_self_hits
        )

    def _files(self) -> Mapping[str, Path]:
        folder = Path(self.path)
        if not folder.is_dir():
            raise DataError(f"The dataset folder {folder} does not exist.")
        ending = "tsv" if self.format == "tsv" else "jsonl"
        corpus = "collection" if self.format == "tsv" else "corpus"
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
    judgements: Sequence[tuple[str, Judgement]],
    qrels_name: str,
    drop_self_hits: bool,
) -> Dataset:
    """One dataset of parts, with notes that count what does not fit.

    `judgements` come with the place where each stands. Raises DataError for a judgement of an
    unknown query, one that contradicts another, or if no document or no judged query is left.
    """
    known_queries = {query.query_id for query in queries}
    known_docs = {doc.doc_id for doc in docs}
    qrels: dict[str, dict[str, int]] = {}
    unknown_docs = 0
    for place, (query_id, doc_id, relevance) in judgements:
        if query_id not in known_queries:
            raise DataError(f"{place}: the query {query_id!r} is judged but not among the queries.")
        judged = qrels.setdefault(query_id, {})
        if judged.setdefault(doc_id, relevance) != relevance:
            raise DataError(
                f"{place}: query {query_id!r} and document {doc_id!r} were judged "
                f"{judged[doc_id]} before and {relevance} here."
            )
        unknown_docs += doc_id not in known_docs
    kept = [query for query in queries if query.query_id in qrels]
    if not docs:
        raise DataError(f"The dataset {label!r} has no documents.")
    if not kept:
        raise DataError(f"No query of the dataset {label!r} has a judgement in {qrels_name}.")
    return Dataset(
        name=label,
        docs=docs,
        queries=kept,
        qrels=qrels,
        notes=tuple(_counted(len(queries) - len(kept), len(queries), unknown_docs, qrels)),
        drop_self_hits=drop_self_hits,
    )


def _counted(unjudged: int, queries: int, unknown_docs: int, qrels: Qrels) -> Iterator[str]:
    if unjudged:
        yield f"{unjudged} of {queries} queries have no judgement and are left out."
    if unknown_docs:
        total = sum(map(len, qrels.values()))
        yield (
            f"{unknown_docs} of {total} judgements are of documents that the corpus lacks; they "
            "are kept, since they belong to the ideal ranking."
        )
    empty = sum(1 for judged in qrels.values() if max(judged.values()) < 1)
    if empty:
        yield f"{empty} queries have no relevant document and count 0 in every mean."


def _existing(file: Path, kind: str) -> Path:
    packed = file.with_name(file.name + ".gz")
    for candidate in (file, packed):
        if candidate.is_file():
            return candidate
    raise DataError(f"The file of the {kind} does not exist: {file} (nor {packed.name}).")


def _unique(items: Iterator[tuple[str, Item]]) -> list[Item]:
    found: dict[str, Item] = {}
    for place, item in items:
        if not item[0] or item[0].split() != [item[0]]:
            raise DataError(f"{place}: the id {item[0]!r} is empty or contains white space.")
        if item[0] in found:
            raise DataError(f"{place}: the id {item[0]!r} occurs a second time.")
        found[item[0]] = item
    return list(found.values())


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    with open_text(file) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"{file}:{number}", line.rstrip("\r\n")


def _objects(file: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    for place, line in _lines(file):
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
    if key == "_id" and isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    if not isinstance(found, str):
        raise DataError(f"{place}: expected text under {key!r}, found {found!r}.")
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{place}: the text under {key!r} is not valid: {error.reason}.") from error
    return found


def _jsonl_docs(file: Path) -> Iterator[tuple[str, Doc]]:
    for place, value in _objects(file):
        title = _text(place, value, "title", required=False)
        text = _text(place, value, "text")
        yield place, Doc(_text(place, value, "_id"), f"{title} {text}" if title else text)


def _jsonl_queries(file: Path) -> Iterator[tuple[str, Query]]:
    for place, value in _objects(file):
        yield place, Query(_text(place, value, "_id"), _text(place, value, "text"))


def _tsv(file: Path, kind: type[Item]) -> Iterator[tuple[str, Item]]:
    for place, line in _lines(file):
        fields = line.split("\t")
        if len(fields) != 2:
            raise DataError(f"{place}: expected id, tab, text; found {len(fields)} fields.")
        yield place, kind(fields[0], fields[1])


def _judgement(place: str, query_id: str, doc_id: str, relevance: str) -> tuple[str, Judgement]:
    try:
        return place, Judgement(query_id, doc_id, int(relevance))
    except ValueError:
        raise DataError(f"{place}: the relevance {relevance!r} is not a whole number.") from None


def _beir_qrels(file: Path) -> list[tuple[str, Judgement]]:
    found = []
    for i, (place, line) in enumerate(_lines(file)):
        fields = line.split("\t")
        if len(fields) != 3:
            raise DataError(
                f"{place}: expected query-id, corpus-id, score; found {len(fields)} fields."
            )
        if i == 0 and fields == ["query-id", "corpus-id", "score"]:
            continue
        found.append(_judgement(place, *fields))
    return found


def _trec_qrels(file: Path) -> list[tuple[str, Judgement]]:
    found = []
    for place, line in _lines(file):
        fields = line.split()
        if len(fields) != 4:
            raise DataError(
                f"{place}: expected query, 0, document, relevance; found {len(fields)} fields."
            )
        found.append(_judgement(place, fields[0], fields[2], fields[3]))
    return found


QRELS_FORMATS: Mapping[str, Callable[[Path], list[tuple[str, Judgement]]]] = {
    "beir": _beir_qrels,
    "tsv": _trec_qrels,
    "trec": _trec_qrels,
}
