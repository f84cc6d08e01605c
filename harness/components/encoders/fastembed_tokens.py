"""Late-interaction encoders as fastembed runs them: ONNX models under ONNX Runtime."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from harness.components.models import inference, onnx, references
from harness.components.models.onnx import Loaded, OnnxModel, named
from harness.components.protocols import Side
from harness.components.vectors.compression import unit
from harness.errors import ModelError
from harness.files.disk import read_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Family(NamedTuple):
    """Markers, which fastembed knows by the name of a model."""

    name: str
    query: int
    """Id of the token before queries."""
    document: int
    """Id of the token before documents."""


FAMILIES = {
    "colbert": Family("colbert-ir/colbertv2.0", 1, 2),
    "jina": Family("jinaai/jina-colbert-v2", 250002, 250003),
}

UNUSED = "[unused0]"
"""The token that ColBERT's family puts before queries, where the checkpoint says nothing."""


@dataclass(frozen=True)
class FastembedTokens(OnnxModel, inference.ReadsOneText):
    """One unit vector a kept token by fastembed's LateInteractionTextEmbedding.

    The graph holds the projection. Queries are filled with [MASK] to 32 tokens, and longer ones are
    not cut to 32; documents lose their punctuation.
    """

    gives: ClassVar = "tokens"

    markers: Literal["colbert", "jina"] = "colbert"
    """Whose marker tokens are put before texts: ids 1 and 2 as ColBERTv2 has them, or 250002 and
    250003 as jina-colbert-v2. A checkpoint that says otherwise is refused."""

    @property
    def as_file(self) -> str:
        """Where fastembed looks for the graph of a model of the family."""
        return "model.onnx" if self.markers == "colbert" else "onnx/model.onnx"

    def identity(self) -> Mapping[str, str]:
        """The model's files; raises ModelError for markers that are not the checkpoint's."""
        found = references.find(self.model, self.file)
        if found:
            _check_markers(self, found.folder)
        return super().identity()

    def encode(self, texts: Sequence[str], side: Side) -> list[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim)."""
        model, size = self.loaded().fastembed, self.texts_per_run()
        if side == "query":
            return [unit(matrix.astype("float32")) for matrix in model.query_embed(list(texts))]
        found = inference.by_length(list(texts), lambda some: model.embed(some, size))
        return [matrix.astype("float32", copy=False) for matrix in found]

    def count_doc_tokens(self, texts: Sequence[str]) -> list[int]:
        """For each text the number of tokens that the model reads, its marker among them."""
        return [len(ids) + 1 for ids in self._ids(texts)]

    def count_kept_tokens(self, texts: Sequence[str]) -> list[int]:
        """For each text the number of vectors that `encode` gives."""
        skipped = self.loaded().inner.skip_list
        return [sum(one not in skipped for one in ids) + 1 for ids in self._ids(texts)]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of documents without padding."""
        rows = self.loaded().inner.tokenizer.encode_batch(list(texts))
        return [row.ids[: sum(row.attention_mask)] for row in rows]

    def room_of(self, side: Side) -> int:
        """The limit beside special tokens, of queries as of documents."""
        del side
        return self.loaded().room(pair=False)

    def made(self, settings: Mapping[str, Any]) -> Any:
        """A LateInteractionTextEmbedding with the markers."""
        from fastembed import LateInteractionTextEmbedding

        return LateInteractionTextEmbedding(FAMILIES[self.markers].name, **settings)

    def check(self, found: Loaded) -> None:
        """Raise ModelError where the graph does not give projected vectors of tokens."""
        if "token_type_ids" in found.inputs():
            raise ModelError(
                f"{named(self)} wants token_type_ids, to which fastembed adds no marker. Export it "
                "with input_ids and attention_mask alone, as `python -m harness onnx` does."
            )
        shape = found.shape(onnx.PROBE)
        if len(shape) != 3:
            raise ModelError(f"{named(self)} gives no vector for every token (shape {shape}).")
        folder = references.folder(self.model, "an encoder", self.file)
        if shape[2] == read_json(folder / "config.json").get("hidden_size"):
            raise ModelError(
                f"{named(self)} gives vectors as wide as its hidden states, {shape[2]}: the "
                "projection of a late-interaction model is not in the graph. Export it with its "
                "projection, as `python -m harness onnx` does."
            )


def _check_markers(encoder: FastembedTokens, folder: Path) -> None:
    """Raise ModelError where the checkpoint's markers are other tokens than fastembed puts."""
    family = FAMILIES[encoder.markers]
    said = _markers(folder)
    found = [_ids(folder).get(marker) for marker in said]
    if found != [family.query, family.document]:
        marks = " and ".join(f"{m!r} (id {i})" for m, i in zip(said, found, strict=True))
        raise ModelError(
            f"{named(encoder)} marks queries and documents by {marks}; fastembed would put the tokens "
            f"{family.query} and {family.document} there (`markers: {encoder.markers}`), which it was "
            "not trained with. Name the family that it is of, or use `pylate`."
        )


def _markers(folder: Path) -> tuple[str, str]:
    """The markers of queries and documents, as Stanford's or pylate's files say them."""
    stanford = read_json(folder / "artifact.metadata")
    pylate = read_json(folder / "config_sentence_transformers.json")
    return (
        pylate.get("query_prefix") or stanford.get("query_token_id") or UNUSED,
        pylate.get("document_prefix") or stanford.get("doc_token_id") or UNUSED.replace("0", "1"),
    )


@functools.cache
def _ids(folder: Path) -> Mapping[str, int]:
    """By token its id."""
    content = read_json(folder / "tokenizer.json")
    vocabulary = content["model"]["vocab"]
    words = vocabulary if isinstance(vocabulary, Mapping) else {}
    added = {one["content"]: int(one["id"]) for one in content.get("added_tokens", ())}
    return {**words, **added}
