"""A first look at an experiment: less of what takes long."""

from __future__ import annotations

from typing import Any

from harness.experiment.schema import Experiment

QUICK_BUDGET_S, QUICK_QUERIES = 5.0, 50
"""Seconds for each arm of a quick run, which also starts no process of its own for memory, and the
most queries that are timed."""

QUICK_LOAD_S = 5.0
"""Seconds of each step of load in a quick run."""

QUICK_DOCUMENTS = 100
"""Documents of a quick run's storage sample; PLAID, whose clustering takes long, is left out."""


def quickened(experiment: Experiment) -> Experiment:
    """The experiment with less time for latency and fewer ways to keep vectors: a first look."""
    changed: dict[str, Any] = {"quick": True}
    if experiment.latency is not None:
        less = {
            "budget_s": min(experiment.latency.budget_s, QUICK_BUDGET_S),
            "queries": min(experiment.latency.queries, QUICK_QUERIES),
            "settle_s": 0.0,
            "starts": 0,
        }
        changed["latency"] = experiment.latency.model_copy(update=less)
    if experiment.load is not None:
        seconds = min(experiment.load.seconds, QUICK_LOAD_S)
        short = {"seconds": seconds, "longest_s": seconds}
        changed["load"] = experiment.load.model_copy(update=short)
    if experiment.storage is not None:
        documents = min(experiment.storage.documents, QUICK_DOCUMENTS)
        fewer = {"documents": documents, "plaid_nbits": ()}
        changed["storage"] = experiment.storage.model_copy(update=fewer)
    return experiment.model_copy(update=changed)
