"""Reranking by a cross-encoder as Candle runs it, by the package candding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.components.models import inference
from harness.components.models.candle import CandleModel
from harness.data import Doc

HALVES, THREE_QUARTERS = "longest_first", "preserve_query_to_three_quarters"
"""What candding calls the ways in which a pair that is too long is cut: the longer of the two gives
way until both have half; or the query keeps up to three quarters of the limit."""


@dataclass(frozen=True)
class Candle(CandleModel):
    """Raw logits of candding's TextCrossEncoder, on a CPU in float32.

    Where query and document are too long together, models built as ms-marco's have the longer cut, and
    not always the document as by `cross_encoder`; those built as BGE's keep three quarters for a query.
    """

    @classmethod
    def catalogue(cls) -> Mapping[str, Mapping[str, Any]]:
        """Those that read a query and a document as one pair and give a logit.

        Of the others Qwen's read a prompt, and Jina's give a probability, which ties where it saturates.
        """
        import candding

        return {
            one["id"]: one
            for one in candding.list_models("rerank")
            if one["input"].get("truncation") in (HALVES, THREE_QUARTERS)
            and one["score_activation"] == "identity"
        }

    def made(self, settings: Mapping[str, Any]) -> Any:
        """A TextCrossEncoder."""
        from candding import TextCrossEncoder

        return TextCrossEncoder(self.name, **settings)

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        """One logit a document."""
        with self.running() as found:

            def asked(texts: list[str]) -> list[float]:
                ranked = dict(found.candle.rerank(query, texts, batch_size=self.texts_per_run()))
                return [ranked[place] for place in range(len(texts))]

            return inference.by_length([doc.text for doc in docs], asked)

    def count_tokens(self, query: str, docs: Sequence[Doc]) -> int:
        """Tokens of all pairs, special ones included and padding not."""
        return sum(self.loaded().candle.pair_token_count(query, [doc.text for doc in docs]))

    def room(self, query: str) -> int:
        """The most tokens of a document that are read beside `query`."""
        (asked,) = self.loaded().lengths([query])
        if self._cut() == HALVES:
            return self.query_room(asked)
        return self.loaded().room(pair=True) - min(asked, self._of_query())

    def query_room(self, doc_tokens: int) -> int:
        """The most tokens of a query that are read beside a document of so many."""
        if self._cut() == THREE_QUARTERS:
            return self._of_query()
        free = self.loaded().room(pair=True)
        half = (free + 1) // 2
        return half if doc_tokens == half else max(free - doc_tokens, free // 2)

    def _cut(self) -> str:
        way: str = self.described["input"]["truncation"]
        return way

    def _of_query(self) -> int:
        return int(self.loaded().candle.max_length) * 3 // 4
