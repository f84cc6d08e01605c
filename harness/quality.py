"""Run x qrels x metrics -> one value a query and metric. The only importer of ranx."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data import Hit, Qrels, Run

if TYPE_CHECKING:
    import pandas as pd

DIAGNOSTICS = ("judged@10", "ties@10")
"""Measured always: how far the judgements reach, and how much of a ranking the tie rule made."""


def measurements(run: Run, qrels: Qrels, metrics: Sequence[str]) -> pd.DataFrame:
    """Columns query_id, metric, value: for every query of `qrels`, in order of query id.

    A query without hits counts 0. `run` is taken in the order it stands in (see
    `frames.ranked`): ranx sees minus the rank as the score, since its own order under ties
    depends on the order of insertion. With that its metrics equal trec_eval's; negative
    relevance counts as 0, as there.
    """
    import pandas as pd

    metrics = list(dict.fromkeys([*metrics, *DIAGNOSTICS]))
    by_metric = _ranx(run, qrels, [m for m in metrics if m.partition("@")[0] not in OWN])
    for metric in metrics:
        name, _, cut = metric.partition("@")
        if name in OWN:
            by_metric[metric] = {
                query_id: OWN[name](run.get(query_id, ()), qrels[query_id], int(cut))
                for query_id in qrels
            }
    rows = [
        (query_id, metric, by_metric[metric][query_id])
        for query_id in sorted(qrels)
        for metric in metrics
    ]
    return pd.DataFrame(rows, columns=["query_id", "metric", "value"])


def _ranx(run: Run, qrels: Qrels, metrics: Sequence[str]) -> dict[str, Mapping[str, float]]:
    if not metrics:
        return {}
    _keep_compiled_code()
    import ranx

    judged = {
        query_id: {doc_id: max(relevance, 0) for doc_id, relevance in judgements.items()}
        for query_id, judgements in qrels.items()
    }
    ranks = {
        query_id: {hit.doc_id: -float(rank) for rank, hit in enumerate(run.get(query_id, ()), 1)}
        for query_id in qrels
    }
    answered = {query_id: hits for query_id, hits in ranks.items() if hits}
    values = {metric: dict.fromkeys(qrels, 0.0) for metric in metrics}
    if answered:
        with warnings.catch_warnings():  # numba warns of ranx's own casts
            warnings.simplefilter("ignore")
            found = ranx.evaluate(
                ranx.Qrels({query_id: judged[query_id] for query_id in answered}),
                ranx.Run(answered),
                list(metrics),
                return_mean=False,
            )
        per_metric = found if isinstance(found, dict) else {metrics[0]: found}
        for metric in metrics:
            values[metric].update(zip(sorted(answered), per_metric[metric].tolist(), strict=True))
    return dict(values)


def _judged(hits: Sequence[Hit], judgements: Mapping[str, int], cut: int) -> float:
    """Share of the first `cut` hits that have a judgement; 0 without hits."""
    top = hits[:cut]
    return sum(hit.doc_id in judgements for hit in top) / len(top) if top else 0.0


def _ties(hits: Sequence[Hit], judgements: Mapping[str, int], cut: int) -> float:
    """Share of the first `cut` hits whose score another hit of the run has too."""
    del judgements
    top = hits[:cut]
    counts: dict[float, int] = {}
    for hit in hits:
        counts[hit.score] = counts.get(hit.score, 0) + 1
    return sum(counts[hit.score] > 1 for hit in top) / len(top) if top else 0.0


OWN = {"judged": _judged, "ties": _ties}
"""The metrics that are measured here and not by ranx."""


def _keep_compiled_code() -> None:
    """Let numba keep what ranx compiles, once per environment (it takes up to a minute)."""
    import numba

    if os.access(sys.prefix, os.W_OK):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(sys.prefix) / "share" / "numba"))
    numba.config.reload_config()  # type: ignore[no-untyped-call]  # bm25s may have imported numba before
