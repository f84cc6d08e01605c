"""Arrays that grow by rows whose number is not known before, and are never held twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

LEAST_GROWTH = 1 << 16
"""Rows for which there is room at least, whatever is there."""

SHARE = 16
"""Room is made for one row more for this many that are there."""


class Rows(Protocol):
    """Takes rows of one shape and type, and has no type before the first."""

    def append(self, rows: NDArray[Any]) -> None:
        """Add `rows` below those that are there."""
        ...


class InMemory:
    """In one array, which the system moves by its pages, not by copies."""

    def __init__(self) -> None:
        """Without a row, or a type."""
        self._array: NDArray[Any] = np.empty(0, np.float32)
        self._count = 0

    def append(self, rows: NDArray[Any]) -> None:
        """Add `rows` below those that are there."""
        if not self._count:
            self._array = np.empty((0, *rows.shape[1:]), rows.dtype)
        end = self._count + len(rows)
        if end > len(self._array):
            self._resize(max(end, self._count + max(self._count // SHARE, LEAST_GROWTH)))
        self._array[self._count : end] = rows
        self._count = end

    def whole(self) -> NDArray[Any]:
        """All rows; nothing can be appended any more."""
        self._resize(self._count)
        return self._array

    def _resize(self, count: int) -> None:
        self._array.resize((count, *self._array.shape[1:]), refcheck=False)


class InFile:
    """In a file as `np.save` writes it, which has room for its length once that is known."""

    def __init__(self, file: Path) -> None:
        """The file is made."""
        self._stream = file.open("wb")
        self._shape: tuple[int, ...] = (0,)
        self._type = np.dtype(np.float32)

    def __enter__(self) -> Self:
        """Ready for rows."""
        return self

    def append(self, rows: NDArray[Any]) -> None:
        """Add `rows` below those that are there."""
        if self._shape[0] == 0:
            self._shape, self._type = (0, *rows.shape[1:]), rows.dtype
            self._write_header()
        self._shape = (self._shape[0] + len(rows), *self._shape[1:])
        self._stream.write(np.ascontiguousarray(rows).data)

    def __exit__(self, *_: object) -> None:
        """Write how many rows there are."""
        self._write_header()
        self._stream.close()

    def _write_header(self) -> None:
        """Numpy leaves room in it for any number of rows."""
        self._stream.seek(0)
        said = {"descr": npy.dtype_to_descr(self._type), "shape": self._shape}
        npy.write_array_header_1_0(self._stream, {**said, "fortran_order": False})
