"""Search over token vectors: what its retrievers share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.components.protocols import TokenEncoder, encode_part
from harness.components.vectors.token_index import finite
from harness.data import Doc, digest, doc_texts
from harness.errors import ComponentError
from harness.files import temporary


class Encoded(NamedTuple):
    """The documents that have token vectors; one without any can be no hit."""

    doc_ids: Sequence[str]
    """Sorted, so that an index does not depend on the order of the documents."""
    matrices: Sequence[NDArray[np.float32]]
    """Each of shape (tokens, dim)."""

    @property
    def vectors(self) -> int:
        """The number of vectors."""
        return sum(map(len, self.matrices))

    @property
    def dim(self) -> int:
        """The size of a vector; 0 where there is none."""
        return self.matrices[0].shape[1] if self.matrices else 0

    def key(self, *settings: object) -> str:
        """A digest of the vectors and of what is made of them."""
        state = hashlib.sha256(repr([len(matrix) for matrix in self.matrices]).encode())
        for matrix in self.matrices:
            state.update(np.ascontiguousarray(matrix).tobytes())
        return digest([state.digest(), repr((self.dim, settings))])


def encoded(encoder: TokenEncoder, docs: Sequence[Doc]) -> Encoded:
    """The token vectors of `docs`; raises ComponentError for one that is not finite."""
    docs = sorted(docs, key=lambda doc: doc.doc_id)
    matrices = encode_part(encoder, "tokens", doc_texts(docs), "doc")
    filled = [(d.doc_id, finite(m)) for d, m in zip(docs, matrices, strict=True) if len(m)]
    return Encoded([doc_id for doc_id, _ in filled], [matrix for _, matrix in filled])


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
