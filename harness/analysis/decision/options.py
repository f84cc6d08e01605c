"""What there is to choose from: every system in the mode in which it would be served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.analysis.costs.measured import CostAnalysis
from harness.analysis.costs.vector_bytes import configurations
from harness.results.store import Results

FLY = "on the fly"


class Option(NamedTuple):
    """A system in one mode of those in `columns.CALLS`."""

    system: str
    mode: str

    @property
    def name(self) -> str:
        """The system's name; encoding documents with every query is said with it."""
        return f"{self.system}, {FLY}" if self.mode == FLY else self.system


def options(results: Results, costs: CostAnalysis) -> list[Option]:
    """Every system as it would be served, in the order of the experiment.

    Late interaction is served from vectors made beforehand, unless its configuration says
    otherwise: encoding documents with every query is another option (`encoding_on_the_fly`).
    """
    configs = configurations(results)
    timed = _modes(costs)
    return [
        Option(system, _serving(timed.get(system, ()), configs.get(system, {})))
        for system in map(str, dict.fromkeys(results.trials["system"]))
    ]


def encoding_on_the_fly(served: Sequence[Option], costs: CostAnalysis) -> list[Option]:
    """The systems that were timed on the fly and would not be served so.

    Of systems that share an arm there is only the one that was timed: on the fly they differ in
    what they would keep, which is nothing.
    """
    whole = costs.end_to_end
    own = whole[(whole["mode"] == FLY) & (whole["timed_as"] == "")]
    timed = set(own["system"])
    return [Option(one.system, FLY) for one in served if one.system in timed and one.mode != FLY]


def _modes(costs: CostAnalysis) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    whole = costs.end_to_end[["system", "mode"]].drop_duplicates()
    for system, mode in whole.itertuples(index=False):
        found.setdefault(str(system), []).append(str(mode))
    return found


def _serving(timed: Sequence[str], config: Mapping[str, Any]) -> str:
    """By its configuration, else by what was timed."""
    reranker = config.get("reranker") or {}
    if reranker.get("use") in ("late_interaction", "hybrid"):
        return FLY if reranker.get("documents") == "on_the_fly" else "precomputed"
    beside = [mode for mode in timed if mode != FLY]
    return next(iter([*beside, *timed]), "rerank" if reranker else "retrieve")
