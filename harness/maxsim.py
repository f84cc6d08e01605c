"""MaxSim, the late-interaction score: for each query token its best document token, summed.

Khattab and Zaharia 2020 (ColBERT), equation 3. Computed in float32 over the real tokens only:
padding with zeros would raise a negative maximum to 0 and make a score depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def maxsim(query: NDArray[np.float32], docs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Scores of `docs`, each of shape (tokens, dim), for a query of shape (query tokens, dim).

    One matrix product over all documents' tokens, then a maximum for each document's segment.
    A document without any token scores as if every similarity were -1, the least that unit
    vectors can give, so that it ranks below every other document.
    """
    lengths = np.array([len(doc) for doc in docs], dtype=np.int64)
    scores = np.full(len(docs), -float(len(query)), dtype=np.float32)
    filled = np.flatnonzero(lengths)
    if len(filled) == 0 or len(query) == 0:
        return scores
    tokens = np.concatenate([docs[i] for i in filled.tolist()]).astype(np.float32, copy=False)
    similarities = query.astype(np.float32, copy=False) @ tokens.T
    starts = np.concatenate([[0], np.cumsum(lengths[filled])[:-1]])
    scores[filled] = np.maximum.reduceat(similarities, starts, axis=1).sum(axis=0)
    return scores
