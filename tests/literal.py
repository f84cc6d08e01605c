"""Results as literal tables: quality per query, constant latencies and bytes, by the system's name.

A system is named for what it is: `base` retrieves, `late...` reranks by vectors made beforehand,
`fly...` by vectors made with every query, anything else is a cross-encoder; all share `base`'s
retriever. Without more, a call of `base` takes 10 ms and its vectors 1,000 bytes a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import made_results
import pandas as pd
from made_results import PROVENANCE, SETTINGS, arm, calls, described, frame, measured, trial

from harness.results.store import Results

RETRIEVE = 0.01
BYTES = 1000
K = 10
QUERY = "q{:03}"

Values = Mapping[str, Sequence[float]]


def literal(
    quality: Mapping[str, Values] | Values,
    *,
    bytes_per_document: Mapping[str, float] | None = None,
    seconds: Mapping[str, float | Sequence[float]] | None = None,
    models: Mapping[str, str] | None = None,
    failed: Mapping[str, str] | None = None,
    predicted: Mapping[str, float] | None = None,
    timed: int | None = None,
    memory: Mapping[str, float] | None = None,
    subset: bool = False,
    equal_arms: float | None = 1.0,
    **decision: Any,
) -> Results:
    """The results; `decision` are keys of the block, `seconds` those of reranking by system.

    p95 is carried where 200 queries are `timed` (None: all). The first arm was timed twice (A/A), the
    second time with `equal_arms` times its seconds (None: it was not).
    """
    by_dataset: Any = quality
    if not isinstance(next(iter(by_dataset.values())), Mapping):
        by_dataset = {"x": by_dataset}
    systems = list(dict.fromkeys([*next(iter(by_dataset.values())), *(failed or {})]))
    configs = {name: config(name, (models or {}).get(name, "")) for name in systems}
    tables = _costs(by_dataset, systems, seconds or {}, predicted or {}, timed, memory or {})
    if equal_arms is not None:
        tables["calls"] = _with_copy(tables["calls"], equal_arms)
    shares = {
        "retrieve": dict.fromkeys(systems, "base"),
        "on the fly": {name: name for name in systems if name.startswith(("late", "fly"))},
    }
    facts = {"threads": 2, "shares": shares, "provenance": PROVENANCE, "queries": 200}
    facts |= {"settings": SETTINGS, "tuning_queries": 3}
    return made_results.results(
        {"decision": {"workload": None, "prices": None, **decision}},
        costs=tables,
        cost_facts={(name, "latency"): facts for name in by_dataset} if seconds else {},
        **_quality(by_dataset, configs, bytes_per_document or {}, failed or {}, subset=subset),
    )


def config(name: str, model: str = "") -> dict[str, Any]:
    """A system's configuration as it is stored."""
    reranker: dict[str, Any] | None = {"use": "cross_encoder", "model": model}
    if name.startswith(("late", "fly")):
        documents = "on_the_fly" if name.startswith("fly") else "prepared"
        encoder = {"use": "pylate", "model": model}
        reranker = {"use": "late_interaction", "encoder": encoder, "documents": documents}
        reranker |= {"precision": "int8", "pool_factor": 1, "dim": None}
    retriever = {"use": "dense", "encoder": {"use": "x"}, "dim": None}
    depth = {"retrieve": 100, "rerank": 100}
    return {
        "name": name,
        "retriever": retriever,
        "reranker": None if name.startswith("base") else reranker,
        "depth": depth,
    }


def mode(name: str) -> str:
    """How a system is served."""
    kinds = {"base": "retrieve", "late": "precomputed", "fly": "on the fly"}
    return next((kind for start, kind in kinds.items() if name.startswith(start)), "rerank")


def _costs(
    quality: Mapping[str, Values],
    systems: Sequence[str],
    seconds: Mapping[str, float | Sequence[float]],
    predicted: Mapping[str, float],
    timed: int | None,
    memory: Mapping[str, float],
) -> dict[str, pd.DataFrame]:
    """A call of every query that is timed, and the arms that made them."""
    rows, arms, starts = [], [], []
    for dataset, values in quality.items():
        same: dict[str, Any] = {"dataset": dataset, "served": False}
        count = timed or len(next(iter(values.values())))
        for name in systems if seconds else []:
            each = {"base": RETRIEVE, **seconds}.get(name)
            if each is None:
                arms.append(arm(name, mode(name), K, "not measured", **same))
                continue
            arms.append(arm(name, mode(name), K, **same))
            spent = each[:count] if isinstance(each, Sequence) else [each] * count
            rows += calls(name, mode(name), K, spent, QUERY, dataset=dataset, tokens=100.0)
        for name, tokens in predicted.items():
            arms.append(arm(name, mode(name), 2 * K, "predicted", tokens=tokens, **same))
        for name, loaded in memory.items():
            row = {"dataset": dataset, "device": "cpu", "system": name, "mode": mode(name)}
            starts.append(row | {"libraries_bytes": 0.0, "loaded_bytes": loaded})
    for row in rows:
        row["processor"] = 2 * row["seconds"]
    made = {"calls": rows, "arms": arms, "starts": starts}
    return {name: frame(name, rows) for name, rows in made.items()}


def _with_copy(calls: pd.DataFrame, factor: float) -> pd.DataFrame:
    """`calls` with those of their first system again, as the second of two equal arms."""
    again = calls[calls["system"] == calls["system"].iloc[0]] if len(calls) else calls
    again = again.assign(copy=1, seconds=factor * again["seconds"])
    return pd.concat([calls, again], ignore_index=True) if len(again) else calls


def _quality(
    quality: Mapping[str, Values],
    configs: Mapping[str, Mapping[str, Any]],
    sizes: Mapping[str, float],
    failed: Mapping[str, str],
    *,
    subset: bool,
) -> dict[str, Any]:
    trials, values, storage, facts = [], [], [], {}
    for dataset, systems in quality.items():
        for name, settings in configs.items():
            if name in failed or name not in systems:
                reason = failed.get(name, "it broke")
                trials.append(trial(dataset, name, settings, "failed", reason))
                continue
            trials.append(trial(dataset, name, settings))
            same = {"judged@10": 1.0, "ties@10": 0.0}
            values += measured(dataset, name, systems[name], QUERY, **same)
            storage.append(
                (dataset, name, "retriever", "vectors", 1, 1, 4, "float32", BYTES, None, "")
            )
            if name in sizes:
                counted = ("token vectors", 1, 9, 4, "int8", sizes[name], None, "")
                storage.append((dataset, name, "reranker", *counted))
            facts[dataset, name] = described(
                settings,
                subset={"documents": 1} if subset else None,
                description="d <b>",
                queries=len(systems[name]),
                fingerprint="f" * 20,
            )
    return {"trials": trials, "measurements": values, "storage": storage, "facts": facts}
