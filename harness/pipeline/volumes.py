"""A volume of stored vectors: a few large files that grow by parts, each whole or absent.

    ID.vectors    the rows of all texts, one after another, as they lie in memory
    ID.keys       for each text its key and where its rows end, counted from the first of its part
    ID.parts      a line a part: what it holds and the digest of that, after a digest of the line
    ID.order      once the volume is full: its texts in the order of their keys, and a digest
    ID.damaged    a line for each part that was found to be another than was written

A part is there once its line is, which is written last. It is checked when it is first used. A
damaged part stays where it is: it is noted, its texts are made again elsewhere, and nothing is
appended to its volume any more. A file is open only while it is read.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from harness.errors import StoreError
from harness.files import digests, disk
from harness.pipeline.volume_parts import RECORD, Keys, Part, content_digest

log = logging.getLogger(__name__)

READ_BYTES = 4 << 20
"""How much is read at once."""

GAP_BYTES = 64 << 10
"""So far apart rows are read sooner with what lies between them than one by one."""


class Volume:
    """The texts of a volume, as far as they were read; `refresh` reads what was appended since."""

    def __init__(self, path: Path) -> None:
        """The files are those of `path` with a suffix each.

        Raises FileNotFoundError if it is gone, StoreError if it cannot be read.
        """
        self.path = path
        self.unlocked = False
        """Whether it was begun here and the system has no locks: no other process takes it up."""
        self.parts: list[Part] = []
        self.parts_bytes = 0
        """Bytes of whole lines in the file of parts."""
        self._lines = 0
        self._noted: set[str] = set()
        self._whole: set[int] = set()
        """The numbers of parts that were checked."""
        self._records = np.empty(0, RECORD)
        self._firsts = np.empty(0, np.int64)
        self._order: NDArray[np.signedinteger] = np.empty(0, np.int64)
        self._sorted = np.empty(0, np.uint64)
        """The first numbers of the keys in `_order`, the records of all parts not damaged."""
        self.refresh()

    def file(self, suffix: str) -> Path:
        """One of the volume's files."""
        return self.path.with_suffix(suffix)

    @property
    def texts(self) -> int:
        """The number of texts, damaged ones among them."""
        return self.parts[-1].first + self.parts[-1].texts if self.parts else 0

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.parts[-1].row + self.parts[-1].rows if self.parts else 0

    @property
    def layout(self) -> np.dtype[Any] | None:
        """Type and shape of a row; None while there is none."""
        return self.parts[0].layout if self.parts else None

    def can_grow(self) -> bool:
        """Whether nothing in it was found to be damaged, its files' ends included."""
        self._note_beyond_ends()
        return not self._noted

    def refresh(self) -> None:
        """Read what was appended; raises FileNotFoundError and StoreError as opening does."""
        with disk.reading(self.file(".parts")), self.file(".parts").open("rb") as stream:
            stream.seek(self.parts_bytes)
            *lines, _ = stream.read().split(b"\n")  # what ends without one was not finished
        if not lines:
            return
        if self.file(".damaged").exists():
            with disk.reading(self.file(".damaged")):
                self._noted |= set(self.file(".damaged").read_text("utf-8").splitlines())
        for line in lines:
            self._lines += 1
            if part := Part.of_line(line):
                self.parts.append(part)
            else:
                self._note(f"line {self._lines}")
        self.parts_bytes += sum(map(len, lines)) + len(lines)
        self._firsts = np.array([part.first for part in self.parts], np.int64)
        self._records = self._read_records()
        self._sort()

    def _read_records(self) -> NDArray[Any]:
        """The records of all parts, of which those that are known stay as they were checked."""
        known = len(self._records)
        records = np.zeros(self.texts, RECORD)
        records[:known] = self._records
        self._note_beyond_ends()
        with (
            suppress(FileNotFoundError),
            disk.reading(self.path),
            self.file(".keys").open("rb") as stream,
        ):
            stream.seek(known * RECORD.itemsize)
            stream.readinto(records[known:].view(np.uint8).data)
        return records

    def _note_beyond_ends(self) -> None:
        """Note the parts of which a file has not all."""
        keys, vectors = _size(self.file(".keys")), _size(self.file(".vectors"))
        for part in self.parts:
            texts, rows = part.first + part.texts, part.row + part.rows
            if texts * RECORD.itemsize > keys or rows * part.layout.itemsize > vectors:
                self._note(str(part.first))

    def _sort(self) -> None:
        good = np.zeros(len(self._records), bool)
        for part in self.parts:
            good[part.first : part.first + part.texts] = str(part.first) not in self._noted
        first = np.ascontiguousarray(self._records["key"][:, 0])
        order = self._stored_order()
        if order is None:
            order = np.argsort(first, kind="stable")  # of one text stored twice the first
        self._order = order if good.all() else order[good[order]]
        self._sorted = first[self._order]

    def _stored_order(self) -> NDArray[np.signedinteger] | None:
        file = self.file(".order")
        try:
            with disk.reading(file):
                content = file.read_bytes()
        except FileNotFoundError:
            return None
        order, own = content[: -digests.BITS // 8], content[-digests.BITS // 8 :]
        if digests.digest(order) != own.hex():
            digests.set_aside(file)
        elif len(order) == 4 * len(self._records):
            return np.frombuffer(order, np.int32)
        return None

    def store_order(self) -> None:
        """Have the order of a full volume on disk; raises StoreError if it cannot be written."""
        order = self._order.astype(np.int32).tobytes()
        if not self._noted:
            disk.write(self.file(".order"), order + bytes.fromhex(digests.digest(order)))

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """The place of each key's text, -1 where it is not here; their parts are checked.

        Raises StoreError for one that cannot be read.
        """
        found = self._search(keys)
        while damaged := self._damaged_among(self._part_of(found[found >= 0])):
            for number in damaged:
                self._note(str(self.parts[number].first))
            self._sort()
            found = self._search(keys)
        return found

    def _search(self, keys: Keys) -> NDArray[np.int64]:
        found = np.full(len(keys), -1, np.int64)
        asked, at = np.arange(len(keys)), np.searchsorted(self._sorted, keys[:, 0])
        while len(asked):
            inside = at < len(self._sorted)
            asked, at = asked[inside], at[inside]
            alike = self._sorted[at] == keys[asked, 0]
            asked, at = asked[alike], at[alike]
            places = self._order[at]
            same = self._records["key"][places, 1] == keys[asked, 1]
            found[asked[same]] = places[same]
            asked, at = asked[~same], at[~same] + 1
        return found

    def _part_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self._firsts, places, side="right") - 1

    def _damaged_among(self, numbers: NDArray[np.int64]) -> list[int]:
        """Those of these parts that are not as they were written."""
        new = [number for number in np.unique(numbers).tolist() if number not in self._whole]
        if not new:
            return []
        try:
            with disk.reading(self.path), self.file(".vectors").open("rb") as stream:
                damaged = [number for number in new if not self._is_whole(number, stream)]
        except FileNotFoundError:
            damaged = new
        self._whole.update(set(new) - set(damaged))
        return damaged

    def _is_whole(self, number: int, stream: BinaryIO) -> bool:
        part = self.parts[number]
        records = self._records[part.first : part.first + part.texts]
        stream.seek(part.row * part.layout.itemsize)
        rows = _read_in_blocks(stream, part.rows * part.layout.itemsize)
        return content_digest(records, rows) == part.digest

    def _note(self, what: str) -> None:
        """Say and note once what is damaged."""
        if what in self._noted:
            return
        self._noted.add(what)
        file, named = self.file(".damaged"), what if what.startswith("line") else f"text {what}"
        log.warning(
            "%s is damaged at %s, which %s notes: it is left as it is, and made again elsewhere.",
            self.path,
            named,
            file.name,
        )
        if self.file(".parts").exists():  # else all of it was deleted
            with disk.writing(file), file.open("a", encoding="utf-8") as stream:
                stream.write(f"{what}\n")

    def spans(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first rows of the texts at `places`, and the rows after their last ones."""
        parts = self._part_of(places)
        before = np.array([part.row for part in self.parts], np.int64)[parts]
        starts = np.where(places == self._firsts[parts], 0, self._records["end"][places - 1])
        return before + starts, before + self._records["end"][places]

    def read(self, rows: NDArray[np.int64], out: NDArray[Any], to: NDArray[np.int64]) -> None:
        """Put each of `rows` to its place in `out`; they are read in the order of the file.

        Raises StoreError if they cannot be read, or are not there any more.
        """
        if not len(rows):
            return
        layout = self.parts[0].layout
        size = max(layout.itemsize, 1)
        order = np.argsort(rows)
        rows, to = rows[order], to[order]
        apart = np.diff(rows) > max(GAP_BYTES // size, 1)
        blocks = np.diff(rows // max(READ_BYTES // size, 1)) > 0
        cuts = [0, *(np.flatnonzero(apart | blocks) + 1).tolist(), len(rows)]
        try:
            with (
                disk.reading(self.path),
                self.file(".vectors").open("rb", buffering=0) as stream,
            ):
                for start, stop in itertools.pairwise(cuts):
                    first = int(rows[start])
                    stream.seek(first * size)
                    content = stream.read((int(rows[stop - 1]) + 1 - first) * size)
                    out[to[start:stop]] = np.frombuffer(content, layout)[rows[start:stop] - first]
        except (FileNotFoundError, IndexError, ValueError) as error:  # gone, or its end is
            raise StoreError(
                f"{self.path} is not what it was when it was checked: something else changed it. "
                "Run again: what is damaged or gone is made again."
            ) from error


def _size(file: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    with suppress(FileNotFoundError), disk.reading(file):
        return file.stat().st_size
    return 0


def _read_in_blocks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    while size and (block := stream.read(min(size, READ_BYTES))):
        size -= len(block)
        yield block


def volumes(folder: Path, known: Sequence[Volume]) -> list[Volume]:
    """The volumes in `folder`, the oldest first; those that are known are refreshed.

    Raises StoreError for one that cannot be read.
    """
    by_path = {volume.path: volume for volume in known}
    found = []
    with disk.reading(folder):
        paths = sorted(folder.glob("*.parts")) if folder.exists() else []
    for path in (path.with_suffix("") for path in paths):
        with suppress(FileNotFoundError):  # deleted since
            if path in by_path:
                by_path[path].refresh()
            found.append(by_path.get(path) or Volume(path))
    return found
