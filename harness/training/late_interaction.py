"""A late-interaction model that learns: an encoder as it is, and a projection of its token vectors.

The encoder stays frozen, so that each text goes through it once, however often it is learnt from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.components.encoders.pylate import Pylate, plain
from harness.components.models import inference
from harness.components.models.trained import LateInteractionTraining
from harness.components.protocols import TokenEncoder, encode_part
from harness.errors import ModelError
from harness.training.body import encoder_folder
from harness.training.examples import Examples, Group

if TYPE_CHECKING:
    import torch

VECTORS_FOR_DIRECTIONS = 50_000
"""Token vectors whose principal directions the projection begins with."""

BELOW_ALL = -2.0
"""Less than the inner product of any two unit vectors."""


def body_of(training: LateInteractionTraining) -> Pylate:
    """The base's own token vectors, without markers or query expansion.

    Raises ModelError for a base that is no encoder.
    """
    encoder_folder(training)
    return plain(training.base, training.query_length, training.max_length)


class LateInteractionStudent:
    """Learns MaxSim at several sizes at once, each of the first coordinates of the same vectors.

    Kusupati et al. 2022 (Matryoshka representation learning), with equal weights.
    """

    at_once = 8

    def __init__(
        self, training: LateInteractionTraining, encoder: TokenEncoder, examples: Examples
    ) -> None:
        """`encoder` gives the vectors of `body_of(training)`.

        Raises ModelError where a size is not below that of the vectors.
        """
        import torch

        groups = [*examples.learnt, *examples.held_out]
        queries = list(dict.fromkeys(group.query for group in groups))
        docs = list(dict.fromkeys(text for group in groups for text in group.texts))
        self._queries = dict(
            zip(queries, encode_part(encoder, "tokens", queries, "query"), strict=True)
        )
        self._docs = dict(zip(docs, encode_part(encoder, "tokens", docs, "doc"), strict=True))
        self._training = training
        self._dims = sorted(training.dims, reverse=True)
        directions = _directions(list(self._docs.values()), training.seed)
        if self._dims[0] > len(directions):
            raise ModelError(
                f"The token vectors of {training.base!r} have {len(directions)} dimensions, so that "
                f"{self._dims[0]} cannot be learnt: name fewer in `dims`."
            )
        self.module = torch.nn.Linear(len(directions), self._dims[0], bias=False)
        self.module.weight.data = torch.from_numpy(directions[: self._dims[0]].copy())

    def scores(self, groups: Sequence[Group]) -> torch.Tensor:
        """MaxSim of shape (sizes, groups, texts)."""
        import torch

        found = [self._views(group) for group in groups]
        return torch.stack(found, dim=1)

    def _views(self, group: Group) -> torch.Tensor:
        import torch
        from torch.nn.functional import normalize

        matrices = [self._docs[text] for text in group.texts]
        query = self.module(torch.tensor(np.array(self._queries[group.query])))
        tokens = self.module(torch.from_numpy(np.concatenate(matrices)))
        owner = torch.repeat_interleave(torch.tensor([len(matrix) for matrix in matrices]))
        lowest = torch.full((len(query), len(matrices)), BELOW_ALL)
        places = owner.expand(len(query), -1)
        views = []
        for dim in self._dims:
            inner = normalize(query[:, :dim], dim=1) @ normalize(tokens[:, :dim], dim=1).T
            views.append(lowest.scatter_reduce(1, places, inner, "amax").sum(dim=0))
        return torch.stack(views)

    def save(self, folder: Path) -> None:
        """Write it as pylate does."""
        inference.prepare_libraries()
        from pylate import models

        training = self._training
        body = inference.transformer(
            training.base, encoder_folder(training), trust_remote_code=False
        )
        dim, whole = self.module.weight.shape
        weight = self.module.weight.detach()
        projection = models.Dense(whole, dim, bias=False, init_weight=weight)
        model = models.ColBERT(
            modules=[body, projection],
            query_prefix="",
            document_prefix="",
            do_query_expansion=False,
            skiplist_words=[],
            query_length=training.query_length,
            document_length=training.max_length,
            device="cpu",
        )
        model.save_pretrained(str(folder), create_model_card=False)


def _directions(matrices: Sequence[NDArray[np.float32]], seed: int) -> NDArray[np.float32]:
    """Orthonormal rows: the principal directions of the vectors, the most telling first.

    Not centred, so that inner products of whole vectors stay as they are.
    """
    rng = np.random.default_rng(seed)
    rows = np.concatenate([np.asarray(matrices[i]) for i in _sample(matrices, rng)])
    _, directions = np.linalg.eigh(rows.T.astype(np.float64) @ rows)
    return directions[:, ::-1].T.astype(np.float32)


def _sample(matrices: Sequence[Any], rng: np.random.Generator) -> list[int]:
    """The places of random matrices that have as many rows together as are wanted."""
    order = rng.permutation(len(matrices))
    rows = np.cumsum([len(matrices[i]) for i in order])
    return [int(i) for i in order[: np.searchsorted(rows, VECTORS_FOR_DIRECTIONS) + 1]]
