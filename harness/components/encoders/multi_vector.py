"""Late-interaction encoders that sentence-transformers 6 and later can load: one vector a token."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.components.models import checkpoints, inference, positions, random_weights, references
from harness.components.models.prompts import DOCUMENT
from harness.components.models.torch_model import TorchEncoder
from harness.components.protocols import Side
from harness.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

BESIDE_PROJECTION = ("MultiVectorMask", "Normalize")
"""Modules that sentence-transformers saves after a projection of token vectors."""


@dataclass(frozen=True)
class MultiVector(TorchEncoder):
    """One unit vector a kept token by a MultiVectorEncoder of sentence-transformers.

    It reads checkpoints of pylate and Stanford as well as its own. pylate excludes its version of
    sentence-transformers, so it runs in an environment of its own.
    """

    needs: ClassVar[tuple[str, ...]] = ("torch", "sentence_transformers>=6")
    gives: ClassVar = "tokens"
    LENGTHS: ClassVar[tuple[str, ...]] = ("query_length", "document_length")

    model: str
    """Hub id, folder or `package:`; random weights (`dummy:`) are built by `use: pylate` alone."""
    query_length: int | None = None
    """Tokens of a query; None is what the checkpoint says."""
    document_length: int | None = None
    """Tokens read of a document; None is what the checkpoint says."""

    def check_trained(self, folder: Path) -> None:
        """Raise ModelError for random weights, and for a projection that was never trained."""
        if random_weights.is_dummy(self.model):
            raise ModelError(
                f"{self.model!r}: multi_vector builds no model with random weights. Say `use: "
                "pylate`, in the environment that has it: the architecture is the same."
            )
        if not checkpoints.has_trained_projection(folder, BESIDE_PROJECTION):
            raise ModelError(
                f"The model {self.model!r} has no token projection in its checkpoint: it is not a "
                "late-interaction model, and sentence-transformers would add a random layer. Name "
                "a model that was trained for late interaction."
            )

    def made(self) -> Any:
        """A MultiVectorEncoder."""
        folder = references.folder(self.model, wanted_by="a late-interaction encoder")
        import torch
        from sentence_transformers import MultiVectorEncoder

        model = MultiVectorEncoder(
            str(folder),
            device=inference.pick_device(self.device, self.model),
            trust_remote_code=self.trust_remote_code,
            local_files_only=True,
        )
        body = model[0]
        inference.fitted(body, self.model)
        if self.document_length is not None:
            body.document_length = self.document_length
        if self.query_length is not None and body.query_expansion is None:
            body.query_length = self.query_length
        elif self.query_length is not None:
            body.query_expansion = {**body.query_expansion, "length": self.query_length}
        for name in self.LENGTHS:  # the checkpoint's may be beyond its positions
            if getattr(body, name) is not None:
                config = body.auto_model.config.to_dict()
                setattr(body, name, positions.usable(getattr(body, name), config))
        return model.to(getattr(torch, self.dtype)).eval()

    def encode(self, texts: Sequence[str], side: Side) -> list[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim)."""
        if not texts:
            return []
        model = self.loaded()
        encode = model.encode_query if side == "query" else model.encode_document
        encoded: list[NDArray[np.float32]] = encode(
            list(texts),
            batch_size=self.batch_size or inference.texts_per_batch(str(model.device)),
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=True,
        )
        return [matrix.astype("float32", copy=False) for matrix in encoded]

    def tokenizing(self) -> inference.Tokenize:
        """The tokenizer, with the prompt of documents."""
        return functools.partial(_read, self.loaded())

    def count_kept_tokens(self, texts: Sequence[str]) -> list[int]:
        """For each text the number of vectors that `encode` gives."""
        model = self.loaded()
        return inference.count_rows(
            self.tokenizing(), lambda features: _kept(model, features), texts
        )

    def room_of(self, side: Side) -> int:
        """The length beside special tokens and the marker."""
        model = self.loaded()
        expansion = model[0].query_expansion or {}
        length = model[0].document_length
        if side == "query":
            length = expansion.get("length") or model[0].query_length
        (around,) = self.count_doc_tokens([""])
        whole: int = length or model.max_seq_length
        return whole - around


def _read(model: Any, texts: list[str]) -> inference.Features:
    """What the model reads of documents: token ids and their mask."""
    prompt = next((model.prompts[n] for n in DOCUMENT if n in model.prompts), None)
    features: inference.Features = model.preprocess(texts, prompt=prompt, task="document")
    return features


def _kept(model: Any, features: inference.Features) -> torch.Tensor:
    """The mask of document tokens that get a vector: no padding, and nothing skipped."""
    features = dict(features)
    for module in model:
        if type(module).__name__ == "MultiVectorMask":
            features = module(features, task="document")
    return features["attention_mask"].bool()
