"""Run x qrels x metrics -> one value a query and metric. The only importer of ranx."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.data import Hit, Qrels, Run
from harness.experiment.metric_names import Metric, parsed

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = -1
"""The number of a document without a judgement."""

DIAGNOSTICS = ("judged@10", "ties@10")
"""Measured always: how far the judgements reach, and how much of a ranking the tie rule made."""


def measurements(run: Run, qrels: Qrels, metrics: Sequence[str]) -> pd.DataFrame:
    """Columns query_id, metric, value: for every query of `qrels`, in order of query id.

    A query without hits counts 0. `run` is taken in the order it stands in (see
    `ranking.ranked`), since ranx's own order under ties depends on the order of insertion: it is
    handed arrays that are ranked already, which also spares it compiling its dictionaries. With
    that its metrics equal trec_eval's; negative relevance counts as 0, as there.
    """
    import pandas as pd

    wanted = {name: parsed(name) for name in [*metrics, *DIAGNOSTICS]}
    of_ranx = [metric for metric in wanted.values() if metric.function not in OWN]
    by_metric: dict[str, Mapping[str, float]] = {}
    for level in {metric.level for metric in of_ranx}:
        same = [metric for metric in of_ranx if metric.level == level]
        by_metric |= _ranx(run, _relevant(qrels, level), same)
    for name, metric in wanted.items():
        if own := OWN.get(metric.function):
            by_metric[name] = {
                query_id: own(run.get(query_id, ()), judged, metric.cut or 0)
                for query_id, judged in qrels.items()
            }
    rows = [
        (query_id, name, by_metric[name][query_id]) for query_id in sorted(qrels) for name in wanted
    ]
    return pd.DataFrame(rows, columns=["query_id", "metric", "value"])


def _relevant(qrels: Qrels, level: int) -> Qrels:
    """The judgements of documents that count from grade `level`; negative grades never do."""
    return {
        query_id: {doc_id: grade for doc_id, grade in judged.items() if grade >= level}
        for query_id, judged in qrels.items()
    }


def _ranx(run: Run, qrels: Qrels, metrics: Sequence[Metric]) -> dict[str, Mapping[str, float]]:
    """By name the values of metrics for which all documents of `qrels` are relevant."""
    _keep_compiled_code()
    import ranx

    cuts = [metric.cut for metric in metrics if metric.cut]
    deepest = max([1, *cuts, *map(len, qrels.values()), *map(len, run.values())])
    names = {str(metric): f"{metric.function}@{metric.cut or deepest}" for metric in metrics}
    found = ranx.evaluate(
        _judged_array(qrels),
        _run_array(run, qrels, deepest),
        [*names.values(), "ndcg@1"],  # ranx fails to name the values of a single metric
        return_mean=False,
    )
    return {
        name: dict(zip(qrels, found[of_ranx].tolist(), strict=True))
        for name, of_ranx in names.items()
    }


def _judged_array(qrels: Qrels) -> NDArray[np.int64]:
    """Shape (queries, judgements, 2): the number of a document and its relevance, best first.

    A query's documents, all of them relevant, are numbered in the order of its judgements; what
    is left is padding of relevance 0, which ranx passes over.
    """
    relevant = [list(enumerate(judged.values())) for judged in qrels.values()]
    array = np.full((len(qrels), max(1, *map(len, relevant)), 2), (UNKNOWN, 0), dtype=np.int64)
    for row, judged in zip(array, relevant, strict=True):
        if judged:
            row[: len(judged)] = sorted(judged, key=lambda pair: -pair[1])
    return array


def _run_array(run: Run, qrels: Qrels, deepest: int) -> NDArray[np.int64]:
    """Shape (queries, hits, 2): the numbers of the documents as ranked, and minus their ranks.

    At least `deepest` hits long, since ranx would lower a cut-off to the length of the run.
    """
    width = max([deepest, *(len(run.get(query_id, ())) for query_id in qrels)])
    array = np.empty((len(qrels), width, 2), dtype=np.int64)
    array[:] = np.stack([np.full(width, UNKNOWN), -np.arange(1, width + 1)], axis=1)
    for row, (query_id, judged) in zip(array, qrels.items(), strict=True):
        numbers = {doc_id: i for i, doc_id in enumerate(judged)}
        hits = run.get(query_id, ())
        row[: len(hits), 0] = [numbers.get(hit.doc_id, UNKNOWN) for hit in hits]
    return array


def _judged(hits: Sequence[Hit], judgements: Mapping[str, int], cut: int) -> float:
    """Share of the first `cut` hits that have a judgement; 0 without hits."""
    top = hits[:cut]
    return sum(hit.doc_id in judgements for hit in top) / len(top) if top else 0.0


def _ties(hits: Sequence[Hit], judgements: Mapping[str, int], cut: int) -> float:
    """Share of the first `cut` hits whose score another hit of the run has too."""
    del judgements
    top = hits[:cut]
    counts = Counter(hit.score for hit in hits)
    return sum(counts[hit.score] > 1 for hit in top) / len(top) if top else 0.0


OWN = {"judged": _judged, "ties": _ties}
"""The metrics that are measured here and not by ranx."""


def _keep_compiled_code() -> None:
    """Let numba keep what ranx compiles, once per environment (it takes up to a minute)."""
    import numba

    if os.access(sys.prefix, os.W_OK):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(sys.prefix) / "share" / "numba"))
    numba.config.reload_config()  # type: ignore[no-untyped-call]  # bm25s may have imported numba before
