"""What an encoder gave for texts, on disk: found by hashes of the texts, and read as it is used.

FOLDER/ID.*    volumes, as `harness.pipeline.volumes` has them
"""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from harness.components.vectors.compression import CachePrecision
from harness.files import disk
from harness.pipeline import volumes
from harness.pipeline.volume_parts import Keys
from harness.pipeline.volume_writer import Writer
from harness.pipeline.volumes import Volume

log = logging.getLogger(__name__)

Matrices = Sequence[NDArray[np.float32]]

BLOCK_BYTES = 32 << 20
"""How much is read at once when all matrices are gone through."""

TEXTS_AT_ONCE = 65_536
"""Texts whose keys are made at once."""


class Keyed(NamedTuple):
    """Texts by their keys, parallel to them."""

    keys: Keys
    lengths: NDArray[np.int64]
    """Characters of each."""

    def at(self, index: Any) -> Keyed:
        """Some of them."""
        return Keyed(self.keys[index], self.lengths[index])


def keyed(texts: Sequence[str]) -> Keyed:
    """The keys and lengths of `texts`, which are gone through once."""
    keys = np.empty((len(texts), 2), np.uint64)
    lengths = np.empty(len(texts), np.int64)
    ahead = iter(texts)
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        block = list(itertools.islice(ahead, TEXTS_AT_ONCE))
        stop = start + len(block)
        keys[start:stop] = np.frombuffer(b"".join(map(_key, block)), "<u8").reshape(-1, 2)
        lengths[start:stop] = np.fromiter(map(len, block), np.int64, len(block))
    return Keyed(keys, lengths)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Places(NamedTuple):
    """Where texts are stored, parallel to them."""

    volumes: NDArray[np.int32]
    """The number of the volume; -1 where a text is not stored."""
    starts: NDArray[np.int64]
    """The first row."""
    stops: NDArray[np.int64]
    """The row after the last one."""

    def at(self, index: Any) -> Places:
        """Some of them."""
        return Places(*(part[index] for part in self))


Add = Callable[[Keys, Matrices], None]
"""Stores one part: matrices of texts that are not stored yet."""


@dataclass
class VectorStore:
    """The matrices of texts of one part and side of an encoder, each of shape (rows, dim)."""

    folder: Path
    precision: CachePrecision | None = None
    """In which matrices are stored, where not in their own; float16 is read as float32."""
    _volumes: list[Volume] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Look into every volume there is; raises StoreError for one that cannot be read."""
        self._volumes = volumes.volumes(self.folder, [])
        if not self._volumes:
            _tell_of_older_files(self.folder)

    def lacks(self, keys: Keys) -> NDArray[np.bool_]:
        """Which of the texts are not stored; what other processes stored by now is."""
        missing: NDArray[np.bool_] = self._found(keys).volumes < 0
        if missing.any():
            self._volumes = volumes.volumes(self.folder, self._volumes)
            missing[missing] = self._found(keys[missing]).volumes < 0
        return missing

    def get(self, keys: Keys) -> Stored:
        """The matrices of stored texts, read from disk as they are used.

        Raises KeyError where one is not stored.
        """
        places = self._found(keys)
        if (places.volumes < 0).any():
            raise KeyError(keys[places.volumes < 0][0].tobytes().hex())
        return Stored(self._volumes, places)

    @contextmanager
    def appending(self) -> Iterator[Add]:
        """Gives what stores a part; raises StoreError where that cannot be written.

        What is stored is found when the block has ended.
        """
        writer = Writer(self.folder, self._volumes)

        def add(keys: Keys, matrices: Matrices) -> None:
            rows = np.ascontiguousarray(np.concatenate(matrices))
            rows = rows.astype(self.precision or rows.dtype, copy=False)
            writer.append(keys, rows, np.cumsum([len(matrix) for matrix in matrices]))

        try:
            yield add
        finally:
            writer.close()

    def _found(self, keys: Keys) -> Places:
        """Where each text is, in a part that was checked; of several places the oldest volume's."""
        count = len(keys)
        found = Places(np.full(count, -1, np.int32), *np.zeros((2, count), np.int64))
        rest = np.argsort(keys[:, 0])  # neighbours are looked up sooner one after the other
        for number, volume in enumerate(self._volumes):
            texts = volume.find(keys[rest])
            here = texts >= 0
            found.volumes[rest[here]] = number
            found.starts[rest[here]], found.stops[rest[here]] = volume.spans(texts[here])
            rest = rest[~here]
        return found


class Stored(Sequence[NDArray[np.float32]]):
    """Matrices on disk; each is read when it is used."""

    def __init__(self, volumes: Sequence[Volume], places: Places) -> None:
        """Those at `places`, in that order."""
        self._volumes = tuple(volumes)
        self._places = places

    def __len__(self) -> int:
        """The number of matrices."""
        return len(self._places.starts)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, index: slice) -> Stored: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.float32] | Stored:
        """One of them, or a part that is as little read."""
        if isinstance(index, slice):
            return Stored(self._volumes, self._places.at(index))
        number = range(len(self))[index]
        (found,) = self._read(slice(number, number + 1))
        return found

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """All of them, a block of them read at a time."""
        sizes = np.array([_layout(volume).itemsize for volume in self._volumes], np.int64)
        places = self._places
        before = np.cumsum((places.stops - places.starts) * sizes[places.volumes])
        cuts = np.flatnonzero(np.diff(before // BLOCK_BYTES)) + 1
        for start, stop in itertools.pairwise([0, *cuts.tolist(), len(self)]):
            yield from self._read(slice(start, stop))

    def stacked(self) -> NDArray[np.float32]:
        """Matrices of one row each as one of shape (texts, dim)."""
        if not len(self):
            return np.empty((0, 0), dtype=np.float32)
        first = self[0]
        stacked = np.empty((len(self), *first.shape[1:]), first.dtype)
        for number, volume in enumerate(self._volumes):
            here = np.flatnonzero(self._places.volumes == number)
            volume.read(self._places.starts[here], stacked, here)
        return stacked

    def _read(self, block: slice) -> list[NDArray[np.float32]]:
        """Matrices in their order, read in that of the files."""
        places = self._places.at(block)
        found: list[Any] = [None] * len(places.starts)
        for number in np.unique(places.volumes).tolist():
            here = np.flatnonzero(places.volumes == number)
            starts, lengths = places.starts[here], places.stops[here] - places.starts[here]
            ends = np.cumsum(lengths)
            to = np.arange(lengths.sum())
            layout = _layout(self._volumes[number])
            rows = np.empty((len(to), *layout.shape), _given(layout))
            self._volumes[number].read(to + np.repeat(starts - ends + lengths, lengths), rows, to)
            for i, start, stop in zip(here.tolist(), ends - lengths, ends, strict=True):
                found[i] = rows[start:stop]
        return found


def _layout(volume: Volume) -> np.dtype[Any]:
    return volume.layout or np.dtype(np.float32)


def _given(layout: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which rows are given that are stored as `layout` says."""
    return np.dtype(np.float32) if layout.base == np.float16 else layout.base


def _tell_of_older_files(folder: Path) -> None:
    with disk.reading(folder):
        older = folder.exists() and any(file.suffix in ("", ".npy") for file in folder.iterdir())
    if older:
        log.warning(
            "%s holds files of an earlier version: they are not used but made again, and are safe "
            "to delete",
            folder,
        )
