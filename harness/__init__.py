"""Is ColBERT late interaction worth its latency and storage? Experiments that answer it.

The public names are resolved on first use, so that `import harness` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.config import load_experiment
    from harness.data import Dataset, Doc, Hit, Query
    from harness.frames import ranked
    from harness.plan import Plan, make_plan
    from harness.settings import Experiment
    from harness.store import Results, load_results

__version__ = "0.1.0"

_HOMES = {
    "Dataset": "data",
    "Doc": "data",
    "Experiment": "settings",
    "Hit": "data",
    "Plan": "plan",
    "Query": "data",
    "Results": "store",
    "load_experiment": "config",
    "load_results": "store",
    "make_plan": "plan",
    "ranked": "frames",
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
