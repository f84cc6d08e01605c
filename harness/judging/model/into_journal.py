"""A model's grades in the journal of judgments, marked as a model's and apart from people's."""

from __future__ import annotations

from collections.abc import Callable

from harness.analysis.judgments.journal import Event, Journal, now
from harness.analysis.judgments.pool import Pair


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
