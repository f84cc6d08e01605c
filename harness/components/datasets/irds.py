"""Any dataset of ir_datasets, by its id."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn
from zipfile import BadZipFile

from harness.components.datasets._qrels import Judgement
from harness.components.datasets._streams import Questions, asked, in_memory
from harness.components.models import hub
from harness.data import Dataset, Doc, PlacedDoc, Query
from harness.errors import DataError

SELF_HITS = ("beir/arguana", "beir/quora")
"""Datasets whose queries are documents of the corpus, under the same ids."""

DOWNLOADS = ("RequestsDownload", "GoogleDriveDownload", "GoogleCloudBucketStream")
"""How ir_datasets gets what is not at hand."""


@dataclass(frozen=True)
class Irds:
    """Documents, queries and judgements that ir_datasets downloads or has at hand."""

    needs: ClassVar[tuple[str, ...]] = ("ir_datasets",)

    id: str
    """Such as `beir/scifact/test` or `msmarco-passage/trec-dl-2019/judged`."""

    def label(self) -> str:
        """The id."""
        return self.id

    def identity(self) -> Mapping[str, str]:
        """The id and the version of ir_datasets, which pins the content by checksums."""
        return {"irds": self.id, "ir_datasets": importlib.metadata.version("ir_datasets")}

    def training(self) -> Irds:
        """`beir/scifact/train` for `beir/scifact/test`: the nearest `train` beside or above the id.

        Raises DataError where ir_datasets knows none.
        """
        import ir_datasets

        names = self.id.split("/")
        ids = ["/".join([*names[:depth], "train"]) for depth in range(len(names) - 1, 0, -1)]
        known = [one for one in ids if one != self.id and one in ir_datasets.registry]
        if not known:
            raise DataError(
                f"ir_datasets has no training queries for {self.id!r}: none of {', '.join(ids)}."
            )
        return Irds(known[0])

    def load(self) -> Dataset:
        """The dataset, with each document's `default_text()` as its text.

        Raises DataError for an unknown id, and within seconds where the data is neither at hand
        nor can be downloaded.
        """
        return in_memory(self)

    def questions(self) -> Questions:
        """Queries and judgements."""
        source = self._source()
        with self._reading():
            queries = [Query(one.query_id, one.default_text()) for one in source.queries_iter()]
            judged = [
                (self.id, Judgement(qrel.query_id, qrel.doc_id, qrel.relevance))
                for qrel in source.qrels_iter()
            ]
        return asked(self, queries, judged, self.id, self.id.startswith(SELF_HITS))

    def stream(self) -> Iterator[PlacedDoc]:
        """The documents in the order of their files, which a docstore by id does not keep."""
        source = self._source()
        with self._reading():
            for doc in source.docs_iter():
                yield f"The dataset {self.id!r}", Doc(doc.doc_id, doc.default_text())

    def documents_key(self) -> Hashable:
        """The dataset that the documents belong to: parts of it have other queries."""
        import ir_datasets

        return str(ir_datasets.docs_parent_id(self.id))

    def _source(self) -> Any:
        import ir_datasets

        ir_datasets.log.easy().logger().setLevel(logging.ERROR)
        if hub.is_off():
            _forbid_downloads(ir_datasets)
        try:
            source = ir_datasets.load(self.id)
        except KeyError:
            raise DataError(
                f"ir_datasets has no dataset {self.id!r}; its ids are listed by `ir_datasets list`."
            ) from None
        for part in ("docs", "queries", "qrels"):
            if not getattr(source, f"has_{part}")():
                raise DataError(
                    f"{self.id!r} has no {part}; name one of its parts, such as {self.id}/test."
                )
        return source

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns what ir_datasets raises while it reads into a DataError."""
        import ir_datasets

        try:
            yield
        except (OSError, RuntimeError) as error:
            raise DataError(self._absent(ir_datasets, error)) from error
        except (BadZipFile, KeyError, ValueError) as error:
            home = ir_datasets.util.home_path() / self.id.split("/")[0]
            raise DataError(
                f"The copy of {self.id!r} under {home} cannot be read: {type(error).__name__} "
                f"{error}. Delete it, or put a whole one there."
            ) from error

    def _absent(self, ir_datasets: Any, error: Exception) -> str:
        home = ir_datasets.util.home_path()
        said = getattr(error, "strerror", None) or type(error).__name__
        why = "the network is off" if hub.is_off() else f"cannot be downloaded ({said})"
        return (
            f"The dataset {self.id!r} is not on this machine and {why}. Run `python -m harness "
            "fetch FILE`, here or on a connected machine whose copy would be found under "
            f"{home / self.id.split('/')[0]}, or put the collection's files into a folder and name "
            "it with `{use: files, path: ...}`."
        )


def _forbid_downloads(ir_datasets: Any) -> None:
    """Have ir_datasets fail, as without a network, before it asks for what is not at hand."""

    def off(self: Any) -> NoReturn:
        raise OSError(f"{self!r}: the network is off")

    for name in DOWNLOADS:
        getattr(ir_datasets.util.download, name).stream = off
