"""Single-vector encoders as Candle runs them, by the package candding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.components.models import inference, prompts, references
from harness.components.models.candle import CandleModel
from harness.components.protocols import Side
from harness.files.disk import read_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POOLED = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last_token",
}
"""What a checkpoint says of its pooling, and what candding calls it."""

ALWAYS = ("Transformer", "Pooling", "Normalize")
"""Modules of sentence-transformers that every model of the catalogue stands for."""


@dataclass(frozen=True)
class Candle(CandleModel, prompts.Prompted):
    """One vector a text by candding's TextEmbedding, on a CPU in float32."""

    gives: ClassVar = "dense"
    BESIDE: ClassVar[Mapping[str, Any]] = {
        **CandleModel.BESIDE,
        "query_prompt": None,
        "doc_prompt": None,
    }

    query_prompt: str | None = None
    """Put before queries, which Candle's `embed` leaves to its caller; None is what the model's own
    files say, else this project's catalogue."""
    doc_prompt: str | None = None
    """Put before documents; None is what the model's own files say, else this project's catalogue."""
    normalize: bool = True
    """Vectors of length 1, so that the inner product is the cosine."""

    @classmethod
    def catalogue(cls) -> Mapping[str, Mapping[str, Any]]:
        """Its dense models."""
        import candding

        return {one["id"]: one for one in candding.list_models("dense")}

    def misfits(self) -> Mapping[str, str]:
        """A length, a name, or a name whose pooling is not that of the model's files."""
        wrong = dict(super().misfits())
        found = None if wrong or not self.installed() else references.find(self.model)
        unlike = _unlike(self, found.folder) if found else ""
        return {**wrong, **({"known_as": unlike} if unlike else {})}

    def identity(self) -> Mapping[str, str]:
        """The model's weights and the prompts that the catalogue adds to it."""
        return {**super().identity(), **prompts.added(self)}

    def made(self, settings: Mapping[str, Any]) -> Any:
        """A TextEmbedding."""
        from candding import TextEmbedding

        return TextEmbedding(self.name, normalize=self.normalize, **settings)

    def encode(self, texts: Sequence[str], side: Side) -> NDArray[np.float32]:
        """Vectors of shape (texts, dim); each query goes through alone, as it would be asked."""
        import numpy as np

        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        read = self.read(texts, side)
        size = 1 if side == "query" else self.texts_per_run()
        with self.running() as found:
            vectors = inference.by_length(
                read, lambda some: found.candle.embed(some, batch_size=size)
            )
        return np.stack(vectors).astype(np.float32, copy=False)

    def count_doc_tokens(self, texts: Sequence[str]) -> list[int]:
        """For each text the number of tokens that the model reads."""
        counts: list[int] = self.loaded().candle.token_count(self.read(texts, "doc"))
        return counts


def _unlike(encoder: Candle, folder: Path) -> str:
    """How the model's files differ from what the catalogue's name stands for; empty if they do not.

    candding reads neither modules.json nor the pooling's configuration of most of its models.
    """
    modules = read_json(folder / "modules.json") or []
    kinds = {module["type"].rpartition(".")[2]: module["path"] for module in modules}
    config = read_json(folder / kinds.get("Pooling", "1_Pooling") / "config.json") or {}
    modes = [mode for mode, value in config.items() if mode.startswith("pooling_mode") and value]
    pools = [POOLED.get(mode, mode) for mode in modes]
    described = encoder.described
    if pools and pools != [described["pooling"]]:
        return (
            f"the model's files pool by {' and '.join(pools)}, "
            f"{encoder.name!r} by {described['pooling']}"
        )
    further = [module["path"] for module in modules if _kind(module) not in ALWAYS]
    if modules and further != described["dense_dirs"]:
        behind = ", ".join(further) or "nothing"
        wanted = ", ".join(described["dense_dirs"]) or "nothing"
        return f"the model has {behind} behind its pooling, {encoder.name!r} {wanted}"
    return ""


def _kind(module: Mapping[str, str]) -> str:
    return module["type"].rpartition(".")[2]
