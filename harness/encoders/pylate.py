"""Late-interaction encoders that pylate can load: one vector a token."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness import forward, models
from harness.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNTRAINED_SEED = 0
"""Seed of the random projection of `projection: untrained`."""


@dataclass(frozen=True)
class Pylate:
    """One unit vector a kept token by a ColBERT model."""

    needs: ClassVar[tuple[str, ...]] = ("torch", "pylate")

    model: str
    """Hub id, folder or `package:`."""
    projection: Literal["checkpoint", "identity", "untrained"] = "checkpoint"
    """`identity` reads a plain encoder's own token vectors, without markers, query expansion or
    skipped tokens; `untrained` adds a random projection, as a control. A model without a trained
    projection is refused under `checkpoint`."""
    query_expansion: bool | None = None
    """Fill queries with [MASK] tokens; None is what the checkpoint says."""
    query_length: int | None = None
    """Tokens of a query; None is what the checkpoint says."""
    document_length: int | None = None
    """Tokens kept of a document; None is what the checkpoint says."""
    query_prefix: str | None = None
    """Marker token of queries; None is what the checkpoint says."""
    document_prefix: str | None = None
    """Marker token of documents; None is what the checkpoint says."""
    device: forward.Device = "auto"
    dtype: forward.Dtype = "float32"
    trust_remote_code: bool = False
    """Run code that comes with the model; allowed only where the model's revision is pinned."""

    def __post_init__(self) -> None:
        """Refuse remote code without a pinned revision."""
        models.check_remote_code(self.model, self.trust_remote_code)

    def identity(self) -> Mapping[str, str]:
        """The model's revision; raises ModelError for a projection that was never trained."""
        found = models.find(self.model)
        if found and self.projection == "checkpoint" and not has_trained_projection(found.folder):
            raise ModelError(
                f"The model {self.model!r} has no token projection in its checkpoint: it is not a "
                "late-interaction model, and pylate would add a random layer. Say `projection: "
                "identity` to use its own token vectors, or `projection: untrained` for a control."
            )
        return {"model": models.identity(self.model)}

    def load(self) -> None:
        """Have the model in memory."""
        _load(self)

    def encode_query_tokens(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim)."""
        if not texts:
            return []
        encoded: list[NDArray[np.float32]] = _load(self).encode(
            list(texts), is_query=True, show_progress_bar=False
        )
        return [matrix.astype("float32", copy=False) for matrix in encoded]

    def encode_doc_tokens(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim)."""
        (matrices,) = forward.run([self.document_pass()], texts)
        return matrices

    def document_pass(self) -> forward.Pass:
        """The projection and the choice of kept tokens are the head."""
        import torch

        model = _load(self)

        def head(features: forward.Features) -> list[NDArray[np.float32]]:
            for module in list(model.children())[1:]:
                features = module(features)
            keep = torch.logical_and(
                model.skiplist_mask(features["input_ids"], model.skiplist),
                features["attention_mask"],
            )
            vectors = torch.nn.functional.normalize(features["token_embeddings"], dim=2)
            return forward.split_rows(vectors, keep)

        marker = f" marker {model.document_prefix_id}" if model.document_prefix else ""
        return forward.Pass(
            key=f"{self.identity()} {model.device} {self.dtype} {model.document_length} ''{marker}",
            device=str(model.device),
            tokenize=lambda texts: model.tokenize(texts, is_query=False),
            body=model[0],
            head=head,
        )


def has_trained_projection(folder: Path) -> bool:
    """Whether the checkpoint is a late-interaction model: Stanford's format, or pylate's.

    In pylate's format every module after the transformer is a projection of token vectors; a
    module that pools marks a sentence encoder, whose layers were not trained on tokens.
    """
    config = _json(folder / "config.json")
    if (config.get("architectures") or [""])[0] == "HF_ColBERT":
        return True
    modules = _json(folder / "modules.json") or []
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    return len(kinds) > 1 and set(kinds[1:]) == {"Dense"}


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


@functools.lru_cache(maxsize=2)
def _load(encoder: Pylate) -> Any:
    encoder.identity()
    folder = models.folder(encoder.model, wanted_by="a late-interaction encoder")
    forward.prepare_libraries()
    import torch
    from pylate import models as pylate_models

    plain = encoder.projection == "identity"
    source: dict[str, Any] = {"model_name_or_path": str(folder)}
    if plain:
        source = {"modules": _identity_modules(str(folder), encoder.trust_remote_code)}

    def said(value: Any, plainly: Any) -> Any:
        return plainly if plain and value is None else value

    with torch.random.fork_rng():
        torch.manual_seed(UNTRAINED_SEED)
        model = pylate_models.ColBERT(
            **source,
            device=forward.pick_device(encoder.device, encoder.model),
            do_query_expansion=said(encoder.query_expansion, plainly=False),
            query_length=encoder.query_length,
            document_length=encoder.document_length,
            query_prefix=said(encoder.query_prefix, plainly=""),
            document_prefix=said(encoder.document_prefix, plainly=""),
            skiplist_words=[] if plain else None,
            trust_remote_code=encoder.trust_remote_code,
            local_files_only=True,
        )
    return model.to(getattr(torch, encoder.dtype)).eval()


def _identity_modules(folder: str, trust_remote_code: bool) -> list[Any]:
    import torch
    from pylate import models as pylate_models

    body = forward.transformer(folder, trust_remote_code)
    size = body.get_word_embedding_dimension()
    projection = pylate_models.Dense(size, size, bias=False, init_weight=torch.eye(size))
    return [body, projection]
