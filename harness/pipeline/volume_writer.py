"""Appends to volumes of stored vectors: each process to one of its own, whose lock it holds.

A volume that nobody holds is taken up again before a new one is begun. Where the system has no
locks, none of another process is taken up. What was appended is on the disk at the latest a second later, and when the
writer closes: a process that is killed loses what was not finished, a power cut that second, of
which a damaged part is found by its digest.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.files import disk, locks
from harness.pipeline.volume_parts import RECORD, Keys, Part, content_digest
from harness.pipeline.volumes import Volume

TEXTS_PER_VOLUME = 1_000_000

SYNC_SECONDS = 1.0
"""A system call that waits for the disk took 4 ms, and a batch of 256 vectors less than 2."""


class Writer:
    """Appends parts to the volumes of a folder until it is closed."""

    def __init__(self, folder: Path, volumes: list[Volume]) -> None:
        """Volumes that are begun are added to `volumes`, those of the folder."""
        self._folder = folder
        self._volumes = volumes
        self._volume: Volume | None = None
        self._lock: int | None = None
        self._last = Part(0, 0, 0, 0, np.dtype(np.float32), "")
        self._synced = 0.0

    def append(self, keys: Keys, rows: NDArray[Any], ends: NDArray[np.int64]) -> None:
        """Store a part: the rows of all its texts, and where in them those of each end.

        Raises StoreError if it cannot be written; then it is not there.
        """
        layout = np.dtype((rows.dtype, rows.shape[1:]))
        last = self._last
        if last.first + last.texts >= TEXTS_PER_VOLUME or last.layout != layout:
            self.close()
        volume = self._volume or self._take(layout)
        last = self._last
        records = np.empty(len(keys), RECORD)
        records["key"], records["end"] = keys, ends
        digest = content_digest(records, iter([rows.view(np.uint8).reshape(-1)]))
        first, row = last.first + last.texts, last.row + last.rows
        part = Part(first, len(keys), row, len(rows), layout, digest)
        _write_at(volume.file(".vectors"), row * layout.itemsize, rows)
        _write_at(volume.file(".keys"), first * RECORD.itemsize, records)
        with disk.writing(volume.path), volume.file(".parts").open("ab") as stream:
            stream.write(part.line())
        self._last = part
        if time.monotonic() > self._synced + SYNC_SECONDS:
            self._sync(volume)

    def _take(self, layout: np.dtype[Any]) -> Volume:
        """Hold a volume for such rows; what an interruption left of a part in it is cut off."""
        for volume in self._volumes:
            lock = locks.held(volume.file(".parts"), wait=False)
            if lock is None and not volume.unlocked:
                continue
            volume.refresh()
            fits = volume.layout in (None, layout) and volume.texts < TEXTS_PER_VOLUME
            ours = os.access(volume.file(".vectors"), os.W_OK)  # and not another user's
            if fits and ours and volume.can_grow():
                self._hold(volume, lock, layout)
                return volume
            if lock is not None:
                os.close(lock)
        volume, lock = _begun(self._folder)
        volume.unlocked = lock is None
        self._volumes.append(volume)
        self._hold(volume, lock, layout)
        return volume

    def _hold(self, volume: Volume, lock: int | None, layout: np.dtype[Any]) -> None:
        self._volume, self._lock = volume, lock
        self._last = Part(volume.texts, 0, volume.rows, 0, layout, "")
        with disk.writing(volume.path):
            os.truncate(volume.file(".vectors"), volume.rows * layout.itemsize)
            os.truncate(volume.file(".keys"), volume.texts * RECORD.itemsize)
            os.truncate(volume.file(".parts"), volume.parts_bytes)

    def _sync(self, volume: Volume) -> None:
        with disk.writing(volume.path):
            for suffix in (".vectors", ".keys", ".parts"):
                disk.sync(volume.file(suffix))
        self._synced = time.monotonic()

    def close(self) -> None:
        """Let go of the volume; what was appended can be found from now on."""
        volume, lock = self._volume, self._lock
        self._volume, self._lock = None, None
        try:
            if volume:
                self._sync(volume)
                volume.refresh()
                if volume.texts >= TEXTS_PER_VOLUME:
                    volume.store_order()
        finally:
            if lock is not None:
                os.close(lock)


def _begun(folder: Path) -> tuple[Volume, int | None]:
    """A new volume, held before others can see it; later ones have greater names."""
    with disk.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        aside, lock = locks.made(folder, ".writing-", Path.touch)
        path = folder / f"{time.time_ns():016x}-{os.getpid():x}"
        for suffix in (".vectors", ".keys"):
            path.with_suffix(suffix).touch()
        aside.rename(path.with_suffix(".parts"))
        disk.sync(folder)
    return Volume(path), lock


def _write_at(file: Path, place: int, content: NDArray[Any]) -> None:
    with disk.writing(file), file.open("r+b") as stream:
        stream.seek(place)
        stream.write(content.view(np.uint8).reshape(-1).data)
