"""Single-vector encoders as fastembed runs them: ONNX models under ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.components.models import inference, onnx, prompts, references
from harness.components.models.onnx import Loaded, OnnxModel, named
from harness.components.protocols import Side
from harness.errors import ModelError
from harness.files.disk import read_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POOLED = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
"""What a checkpoint says of its pooling, and what that is called here."""

IN_FASTEMBED = {"mean": "MEAN", "cls": "CLS", "none": "DISABLED"}

IN_THE_GRAPH = ("Transformer", "Pooling", "Normalize")
"""Modules of sentence-transformers that a graph and fastembed make up for."""


@dataclass(frozen=True)
class Fastembed(OnnxModel, prompts.Prompted):
    """One vector a text by fastembed's TextEmbedding."""

    gives: ClassVar = "dense"
    BESIDE: ClassVar[Mapping[str, Any]] = {"query_prompt": None, "doc_prompt": None}

    pooling: Literal["checkpoint", "mean", "cls", "none"] = "checkpoint"
    """How token vectors become one; `none`: the graph does it itself. A model whose files do not say
    is refused under `checkpoint`."""
    query_prompt: str | None = None
    """Put before queries, which fastembed leaves to its caller; None is what the model's own files
    say, else the catalogue."""
    doc_prompt: str | None = None
    """Put before documents; None is what the model's own files say, else the catalogue."""
    normalize: bool = True
    """Vectors of length 1, so that the inner product is the cosine."""

    def identity(self) -> Mapping[str, str]:
        """The model's files; raises ModelError where nothing says how it pools."""
        found = references.find(self.model, self.file)
        if found and self.pooling == "checkpoint":
            _pooling(self, found.folder)
        return {**super().identity(), **prompts.added(self)}

    def encode(self, texts: Sequence[str], side: Side) -> NDArray[np.float32]:
        """Vectors of shape (texts, dim); each query goes through alone, as it would be asked."""
        import numpy as np

        model, read = self.loaded().fastembed, self.read(texts, side)
        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        if side == "query":
            vectors = list(model.embed(read, batch_size=1))
        else:
            vectors = inference.by_length(
                read, lambda some: model.embed(some, self.texts_per_run())
            )
        return np.stack(vectors).astype(np.float32, copy=False)

    def count_doc_tokens(self, texts: Sequence[str]) -> list[int]:
        """For each text the number of tokens that the model reads."""
        rows = self.loaded().inner.tokenizer.encode_batch(self.read(texts, "doc"))
        return [sum(row.attention_mask) for row in rows]

    def made(self, settings: Mapping[str, Any]) -> Any:
        """A TextEmbedding that pools as the model does."""
        from fastembed import TextEmbedding
        from fastembed.common.model_description import ModelSource, PoolingType

        pooling = self.pooling
        if pooling == "checkpoint":
            folder = references.folder(self.model, "an encoder", self.file)
            pooling = _pooling(self, folder)  # type: ignore[assignment]
        # fastembed knows pooling by the name of a model, which it takes once in a process.
        name = f"harness/{pooling}-{'unit' if self.normalize else 'raw'}"
        if all(one["model"] != name for one in TextEmbedding.list_supported_models()):
            TextEmbedding.add_custom_model(
                model=name,
                pooling=PoolingType[IN_FASTEMBED[pooling]],
                normalization=self.normalize,
                sources=ModelSource(hf=name),
                dim=1,  # which nothing here asks for
                model_file="model.onnx",
            )
        return TextEmbedding(name, **settings)

    def check(self, found: Loaded) -> None:
        """Raise ModelError where the graph's output is not what pooling needs."""
        wanted = 2 if self.pooling == "none" else 3
        shape = found.shape(onnx.PROBE)
        if len(shape) != wanted:
            gives = "one vector a text" if len(shape) == 2 else "a vector for every token"
            says = "`pooling: none`" if len(shape) == 2 else "how it pools"
            raise ModelError(f"{named(self)} gives {gives} (shape {shape}): say {says}.")


def _pooling(encoder: Fastembed, folder: Path) -> str:
    """`mean` or `cls`, from the files of sentence-transformers that lie beside the graph."""
    modules = read_json(folder / "modules.json") or []
    kinds = {module["type"].rpartition(".")[2]: module["path"] for module in modules}
    config = read_json(folder / kinds.get("Pooling", "1_Pooling") / "config.json")
    modes = [mode for mode, value in config.items() if mode.startswith("pooling_mode") and value]
    further = [kind for kind in kinds if kind not in IN_THE_GRAPH]
    if further:
        raise ModelError(
            f"{named(encoder)} has {', '.join(further)} behind its transformer, which fastembed does "
            "not run. If the graph holds it, and pools, say `pooling: none`."
        )
    if len(modes) != 1 or modes[0] not in POOLED:
        raise ModelError(
            f"{named(encoder)} does not say how its token vectors become one, or says what fastembed "
            f"does not know ({', '.join(modes) or 'nothing'}). Say `pooling: mean` or `pooling: cls`, "
            "whichever it was trained with, or `pooling: none` where the graph pools."
        )
    return POOLED[modes[0]]
