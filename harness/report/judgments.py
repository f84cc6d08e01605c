"""Who gave the judgments that a report's numbers hang on, and how far the judges agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.analysis.judgments.agreement import agreement_block
from harness.judging.journal import Journal, State, folder_of
from harness.judging.pool import Grades
from harness.page.blocks import Block
from harness.page.text import counted, listed
from harness.results.store import Results

GIVEN, PEOPLE, MODELS = "given with the dataset", "by people", "by models"


def judgment_blocks(results: Results, datasets: Sequence[str]) -> Iterator[Block]:
    """Of each dataset for which there is a journal of judgments: whose they are, and the agreement."""
    for name in datasets:
        planned = {(one["dataset"], one["system"]) for one in results.plan["trials"]}
        planned &= results.facts.keys()
        done = [system for dataset, system in sorted(planned) if dataset == name]
        state = Journal(folder_of(results, name)).state if done else State([])
        if not state.given:
            continue
        used = {
            (query_id, doc_id): grade
            for query_id, judged in results.qrels(name, done[0]).items()
            for doc_id, grade in judged.items()
        }
        yield Block(f"Who judged {name}", sources(used, state))
        if block := agreement_block(state.judges, results.plan["seed"]):
            yield block._replace(title=f"{block.title} of {name}")


def sources(used: Grades, state: State) -> list[str]:
    """Where the judgments in use come from, and which of the journal are not in use."""
    found = Counter(_source(pair, grade, state) for pair, grade in used.items())
    parts = [f"{found[kind]:,} {kind}" for kind in (GIVEN, PEOPLE, MODELS) if found[kind]]
    each = [f"{name} ({len(grades):,})" for name, grades in state.judges.items()]
    lines = [
        f"The numbers above use {counted(len(used), 'judgment')}: {listed(parts)}.",
        f"The journal of judgments has grades of {listed(each, ' and ')}.",
    ]
    idle = sum(used.get(pair) != grade for pair, grade in state.grades.items())
    if idle:
        lines.append(
            f"{counted(idle, 'document')} of the journal {'is' if idle == 1 else 'are'} not in use: the "
            "experiment file does not name its grades as `qrels`, or was not run since."
        )
    return lines


def _source(pair: tuple[str, str], grade: int, state: State) -> str:
    """A judgment is the journal's where it has the same grade."""
    if state.grades.get(pair) != grade:
        return GIVEN
    people = any(one.source == "person" for one in state.given[pair].values())
    return PEOPLE if people else MODELS
