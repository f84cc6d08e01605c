"""The decision record: one page that a team commits and looks at again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.analysis.costs.sentences import load_words
from harness.analysis.decision.first_screen import short_table
from harness.analysis.decision.gains import Gains
from harness.analysis.decision.page import workload_blocks
from harness.analysis.decision.recommend import Recommendation
from harness.analysis.quality.page import counts
from harness.results.store import Results
from harness.results.terms import objective, terms

KEY = 12
"""Digits of a key in the record: as many as its folder is named by."""

UNITS = {
    "p95_ms": "95th percentile of a query at most {} ms",
    "gb_per_million_documents": "index at most {} GB per million documents",
    "memory_gb": "memory at most {} GB",
    "cost_per_month": "at most {} a month",
    "licence": "models for {} use",
}
"""By requirement how it is said."""


def record_context(results: Results, decided: Recommendation) -> dict[str, Any]:
    """Everything that the template of the record shows."""
    facts = [*results.facts.values(), *results.cost_facts.values()]
    return {
        "question": results.plan["question"],
        "experiment": results.plan["experiment"],
        "decided": decided,
        "context": list(_context(results, decided.gains)),
        "options": short_table(decided, objective(results)),
        "workloads": list(workload_blocks(decided)),
        "trials": list(_keys(results)),
        "provenance": next((fact["provenance"] for fact in facts), None),
        "review_by": terms(results).review_by,
    }


def _keys(results: Results) -> Iterator[str]:
    """The keys of all trials, a line a dataset, then those of what cost was measured by."""
    for dataset, rows in results.trials.groupby("dataset", sort=False):
        each = ", ".join(
            f"{row.system} {str(row.key)[:KEY]}" + f" ({row.status})" * (row.status != "done")
            for row in rows.itertuples()
        )
        yield f"{dataset}: {each}"
    for entry in results.plan.get("costs", ()):
        if (entry["dataset"], entry["kind"]) in results.cost_facts:
            key = entry["folder"].rpartition("/")[2].split("--")[1]
            yield f"{entry['kind']} on {entry['dataset']}: {key}"


def _context(results: Results, gained: Gains) -> Iterator[str]:
    """Data, judgments, terms and workload, a line each."""
    asked = terms(results)
    datasets = {name: facts["dataset"] for (name, _), facts in results.facts.items()}
    for name, facts in datasets.items():
        fingerprint = facts["fingerprint"][:16]
        yield f"{name}: {counts(facts)}, fingerprint {fingerprint}. {facts['description']}".rstrip()
    yield from gained.judged_by_people()
    yield (
        f"The baseline is {results.plan['baseline']}. A gain counts by {objective(results)}, from "
        f"{asked.smallest_gain_that_matters:g} on."
    )
    given = asked.requirements.model_dump(exclude_none=True)
    required = [
        f"{UNITS['p95_ms'].format(f'{limit:g}')} on {device}"
        for device, limit in given.pop("p95_ms").items()
    ]
    required += [
        UNITS[name].format(f"{value:g}" if isinstance(value, float) else value)
        for name, value in given.items()
    ]
    yield f"Required: {', '.join(required) or 'nothing'}."
    if asked.workload is not None:
        yield f"The workload: {load_words(asked.workload)}."
    if asked.prices is not None:
        prices = asked.prices.model_dump(exclude_none=True).items()
        yield f"Prices: {', '.join(f'{name} {value:g}' for name, value in prices)}."
