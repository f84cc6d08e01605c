"""An index of no documents, which several libraries refuse to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.components.abilities import Footprint
from harness.data import Hit, Query


@dataclass(frozen=True)
class Nothing:
    """A searcher that finds nothing."""

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        """No hits for any query."""
        del depth
        return [[] for _ in queries]

    def footprints(self) -> list[Footprint]:
        """No part."""
        return []
