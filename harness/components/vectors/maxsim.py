"""MaxSim, the late-interaction score: for each query token its best document token, summed.

Khattab and Zaharia 2020 (ColBERT), equation 3. Computed in float32 over the real tokens only:
padding with zeros would raise a negative maximum to 0 and make a score depend on its neighbours.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.components.hardware.devices import instructions

if TYPE_CHECKING:
    import torch

SIMILARITIES = 50_000
"""Of about so many the maxima are taken before the next are computed: they fit a processor's own
cache, and their memory is used again. A third or twice as many take up to a fifth longer."""

FEWEST_TOKENS = 256
"""In a block, however many tokens a query has."""

PRODUCTS_IN_PLACE = 100**3
"""On processors with AVX-512 OpenBLAS, numpy's usual library, reads matrices where they lie up to so
many multiplications (M N K <= 100^3 in its kernel/x86_64/sgemm_small_kernel_permit_skylakex.c);
larger ones it copies into another order first, which with the few rows of a query takes up to half
of the time. Its kernels for other processors always copy: there small products only cost calls."""

LEAST_PRODUCT = 16
"""Products with fewer tokens cost more in calls than they save."""


def maxsim(
    query: NDArray[np.float32], tokens: NDArray[np.float32], lengths: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Scores of documents for a query of shape (query tokens, dim).

    `tokens` of shape (tokens, dim) holds the documents one after the other, `lengths` how many
    tokens each has. A document without any token scores as if every similarity were -1, the least
    that unit vectors can give, so that it ranks below every other document.
    """
    scores = np.full(len(lengths), -float(len(query)), dtype=np.float32)
    filled = np.flatnonzero(lengths)
    if len(filled) and len(query):
        scores[filled] = _best(query, tokens, lengths[filled]).sum(axis=0)
    return scores


def _best(
    query: NDArray[np.float32], tokens: NDArray[np.float32], lengths: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The greatest similarity to each query token, shape (query tokens, documents).

    Block by block of whole documents.
    """
    rows, count = len(query), len(lengths)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    most = max(SIMILARITIES // rows, FEWEST_TOKENS)
    block = starts // most
    firsts = [0, *(np.flatnonzero(block[1:] != block[:-1]) + 1).tolist()]
    left = np.asarray(query, dtype=np.float32, order="F" if _reads_in_place() else "C")
    right = np.asarray(tokens, dtype=np.float32).T
    room = np.empty((rows, min(most + int(lengths.max()), len(tokens))), dtype=np.float32)
    best = np.empty((rows, count), dtype=np.float32)
    for first, last in zip(firsts, [*firsts[1:], count], strict=True):
        begin, end = int(starts[first]), int(ends[last - 1])
        found = room[:, : end - begin]
        _multiply(left, right[:, begin:end], found)
        np.maximum.reduceat(found, starts[first:last] - begin, axis=1, out=best[:, first:last])
    return best


def _multiply(
    left: NDArray[np.float32], right: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Inner products of shape (query tokens, tokens): a query token's lie side by side."""
    (rows, dim), (_, count) = left.shape, right.shape
    step = PRODUCTS_IN_PLACE // (rows * dim) // LEAST_PRODUCT * LEAST_PRODUCT
    step = step if step and _reads_in_place() else count
    for start in range(0, count, step):
        here = slice(start, start + step)
        np.matmul(left, right[:, here], out=out[:, here])


@cache
def _reads_in_place() -> bool:
    """Whether this processor has what OpenBLAS' kernel for small products needs."""
    return "avx512f" in instructions()


def maxsim_on_device(
    query: NDArray[np.float32], tokens: torch.Tensor, lengths: NDArray[np.int64]
) -> NDArray[np.float32]:
    """As `maxsim`, on the device that holds `tokens`; the scores come back to the CPU."""
    import torch

    device, count = tokens.device, len(lengths)
    similarities = tokens @ torch.from_numpy(query).to(device).T
    document = torch.from_numpy(np.repeat(np.arange(count), lengths)).to(device)
    worst = torch.full((count, len(query)), -1.0, device=device)
    best = worst.scatter_reduce_(
        0, document[:, None].expand_as(similarities), similarities, "amax", include_self=False
    )
    scores: NDArray[np.float32] = best.sum(dim=1).cpu().numpy()
    return scores
