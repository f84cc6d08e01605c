"""Measurements of cost on disk: read back into tables, and other machines'.

Those of a dataset and kind lie in one folder, named for what is measured and for the machine.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.results import columns
from harness.results.tables import joined, read_table, stored_json
from harness.results.whole_folders import is_there, opened, opened_if_any

if TYPE_CHECKING:
    import pandas as pd

DONE_COSTS = "costs.json"
"""What a measurement of cost was made with."""


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
        if not is_there(place):
            continue
        facts[entry["dataset"], entry["kind"]] = stored_json(opened(place, DONE_COSTS))
        for name in tables:
            if file := opened_if_any(place, f"{name}.csv"):
                table = read_table(file, getattr(columns, name.upper()))
                parts[name].append(table.assign(dataset=entry["dataset"]))
    return {name: joined(name, found) for name, found in parts.items()}, facts


def of_every_system(
    table: pd.DataFrame, facts: Mapping[tuple[str, str], Mapping[str, Any]]
) -> pd.DataFrame:
    """CALLS or ARMS as if each system had been timed: `timed_by` is the one that was.

    Systems with the same retriever, or the same encoder on the fly, are timed once.
    """
    import pandas as pd

    parts = [table.assign(timed_by=table["system"])]
    for (dataset, kind), content in facts.items():
        shares = content.get("shares", {}) if kind == "latency" else {}
        for mode, timed_by in shares.items():
            here = table[(table["dataset"] == dataset) & (table["mode"] == mode)]
            for system, timed in timed_by.items():
                if system != timed and (here["system"] == timed).any():
                    same = here[here["system"] == timed]
                    parts.append(same.assign(system=system, timed_by=timed))
    return pd.concat(parts, ignore_index=True)


def timed_itself(table: pd.DataFrame) -> pd.DataFrame:
    """The rows whose system was timed itself, not another one in its stead."""
    return table[table["timed_by"] == table["system"]]


def elsewhere(place: Path) -> list[Mapping[str, Any]]:
    """The machines of the measurements beside that at `place` which differ in nothing else."""
    others = (other for other in of_every_machine(place) if other != place)
    return [stored_json(opened(other, DONE_COSTS))["provenance"]["machine"] for other in others]


def of_every_machine(place: Path) -> list[Path]:
    """The measurements that differ from that at `place` in nothing but the machine, if at all."""
    kind, _, machine = place.name.rpartition("--")
    return sorted(place.parent.glob(f"{glob.escape(kind)}--*")) if machine else []
