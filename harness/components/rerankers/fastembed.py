"""Reranking by a cross-encoder as fastembed runs it: an ONNX model under ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.components.models import inference, labels, onnx, positions
from harness.components.models.onnx import Loaded, OnnxModel, named
from harness.data import Doc
from harness.errors import ModelError


@dataclass(frozen=True)
class Fastembed(OnnxModel):
    """Raw logits of fastembed's TextCrossEncoder, or the score of one of several labels.

    Where query and document are too long together, the longer of them is cut, and not always the
    document as by `cross_encoder`.
    """

    label: labels.Label = None
    """Which label of a head with several stands for a relevant document: its name or its place,
    from 0."""

    def misfits(self) -> Mapping[str, str]:
        """A length beyond the model's positions, or a label that its head does not have."""
        config = positions.known(self.model, self.file)
        wrong = labels.misfit(self.model, self.label, config)
        return {**super().misfits(), **({"label": wrong} if wrong else {})}

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        """One logit a document."""
        if not docs:
            return []
        model, size = self.loaded().fastembed, self.texts_per_run()
        return inference.by_length(
            [doc.text for doc in docs], lambda texts: model.rerank(query, texts, batch_size=size)
        )

    def count_tokens(self, query: str, docs: Sequence[Doc]) -> int:
        """Tokens of all pairs, special ones included and padding not."""
        rows = self.loaded().inner.tokenizer.encode_batch([(query, doc.text) for doc in docs])
        return sum(sum(row.attention_mask) for row in rows)

    def room(self, query: str) -> int:
        """The most tokens of a document that are read beside `query`.

        The longer of the two gives way to the shorter until both have half (tokenizers'
        `longest_first`).
        """
        (asked,) = self.loaded().lengths([query])
        return self.query_room(asked)

    def query_room(self, doc_tokens: int) -> int:
        """The most tokens of a query that are read beside a document of so many, as of the other."""
        free = self.loaded().room(pair=True)
        half = (free + 1) // 2
        return half if doc_tokens == half else max(free - doc_tokens, free // 2)

    def made(self, settings: Mapping[str, Any]) -> Any:
        """A TextCrossEncoder that gives one score a pair."""
        from fastembed.common.model_description import ModelSource
        from fastembed.rerank.cross_encoder import TextCrossEncoder

        name = "harness/cross-encoder"
        if all(one["model"] != name for one in TextCrossEncoder.list_supported_models()):
            TextCrossEncoder.add_custom_model(
                model=name, sources=ModelSource(hf=name), model_file="model.onnx"
            )
        made = TextCrossEncoder(name, **settings)
        config = positions.known(self.model, self.file)
        if self.label is not None:
            made.model.model = _OneLabel(made.model.model, self.model, self.label, config)
        return made

    def check(self, found: Loaded) -> None:
        """Raise ModelError where the graph does not give one score a pair."""
        shape = found.shape(onnx.PROBE, onnx.PROBE)
        if shape != (1, 1):
            raise ModelError(
                f"{named(self)} gives {_said(shape)} for one pair of query and document; a reranker "
                "gives one score. Name a model that was exported with its trained head, and of several "
                "labels the place of one as `label`."
            )


class _OneLabel:
    """A session of ONNX Runtime that gives the score of one label; fastembed reads the first."""

    def __init__(
        self, session: Any, model: str, label: labels.Label, config: Mapping[str, Any]
    ) -> None:
        self._session = session
        self._column = labels.place(model, label, config)
        self._config = config

    def run(self, outputs: Any, given: Any) -> list[Any]:
        logits = self._session.run(outputs, given)[0]
        return [labels.scores(logits, self._column, self._config)[:, None]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def _said(shape: Sequence[int]) -> str:
    return f"{shape[1]} labels" if len(shape) == 2 else f"vectors (shape {tuple(shape)})"
