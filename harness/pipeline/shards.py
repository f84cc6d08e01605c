"""A shard of stored vectors: a file with the matrices of some texts, whose name has its digest.

    TEXTS-DIGEST.npy    keys, offsets and vectors, one after another as np.save writes each

TEXTS is a hash of the keys; DIGEST is what `b2sum --length=256` prints of the file. A file is open
only while it is read: however many shards there are, they take one descriptor.
"""

from __future__ import annotations

import functools
import io
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from harness.data import digest
from harness.errors import StoreError
from harness.files import digests, disk

Matrices = Sequence[NDArray[np.float32]]

BLOCK_BYTES = 32 << 20
"""How much is read at once when all matrices are gone through."""


@dataclass(frozen=True, eq=False)
class Shard:
    """Where rows of vectors are in a file."""

    file: Path
    start: int
    """Bytes before the first row."""
    row: tuple[int, ...]
    """The shape of a row."""
    dtype: np.dtype[Any]

    @functools.cached_property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.dtype.itemsize * math.prod(self.row)

    def read(self, spans: Sequence[tuple[int, int]]) -> list[NDArray[np.float32]]:
        """The rows of each span, from its start to its stop.

        Raises StoreError if they cannot be read, or are not there any more.
        """
        size, found = self.row_bytes, []
        try:
            with disk.reading(self.file), self.file.open("rb", buffering=0) as stream:
                for start, stop in spans:
                    stream.seek(self.start + start * size)
                    content = stream.read((stop - start) * size)
                    found.append(np.ndarray((stop - start, *self.row), self.dtype, content))
        except (FileNotFoundError, TypeError) as error:  # gone, or its end is
            raise StoreError(
                f"{self.file} is not what it was when it was checked: something else changed it. "
                "Run again: what is damaged or gone is made again."
            ) from error
        return found


class Place(NamedTuple):
    """Rows of a shard."""

    shard: Shard
    start: int
    stop: int


class Stored(Sequence[NDArray[np.float32]]):
    """Matrices on disk; each is read when it is used."""

    def __init__(self, places: Sequence[Place]) -> None:
        """Those at `places`, in that order."""
        self._places = places

    def __len__(self) -> int:
        """The number of matrices."""
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, index: slice) -> Stored: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.float32] | Stored:
        """One of them, or a part that is as little read."""
        if isinstance(index, slice):
            return Stored(self._places[index])
        (found,) = _read([self._places[index]])
        return found

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """All of them, a block of them read at a time."""
        block, size = [], 0
        for place in self._places:
            block.append(place)
            size += (place.stop - place.start) * place.shard.row_bytes
            if size >= BLOCK_BYTES:
                yield from _read(block)
                block, size = [], 0
        yield from _read(block)


def _read(places: Sequence[Place]) -> list[NDArray[np.float32]]:
    """Matrices in the order of their places; each shard is opened once."""
    by_shard: dict[Shard, list[int]] = defaultdict(list)
    for i, place in enumerate(places):
        by_shard[place.shard].append(i)
    found: dict[int, NDArray[np.float32]] = {}
    for shard, wanted in by_shard.items():
        found |= zip(wanted, shard.read([places[i][1:] for i in wanted]), strict=True)
    return [found[i] for i in range(len(places))]


def write(folder: Path, keys: Sequence[str], matrices: Matrices) -> Path:
    """Store the matrices of `keys`; raises StoreError if that cannot be done."""
    buffer = io.BytesIO()
    np.save(buffer, np.array(keys))
    np.save(buffer, np.cumsum([0, *map(len, matrices)]))
    np.save(buffer, np.ascontiguousarray(np.concatenate(matrices)))
    content = buffer.getbuffer()
    file = folder / f"{digest(keys)[:32]}-{digests.digest(content)}.npy"
    disk.write(file, content)
    return file


def check(file: Path) -> None:
    """Raise DamagedError for a shard that is not as it was written.

    Raises FileNotFoundError for one that is gone, StoreError for one that cannot be read.
    """
    with disk.reading(file):
        found = digests.of_content(file)
    if found != file.stem.rpartition("-")[2]:
        raise digests.DamagedError(file, "is damaged: its digest is not the one in its name")


def opened(file: Path) -> dict[str, Place]:
    """By key where each matrix is; what that says is to be believed once `check` has passed.

    Raises DamagedError where it is no shard any more, and else as `check` does.
    """
    try:
        with disk.reading(file), file.open("rb") as stream:
            keys, offsets = np.load(stream).tolist(), np.load(stream).tolist()
            npy.read_magic(stream)
            (_, *row), _, dtype = npy.read_array_header_1_0(stream)
            shard = Shard(file, stream.tell(), tuple(row), dtype)
        spans = itertools.pairwise(offsets)
        return {key: Place(shard, *span) for key, span in zip(keys, spans, strict=True)}
    except (FileNotFoundError, StoreError):
        raise
    except Exception:  # numpy raises whatever the damage leads it to
        check(file)
        raise
