"""What texts that stand twice do to a measurement, as readings of a run.

A query that stands word for word in a document is found by matching words alone. A document without a
judgement that nearly repeats a relevant one counts as not relevant, though it would be judged alike
(Bernstein and Zobel 2005, Redundant documents and search effectiveness).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from harness.data import Qrels, Run, words
from harness.results import metrics

if TYPE_CHECKING:
    import pandas as pd

COPIED, TWINS = "copied", "twins"
"""Kinds of reading, of the affected queries alone: as they were measured, where a document near the top
has the query word for word; with the grade of a relevant document for what nearly repeats it."""

TOP = 10
"""Documents of a ranking that are looked at."""

FEWEST_WORDS = 4
"""Of a query that is looked for: shorter ones stand in many documents by chance."""

SHINGLE, ALIKE = 5, 0.8
"""Documents are twins where so great a share of their runs of five words is in both: their resemblance
(Broder 1997, On the resemblance and containment of documents)."""


def readings(
    run: Run,
    qrels: Qrels,
    queries: Mapping[str, str],
    docs: Mapping[str, str],
    names: Sequence[str],
) -> pd.DataFrame:
    """Columns reading, depth and query_id, and one for each metric of `names`.

    `docs` has the texts of the first TOP documents of each query and of those that are relevant,
    by their ids.
    """
    import pandas as pd

    tops = {
        name: {hit.doc_id: docs[hit.doc_id] for hit in run.get(name, ())[:TOP]} for name in qrels
    }
    twins = {name: _twins(tops[name], judged, docs) for name, judged in qrels.items()}
    affected: dict[str, Qrels] = {
        COPIED: {name: qrels[name] for name, top in tops.items() if copied(queries[name], top)},
        TWINS: {name: {**qrels[name], **found} for name, found in twins.items() if found},
    }
    parts = [
        metrics.values(metrics.rankings(run, judged), judged, names)
        .reset_index()
        .assign(reading=kind, depth=0)
        for kind, judged in affected.items()
        if judged
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def copied(query: str, texts: Mapping[str, str]) -> bool:
    """Whether one of the texts has the query word for word, punctuation and case aside."""
    asked = words(query)
    return len(asked) >= FEWEST_WORDS and any(_has(text, asked) for text in texts.values())


def _has(text: str, asked: Sequence[str]) -> bool:
    """Whether the words stand in a text in this order, with nothing between them."""
    plain = text.casefold()
    if not all(word in plain for word in asked):  # which is all that most texts need
        return False
    return f" {' '.join(asked)} " in f" {' '.join(words(text))} "


def _twins(
    top: Mapping[str, str], judged: Mapping[str, int], docs: Mapping[str, str]
) -> dict[str, int]:
    """Unjudged documents near the top, with the highest grade of a relevant one that they repeat."""
    relevant = [(grade, docs[name]) for name, grade in judged.items() if grade > 0 and name in docs]
    grades = {
        name: [grade for grade, other in relevant if resemblance(text, other) >= ALIKE]
        for name, text in top.items()
        if name not in judged
    }
    return {name: max(alike) for name, alike in grades.items() if alike}


def resemblance(one: str, other: str) -> float:
    """The share of the runs of SHINGLE words of two texts that are in both, from 0 to 1."""
    mine, theirs = _shingles(one), _shingles(other)
    return len(mine & theirs) / len(mine | theirs)


@lru_cache(maxsize=4096)
def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    ordered = words(text)
    runs = zip(*(ordered[i:] for i in range(SHINGLE)), strict=False)
    return frozenset(runs) or frozenset([tuple(ordered)])
