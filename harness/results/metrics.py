"""Run x qrels x metrics -> one value a query and metric. The only importer of ranx."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.data import Qrels, Run
from harness.experiment.metric_names import Metric, parsed

if TYPE_CHECKING:
    import pandas as pd

UNJUDGED, NOTHING = -1, -2
"""What stands in `Rankings.places` for a document without a judgement, and past the last hit."""

DIAGNOSTICS = ("judged@10", "ties@10")
"""Measured always: how far the judgements reach, and how much of a ranking the tie rule made."""

Places = NDArray[np.int64]
Scores = NDArray[np.float64]


class Rankings(NamedTuple):
    """The hits of a run for the queries of judgements, in their order; shapes (queries, hits)."""

    places: Places
    """Of each hit where its document stands among the query's judgements, or UNJUDGED, or NOTHING."""
    scores: Scores
    """NaN past the last hit."""

    def reordered(self, order: Places) -> Rankings:
        """The hits of each query in another order, of the same shape."""
        places = np.take_along_axis(self.places, order, axis=1)
        return Rankings(places, np.take_along_axis(self.scores, order, axis=1))


def rankings(run: Run, qrels: Qrels) -> Rankings:
    """`run` as arrays."""
    width = max([1, *(len(run.get(query_id, ())) for query_id in qrels)])
    places = np.full((len(qrels), width), NOTHING, dtype=np.int64)
    scores = np.full((len(qrels), width), np.nan)
    for i, (query_id, judged) in enumerate(qrels.items()):
        hits, numbers = run.get(query_id, ()), {doc_id: i for i, doc_id in enumerate(judged)}
        places[i, : len(hits)] = [numbers.get(hit.doc_id, UNJUDGED) for hit in hits]
        scores[i, : len(hits)] = [hit.score for hit in hits]
    return Rankings(places, scores)


def measurements(run: Run, qrels: Qrels, metrics: Sequence[str]) -> pd.DataFrame:
    """A row for every query of `qrels`, by its id and in that order; a column a metric.

    A query without hits counts 0. `run` is taken in the order it stands in (see
    `ranking.ranked`), since ranx's own order under ties depends on the order of insertion: it is
    handed arrays that are ranked already, which also spares it compiling its dictionaries. With
    that its metrics equal trec_eval's; negative relevance counts as 0, as there.
    """
    found = values(rankings(run, qrels), qrels, list(dict.fromkeys([*metrics, *DIAGNOSTICS])))
    return found.sort_index()


def values(found: Rankings, qrels: Qrels, metrics: Sequence[str]) -> pd.DataFrame:
    """A row for every query of `qrels`, by its id; a column a metric."""
    import pandas as pd

    wanted = {name: parsed(name) for name in metrics}
    of_ranx = [metric for metric in wanted.values() if metric.function not in OWN and qrels]
    by_metric: dict[str, Scores] = {}
    for level in {metric.level for metric in of_ranx}:
        same = [metric for metric in of_ranx if metric.level == level]
        by_metric |= _ranx(found, qrels, level, same)
    for name, metric in wanted.items():
        if own := OWN.get(metric.function):
            by_metric[name] = _share(own(found)[:, : metric.cut], found.places[:, : metric.cut])
    columns = {name: by_metric.get(name, np.empty(0)) for name in wanted}
    return pd.DataFrame(columns, index=pd.Index(list(qrels), name="query_id", dtype=str))


def _ranx(
    found: Rankings, qrels: Qrels, level: int, metrics: Sequence[Metric]
) -> dict[str, Scores]:
    """By name the values of metrics for which documents count from grade `level`."""
    _keep_compiled_code()
    import ranx

    cuts = [metric.cut for metric in metrics if metric.cut]
    deepest = max([1, *cuts, *map(len, qrels.values()), found.places.shape[1]])
    names = {str(metric): f"{metric.function}@{metric.cut or deepest}" for metric in metrics}
    by_ranx = ranx.evaluate(
        _judged_array(qrels, level),
        _run_array(found.places, deepest),
        [*names.values(), "ndcg@1"],  # ranx fails to name the values of a single metric
        return_mean=False,
    )
    return {name: by_ranx[of_ranx] for name, of_ranx in names.items()}


def _judged_array(qrels: Qrels, level: int) -> NDArray[np.int64]:
    """Shape (queries, judgements, 2): the place of a document and its relevance, best first.

    A query's documents are numbered in the order of its judgements. Those below the grade `level`
    are left out, and negative grades always; what is left is padding of relevance 0, which ranx
    passes over.
    """
    relevant = [
        [(place, grade) for place, grade in enumerate(judged.values()) if grade >= level]
        for judged in qrels.values()
    ]
    array = np.full((len(qrels), max(1, *map(len, relevant)), 2), (NOTHING, 0), dtype=np.int64)
    for row, judged in zip(array, relevant, strict=True):
        if judged:
            row[: len(judged)] = sorted(judged, key=lambda pair: -pair[1])
    return array


def _run_array(places: Places, deepest: int) -> NDArray[np.int64]:
    """Shape (queries, hits, 2): the places of the documents as ranked, and minus their ranks.

    At least `deepest` hits long, since ranx would lower a cut-off to the length of the run.
    """
    count, width = places.shape
    array = np.full((count, max(deepest, width), 2), UNJUDGED, dtype=np.int64)
    array[:, :width, 0] = np.maximum(places, UNJUDGED)
    array[:, :, 1] = -np.arange(1, array.shape[1] + 1)
    return array


def _share(those: NDArray[np.bool_], places: Places) -> Scores:
    """The share of the hits of each query that are among `those`; 0 without hits."""
    share: Scores = those.sum(axis=1) / np.maximum((places != NOTHING).sum(axis=1), 1)
    return share


def _judged(found: Rankings) -> NDArray[np.bool_]:
    """Which hits have a judgement."""
    return found.places >= 0


def _tied(found: Rankings) -> NDArray[np.bool_]:
    """Which hits share their score with another of the query."""
    order = np.argsort(found.scores, axis=1)
    ranked = np.take_along_axis(found.scores, order, axis=1)
    same = ranked[:, 1:] == ranked[:, :-1]  # NaN equals nothing
    tied = np.zeros(ranked.shape, dtype=bool)
    tied[:, 1:] |= same
    tied[:, :-1] |= same
    back = np.empty_like(tied)
    np.put_along_axis(back, order, tied, axis=1)
    return back


OWN = {"judged": _judged, "ties": _tied}
"""The metrics that are measured here and not by ranx: which hits of a ranking count, and of its
first ones their share is taken."""


def _keep_compiled_code() -> None:
    """Let numba keep what ranx compiles, once per environment (it takes up to a minute)."""
    import numba

    if os.access(sys.prefix, os.W_OK):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(sys.prefix) / "share" / "numba"))
    numba.config.reload_config()  # type: ignore[no-untyped-call]  # bm25s may have imported numba before
