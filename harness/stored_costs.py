"""Measurements of cost on disk: read back into tables, whom they left out, and other machines'.

Those of a dataset and kind lie in one folder, named for what is measured and for the machine.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import frames
from harness.stored_tables import joined, read_json, read_table

if TYPE_CHECKING:
    import pandas as pd

DONE_COSTS = "costs.json"
"""Written last: what a measurement of cost was made with."""


def left_out(place: Path) -> Mapping[str, str] | None:
    """By system why the measurement at `place` lacks it, though it may have it another time.

    None where nothing was measured yet.
    """
    file = place / DONE_COSTS
    found: Mapping[str, str] = read_json(file).get("left_out", {}) if file.exists() else {}
    return found if file.exists() else None


def costs(
    folder: Path, entries: Sequence[Mapping[str, Any]], tables: Sequence[str]
) -> tuple[dict[str, pd.DataFrame], dict[tuple[str, str], Any]]:
    """The tables by name, and what each was made with by (dataset, kind).

    `entries` are those of a plan, `folder` the experiment's, `tables` the names.
    """
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in tables}
    facts: dict[tuple[str, str], Any] = {}
    for entry in entries:
        place = folder / entry["folder"]
        if not (place / DONE_COSTS).exists():
            continue
        facts[entry["dataset"], entry["kind"]] = read_json(place / DONE_COSTS)
        for name in tables:
            if (place / f"{name}.csv").exists():
                table = read_table(place / f"{name}.csv", getattr(frames, name.upper()))
                parts[name].append(table.assign(dataset=entry["dataset"]))
    return {name: joined(name, found) for name, found in parts.items()}, facts


def elsewhere(place: Path) -> list[Mapping[str, Any]]:
    """The machines of the measurements beside that at `place` which differ in nothing else."""
    kind, _, machine = place.name.rpartition("--")
    others = sorted(place.parent.glob(f"{glob.escape(kind)}--*/{DONE_COSTS}")) if machine else []
    return [read_json(file)["provenance"]["machine"] for file in others if file.parent != place]
