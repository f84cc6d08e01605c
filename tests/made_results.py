"""Results put together from literal tables, for all tests that need no run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.results import columns
from harness.results.store import COSTS, Results

MACHINE = {"processor": "<cpu>", "cores": 2, "memory_gib": 4.0, "system": "Linux"}
PROVENANCE = {"harness": "0", "revision": None, "python": "3", "packages": {}, "machine": MACHINE}
PLAN = {"experiment": "e", "question": "?", "baseline": "base", "metrics": ["m@1"], "seed": 1}
PLAN |= {"trials": []}  # whose files would lie somewhere
DATASET = {"notes": [], "subset": None, "description": "d", "documents": 10, "queries": 20}
DATASET |= {"judgements": 20, "fingerprint": "f"}
STAGE = {"queries_without_hits": 0, "hits_not_in_corpus": 0}
SETTINGS = {"rounds": 5, "budget_s": 9.0}


def frame(name: str, rows: Sequence[Any] = (), **same: Any) -> pd.DataFrame:
    """One of the stored tables, of dicts (NaN where a row says nothing) or of tuples."""
    names = list(getattr(columns, name.upper()))
    is_said = bool(rows) and isinstance(rows[0], Mapping)
    table = pd.DataFrame(list(rows), columns=None if is_said else names)
    return table.reindex(columns=names).assign(**same)


def arm(system: str, mode: str, k: int, status: str = "measured", **more: Any) -> dict[str, Any]:
    texts = dict.fromkeys(("reason", "policy", "dtype", "attention"), "")
    row = {"device": "cpu", "system": system, "mode": mode, "k": k, "status": status}
    return texts | row | more


def calls(
    system: str, mode: str, k: int, seconds: Sequence[float], query: str = "q{}", **more: Any
) -> list[dict[str, Any]]:
    """A call of each query, with 10 tokens a candidate; `query` is the form of an id."""
    row = {"device": "cpu", "system": system, "mode": mode, "copy": 0, "k": k, "round": 0}
    row |= {"tokens": 10.0 * k, **more}
    return [row | {"query_id": query.format(i), "seconds": s} for i, s in enumerate(seconds)]


def trial(
    dataset: str, name: str, config: Mapping[str, Any], status: str = "done", reason: str = ""
) -> tuple[Any, ...]:
    retriever = "dense" if status == "done" else ""
    return (dataset, name, "k", status, retriever, "", json.dumps(config), reason)


def measured(
    dataset: str, name: str, values: Sequence[float], query: str = "q{}", **constant: float
) -> list[tuple[Any, ...]]:
    """Values of m@1 by query, and those of other metrics that are the same for all."""
    return [
        (dataset, name, query.format(i), metric, of_query)
        for i, value in enumerate(values)
        for metric, of_query in {"m@1": value, **constant}.items()
    ]


def graded(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Values as nDCG has them: many 0 and 1, others between."""
    return np.clip(rng.normal(0.5, 0.45, shape), 0, 1)


def described(config: Mapping[str, Any], **dataset: Any) -> dict[str, Any]:
    """The facts of a trial that was run."""
    facts = {"system": config, "dataset": DATASET | dataset, "stages": [STAGE]}
    return facts | {"provenance": PROVENANCE}


def results(
    plan: Mapping[str, Any],
    *,
    measurements: Sequence[Any] = (),
    readings: Sequence[Any] = (),
    trials: Sequence[Any] = (),
    storage: Sequence[Any] = (),
    facts: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
    costs: Mapping[str, pd.DataFrame] | None = None,
    cost_facts: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
    folder: Path | None = None,
) -> Results:
    """Results of these rows; of what is not given there are none."""
    found = Results(
        folder=folder or Path(),
        plan=PLAN | {"weights": "real"} | plan,
        trials=frame("trials", trials),
        measurements=frame("measurements", measurements),
        timings=frame("timings"),
        storage=frame("storage", storage),
        facts=dict(facts or {}),
        costs={name: frame(name) for name in COSTS} | dict(costs or {}),
        cost_facts=dict(cost_facts or {}),
    )
    if readings:  # else they are those of the runs in `folder`
        read = frame("readings", readings)
        vars(found)["readings"] = lambda *metrics: read[read["metric"].isin(metrics)]
    return found
