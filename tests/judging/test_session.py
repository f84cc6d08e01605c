"""What a judge sees next, and what is noted of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from judges import session, shown

from harness.analysis.judgments.journal import Event, Journal
from harness.judging.session import ASSUMED_SECONDS, Session


def test_a_query_is_drawn_once_and_judged_to_its_end(tmp_path: Path) -> None:
    ann = session(tmp_path)
    assert shown(ann) == shown(ann) == ("q", "d0")
    ann.grade(("q", "d0"), 2)
    assert shown(ann) == ("q", "d1")
    events = Journal(tmp_path).state.events
    assert [(one.event, one.grade, one.chance) for one in events] == [
        ("drawn", None, 0.5),
        ("grade", 2, None),
    ]
    assert events[1].seconds == 1.0


def test_what_is_not_shown_is_not_noted(tmp_path: Path) -> None:
    ann = session(tmp_path)
    pair = shown(ann)
    ann.grade(pair, 3)
    ann.grade(pair, 1)  # the key was pressed twice
    ann.skip(("q", "d9"))
    ann.note(("q", "d9"), "of an old page")
    assert [one.event for one in Journal(tmp_path).state.events] == ["drawn", "grade"]


def test_what_a_model_graded_is_shown_to_people(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with journal.alone():
        at = datetime.now(UTC).isoformat()
        journal.append(Event("grade", "q", "m", at, "d0", 3, source="model", model="m"))
    assert shown(session(tmp_path)) == ("q", "d0")


def test_undo_shows_the_document_again(tmp_path: Path) -> None:
    ann = session(tmp_path)
    ann.undo()  # nothing is there to be undone
    ann.grade(shown(ann), 1)
    ann.skip(shown(ann))
    assert ann.view().last == "skip"
    ann.undo()
    assert shown(ann) == ("q", "d1")
    ann.undo()
    assert (shown(ann), ann.view().last) == (("q", "d0"), "")
    ann.grade(("q", "d0"), 3)
    assert Journal(tmp_path).state.grades == {("q", "d0"): 3}
    assert shown(ann) == ("q", "d1")


def test_after_a_stop_it_goes_on_where_it_stood(tmp_path: Path) -> None:
    ann = session(tmp_path)
    for _ in range(4):
        ann.grade(shown(ann), 1)
    pair = shown(ann)
    ann.note(pair, "unclear")
    again = session(tmp_path)
    assert shown(again) == pair
    view = again.view()
    assert (view.mine, view.all, view.note, view.last) == (4, 4, "unclear", "1")
    again.undo()
    assert shown(again) == ("q", "d3")


def test_a_note_is_noted_once(tmp_path: Path) -> None:
    ann = session(tmp_path)
    for text in ("", "one", "one", "two"):
        ann.note(shown(ann), text)
    notes = [one.note for one in Journal(tmp_path).state.events if one.event == "note"]
    assert notes == ["one", "two"]


def test_it_stops_by_itself_when_the_decision_is_settled(tmp_path: Path) -> None:
    ann = session(tmp_path, enough=2)
    ann.grade(shown(ann), 0)
    ann.grade(shown(ann), 0)
    view = ann.view()
    assert (view.pair, view.standing.settled, view.mine) == (None, True, 2)
    ann.undo()
    assert shown(ann) == ("q", "d1")


def test_nothing_is_left(tmp_path: Path) -> None:
    ann = session(tmp_path)
    for _ in range(60):
        ann.skip(shown(ann))
    assert ann.view().pair is None


def test_the_time_is_the_median_once_there_are_some(tmp_path: Path) -> None:
    ann = session(tmp_path)
    assert ann.seconds_per_judgment() == ASSUMED_SECONDS
    at = datetime.now(UTC).isoformat()
    graded = Event("grade", "q", "bob", at, grade=1)
    journal = Journal(tmp_path)
    with journal.alone():
        events = [replace(graded, doc_id=f"d{i}", seconds=s) for i, s in enumerate((5, 700, 9))]
        model = replace(graded, judge="m", source="model", model="m", doc_id="d9", seconds=0.1)
        journal.append(*events, model)
    assert session(tmp_path).seconds_per_judgment() == 9


def by_two(folder: Path) -> tuple[Session, Session]:
    ann, bob = session(folder), session(folder, "bob")
    ann.grade(shown(ann), 1)
    return ann, bob


def test_two_who_are_at_work_judge_different_queries(tmp_path: Path) -> None:
    ann, bob = by_two(tmp_path)
    assert (shown(ann)[0], shown(bob)[0]) == ("q", "r")


def test_a_query_is_taken_up_when_its_judge_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.judging.session.now", lambda: "2026-11-01T00:00:00+00:00")
    ann, bob = by_two(tmp_path)
    assert shown(ann) == shown(bob) == ("q", "d1")


def test_a_share_of_picks_is_what_another_judged(tmp_path: Path) -> None:
    """Of 60 documents 30 are ann's; bob gets some of them, each once, and ann's undo changes no draw."""
    ann, bob = session(tmp_path), session(tmp_path, "bob")
    for _ in range(30):
        ann.grade(shown(ann), 1)
    first = []
    for _ in range(30):
        first.append(shown(bob))
        assert shown(session(tmp_path, "bob")) == first[-1]  # a new start gives the same
        bob.grade(first[-1], 2)
    doubles = [pair for pair in first if pair[0] == "q"]
    assert len(set(first)) == 30
    assert 1 <= len(doubles) <= 5  # of 30 picks at 5 %
