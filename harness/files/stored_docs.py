"""Documents in plain files, of which only what is asked for is in memory.

    ids, texts             all of them, one after the other, in UTF-8
    id_starts, text_starts where each begins and the last one ends: 64-bit numbers, a number a document
                           and one more
    hashes, places         `hashes` of the ids in rising order, and where the document of each stands

Halves of surrogate pairs, which have no UTF-8, are written as the three bytes they would have. All
numbers are little-endian. Texts are read from their file a block at a time, and never mapped into
memory, where they would count as this process's; no file of texts stays open.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from harness.data import Columns, Doc

BLOCK = 4096
"""Documents that are read or written together."""

CODING = ("utf-8", "surrogatepass")

Numbers = NDArray[np.uint64]


def hashes(doc_ids: Sequence[str]) -> Numbers:
    """A number for each id, the same on every machine; two ids can have the same one."""
    found = b"".join(
        hashlib.blake2b(doc_id.encode(*CODING), digest_size=8).digest() for doc_id in doc_ids
    )
    return np.frombuffer(found, "<u8")


class Writer:
    """Writes documents into a folder as they come, in constant memory but for 8 bytes an id."""

    def __init__(self, folder: Path) -> None:
        """Files in `folder`, which is there; raises OSError where they cannot be written."""
        self._folder = folder
        self._hashes: list[Numbers] = []
        self._ends = {"id": 0, "text": 0}
        for kind in self._ends:
            (folder / f"{kind}s").write_bytes(b"")
            np.zeros(1, "<u8").tofile(folder / f"{kind}_starts")

    def add(self, docs: Sequence[Doc], hashes: Numbers) -> None:
        """Write the next documents; `hashes` are those of their ids."""
        self._append("id", [doc.doc_id for doc in docs])
        self._append("text", [doc.text for doc in docs])
        self._hashes.append(hashes)

    def _append(self, kind: str, values: Sequence[str]) -> None:
        coded = [value.encode(*CODING) for value in values]
        ends = self._ends[kind] + np.cumsum([len(one) for one in coded], dtype=np.uint64)
        if coded:
            self._ends[kind] = int(ends[-1])
        with (self._folder / f"{kind}s").open("ab") as file:
            file.write(b"".join(coded))
        with (self._folder / f"{kind}_starts").open("ab") as file:
            file.write(ends.astype("<u8").tobytes())

    def finish(self) -> None:
        """Write by what documents are found."""
        found = np.concatenate(self._hashes)
        order = np.argsort(found, kind="stable").astype("<u8")
        order.tofile(self._folder / "places")
        found[order].astype("<u8").tofile(self._folder / "hashes")


class StoredDocs(Columns):
    """The documents that a `Writer` wrote, at least one."""

    def __init__(self, folder: Path) -> None:
        """The documents in `folder`; nothing is read yet."""
        self._folder = folder

    def __reduce__(self) -> tuple[type[StoredDocs], tuple[Path]]:
        """A copy in another process opens the files there."""
        return StoredDocs, (self._folder,)

    @cached_property
    def ids(self) -> Sequence[str]:
        """Their ids, of which those that are asked for are in memory."""
        mapped = np.asarray(np.memmap(self._folder / "ids", "u1", "r"))
        return _Column(self._numbers("id_starts"), lambda start, end: mapped[start:end].tobytes())

    @cached_property
    def texts(self) -> Sequence[str]:
        """Their texts, read anew whenever they are asked for."""
        return _Column(self._numbers("text_starts"), self._read)

    def _read(self, start: int, end: int) -> bytes:
        with (self._folder / "texts").open("rb", buffering=0) as file:
            return _at(file, start, end)

    def _numbers(self, name: str) -> Numbers:
        return np.asarray(np.memmap(self._folder / name, "<u8", "r"))

    @cached_property
    def _sorted(self) -> tuple[Numbers, Numbers]:
        return self._numbers("hashes"), self._numbers("places")

    def __len__(self) -> int:
        """How many there are."""
        return len(self.ids)

    @overload
    def __getitem__(self, at: int) -> Doc: ...
    @overload
    def __getitem__(self, at: slice) -> list[Doc]: ...
    def __getitem__(self, at: int | slice) -> Doc | list[Doc]:
        """One of them, or a list of some."""
        if isinstance(at, slice):
            return list(map(Doc, self.ids[at], self.texts[at]))
        return Doc(self.ids[at], self.texts[at])

    def __iter__(self) -> Iterator[Doc]:
        """All of them, of which a block is in memory."""
        return map(Doc, self.ids, self.texts)

    def places(self, doc_ids: Sequence[str]) -> list[int]:
        """Where each of these documents stands; -1 for one that is not there."""
        known, places = self._sorted
        wanted = hashes(doc_ids)
        bounds = (np.searchsorted(known, wanted, side).tolist() for side in ("left", "right"))
        return [
            next((int(at) for at in places[start:end] if self.ids[at] == doc_id), -1)
            for doc_id, start, end in zip(doc_ids, *bounds, strict=True)
        ]

    def take(self, places: Iterable[int]) -> list[Doc]:
        """The documents at `places`."""
        starts = self._numbers("text_starts")
        with (self._folder / "texts").open("rb", buffering=0) as file:
            return [
                Doc(self.ids[at], _at(file, int(starts[at]), int(starts[at + 1])).decode(*CODING))
                for at in places
            ]


class _Column(Sequence[str]):
    """Values one after the other, of which `read` gives the bytes from a place to another."""

    def __init__(self, starts: Numbers, read: Callable[[int, int], bytes]) -> None:
        self._starts = starts
        self._read = read

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            start, stop, step = at.indices(len(self))
            if step == 1:
                return self._between(start, stop)
            return [self[i] for i in range(start, stop, step)]
        place = operator.index(at)
        place += len(self) if place < 0 else 0
        if not 0 <= place < len(self):
            raise IndexError(f"{at} of {len(self)} documents")
        return self._between(place, place + 1)[0]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK):
            yield from self._between(start, min(start + BLOCK, len(self)))

    def _between(self, start: int, stop: int) -> list[str]:
        if stop <= start:
            return []
        first, *ends = self._starts[start : stop + 1].tolist()
        content = self._read(first, ends[-1])
        found, before = [], 0
        for end in ends:
            found.append(content[before : end - first].decode(*CODING))
            before = end - first
        return found


def _at(file: Any, start: int, end: int) -> bytes:
    """The bytes of an unbuffered file from a place to another; a read can give fewer than asked."""
    file.seek(start)
    parts, left = [], end - start
    while left and (part := file.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
