"""Encoders for the measurement of cost: queries on the spot, documents from beforehand."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.components.abilities import CountsDocTokens, ListsTerms, Loadable
from harness.components.protocols import Joint, Part, Side, encode_part
from harness.components.vectors.compression import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROBE = "how long is a vector"


@dataclass(frozen=True)
class LiveQueries:
    """Encodes queries as they come; documents were encoded before, by whatever `docs` is."""

    docs: Any
    queries: Any

    def load(self) -> None:
        """Have the model for queries in memory."""
        if isinstance(self.queries, Loadable):
            self.queries.load()

    @property
    def gives(self) -> str:
        """What both give."""
        given: str = self.queries.gives
        return given

    def encode(self, texts: Sequence[str], side: Side, *part: Part) -> Any:
        """Each side by who is there for it."""
        encoder = self.queries if side == "query" else self.docs
        return encoder.encode(texts, side, *part)


@dataclass(frozen=True)
class RandomVectors:
    """Documents as random unit vectors, as many as the encoder would give and as long.

    For models with random weights: what they would give costs hours and means nothing, while the
    number and size of the vectors, on which time and bytes depend, are those of the real model.
    """

    encoder: Any

    @property
    def gives(self) -> str:
        """What the encoder gives."""
        given: str = self.encoder.gives
        return given

    def encode(self, texts: Sequence[str], side: Side, *part: Part) -> Any:
        """Documents alone; token vectors are the same for the same text."""
        del side
        if self.gives != "joint" or part:
            (wanted,) = part or (self.gives,)
            return RANDOM[wanted](self.encoder, texts)
        return Joint(**{name: make(self.encoder, texts) for name, make in RANDOM.items()})


def _random_dense(encoder: Any, texts: Sequence[str]) -> NDArray[np.float32]:
    dim = encode_part(encoder, "dense", [PROBE], "query").shape[1]
    return _unit_rows(len(texts), dim, seed=len(texts))


def _random_terms(encoder: Any, texts: Sequence[str]) -> Any:
    """The text's own terms, each with a random weight; those of an encoder that cannot list them."""
    if not isinstance(encoder, ListsTerms):
        return encode_part(encoder, "terms", texts, "doc")
    rng = np.random.default_rng(len(texts))
    terms = encoder.doc_terms(texts)
    return [np.stack([ids, 1 - rng.random(len(ids))], axis=1).astype("float32") for ids in terms]


def _random_tokens(encoder: Any, texts: Sequence[str]) -> Any:
    """As many vectors as the encoder would keep; the encoder's own where it cannot say."""
    counts = _token_counts(encoder, tuple(texts))
    if counts is None:
        return encode_part(encoder, "tokens", texts, "doc")
    dim = encode_part(encoder, "tokens", [PROBE], "query")[0].shape[1]
    return [_cut_out(text, count, dim) for text, count in zip(texts, counts, strict=True)]


RANDOM = {"dense": _random_dense, "terms": _random_terms, "tokens": _random_tokens}
"""What makes each part of documents."""


@functools.lru_cache(maxsize=64)
def _token_counts(encoder: Any, texts: tuple[str, ...]) -> Sequence[int] | None:
    """Vectors of each text; asked again whenever an arm's documents had to give way and are made anew."""
    return encoder.count_kept_tokens(texts) if isinstance(encoder, CountsDocTokens) else None


def _cut_out(text: str, count: int, dim: int) -> NDArray[np.float32]:
    """So many rows of one store of random unit vectors, from a place that the text decides.

    Drawing every vector anew would take longer than what is then measured with them.
    """
    store = _store(dim)
    start = zlib.crc32(text.encode()) % (STORE - min(count, STORE - 1))
    return store[start : start + count] if count < STORE else _unit_rows(count, dim, STORE)


STORE = 2**16
"""Random unit vectors of a dimension that documents are cut out of."""


@functools.lru_cache(maxsize=2)
def _store(dim: int) -> NDArray[np.float32]:
    return _unit_rows(STORE, dim, seed=dim)


def _unit_rows(rows: int, dim: int, seed: int) -> NDArray[np.float32]:
    return unit(np.random.default_rng(seed).standard_normal((rows, dim), dtype=np.float32))
