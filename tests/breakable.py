"""Components of which a test can break one, and leave the others that are like it whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import fakes

from harness.data import Doc


@dataclass(frozen=True)
class Other(fakes.WordOverlap):
    """Another first stage."""


@dataclass(frozen=True)
class OtherTokens(fakes.HashingTokenEncoder):
    """Another token encoder, and one that tells how it computes attention."""

    def attention(self) -> str:
        return "eager"


@dataclass(frozen=True)
class Told(fakes.Identity):
    """A reranker that counts tokens and tells how it computes attention."""

    def attention(self) -> str:
        return "eager"

    def count_tokens(self, query: str, docs: Sequence[Doc]) -> int:
        return len(query.split()) * len(docs)
