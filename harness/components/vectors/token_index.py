"""The token vectors of many documents, packed one after another, in memory or on disk."""

from __future__ import annotations

import json
import shutil
import weakref
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.components.vectors import growing
from harness.components.vectors.compression import Packed, Precision, pack, unpack
from harness.data import Doc
from harness.errors import ComponentError, StoreError
from harness.files import disk, temporary

CODES, SCALES, OFFSETS, ABOUT = "codes.npy", "scales.npy", "offsets.npy", "about.json"


class Tokens(NamedTuple):
    """The vectors of some documents as scoring takes them."""

    vectors: NDArray[np.float32]
    """Shape (tokens, dim), one document after the other; a tensor where a device scores."""
    lengths: NDArray[np.int64]
    """Tokens of each document; they sum to the number of rows."""


@dataclass(frozen=True, eq=False)
class TokenIndex:
    """Documents by their places, 0 to len - 1."""

    packed: Packed
    precision: Precision
    offsets: NDArray[np.int64]
    """Shape (documents + 1,): where each document's vectors begin, and the last one's end."""

    def __len__(self) -> int:
        """The number of documents."""
        return len(self.offsets) - 1

    @property
    def vectors(self) -> int:
        """The number of vectors."""
        return len(self.packed.codes)

    @property
    def payload_bytes(self) -> int:
        """Bytes of the vectors alone: codes and scales."""
        return self.packed.nbytes

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.packed.nbytes + self.offsets.nbytes

    def count(self, places: Sequence[int]) -> int:
        """Vectors of the documents at `places`."""
        return int((self.offsets[1:][places] - self.offsets[:-1][places]).sum())

    def fetch(self, places: Sequence[int]) -> Tokens:
        """The float32 vectors of the documents at `places`, in that order.

        Each document is unpacked on its own, straight into its rows of the result: what takes
        several steps then finds its numbers in the cache.
        """
        codes, scales, dim = self.packed
        starts = self.offsets[:-1][places]
        lengths = self.offsets[1:][places] - starts
        vectors = np.empty((int(lengths.sum()), dim), dtype=np.float32)
        row = 0
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
            here = slice(start, start + length)
            part = Packed(codes[here], scales[here], dim)
            unpack(part, self.precision, out=vectors[row : row + length])
            row += length
        return Tokens(vectors, lengths)

    def save(self, folder: Path) -> None:
        """Write the arrays to files in `folder`, which is made."""
        folder.mkdir(parents=True)
        np.save(folder / CODES, self.packed.codes)
        if self.packed.scales.size:
            np.save(folder / SCALES, self.packed.scales)
        _save_rest(folder, self.offsets, self.precision, self.packed.dim)


def places(docs: Iterable[Doc]) -> dict[str, int]:
    """The distinct texts of documents, each with its place among them."""
    texts = dict.fromkeys(doc.text for doc in docs)
    return {text: place for place, text in enumerate(texts)}


def build(matrices: Iterable[NDArray[np.float32]], precision: Precision) -> TokenIndex:
    """An index in memory of documents, each given by its matrix of shape (tokens, dim).

    The matrices are gone through once. Raises ComponentError for a vector that is not finite.
    """
    codes, scales = growing.InMemory(), growing.InMemory()
    offsets, dim = _packed_into(codes, scales, matrices, precision)
    return TokenIndex(Packed(codes.whole(), scales.whole(), dim), precision, offsets)


def _packed_into(
    codes: growing.Rows,
    scales: growing.Rows,
    matrices: Iterable[NDArray[np.float32]],
    precision: Precision,
) -> tuple[NDArray[np.int64], int]:
    """The offsets of the documents whose vectors were appended, and the vectors' size."""
    packed = pack(np.empty((0, 0), dtype=np.float32), precision)
    ends = array("q", [0])
    for matrix in matrices:
        packed = pack(finite(matrix), precision)
        codes.append(packed.codes)
        scales.append(packed.scales)
        ends.append(ends[-1] + len(packed.codes))
    codes.append(packed.codes[:0])
    scales.append(packed.scales[:0])
    return np.array(ends, dtype=np.int64), packed.dim


def open_index(folder: Path) -> TokenIndex:
    """A saved index, its vectors read from the files as they are fetched.

    Raises StoreError where `folder` holds no such index.
    """
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        scaled = (folder / SCALES).exists()
        scales = _mapped(folder / SCALES) if scaled else np.empty(0, dtype=np.float32)
        packed = Packed(_mapped(folder / CODES), scales, about["dim"])
        return TokenIndex(packed, about["precision"], np.load(folder / OFFSETS))
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"No token index can be read from {folder}: {error}") from error


def mapped(matrices: Iterable[NDArray[np.float32]], precision: Precision) -> TokenIndex:
    """As `build`, in the files of a temporary folder that goes when the index does.

    Raises StoreError where they cannot be written.
    """
    folder = temporary.folder()
    with (
        disk.writing(folder),
        growing.InFile(folder / CODES) as codes,
        growing.InFile(folder / SCALES) as scales,
    ):
        offsets, dim = _packed_into(codes, scales, matrices, precision)
    _save_rest(folder, offsets, precision, dim)
    found = open_index(folder)
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)
    return found


def _save_rest(folder: Path, offsets: NDArray[np.int64], precision: Precision, dim: int) -> None:
    np.save(folder / OFFSETS, offsets)
    (folder / ABOUT).write_text(json.dumps({"precision": precision, "dim": dim}), encoding="utf-8")


def _mapped(file: Path) -> NDArray[Any]:
    """A plain array over the memory map, whose slices are made faster than a numpy.memmap's."""
    return np.asarray(np.load(file, mmap_mode="r"))


def finite(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """The token vectors of a document; raises ComponentError for one that is not finite."""
    if not np.isfinite(matrix).all():
        raise ComponentError("The encoder gave a token vector that is not finite.")
    return matrix
