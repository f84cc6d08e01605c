"""A dataset in files: a BEIR folder, MS MARCO's TSV files, TREC qrels, or a mixture of them."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar

from harness.components.datasets._qrels import FORMATS, read_judgements
from harness.components.datasets._streams import NO_QRELS, Questions, asked, in_memory, unjudged
from harness.components.protocols import PLACE
from harness.data import Dataset, Doc, PlacedDoc, Query
from harness.errors import DataError
from harness.files import ids
from harness.files.disk import sha256, text_lines
from harness.files.wrong_values import shown

Item = TypeVar("Item", Doc, Query)


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
    """The file of judgements, if not the format's own name; `none`: nothing is judged."""
    drop_self_hits: bool = False
    """Drop hits whose doc id is the query's own id (ArguAna, Quora)."""

    def label(self) -> str:
        """The folder's name, with the split where it is not the test split."""
        name = Path(self.path).resolve().name
        return name if self.split == "test" else f"{name}-{self.split}"

    def identity(self) -> Mapping[str, str]:
        """The digests of the files."""
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
        """The dataset; queries without judgements are left out and counted, unless there are none.

        Raises DataError naming file and line of a malformed line, a repeated id, a judgement of
        an unknown query, or if nothing is left.
        """
        return in_memory(self)

    def questions(self) -> Questions:
        """Queries and judgements."""
        files = self._files()
        queries = unique(self._read(files["queries"], Query))
        if self.qrels == NO_QRELS:
            return unjudged(self, queries, drop_self_hits=self.drop_self_hits)
        return asked(
            self,
            queries,
            read_judgements(files["qrels"], FORMATS[self.format]),
            str(files["qrels"]),
            self.drop_self_hits,
        )

    def stream(self) -> Iterator[PlacedDoc]:
        """The documents, a line each."""
        return self._read(self._files()["corpus"], Doc)

    def documents_key(self) -> Hashable:
        """The file, and how it is read."""
        return self._files()["corpus"].resolve(), self.format == "tsv"

    def _read(self, file: Path, kind: type[Item]) -> Iterator[tuple[str, Item]]:
        return (_tsv if self.format == "tsv" else _jsonl)(file, kind)

    def _files(self) -> Mapping[str, Path]:
        folder = Path(self.path)
        if not folder.is_dir():
            raise DataError(f"The dataset folder {folder} does not exist.")
        corpus, ending = ("collection", "tsv") if self.format == "tsv" else ("corpus", "jsonl")
        usual = {
            "corpus": self.corpus or f"{corpus}.{ending}",
            "queries": self.queries or f"queries.{ending}",
        }
        if self.qrels != NO_QRELS:
            usual["qrels"] = self.qrels or f"qrels/{self.split}.tsv"
        return {kind: _existing(folder / name, kind) for kind, name in usual.items()}


def _existing(file: Path, kind: str) -> Path:
    packed = Path(f"{file}.gz")
    for candidate in (file, packed):
        if candidate.is_file():
            return candidate
    raise DataError(f"The file of the {kind} does not exist: {file} (nor {packed.name}).")


def unique(queries: Iterator[tuple[str, Query]]) -> list[Query]:
    """The queries, whose ids must be possible and distinct; raises DataError naming the line of one."""
    found: dict[str, Query] = {}
    for place, query in queries:
        name = ids.checked(place, query.query_id)
        if name in found:
            raise DataError(f"{place}: the id {name!r} occurs a second time.")
        found[name] = query
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
