"""The tables of a measurement of latency, as their rows come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from harness.measure.latency.rounds import Timed
from harness.results import columns

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
    """By system why something of it was not measured; another time it may be."""

    def joined(self, timed: Timed) -> dict[str, Rows]:
        """The rows with what was timed on one more device."""
        at = {"device": timed.device}
        return {
            name: [*rows, *({**row, **at} for row in getattr(timed, name, ()))]
            for name, rows in self.rows.items()
        }

    def compare_devices(self, devices: Sequence[str]) -> None:
        """Fill `tau`: how alike the rankings of another device are to those of the first."""
        from scipy.stats import kendalltau

        first = self.rankings.get(devices[0], {})
        for row in self.rows["arms"]:
            if row["device"] == devices[0] or row["device"] not in self.rankings:
                continue
            wanted = (row["system"], row["mode"], 0, row["k"])
            taus = []
            for (*arm, query_id), ids in self.rankings[row["device"]].items():
                other = first.get((*arm, query_id))
                if tuple(arm) == wanted and other is not None and len(ids) > 1:
                    place = {doc_id: i for i, doc_id in enumerate(other)}
                    order = [place.get(doc_id, len(place)) for doc_id in ids]
                    taus.append(kendalltau(range(len(order)), order).statistic)
            row["tau"] = float(np.mean(taus)) if taus else float("nan")


def made(rows: Mapping[str, Rows]) -> dict[str, pd.DataFrame]:
    """Tables with the columns that `results.columns` names."""
    return {
        name: pd.DataFrame(table).reindex(columns=list(getattr(columns, name.upper())))
        for name, table in rows.items()
    }
