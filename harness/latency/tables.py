"""The tables of a measurement of latency, as their rows come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from harness import frames
from harness.latency.rounds import Timed

Rows = list[dict[str, Any]]

TABLES = ("calls", "arms", "starts", "throughput", "rounds")


@dataclass
class Tables:
    """Rows by table, without the dataset."""

    rows: dict[str, Rows] = field(default_factory=lambda: {name: [] for name in TABLES})
    rankings: dict[str, Mapping[Any, Sequence[str]]] = field(default_factory=dict)
    """By device: what the arms ranked."""
    facts: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """By system why something of it was not measured that may be another time."""

    def joined(self, timed: Timed) -> dict[str, Rows]:
        """The rows with what was timed on one more device."""
        at = {"device": timed.device}
        return {
            name: [*rows, *({**row, **at} for row in getattr(timed, name, ()))]
            for name, rows in self.rows.items()
        }


def made(rows: Mapping[str, Rows]) -> dict[str, pd.DataFrame]:
    """Tables whose columns are those of `frames`."""
    return {
        name: pd.DataFrame(table).reindex(columns=list(getattr(frames, name.upper())))
        for name, table in rows.items()
    }
