"""Late-interaction encoders that sentence-transformers 6 and later can load: one vector a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from harness.components.encoders.pylate import has_trained_projection
from harness.components.models import inference, positions, random_weights, references
from harness.components.models.prompts import DOCUMENT
from harness.components.protocols import SPEED
from harness.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

BESIDE_PROJECTION = ("MultiVectorMask", "Normalize")
"""Modules that sentence-transformers saves after a projection of token vectors."""


@dataclass(frozen=True)
class MultiVector:
    """One unit vector a kept token by a MultiVectorEncoder of sentence-transformers.

    It reads checkpoints of pylate and Stanford as well as its own. pylate excludes its version of
    sentence-transformers, so it runs in an environment of its own.
    """

    needs: ClassVar[tuple[str, ...]] = ("torch", "sentence_transformers>=6")

    model: str
    """Hub id, folder or `package:`; random weights (`dummy:`) are built by `use: pylate` alone."""
    query_length: int | None = None
    """Tokens of a query; None is what the checkpoint says."""
    document_length: int | None = None
    """Tokens kept of a document; None is what the checkpoint says."""
    batch_size: int | None = field(default=None, metadata=SPEED)
    """Texts in one forward pass; None is what suits the device."""
    device: inference.Device = "auto"
    dtype: inference.Dtype = "float32"
    trust_remote_code: bool = False
    """Run code that comes with the model; allowed only where the model's revision is pinned."""

    def __post_init__(self) -> None:
        """Refuse remote code without a pinned revision, and batches of nothing."""
        references.check_remote_code(self.model, self.trust_remote_code)
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError("batch_size must be at least 1")

    def misfits(self) -> Mapping[str, str]:
        """Lengths beyond the model's positions."""
        lengths = {"query_length": self.query_length, "document_length": self.document_length}
        return positions.beyond(self.model, lengths)

    def identity(self) -> Mapping[str, str]:
        """The model's revision; raises ModelError for a projection that was never trained."""
        if random_weights.is_dummy(self.model):
            raise ModelError(
                f"{self.model!r}: multi_vector builds no model with random weights. Say `use: "
                "pylate`, in the environment that has it: the architecture is the same."
            )
        found = references.find(self.model)
        if found and not has_trained_projection(found.folder, BESIDE_PROJECTION):
            raise ModelError(
                f"The model {self.model!r} has no token projection in its checkpoint: it is not a "
                "late-interaction model, and sentence-transformers would add a random layer. Name "
                "a model that was trained for late interaction."
            )
        positions.check(self)
        return {"model": references.identity(self.model)}

    def load(self) -> None:
        """Have the model in memory."""
        _load(self)

    def encode_query_tokens(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim)."""
        return _encoded(_load(self).encode_query, self, texts)

    def encode_doc_tokens(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim)."""
        return _encoded(_load(self).encode_document, self, texts)

    def policies(self) -> Mapping[str, Self]:
        """Sizes of batches; this encoder's own among them."""
        return inference.batch_policies(self)

    def attention(self) -> str:
        """How the model computes attention."""
        return inference.attention(_load(self)[0].auto_model)

    def count_doc_tokens(self, texts: Sequence[str]) -> list[int]:
        """For each text the number of tokens that the model reads."""
        model = _load(self)
        return inference.count_rows(lambda some: _read(model, some), inference.real_tokens, texts)

    def count_kept_tokens(self, texts: Sequence[str]) -> list[int]:
        """For each text the number of vectors that `encode_doc_tokens` gives."""
        model = _load(self)
        return inference.count_rows(
            lambda some: _read(model, some), lambda features: _kept(model, features), texts
        )

    def doc_lengths(self, texts: Sequence[str]) -> Sequence[int]:
        """Tokens of each whole text, without special ones and markers."""
        return inference.lengths(_load(self).tokenizer, texts)

    def room(self, query: str) -> int:
        """The most tokens of a document that are read, whatever the query."""
        del query
        model = _load(self)
        return _room(model, model[0].document_length)

    def query_room(self, doc_tokens: int) -> int:
        """The most tokens of a query that are read, whatever the document."""
        del doc_tokens
        model = _load(self)
        expansion = model[0].query_expansion or {}
        return _room(model, expansion.get("length") or model[0].query_length)


def _room(model: Any, length: int | None) -> int:
    """Tokens of a text that fit into a length beside special tokens and a marker."""
    (around,) = inference.count_rows(lambda some: _read(model, some), inference.real_tokens, [""])
    whole: int = length or model.max_seq_length
    return whole - around


def _encoded(encode: Any, encoder: MultiVector, texts: Sequence[str]) -> list[NDArray[np.float32]]:
    if not texts:
        return []
    size = encoder.batch_size or inference.texts_per_batch(str(_load(encoder).device))
    encoded: list[NDArray[np.float32]] = encode(
        list(texts),
        batch_size=size,
        show_progress_bar=False,
        convert_to_numpy=True,
        normalize_embeddings=True,
    )
    return [matrix.astype("float32", copy=False) for matrix in encoded]


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


def _load(encoder: MultiVector) -> Any:
    """The model in memory, whatever the size of batches."""
    return inference.loaded(replace(encoder, batch_size=None), lambda: _made(encoder))


def _made(encoder: MultiVector) -> Any:
    encoder.identity()
    folder = references.folder(encoder.model, wanted_by="a late-interaction encoder")
    inference.prepare_libraries()
    import torch
    from sentence_transformers import MultiVectorEncoder

    model = MultiVectorEncoder(
        str(folder),
        device=inference.pick_device(encoder.device, encoder.model),
        trust_remote_code=encoder.trust_remote_code,
        local_files_only=True,
    )
    body = model[0]
    inference.fitted(body, encoder.model)
    if encoder.document_length is not None:
        body.document_length = encoder.document_length
    if encoder.query_length is not None and body.query_expansion is None:
        body.query_length = encoder.query_length
    elif encoder.query_length is not None:
        body.query_expansion = {**body.query_expansion, "length": encoder.query_length}
    for name in ("query_length", "document_length"):  # the checkpoint's may be beyond its positions
        if getattr(body, name) is not None:
            config = body.auto_model.config.to_dict()
            setattr(body, name, positions.usable(getattr(body, name), config))
    return model.to(getattr(torch, encoder.dtype)).eval()
