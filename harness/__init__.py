"""Is ColBERT late interaction worth its latency and storage? Experiments that answer it.

The public names are resolved on first use, so that `import harness` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.data import Dataset, Doc, Hit, Query
    from harness.experiment.plan import Plan, make_plan
    from harness.experiment.reading import load_experiment
    from harness.experiment.schema import Experiment
    from harness.ranking import ranked
    from harness.results.store import Results, load_results

__version__ = "0.1.0"

_HOMES = {
    "Dataset": "data",
    "Doc": "data",
    "Experiment": "experiment.schema",
    "Hit": "data",
    "Plan": "experiment.plan",
    "Query": "data",
    "Results": "results.store",
    "load_experiment": "experiment.reading",
    "load_results": "results.store",
    "make_plan": "experiment.plan",
    "ranked": "ranking",
}

__all__ = [
    "Dataset",
    "Doc",
    "Experiment",
    "Hit",
    "Plan",
    "Query",
    "Results",
    "load_experiment",
    "load_results",
    "make_plan",
    "ranked",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"harness.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
