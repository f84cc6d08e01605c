"""Late-interaction encoders that pylate can load: one vector a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.components.models import (
    checkpoints,
    inference,
    positions,
    random_weights,
    references,
    trained,
)
from harness.components.models.torch_model import TorchEncoder
from harness.components.models.trained import LateInteractionChoice
from harness.components.protocols import Side
from harness.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

UNTRAINED_SEED = 0
"""Seed of the random projection of `projection: untrained`."""


@dataclass(frozen=True)
class Pylate(TorchEncoder):
    """One unit vector a kept token by a ColBERT model."""

    needs: ClassVar[tuple[str, ...]] = ("torch", "sentence_transformers", "pylate")
    gives: ClassVar = "tokens"
    LENGTHS: ClassVar[tuple[str, ...]] = ("query_length", "document_length")

    model: LateInteractionChoice
    """Hub id, folder, `package:` or `dummy:`; or how it is trained."""
    projection: Literal["checkpoint", "identity", "untrained"] = "checkpoint"
    """`identity` reads a plain encoder's own token vectors, without markers, query expansion or
    skipped tokens; `untrained` adds a random projection, as a control. A model without a trained
    projection is refused under `checkpoint`."""
    query_expansion: bool | None = None
    """Fill queries with [MASK] tokens; None is what the checkpoint says."""
    query_length: int | None = None
    """Tokens of a query; None is what the checkpoint says."""
    document_length: int | None = None
    """Tokens read of a document; None is what the checkpoint says."""
    query_prefix: str | None = None
    """Marker token of queries; None is what the checkpoint says."""
    document_prefix: str | None = None
    """Marker token of documents; None is what the checkpoint says."""

    def check_trained(self, folder: Path) -> None:
        """Raise ModelError for a projection that was never trained."""
        if self.projection != "checkpoint":
            return
        if random_weights.is_dummy(self.model):
            random_weights.check_kind(self.model, "token_encoder")
        elif not checkpoints.has_trained_projection(folder):
            raise ModelError(
                f"The model {self.model!r} has no token projection in its checkpoint: it is not a "
                "late-interaction model, and pylate would add a random layer. Say `projection: "
                "identity` to use its own token vectors, or `projection: untrained` for a control."
            )

    def made(self) -> Any:
        """A ColBERT model."""
        import torch
        from pylate import models as pylate_models

        with random_weights.seeded(UNTRAINED_SEED):
            model = pylate_models.ColBERT(
                **_source(self),
                **_settings(self),
                device=inference.pick_device(self.device, self.model),
                trust_remote_code=self.trust_remote_code,
                local_files_only=True,
            )
        inference.fitted(model[0], self.model)
        for name in self.LENGTHS:
            config = model[0].auto_model.config.to_dict()
            setattr(model, name, positions.usable(getattr(model, name), config))
        return model.to(getattr(torch, self.dtype)).eval()

    def encode(self, texts: Sequence[str], side: Side) -> list[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim)."""
        if side == "doc":
            (matrices,) = inference.run([self.document_pass()], texts)
            return matrices
        if not texts:
            return []
        encoded: list[NDArray[np.float32]] = self.loaded().encode(
            list(texts), is_query=True, show_progress_bar=False
        )
        return [matrix.astype("float32", copy=False) for matrix in encoded]

    def body(self) -> Pylate | None:
        """The encoder of whose vectors these are a projection; None where there is none.

        That of a model that the run trained: its body stays as it was, and nothing is added to texts.
        """
        facts = trained.facts(self.model) if self == replace(self, **OF_CHECKPOINT) else {}
        if not facts:
            return None
        learnt = facts["training"]
        body = plain(learnt["base"], learnt["query_length"], learnt["max_length"])
        return replace(body, device=self.device, dtype=self.dtype)

    def projected(self, matrices: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The matrices of texts, from those that `body` gives for them."""
        import numpy as np
        import torch

        model = self.loaded()
        rows = torch.from_numpy(np.concatenate(matrices)).to(
            model.device, getattr(torch, self.dtype)
        )
        with torch.inference_mode():
            vectors = _projected(model, {"token_embeddings": rows[None]})[0].float().cpu().numpy()
        return np.split(vectors, np.cumsum([len(matrix) for matrix in matrices])[:-1])

    def document_pass(self) -> inference.Pass:
        """The projection and the choice of kept tokens are the head."""
        model = self.loaded()

        def head(features: inference.Features) -> list[NDArray[np.float32]]:
            return inference.split_rows(_projected(model, features), _kept(model, features))

        marker = f" marker {model.document_prefix_id}" if model.document_prefix else ""
        return inference.Pass(
            key=f"{self.identity()} {model.device} {self.dtype} {model.document_length} ''{marker}",
            device=str(model.device),
            tokenize=lambda texts: model.tokenize(texts, is_query=False),
            body=model[0],
            head=head,
            batch_size=self.batch_size,
        )

    def tokenizing(self) -> inference.Tokenize:
        """The tokenizer, with the marker of documents."""
        return self.document_pass().tokenize

    def room_of(self, side: Side) -> int:
        """The length beside special tokens and the marker."""
        model = self.loaded()
        length, marker = model.document_length, model.document_prefix
        if side == "query":
            length, marker = model.query_length, model.query_prefix
        special = int(model.tokenizer.num_special_tokens_to_add(pair=False))
        return int(length - special - bool(marker))

    def count_kept_tokens(self, texts: Sequence[str]) -> list[int]:
        """For each text the number of vectors that `encode` gives."""
        model = self.loaded()
        return inference.count_rows(
            self.tokenizing(), lambda features: _kept(model, features), texts
        )


OF_CHECKPOINT: Mapping[str, Any] = {
    "projection": "checkpoint",
    **dict.fromkeys(("query_expansion", "query_length", "document_length")),
    **dict.fromkeys(("query_prefix", "document_prefix")),
}
"""Settings that leave a model as its checkpoint has it."""


def plain(base: str, query_length: int, document_length: int) -> Pylate:
    """An encoder's own token vectors, without markers or query expansion."""
    return Pylate(
        model=base,
        projection="identity",
        query_expansion=False,
        query_length=query_length,
        document_length=document_length,
    )


def _projected(model: Any, features: inference.Features) -> torch.Tensor:
    """Unit vectors of shape (texts, tokens, dim), from `token_embeddings` of the body."""
    import torch

    for module in list(model.children())[1:]:
        features = module(features)
    return torch.nn.functional.normalize(features["token_embeddings"], dim=2)


def _kept(model: Any, features: inference.Features) -> torch.Tensor:
    """The mask of document tokens that get a vector: no padding, and nothing skipped."""
    skipped = model.skiplist_mask(features["input_ids"], model.skiplist)
    kept: torch.Tensor = skipped.logical_and(features["attention_mask"])
    return kept


def _source(encoder: Pylate) -> dict[str, Any]:
    """What ColBERT is made from: a folder, or modules."""
    folder = references.folder(encoder.model, wanted_by="a late-interaction encoder")
    random = random_weights.is_dummy(encoder.model)
    if random and encoder.projection == "checkpoint":
        return {"modules": random_weights.late_interaction(encoder.model, folder)}
    if not random and encoder.projection != "identity":
        return {"model_name_or_path": str(folder)}
    body = inference.transformer(encoder.model, folder, encoder.trust_remote_code)
    return {"modules": [body, *([_identity(body)] if encoder.projection == "identity" else [])]}


def _settings(encoder: Pylate) -> dict[str, Any]:
    """Markers, lengths and query expansion: what the component says, else the checkpoint."""
    said = {
        "query_prefix": encoder.query_prefix,
        "document_prefix": encoder.document_prefix,
        "query_length": encoder.query_length,
        "document_length": encoder.document_length,
        "do_query_expansion": encoder.query_expansion,
    }
    set_here = {name: value for name, value in said.items() if value is not None}
    if encoder.projection == "identity":
        plain = {"query_prefix": "", "document_prefix": "", "do_query_expansion": False}
        return {**plain, "skiplist_words": [], **set_here}
    return {
        **(_of_catalogue(encoder.model) if random_weights.is_dummy(encoder.model) else {}),
        **set_here,
    }


def _of_catalogue(reference: str) -> dict[str, Any]:
    """What the checkpoint of a model with random weights says; None is pylate's default."""
    facts = random_weights.facts(reference)
    return {
        "query_prefix": facts.markers.query if facts.markers else None,
        "document_prefix": facts.markers.document if facts.markers else None,
        "query_length": facts.query_length,
        "document_length": facts.document_length,
        "do_query_expansion": facts.query_expansion,
        "attend_to_expansion_tokens": facts.attend_to_expansion,
    }


def _identity(body: Any) -> Any:
    import torch
    from pylate import models as pylate_models

    size = body.get_word_embedding_dimension()
    return pylate_models.Dense(size, size, bias=False, init_weight=torch.eye(size))
