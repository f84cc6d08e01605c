"""A first look at an experiment: less of what takes long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.experiment.schema import Experiment

MOST: Mapping[str, Mapping[str, float]] = {
    "latency": {"budget_s": 5.0, "queries": 50, "settle_s": 0.0, "starts": 0},
    "load": {"seconds": 5.0},
    "storage": {"documents": 100},
}
"""By block the most of what takes long. A quick run starts no process of its own for memory, its
steps of load take no longer for want of requests, and PLAID, whose clustering takes long, is left
out of its storage sample."""


def quickened(experiment: Experiment) -> Experiment:
    """The experiment with less time for latency and fewer ways to keep vectors: a first look."""
    changed: dict[str, Any] = {"quick": True}
    for name, most in MOST.items():
        if (block := getattr(experiment, name)) is None:
            continue
        less: dict[str, Any] = {key: min(getattr(block, key), limit) for key, limit in most.items()}
        if name == "load":
            less["longest_s"] = less["seconds"]
        if name == "storage":
            less["plaid_nbits"] = ()
        changed[name] = block.model_copy(update=less)
    return experiment.model_copy(update=changed)
