"""Who gave the judgments that a report's numbers hang on, and how far the judges agree."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from harness.analysis.judgments.agreement import agreement_block
from harness.analysis.judgments.journal import State, journal_of
from harness.analysis.judgments.pool import Grades
from harness.analysis.judgments.sources import counts, in_use
from harness.page.blocks import Block
from harness.page.text import counted, listed
from harness.results.store import Results


def judgment_blocks(
    results: Results, datasets: Sequence[str], estimated: Collection[str]
) -> Iterator[Block]:
    """Of each dataset for which there is a journal of judgments: whose they are, and the agreement.

    The gains of those `estimated` come from what people gave to the journal.
    """
    for name in (one for one in datasets if any(one == dataset for dataset, _ in results.facts)):
        state = journal_of(results, name).state
        if not state.given:
            continue
        used = dict(state.of_people) if name in estimated else in_use(results, name)
        yield Block(f"Who judged {name}", sources(used, state))
        if block := agreement_block(state.judges, results.plan["seed"]):
            yield block._replace(title=f"{block.title} of {name}")


def sources(used: Grades, state: State) -> list[str]:
    """Where the judgments in use come from, and which of the journal are not in use."""
    parts = [f"{count:,} {kind}" for kind, count in counts(used, state).items()]
    each = [f"{name} ({len(grades):,})" for name, grades in state.judges.items()]
    whose = f": {listed(parts)}" if parts else ""
    lines = [
        f"The numbers above use {counted(len(used), 'judgment')}{whose}.",
        f"The journal of judgments has grades of {listed(each, ' and ')}.",
    ]
    idle = sum(used.get(pair) != grade for pair, grade in state.grades.items())
    if idle:
        are = "is" if idle == 1 else "are"
        lines.append(f"{counted(idle, 'document')} of the journal {are} not in use.")
    return lines
