"""Token vectors made smaller: fewer dimensions, fewer vectors, fewer bits; and read back.

Sizes a vector of `dim`: float32 4 dim, float16 2 dim, int8 dim + 4 (one float32 scale), binary
dim / 8 bytes. Queries are never quantised (asymmetric scoring).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Precision = Literal["float32", "float16", "int8", "binary"]

INT8_MOST = 127


class Packed(NamedTuple):
    """Vectors as they are kept."""

    codes: NDArray[np.generic]
    """Shape (vectors, dim), or (vectors, ceil(dim / 8)) for binary."""
    scales: NDArray[np.float32]
    """Shape (vectors,) for int8, else empty."""
    dim: int

    @property
    def nbytes(self) -> int:
        """Bytes of codes and scales."""
        return self.codes.nbytes + self.scales.nbytes


def pack(vectors: NDArray[np.float32], precision: Precision) -> Packed:
    """`vectors` of shape (vectors, dim) at a precision."""
    none = np.empty(0, dtype=np.float32)
    dim = vectors.shape[1]
    if precision == "float32":
        return Packed(vectors.astype(np.float32, copy=False), none, dim)
    if precision == "float16":
        return Packed(vectors.astype(np.float16), none, dim)
    if precision == "binary":
        return Packed(np.packbits(vectors > 0, axis=1), none, dim)
    scales = np.abs(vectors).max(axis=1, initial=0).astype(np.float32) / INT8_MOST
    safe = np.where(scales > 0, scales, 1).astype(np.float32)
    codes = np.rint(vectors / safe[:, None]).astype(np.int8)
    return Packed(codes, safe, dim)


def unpack(packed: Packed, precision: Precision) -> NDArray[np.float32]:
    """The float32 vectors, shape (vectors, dim), that scoring sees.

    Binary vectors come back as +-1 / sqrt(dim), so that they have length 1.
    """
    if precision == "binary":
        bits = np.unpackbits(packed.codes.view(np.uint8), axis=1, count=packed.dim)
        return (bits.astype(np.float32) * 2 - 1) / np.float32(np.sqrt(packed.dim))
    vectors = packed.codes.astype(np.float32)
    return vectors * packed.scales[:, None] if precision == "int8" else vectors


def sliced(vectors: NDArray[np.float32], dim: int | None) -> NDArray[np.float32]:
    """The first `dim` coordinates, at length 1 again (Matryoshka: Kusupati et al. 2022).

    Raises ValueError if the vectors have fewer than `dim`.
    """
    if dim is None or dim == vectors.shape[1]:
        return vectors
    if dim > vectors.shape[1]:
        raise ValueError(f"dim {dim} is more than the {vectors.shape[1]} that the encoder gives")
    return unit(vectors[:, :dim])


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows at length 1; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths: NDArray[np.float32] = np.where(norms > 0, norms, 1).astype(np.float32)
    return np.divide(vectors, lengths, dtype=np.float32)


def pooled(vectors: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """About 1 / `factor` as many vectors: Ward clusters of tokens, each by its mean at length 1.

    Clavie et al. 2024 (token pooling). The first token ([CLS] or its like) is kept as it is.
    """
    rest = vectors[1:]
    clusters = max(len(rest) // factor, 1)
    if factor == 1 or clusters >= len(rest):
        return vectors
    from scipy.cluster import hierarchy

    distances = (1 - rest @ rest.T)[np.triu_indices(len(rest), k=1)]
    labels = hierarchy.fcluster(
        hierarchy.linkage(np.maximum(distances, 0), method="ward"), clusters, "maxclust"
    )
    members = labels[None, :] == np.unique(labels)[:, None]
    means = members.astype(np.float32) @ rest / members.sum(axis=1, keepdims=True)
    return np.concatenate([vectors[:1], unit(means.astype(np.float32))])
