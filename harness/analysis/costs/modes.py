"""What each mode is called where it is shown, and how it is drawn; their order is `data.MODES`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from harness.data import MODES, Mode
from harness.page.drawing import CYCLE, INK, Key


class Look(NamedTuple):
    """Of one mode."""

    title: str
    """Of a table."""
    does: str
    """Begins a sentence on a call with `k` candidates."""
    key: Key
    """Of a figure."""


LOOKS: Mapping[Mode, Look] = {
    "retrieve": Look(
        "First-stage retrieval", "Retrieving {k} documents", Key("retrieval alone", INK, "s")
    ),
    "rerank": Look(
        "Cross-encoders", "Reranking {k} candidates", Key("cross-encoder", CYCLE[2], "D")
    ),
    "precomputed": Look(
        "Late interaction, documents encoded beforehand",
        "Reranking {k} candidates by precomputed vectors",
        Key("late interaction, precomputed", CYCLE[0], "o"),
    ),
    "on the fly": Look(
        "Late interaction, documents encoded with every query",
        "Encoding and reranking {k} candidates on the fly",
        Key("late interaction, on the fly", CYCLE[1], "^"),
    ),
}


def in_modes(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with each mode together, in the order of MODES."""
    return rows.sort_values("mode", key=lambda modes: modes.map(MODES.index), kind="stable")
