"""A model's grades in the journal of judgments, marked as a model's and apart from people's."""

from __future__ import annotations

from collections.abc import Callable

from harness.judging.journal import Event, Journal, State, now, settled_grade
from harness.judging.pool import Pair


def people_in(state: State) -> dict[Pair, int]:
    """The grades that people gave, one a pair, without those of models."""
    given = {
        pair: [one for one in by.values() if one.source == "person"]
        for pair, by in state.given.items()
    }
    return {pair: settled_grade(events) for pair, events in given.items() if events}


def recorder(journal: Journal, model: str) -> Callable[[Pair, int], None]:
    """Appends a grade of this model, unless it stands there already."""

    def record(pair: Pair, grade: int) -> None:
        with journal.alone():
            before = journal.state.given.get(pair, {}).get(model)
            if before is None or before.grade != grade:
                query_id, doc_id = pair
                event = Event(
                    "grade",
                    query_id,
                    judge=model,
                    at=now(),
                    doc_id=doc_id,
                    grade=grade,
                    source="model",
                    model=model,
                )
                journal.append(event)

    return record
