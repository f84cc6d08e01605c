"""Token vectors made smaller: fewer dimensions, fewer vectors, fewer bits; and read back.

Sizes a vector of `dim`: float32 4 dim, float16 2 dim, int8 dim + 4 (one float32 scale), binary
dim / 8 bytes. Queries are never quantised (asymmetric scoring).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Precision = Literal["float32", "float16", "int8", "binary"]

CachePrecision = Literal["float32", "float16"]
"""How token vectors are stored between runs."""

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
    none, dim = np.empty(0, dtype=np.float32), vectors.shape[1]
    if precision in ("float32", "float16"):
        return Packed(vectors.astype(precision, copy=False), none, dim)
    if precision == "binary":
        return Packed(np.packbits(vectors > 0, axis=1), none, dim)
    scales = np.abs(vectors).max(axis=1, initial=0).astype(np.float32) / INT8_MOST
    safe = np.where(scales > 0, scales, 1).astype(np.float32)
    codes = np.rint(vectors / safe[:, None]).astype(np.int8)
    return Packed(codes, safe, dim)


def unpack(
    packed: Packed, precision: Precision, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """The float32 vectors, shape (vectors, dim), that scoring sees; written to `out` if given.

    `out` must be contiguous. Binary vectors come back as +-1 / sqrt(dim), so that they have
    length 1; float16 ones must be finite.
    """
    if out is None:
        out = np.empty((len(packed.codes), packed.dim), dtype=np.float32)
    _UNPACK[precision](packed, out)
    return out


def _from_float32(packed: Packed, out: NDArray[np.float32]) -> None:
    out[...] = packed.codes


def _from_float16(packed: Packed, out: NDArray[np.float32]) -> None:
    """Shift the bits to where float32 has them, and make up for the exponent's other bias.

    The exponent counts from 15 in float16 and from 127 in float32. Exact for finite numbers, and
    three times as fast as numpy's own conversion.
    """
    bits = out.view(np.int32)
    bits[...] = packed.codes.view(np.int16)
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, ~0x70000000, out=bits)  # copies of the sign, from widening it
    np.multiply(out, np.float32(2.0 ** (127 - 15)), out=out)


def _from_int8(packed: Packed, out: NDArray[np.float32]) -> None:
    out[...] = packed.codes
    np.multiply(out, packed.scales[:, None], out=out)


def _from_binary(packed: Packed, out: NDArray[np.float32]) -> None:
    count, dim = out.shape
    codes, table = packed.codes.view(np.uint8), _signs_of_bytes(dim)
    if dim % 8 == 0:  # `clip` never clips here; only with it numpy writes to `out` without a copy
        np.take(table, codes, axis=0, out=out.reshape(count, dim // 8, 8), mode="clip")
    else:
        out[...] = table[codes].reshape(count, -(-dim // 8) * 8)[:, :dim]


_UNPACK: Mapping[Precision, Callable[[Packed, NDArray[np.float32]], None]] = {
    "float32": _from_float32,
    "float16": _from_float16,
    "int8": _from_int8,
    "binary": _from_binary,
}


@functools.cache
def _signs_of_bytes(dim: int) -> NDArray[np.float32]:
    """For each byte the coordinates that its bits stand for, shape (256, 8)."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    return (bits.astype(np.float32) * 2 - 1) / np.float32(np.sqrt(dim))


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
