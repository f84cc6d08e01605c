from __future__ import annotations

from pathlib import Path

from harness.analysis.judgments.journal import Event, Journal, now
from harness.judging.model.into_journal import recorder

PAIR, OTHER = ("q1", "d1"), ("q1", "d2")


def test_a_models_grades_are_marked_and_count_where_no_person_judged(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with journal.alone():
        journal.append(Event("grade", "q1", "ann", now(), "d1", 3))
    record = recorder(journal, "org/judge")
    for _ in range(2):
        record(PAIR, 0)
        record(OTHER, 2)
    state = Journal(tmp_path).state
    assert state.judges == {"ann": {PAIR: 3}, "org/judge (model)": {PAIR: 0, OTHER: 2}}
    assert state.grades == {PAIR: 3, OTHER: 2}
    assert state.of_people == {PAIR: 3}
    assert len(state.events) == 3  # each grade once, however often it comes
