"""The journal of judgments: whatever was written of it is readable, and what was undone is as before."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.judgments.journal import Event, Journal, Kind, settled_grade, without_undone
from harness.analysis.judgments.pool import Drawn
from harness.components.datasets._qrels import FORMATS, read_judgements
from harness.errors import DataError

AT = "2026-11-30T05:00:00+00:00"


def event(kind: Kind, doc_id: str = "d", judge: str = "ann", **more: object) -> Event:
    return replace(Event(kind, "q", judge, AT, doc_id), **more)  # type: ignore[arg-type]


def graded(grade: int, judge: str = "ann", doc_id: str = "d", **more: object) -> Event:
    return event("grade", doc_id, judge, grade=grade, **more)


def written(folder: Path, events: Sequence[Event]) -> Journal:
    journal = Journal(folder)
    with journal.alone():
        journal.append(*events)
    return journal


names = st.sampled_from(["ann", "bob"])
docs = st.sampled_from(["d", "e"])
acts = st.one_of(
    st.builds(graded, st.integers(0, 3), names, docs),
    st.builds(event, st.sampled_from(["skip", "undo"]), docs, names),
    st.builds(event, st.just("note"), docs, names, note=st.text(min_size=1)),
    st.builds(lambda chance: event("drawn", "", chance=chance), st.floats(0.01, 1)),
)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    events = [
        event("drawn", "", chance=0.25),
        graded(2, seconds=3.5),
        event("note", note="fünf\nlines"),
        event("skip", "e"),
        graded(1, "gpt", "e", source="model", model="a model"),
    ]
    written(tmp_path, events)
    state = Journal(tmp_path).state
    assert state.events == events
    assert state.draws == [Drawn("q", 0.25)]
    assert state.grades == {("q", "d"): 2, ("q", "e"): 1}
    assert state.judges == {"ann": {("q", "d"): 2}, "gpt (model)": {("q", "e"): 1}}
    assert state.notes == {("ann", ("q", "d")): "fünf\nlines"}
    assert state.skipped == set()  # the model did not pass it over


@given(st.lists(acts, max_size=8), st.integers(0))
def test_any_beginning_of_the_file_is_readable(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], cut: int
) -> None:
    """The torn line is lost alone, and the next is written in its place."""
    folder = tmp_path_factory.mktemp("journal")
    written(folder, events)
    file = folder / "journal.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[: cut % (len(whole) + 1)])
    kept = file.read_bytes().count(b"\n")
    journal = Journal(folder)
    assert journal.state == without_undone(events[:kept])
    with journal.alone():
        journal.append(graded(3))
    assert Journal(folder).state == without_undone([*events[:kept], graded(3)])


@given(st.lists(acts, max_size=8), st.one_of(st.builds(graded, st.integers(0, 3), names, docs)))
def test_undo_restores(events: list[Event], last: Event) -> None:
    undone = [*events, last, event("undo", last.doc_id, last.judge)]
    assert without_undone(undone) == without_undone(events)


def test_a_judge_undoes_nothing_of_another() -> None:
    state = without_undone([graded(1), graded(2, "bob"), event("undo"), event("undo")])
    assert state.grades == {("q", "d"): 2}


def test_the_last_grade_of_a_judge_counts_and_a_skip_takes_it_back() -> None:
    assert without_undone([graded(1), graded(3)]).grades == {("q", "d"): 3}
    skipped = without_undone([graded(1), event("skip")])
    assert (skipped.grades, skipped.skipped) == ({}, {("q", "d")})
    assert without_undone([event("skip"), graded(1, "bob")]).skipped == set()


@pytest.mark.parametrize(
    ("grades", "settled"), [([2], 2), ([1, 2], 2), ([0, 3], 2), ([0, 1, 3], 1), ([0, 0, 1, 3], 1)]
)
def test_the_median_counts_and_ties_go_upward(grades: list[int], settled: int) -> None:
    assert settled_grade([graded(one, f"judge {i}") for i, one in enumerate(grades)]) == settled


def test_a_model_counts_only_where_no_person_judged() -> None:
    model = graded(3, "gpt", source="model", model="m")
    assert settled_grade([model]) == 3
    assert settled_grade([model, graded(0)]) == 0


def test_the_tables_beside_it(tmp_path: Path) -> None:
    note = event("note", note="=HYPERLINK(1)")
    events = [graded(1), graded(2, "bob"), note, graded(0, doc_id="e"), event("undo", "e")]
    written(tmp_path, events)
    read = [one for _, one in read_judgements(tmp_path / "qrels" / "judged.tsv", FORMATS["trec"])]
    assert read == [("q", "d", 2)]
    with (tmp_path / "judged.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows == [
        {
            "query_id": "q",
            "doc_id": "d",
            "grade": "2",
            "source": "person",
            "judges": "ann 1, bob 2",
            "at": AT,
            "notes": "'=HYPERLINK(1)",  # no spreadsheet runs it
        }
    ]


def test_two_journals_of_one_file_see_each_other(tmp_path: Path) -> None:
    first, second = Journal(tmp_path), Journal(tmp_path)
    for journal, one in ((first, graded(1)), (second, graded(2, "bob")), (first, event("undo"))):
        with journal.alone():
            journal.append(one)
    second.refresh()
    assert first.state.grades == second.state.grades == {("q", "d"): 2}


APPENDING = """
import sys
from pathlib import Path
from harness.analysis.judgments.journal import Event, Journal
journal = Journal(Path(sys.argv[1]))
for i in range(20):
    with journal.alone():
        journal.append(Event("grade", "q", sys.argv[2], "2026-11-30T05:00Z", f"d{i}", grade=1, note="x" * 5000))
"""


def test_processes_append_beside_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", APPENDING, str(tmp_path)]
    each = [subprocess.Popen([*command, name]) for name in ("ann", "bob")]
    assert [one.wait() for one in each] == [0, 0]
    judges = Journal(tmp_path).state.judges
    assert {name: len(grades) for name, grades in judges.items()} == {"ann": 20, "bob": 20}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("no JSON", "Expecting value"),
        ("[]", "must be a mapping"),
        (
            '{"event": "grade", "query_id": "q", "judge": "a", "at": "2026-11-30T05:00Z", "grade": 4}',
            "the grade 4",
        ),
        (
            '{"event": "drawn", "query_id": "q", "judge": "a", "at": "2026-11-30T05:00Z", "chance": 0}',
            "the chance 0",
        ),
        (
            '{"event": "sigh", "query_id": "q", "judge": "a", "at": "2026-11-30T05:00Z"}',
            "unknown: 'sigh'",
        ),
        (
            '{"event": "skip", "query_id": 1, "judge": "a", "at": "2026-11-30T05:00Z"}',
            "a text is none",
        ),
        ('{"event": "skip", "sigh": 1}', "sigh"),
        ('{"event": "skip", "query_id": "q", "judge": "a", "at": "now"}', "isoformat"),
        ('{"event": "skip", "query_id": "q", "judge": "a", "at": "2026-11-30"}', "has no zone"),
    ],
)
def test_what_is_no_event_is_named(tmp_path: Path, line: str, why: str) -> None:
    written(tmp_path, [graded(1)])
    with (tmp_path / "journal.jsonl").open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(DataError, match=why) as caught:
        Journal(tmp_path)
    assert "journal.jsonl:2 is no line" in str(caught.value)
