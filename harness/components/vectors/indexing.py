"""Search over token vectors: what its retrievers share."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.components.protocols import TokenEncoder, encode_part
from harness.components.vectors.token_index import finite
from harness.data import Doc, digest, doc_ids, doc_texts
from harness.errors import ComponentError
from harness.files import temporary


class Encoded(NamedTuple):
    """The documents that have token vectors; one without any can be no hit."""

    doc_ids: Sequence[str]
    """Sorted, so that an index does not depend on the order of the documents."""
    matrices: Sequence[NDArray[np.float32]]
    """Each of shape (tokens, dim); those of a cache are read as they are used."""
    lengths: NDArray[np.int64]
    """Vectors of each document."""

    @property
    def vectors(self) -> int:
        """The number of vectors."""
        return int(self.lengths.sum())

    @property
    def dim(self) -> int:
        """The size of a vector; 0 where there is none."""
        return self.matrices[0].shape[1] if len(self.matrices) else 0

    def joined(self, part: slice) -> NDArray[np.float32]:
        """The vectors of some documents, one document after the other; they are held once."""
        joined, row = np.empty((int(self.lengths[part].sum()), self.dim), np.float32), 0
        for matrix in self.matrices[part]:
            joined[row : row + len(matrix)] = matrix
            row += len(matrix)
        return joined

    def key(self, *settings: object) -> str:
        """A digest of the vectors and of what is made of them."""
        state = hashlib.sha256(repr(self.lengths.tolist()).encode())
        for matrix in self.matrices:
            state.update(np.ascontiguousarray(matrix).data)
        return digest([state.digest(), repr((self.dim, settings))])


def encoded(encoder: TokenEncoder, docs: Sequence[Doc]) -> Encoded:
    """The token vectors of `docs`; raises ComponentError for one that is not finite."""
    docs = sorted(docs, key=lambda doc: doc.doc_id)
    matrices = encode_part(encoder, "tokens", doc_texts(docs), "doc")
    lengths = np.array([len(finite(matrix)) for matrix in matrices], dtype=np.int64)
    names = doc_ids(docs)
    if not lengths.all():
        names = list(itertools.compress(names, lengths))
        matrices = list(itertools.compress(matrices, lengths))
    return Encoded(names, matrices, lengths[lengths > 0])


def queries(encoder: TokenEncoder, texts: Sequence[str]) -> list[NDArray[np.float32]]:
    """The token vectors of queries as plain arrays; raises ComponentError for one not finite."""
    matrices = [np.array(matrix) for matrix in encode_part(encoder, "tokens", texts, "query")]
    if not all(np.isfinite(matrix).all() for matrix in matrices):
        raise ComponentError("The encoder gave a query vector that is not finite.")
    return matrices


class Made(NamedTuple):
    """A folder that was filled once in this process."""

    folder: Path
    seconds: float
    """What filling it took."""


_made: dict[str, Made] = {}


def build_once(key: str, fill: Callable[[Path], float]) -> Made:
    """The folder of `key`, filled the first time; it goes when this process ends.

    So what is timed is the index that quality was measured on, and takes no second build. `fill`
    gives its seconds.
    """
    if key not in _made:
        folder = temporary.folder() / key[:24]
        _made[key] = Made(folder, fill(folder))
    return _made[key]
