"""What stored results hold, as they show themselves at a prompt or in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.page.terminal import columns, paragraph
from harness.page.text import counted, number

if TYPE_CHECKING:
    from harness.results.store import Results

SHOWN = 20
"""Systems of a dataset that are shown."""

NEXT = (
    (
        "from harness.report.analyse import analyse",
        "analyse(results).leaderboard, .decision, .costs",
    ),
    ("results.measurements", "a row a query, system and metric"),
    ("results.run(dataset, system)", "the ranked hits of each query"),
    ("results.texts(dataset, system)", "queries and documents to read"),
    ("results.costs['calls']", "a row a timed call"),
)
"""What to call next, and what that gives."""


def summary(results: Results) -> str:
    """The question, the systems with their means, where the files lie, and what to call next."""
    plan = results.plan
    lines = paragraph(f"{plan['experiment']}: {plan['question']}")
    for dataset in dict.fromkeys(results.trials["dataset"]):
        lines += ["", *_of_dataset(results, str(dataset))]
    kinds = dict.fromkeys(kind for _, kind in results.cost_facts)
    costs = f"Costs: {', '.join(kinds)}." if kinds else "Costs: none measured."
    lines += ["", *paragraph(costs), *paragraph(f"Files: {results.folder}"), "Next:"]
    return "\n".join(
        [*lines, *(line for call, gives in NEXT for line in (f"  {call}", f"      {gives}"))]
    )


def _of_dataset(results: Results, dataset: str) -> Iterator[str]:
    """A heading, and a row for each system with its means."""
    trials = results.trials[results.trials["dataset"] == dataset]
    known: Mapping[str, Any] = next(
        (facts["dataset"] for (name, _), facts in results.facts.items() if name == dataset), {}
    )
    size = [
        counted(known[key], one, many)
        for key, one, many in (("documents", "document", ""), ("queries", "query", "queries"))
        if key in known
    ]
    yield from paragraph(f"{dataset}: {', '.join([*size, counted(len(trials), 'system')])}")
    values = results.measurements[results.measurements["dataset"] == dataset]
    means = values.groupby(["system", "metric"])["value"].mean()
    metrics = list(results.plan["metrics"])
    rows = [["", *metrics]]
    for row in trials[:SHOWN].itertuples():
        name = f"{row.system} (baseline)" if row.system == results.plan["baseline"] else row.system
        cells = [number(means.get((row.system, metric), float("nan")), ".3f") for metric in metrics]
        rows.append([name, *cells])
    yield from columns(rows)
    if len(trials) > SHOWN:
        yield f"  and {len(trials) - SHOWN} more: results.trials"
    if dataset in results.unjudged:
        yield "  Quality: not measured, no judgments"
    undone = trials[trials["status"] != "done"]
    for reason, alike in undone.groupby("reason", sort=False):
        yield from paragraph(f"{', '.join(alike['system'])}: not measured, {reason}", "  ")
