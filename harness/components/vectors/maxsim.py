"""MaxSim, the late-interaction score: for each query token its best document token, summed.

Khattab and Zaharia 2020 (ColBERT), equation 3. Computed in float32 over the real tokens only:
padding with zeros would raise a negative maximum to 0 and make a score depend on its neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

PRODUCTS_PER_BLOCK = 100**3
"""Up to this many multiplications OpenBLAS, numpy's usual library, reads matrices where they lie
(M N K <= 100^3 in its kernel/x86_64/sgemm_small_kernel_permit_skylakex.c); larger ones it copies
into another order first, which with the few rows of a query takes up to half of the time. Such
small products run on one thread."""

LEAST_BLOCK = 16
"""Blocks of fewer tokens cost more in calls than they save."""


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
        starts = (np.cumsum(lengths) - lengths)[filled]
        best = np.maximum.reduceat(_similarities(query, tokens), starts, axis=1)
        scores[filled] = best.sum(axis=0)
    return scores


def _similarities(query: NDArray[np.float32], tokens: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inner products, shape (query tokens, tokens): a query token's lie side by side."""
    rows, dim = query.shape
    left = np.asfortranarray(query, dtype=np.float32)
    right = np.asarray(tokens, dtype=np.float32).T
    found = np.empty((rows, len(tokens)), dtype=np.float32)
    block = PRODUCTS_PER_BLOCK // (rows * dim) // LEAST_BLOCK * LEAST_BLOCK or len(tokens)
    for start in range(0, len(tokens), block):
        here = slice(start, start + block)
        np.matmul(left, right[:, here], out=found[:, here])
    return found


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
