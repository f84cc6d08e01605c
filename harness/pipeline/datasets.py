"""Datasets on disk: a source is read once, and its documents are never all in memory.

    CACHE/datasets/KEY/     documents as `harness.files.stored_docs` has them; the rest as JSON

Datasets over the same documents are made of one pass over them. A folder is complete or absent; it
is checked when it is opened, and one that is damaged is set aside and made again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.components.datasets._streams import Block, Questions, blocks
from harness.components.protocols import DatasetSource, StreamedSource
from harness.components.subset import Draw
from harness.data import Dataset, Doc, Fingerprint, PlacedDoc, Query
from harness.errors import InputError
from harness.experiment.keys import dataset_key, key
from harness.experiment.schema import DatasetChoice
from harness.files import bounds, digests, disk, ids, locks
from harness.files.digests import DamagedError
from harness.files.stored_docs import BLOCK, StoredDocs, Writer, hashes
from harness.results.tables import stored_json

VERSION = 1
"""Of the files; raised when they change."""

REST = "dataset.json"
"""The file of all but the documents."""


def load_dataset(
    choice: DatasetChoice, cache: Path, beside: Sequence[DatasetChoice] = ()
) -> Dataset:
    """The dataset, or the part of it that the experiment uses, from the cache if it is there.

    Those of `beside` that have the same documents are made with it, where it has to be made. Raises
    DataError naming what is wrong with the dataset, StoreError if the cache cannot be written.
    """
    with bounds.reading(f"The dataset {choice.name!r}"):
        folder = _folder(choice, cache)
        found = _opened(folder)
        if found is None:
            busy = f"Another run reads the dataset {choice.name!r}"
            with locks.alone(folder.with_suffix(".lock"), busy):
                found = _opened(folder) or _made(choice, cache, beside)
        return found


def stored_dataset(choice: DatasetChoice, cache: Path) -> Dataset | None:
    """The dataset if it is in the cache; None where it must be read first."""
    return _opened(_folder(choice, cache))


def load_questions(source: DatasetSource) -> Dataset:
    """The queries and judgements of a source; the documents need not be there."""
    if isinstance(source, StreamedSource):
        return source.questions().dataset
    return source.load()


def _folder(choice: DatasetChoice, cache: Path) -> Path:
    found = key(dataset_key(choice), choice.source.label(), VERSION)
    return cache / "datasets" / found[:32]


def _opened(folder: Path) -> Dataset | None:
    if not folder.exists():
        return None
    try:
        digests.check(folder)
        return _read(folder)
    except DamagedError as fault:
        digests.set_aside(folder, fault)
        return None


def _read(folder: Path) -> Dataset:
    rest = stored_json(folder / REST)
    try:
        fingerprint = rest.pop("fingerprint")
        queries = [Query(*query) for query in rest.pop("queries")]
        dataset = Dataset(docs=StoredDocs(folder), queries=queries, **rest)
    except (KeyError, TypeError) as error:
        raise DamagedError(folder, f"is of another version of the harness: {error}") from error
    vars(dataset)["fingerprint"] = fingerprint  # of this very dataset: `replace` forgets it
    return dataset


def _made(choice: DatasetChoice, cache: Path, beside: Sequence[DatasetChoice]) -> Dataset:
    source = choice.source
    streamed = source if isinstance(source, StreamedSource) else _Whole(source.load())
    with contextlib.ExitStack() as stack:
        stack.enter_context(disk.writing(cache))
        first = _Making(choice, cache, streamed.questions(), stack)
        others = []
        for one in beside:
            with contextlib.suppress(InputError):  # said when its turn comes
                if not _folder(one, cache).exists() and one != choice and _same(source, one.source):
                    others.append(_Making(one, cache, one.source.questions(), stack))
        for block in blocks(streamed.stream, source.label()):
            for making in (first, *others):
                making.add(block)
        first.finish()
        for making in others:
            with contextlib.suppress(InputError):
                making.finish()
    return _read(first.folder)


def _same(source: Any, other: Any) -> bool:
    """Whether both give the same documents, one by one."""
    return (
        type(source) is type(other)
        and isinstance(source, StreamedSource)
        and source.documents_key() == other.documents_key()
    )


@dataclass
class _Whole:
    """A dataset that its source gave as a whole, as if its documents came one by one."""

    given: Dataset

    def questions(self) -> _Whole:
        return self

    def stream(self) -> Iterator[PlacedDoc]:
        return ((f"The dataset {self.given.name!r}", doc) for doc in self.given.docs)

    @property
    def dataset(self) -> Dataset:
        return self.over(())

    def see(self, docs: Sequence[Doc]) -> None:
        """What is to be noted of it, its source did."""

    def over(self, docs: Sequence[Doc]) -> Dataset:
        return dataclasses.replace(self.given, docs=docs)


class _Making:
    """A dataset that is written while its documents go by."""

    def __init__(
        self,
        choice: DatasetChoice,
        cache: Path,
        questions: Questions | _Whole,
        stack: contextlib.ExitStack,
    ) -> None:
        self.folder = _folder(choice, cache)
        self._questions = questions
        asked, part = questions.dataset, choice.subset
        for name in chain(asked.qrels, *asked.qrels.values()):
            ids.checked(f"The dataset {asked.name!r}", name)
        self._draw = Draw(asked, part.documents, part.queries, part.seed) if part else None
        self._fingerprint = Fingerprint()
        self._passing = stack.enter_context(disk.passing(self.folder.parent, Path.mkdir))
        self._writer = Writer(self._passing)

    def add(self, block: Block) -> None:
        """Take the next documents, as far as they can be part of it."""
        self._questions.see(block.docs)
        if self._draw is None:
            self._write(block)
            return
        taken = self._draw.taken(*block)
        self._writer.add([block.docs[i] for i in taken.tolist()], block.hashes[taken])

    def _write(self, block: Block) -> None:
        self._writer.add(*block)
        self._fingerprint.add(block.docs)

    def finish(self) -> None:
        """Put the folder in its place; raises DataError where the parts do not fit each other."""
        dataset = self._questions.over(())
        with disk.new_folder(self.folder) as aside:
            if self._draw is None:
                self._writer.finish()
                for file in self._passing.iterdir():
                    file.rename(aside / file.name)
            else:
                self._write_drawn(self._draw.kept(), aside)
                dataset = self._draw.over(StoredDocs(aside), dataset.notes)
            (aside / REST).write_text(self._rest(dataset), encoding="ascii")
            digests.seal(aside)

    def _write_drawn(self, kept: NDArray[np.int64], folder: Path) -> None:
        taken, self._writer = StoredDocs(self._passing), Writer(folder)
        for start in range(0, len(kept), BLOCK):
            docs = taken.take(kept[start : start + BLOCK].tolist())
            self._write(Block(docs, hashes([doc.doc_id for doc in docs])))
        self._writer.finish()

    def _rest(self, dataset: Dataset) -> str:
        return json.dumps(
            {
                "name": dataset.name,
                "queries": dataset.queries,
                "qrels": dataset.qrels,
                "description": dataset.description,
                "notes": list(dataset.notes),
                "drop_self_hits": dataset.drop_self_hits,
                "fingerprint": self._fingerprint.value(dataset.queries, dataset.qrels),
            },
            default=int,  # a grade may be one of numpy's numbers
        )
