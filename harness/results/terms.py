"""The terms of the decision: the experiment's block `decision`, and the same results under others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.components import registry
from harness.errors import ConfigError
from harness.experiment.decision_terms import Decision
from harness.experiment.rules import measures_quality
from harness.results.store import Results


def terms(results: Results) -> Decision:
    """What the decision depends on beside the measurements."""
    return Decision.model_validate(results.plan["decision"])


def objective(results: Results) -> str:
    """The metric that a gain is measured by."""
    return terms(results).objective or next(filter(measures_quality, results.plan["metrics"]))


def with_decision(results: Results, **changes: Any) -> Results:
    """The same measurements under another decision block, in which `changes` replace whole keys.

    Raises ConfigError that names every fault in it.
    """
    faults: list[str] = []
    block = registry.validated(
        Decision,
        {**results.plan["decision"], **changes},
        "decision",
        lambda path, message: faults.append(f"{path}: {message}"),
    )
    if faults:
        raise ConfigError(f"{'; '.join(faults)}.")
    return replace(results, plan={**results.plan, "decision": block.model_dump(mode="json")})
