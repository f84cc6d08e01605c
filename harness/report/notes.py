"""What a reader of a dataset's numbers must know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.analysis.costs import vector_bytes
from harness.analysis.quality import servers
from harness.components.models import trained
from harness.experiment.metric_names import levels
from harness.page.text import counted, family
from harness.results.store import Results


def notes(results: Results) -> dict[str, list[str]]:
    """By dataset: its own notes, what systems left unanswered, what servers and trainings report."""
    found: dict[str, list[str]] = {}
    said: dict[tuple[str, str], list[str]] = {}
    for (dataset, system), facts in results.facts.items():
        lines = found.setdefault(dataset, list(_of_dataset(facts["dataset"], results)))
        first = facts["stages"][0]
        if count := first["queries_without_hits"]:
            who = counted(count, "query has no hit and counts", "queries have no hit and count")
            lines.append(f"{system}: {who} 0 in every mean.")
        if count := first["hits_not_in_corpus"]:
            what = counted(count, "hit is a document", "hits are documents")
            lines.append(f"{system}: {what} that the corpus lacks.")
        for note in (*first.get("notes", ()), *facts.get("notes", ())):
            said.setdefault((dataset, note), []).append(system)
        lines += servers.sentences(system, facts)
        for one in facts.get("trainings", ()):
            name = family(system)
            own = one["reference"] in vector_bytes.models_of(facts["system"])
            users = said.setdefault((dataset, trained.sentence(one)), [])
            users += {name if own else f"the teacher of {name}"}.difference(users)
    for (dataset, note), systems in said.items():
        found[dataset].append(f"{', '.join(dict.fromkeys(map(family, systems)))}: {note}")
    return found


def _of_dataset(facts: Mapping[str, Any], results: Results) -> Iterator[str]:
    """A dataset's own notes, and which of its documents count as relevant by which metric."""
    yield from facts["notes"]
    if "grades" in facts:  # results of older versions have none
        yield from levels(results.plan["metrics"], facts["grades"], facts["best_grades"])
