"""What a report says of who judged."""

from __future__ import annotations

from harness.analysis.judgments.journal import Event, without_undone
from harness.report.judgments import sources

AT = "2026-11-30T05:00:00+00:00"


def graded(doc_id: str, grade: int, judge: str, model: str = "") -> Event:
    source = "model" if model else "person"
    return Event("grade", "q", judge, AT, doc_id, grade, source=source, model=model)


STATE = without_undone(
    [
        graded("a", 1, "ann"),
        graded("a", 1, "gpt", "m"),
        graded("b", 2, "gpt", "m"),
        graded("c", 3, "ann"),
    ]
)


def test_each_judgment_in_use_has_its_source() -> None:
    """a is of a person and a model, b of a model, c has another grade, d is not in the journal."""
    used = {("q", "a"): 1, ("q", "b"): 2, ("q", "c"): 0, ("q", "d"): 1}
    assert sources(used, STATE) == [
        ("The numbers above use 4 judgments: 2 given with the dataset, 1 by people, 1 by models."),
        "The journal of judgments has grades of ann (2) and gpt (model) (2).",
        "1 document of the journal is not in use.",
    ]


def test_nothing_is_said_to_be_idle_where_all_is_in_use() -> None:
    assert len(sources(dict(STATE.grades), STATE)) == 2
