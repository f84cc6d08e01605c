"""PLAID: late interaction as the first stage, over compressed token vectors, by fast-plaid."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Footprint
from harness.components.databases import fast_plaid
from harness.components.protocols import Searcher, TokenEncoder
from harness.components.retrievers._empty import Nothing
from harness.components.retrievers._token_searcher import TokenSearcher
from harness.components.vectors import indexing
from harness.components.vectors.indexing import Made
from harness.data import Doc, Hit, Query
from harness.errors import ComponentError
from harness.files import disk
from harness.ranking import ranked

BESIDE = (
    "PLAID as a first stage is to be read beside BM25 whose candidates the same token vectors "
    "rerank: that often ranks as well in less time (MacAvaney and Tonellotto 2024, SIGIR)."
)


@dataclass(frozen=True)
class Plaid:
    """Documents near the centroids of the query's tokens, scored by decompressed vectors."""

    needs: ClassVar[tuple[str, ...]] = ("torch", "fast_plaid")

    encoder: TokenEncoder
    nbits: Literal[1, 2, 4] = 4
    """Bits a dimension for the difference of a vector from its centroid."""
    n_ivf_probe: int = 8
    """Centroids that are looked at for each token of a query."""
    n_full_scores: int = 4096
    """Documents near those centroids that are scored by centroids; the best quarter of them is
    scored by its vectors, and nothing else is a hit."""
    device: str = "cpu"
    """Where index and search run: `cpu` or `cuda`."""

    def __post_init__(self) -> None:
        """Refuse to look at nothing."""
        if self.n_ivf_probe < 1 or self.n_full_scores < 1:
            raise ValueError("n_ivf_probe and n_full_scores must be at least 1")

    def identity(self) -> Mapping[str, str]:
        """fast-plaid's version; raises PackageError where it was made for another torch."""
        fast_plaid.check_packages()
        return {"index": f"fast-plaid {importlib.metadata.version('fast-plaid')}"}

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over an index of the token vectors of `docs`, in a temporary folder."""
        found = indexing.encoded(self.encoder, docs)
        if not found.doc_ids:
            return Nothing()
        made = indexing.build_once(
            found.key("plaid", self.nbits),
            lambda folder: fast_plaid.create(found.matrices, self.nbits, folder, self.device),
        )
        probe = min(self.n_ivf_probe, fast_plaid.centroids(made.folder))
        return _Index(self, found, made, fast_plaid.opened(made.folder, self.device), probe)


@dataclass(frozen=True)
class _Index(TokenSearcher):
    made: Made
    index: Any
    """A FastPlaid."""
    probe: int
    """Centroids for each token of a query: not more than there are."""

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        most = min(depth, len(self.found.doc_ids))
        if most > max(self.system.n_full_scores // 4, 1):
            raise ComponentError(
                f"PLAID gives at most a quarter of n_full_scores = {self.system.n_full_scores} "
                f"hits, and {most} are asked for. Raise n_full_scores, or lower depth.retrieve."
            )
        return super().search(queries, depth)

    def hits(self, query: NDArray[np.float32], depth: int) -> list[Hit]:
        """One query at a time: shorter ones of a batch would be padded with zero vectors."""
        import torch

        with fast_plaid.panics_as_errors():
            (answer,) = self.index.search(
                torch.from_numpy(query[None]),
                top_k=depth,
                n_full_scores=self.system.n_full_scores,
                n_ivf_probe=self.probe,
                show_progress=False,
            )
        return ranked(Hit(self.found.doc_ids[place], score) for place, score in answer)

    def footprints(self) -> list[Footprint]:
        """Bytes of the index's folder, the copies that fast-plaid stores included."""
        size = disk.disk_bytes(self.made.folder)
        return [self.footprint(f"plaid {self.system.nbits} bits", size, size)]

    def facts(self, queries: Sequence[Query], depth: int) -> Mapping[str, Any]:
        """What building the index took, and what belongs beside its numbers."""
        del queries, depth
        return {"index": {"build_seconds": self.made.seconds}, "notes": [BESIDE]}
