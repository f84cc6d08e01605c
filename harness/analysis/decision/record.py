"""The decision record: what a team commits, so that it can be defended and looked at again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.analysis.decision.options import Option
from harness.analysis.decision.page import VERDICTS, p_cell, p_of_gain, sensitivity_table
from harness.analysis.decision.recommend import Recommendation
from harness.experiment.schema import Decision
from harness.page.tables import NONE, Table, number
from harness.page.text import counted, interval, significant
from harness.results.store import Results
from harness.results.terms import objective, terms

if TYPE_CHECKING:
    from harness.report.analyse import Analysis

KEY = 12
"""Digits of a trial's key: as many as its folder is named by."""


def record_context(results: Results, analysis: Analysis) -> dict[str, Any]:
    """Everything that the template of the record shows."""
    asked, decided = terms(results), analysis.decision
    facts = [*results.facts.values(), *results.cost_facts.values()]
    return {
        "question": results.plan["question"],
        "experiment": results.plan["experiment"],
        "decided": decided,
        "context": list(_context(results, asked)),
        "options": _options(decided, objective(results), asked.smallest_gain_that_matters),
        "sensitivity": sensitivity_table(decided.sensitivity),
        "trials": _trials(results),
        "costs": [
            (entry["dataset"], entry["kind"], entry["folder"].rpartition("/")[2].split("--")[1])
            for entry in results.plan.get("costs", ())
            if (entry["dataset"], entry["kind"]) in results.cost_facts
        ],
        "provenance": next((fact["provenance"] for fact in facts), None),
        "review_by": asked.review_by,
    }


def _context(results: Results, asked: Decision) -> Iterator[str]:
    """Data, terms and workload, a line each."""
    told: dict[str, Mapping[str, Any]] = {
        name: facts["dataset"] for (name, _), facts in results.facts.items()
    }
    for name, facts in told.items():
        yield (
            f"{name}: {counted(facts['documents'], 'document')}, {counted(facts['queries'], 'query', 'queries')}, "
            f"{counted(facts['judgements'], 'judgement')}, fingerprint {facts['fingerprint'][:16]}. "
            f"{facts['description']}"
        ).rstrip()
    yield (
        f"The baseline is {results.plan['baseline']}. A gain counts by {objective(results)}, from "
        f"{asked.smallest_gain_that_matters:g} on."
    )
    yield from _required(asked)
    if asked.workload is not None:
        load = asked.workload
        yield (
            f"The workload: {counted(load.documents, 'document')}, {counted(load.queries_per_day, 'query', 'queries')} a day, "
            f"{counted(load.candidates, 'candidate')}."
        )
    if asked.prices is not None:
        given = asked.prices.model_dump(exclude_none=True).items()
        yield f"Prices: {', '.join(f'{name} {value:g}' for name, value in given)}."


def _required(asked: Decision) -> Iterator[str]:
    given = asked.requirements.model_dump(exclude_none=True)
    said = [f"p95_ms on {device} {limit:g}" for device, limit in given.pop("p95_ms").items()]
    said += [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in given.items()
    ]
    yield f"Required: {', '.join(said) or 'nothing'}."


def _options(decided: Recommendation, metric: str, smallest: float) -> Table:
    """A row an option."""
    columns = ["system", metric, "gain", p_of_gain(smallest), "requirements"]
    columns += ["GB / million docs", "p50 ms", "p95 ms", "cost / month"]
    cells = []
    for row in decided.options.to_dict("records"):
        compared = not math.isnan(row["gain"])
        stands = "INVALID" if row["invalid"] else VERDICTS[row["standing"]]
        cells.append(
            [
                Option(row["system"], row["mode"]).name,
                number(row["value"], ".4f"),
                f"{row['gain']:+.4f} {interval(row['low'], row['high'])}" if compared else NONE,
                p_cell(row["p_holm"]),
                stands,
                *(significant(row[name]) for name in ("gb_per_million_documents", "p50_ms")),
                *(significant(row[name]) for name in ("p95_ms", "cost_per_month")),
            ]
        )
    return Table(columns, cells)


def _trials(results: Results) -> Table:
    """The keys of the trials: what each result is made from, by a hash of content."""
    cells = [
        [str(row.system), str(row.dataset), str(row.status), str(row.key)[:KEY]]
        for row in results.trials.itertuples()
    ]
    return Table(["system", "dataset", "status", "key"], cells)
