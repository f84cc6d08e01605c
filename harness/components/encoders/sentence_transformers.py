"""Single-vector encoders that sentence-transformers can load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.components.models import inference, prompts, random_weights, references
from harness.components.models.torch_model import TorchEncoder
from harness.components.protocols import Side
from harness.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class SentenceTransformers(TorchEncoder):
    """One vector a text by a SentenceTransformer model."""

    gives: ClassVar = "dense"
    BESIDE: ClassVar[Mapping[str, Any]] = {
        "query_prompt": None,
        "doc_prompt": None,
        "normalize": True,
    }

    model: str
    """Hub id, folder, `package:` or `dummy:`."""
    pooling: Literal["checkpoint", "mean", "cls"] = "checkpoint"
    """How token vectors become one. A plain transformer, whose checkpoint does not say, is refused
    under `checkpoint`: sentence-transformers would take the mean without a word."""
    query_prompt: str | None = None
    """Put before queries; None is what the model's own files say, else the catalogue."""
    doc_prompt: str | None = None
    """Put before documents; None is what the model's own files say, else the catalogue."""
    max_length: int | None = None
    """Tokens read of a text; None is the model's own limit."""
    normalize: bool = True
    """Vectors of length 1, so that the inner product is the cosine."""

    def identity(self) -> Mapping[str, str]:
        """The model's revision and the prompts that the catalogue adds to it."""
        return {**super().identity(), **prompts.added(self)}

    def check_trained(self, folder: Path) -> None:
        """Raise ModelError where nothing says how the model pools."""
        if self.pooling != "checkpoint":
            return
        if random_weights.is_dummy(self.model):
            random_weights.check_kind(self.model, "encoder")
        elif not (folder / "modules.json").exists():
            raise ModelError(
                f"The model {self.model!r} is no sentence-transformers model: its checkpoint does "
                "not say how its token vectors become one. Say `pooling: mean` or `pooling: cls`, "
                "whichever it was trained with."
            )

    def notes(self) -> Iterator[str]:
        """Which prompts come from the catalogue."""
        return prompts.notes(self)

    def made(self) -> Any:
        """A SentenceTransformer."""
        import torch
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(
            **_source(self),
            device=inference.pick_device(self.device, self.model),
            trust_remote_code=self.trust_remote_code,
            local_files_only=True,
        )
        inference.fitted(model[0], self.model, self.max_length)
        return model.to(getattr(torch, self.dtype)).eval()

    def encode(self, texts: Sequence[str], side: Side) -> NDArray[np.float32]:
        """Vectors of shape (texts, dim)."""
        if side == "doc":
            (matrices,) = inference.run([self.document_pass()], texts)
            return inference.stacked(matrices)
        prompt = prompts.before("query", self)
        encoded: NDArray[np.float32] = self.loaded().encode(
            list(texts), prompt=prompt, normalize_embeddings=self.normalize, show_progress_bar=False
        )
        return encoded.astype("float32", copy=False)

    def document_pass(self) -> inference.Pass:
        """Pooling and whatever modules follow it are the head."""
        import torch

        model = self.loaded()
        prompt = prompts.before("doc", self)
        extra = {}
        if prompt:
            extra["prompt_length"] = model.tokenize([prompt])["input_ids"].shape[-1] - 1

        def head(features: inference.Features) -> list[NDArray[np.float32]]:
            for module in list(model)[1:]:
                features = module(features)
            vectors = features["sentence_embedding"]
            if self.normalize:
                vectors = torch.nn.functional.normalize(vectors, dim=1)
            return inference.split_rows(vectors[:, None, :])

        return inference.Pass(
            key=f"{self.identity()} {model.device} {self.dtype} {model.max_seq_length} {prompt!r}",
            device=str(model.device),
            tokenize=lambda texts: {**model.tokenize([prompt + text for text in texts]), **extra},
            body=model[0],
            head=head,
            batch_size=self.batch_size,
        )

    def tokenizing(self) -> inference.Tokenize:
        """The tokenizer, after the prompt."""
        return self.document_pass().tokenize

    def room_of(self, side: Side) -> int:
        """The model's limit beside special tokens and the prompt."""
        model = self.loaded()
        prompt = prompts.before(side, self)
        (taken,) = inference.lengths(model.tokenizer, [prompt])
        special: int = model.tokenizer.num_special_tokens_to_add(pair=False)
        return max(int(model.max_seq_length) - special - taken, 0)


def _source(encoder: SentenceTransformers) -> dict[str, Any]:
    """What SentenceTransformer is made from: a folder, or modules."""
    folder = references.folder(encoder.model, wanted_by="an encoder")
    random = random_weights.is_dummy(encoder.model)
    if encoder.pooling == "checkpoint" and not random:
        return {"model_name_or_path": str(folder)}
    from sentence_transformers import models as modules

    facts = random_weights.facts(encoder.model) if random else None
    pooling = encoder.pooling
    if facts and pooling == "checkpoint":
        pooling = facts.pooling or "mean"
    body = inference.transformer(encoder.model, folder, encoder.trust_remote_code)
    if facts:
        random_weights.check_size(encoder.model, random_weights.parameters(body))
    pooled = modules.Pooling(body.get_word_embedding_dimension(), pooling)
    return {"modules": [body, pooled]}
