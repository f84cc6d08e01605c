"""What judges did, in a file that only grows: a JSON object a line.

    judgments/journal.jsonl      all that was done, in its order; its last line may be torn
    judgments/qrels/judged.tsv   the grades that came of it, as TREC qrels: query, 0, document, grade
    judgments/judged.csv         the same with who gave them, when, and with which notes

Several processes may append: each line is written under a lock, and read by the others before they
write. The two other files are made anew of the journal after every change.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from harness.analysis.judgments.pool import Drawn, Pair
from harness.errors import DataError
from harness.files import disk, locks
from harness.results.store import Results

Kind = Literal["drawn", "grade", "skip", "undo", "note"]
Source = Literal["person", "model"]

GRADES: Mapping[int, str] = {
    0: "does not help",
    1: "about it, without an answer",
    2: "answers in part",
    3: "answers well",
}
"""What can be given, and what it means."""

REPAIRED = "It was left as it is. Way out: mend or move the file away, then judge on."


@dataclass(frozen=True)
class Event:
    """One line: something that a judge did."""

    event: Kind
    query_id: str
    judge: str
    at: str
    """When, as ISO 8601 in UTC."""
    doc_id: str = ""
    """Empty where a query is drawn."""
    grade: int | None = None
    note: str = ""
    seconds: float | None = None
    """How long the judge looked at it."""
    chance: float | None = None
    """Of being drawn, where a query is drawn."""
    source: Source = "person"
    model: str = ""
    """Which model judged, where no person did."""

    @property
    def pair(self) -> Pair:
        """Which document of which query."""
        return self.query_id, self.doc_id

    @property
    def who(self) -> str:
        """The judge; one that is a model is marked as such."""
        return f"{self.judge} (model)" if self.source == "model" else self.judge

    def line(self) -> bytes:
        """As it stands in the file; what says nothing is left out."""
        said = {name: value for name, value in asdict(self).items() if value not in (None, "")}
        return json.dumps(said).encode() + b"\n"


def journal_of(results: Results, dataset: str) -> Journal:
    """The journal of a dataset of the last run; it may be empty. Raises DataError."""
    of_trials = [one["folder"] for one in results.plan["trials"] if one["dataset"] == dataset]
    place = Path(of_trials[0]).parent if of_trials else Path(dataset)
    return Journal(results.folder / place / "judgments")


def now() -> str:
    """The time, as an event has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class State:
    """What is left of a journal when what was undone is taken back."""

    events: Sequence[Event]

    @property
    def draws(self) -> list[Drawn]:
        """The queries that were drawn, in their order."""
        drawn = [one for one in self.events if one.event == "drawn"]
        return [Drawn(one.query_id, one.chance or 0.0) for one in drawn]

    @cached_property
    def given(self) -> Mapping[Pair, Mapping[str, Event]]:
        """By pair and judge the last grade."""
        found: dict[Pair, dict[str, Event]] = {}
        for one in self._last:
            if one.event == "grade":
                found.setdefault(one.pair, {})[one.judge] = one
        return found

    @cached_property
    def grades(self) -> Mapping[Pair, int]:
        """One grade a pair (see `settled_grade`)."""
        return {pair: settled_grade(list(by.values())) for pair, by in self.given.items()}

    @cached_property
    def of_people(self) -> Mapping[Pair, int]:
        """The same without grades of models."""
        by_people = {
            pair: [one for one in by.values() if one.source == "person"]
            for pair, by in self.given.items()
        }
        return {pair: settled_grade(events) for pair, events in by_people.items() if events}

    @property
    def skipped(self) -> set[Pair]:
        """What somebody passed over and nobody graded."""
        return {one.pair for one in self._last if one.event == "skip"} - self.given.keys()

    @property
    def judges(self) -> Mapping[str, Mapping[Pair, int]]:
        """By judge the grades; judges that are models are marked as such."""
        found: dict[str, dict[Pair, int]] = {}
        for by in self.given.values():
            for one in by.values():
                found.setdefault(one.who, {})[one.pair] = one.grade or 0
        return dict(sorted(found.items()))

    def judged_by(self, pair: Pair) -> list[str]:
        """Each judge with the grade that he gave; judges that are models are marked as such."""
        return [f"{one.who} {one.grade}" for _, one in sorted(self.given.get(pair, {}).items())]

    def done_by(self, judge: str) -> list[Event]:
        """The judge's grades and skips that still hold, in their order."""
        return [one for one in self.events if one.judge == judge and one.event in ("grade", "skip")]

    @cached_property
    def notes(self) -> Mapping[tuple[str, Pair], str]:
        """By judge and pair the last note."""
        return {(one.judge, one.pair): one.note for one in self.events if one.event == "note"}

    @cached_property
    def _last(self) -> Sequence[Event]:
        """Of each judge and pair the last grade, or that it was skipped."""
        done = [one for one in self.events if one.event in ("grade", "skip")]
        return list({(one.judge, one.pair): one for one in done}.values())


def settled_grade(given: Sequence[Event]) -> int:
    """The grade that comes of those of several judges.

    Where people judged, a model's grade does not count. Of the others it is the median, and between
    two middle ones their mean, rounded upward: a judge overlooks an answer more easily than he finds
    one that is not there.
    """
    people = [one for one in given if one.source == "person"] or given
    grades = sorted(one.grade or 0 for one in people)
    return (grades[(len(grades) - 1) // 2] + grades[len(grades) // 2] + 1) // 2


def without_undone(events: Sequence[Event]) -> State:
    """The state after these events; an undo takes back its judge's last grade or skip of its pair."""
    left: list[Event] = []
    for event in events:
        if event.event != "undo":
            left.append(event)
            continue
        for place in range(len(left) - 1, -1, -1):
            one = left[place]
            same = (one.judge, one.pair) == (event.judge, event.pair)
            if same and one.event in ("grade", "skip"):
                del left[place]
                break
    return State(left)


class Journal:
    """The journal of a dataset's judgments, open to be read and appended to."""

    def __init__(self, folder: Path) -> None:
        """The folder `judgments`, made when something is written; reads what is there.

        A torn last line is dropped with the next one that is written. Raises DataError naming the
        line of what is no event.
        """
        self.folder = folder
        self._file = folder / "journal.jsonl"
        self._events: list[Event] = []
        self._read = 0
        """Bytes of whole lines that were read."""
        self._state: State | None = None
        self.refresh()

    @property
    def state(self) -> State:
        """What the events come to."""
        if self._state is None:
            self._state = without_undone(self._events)
        return self._state

    def refresh(self) -> None:
        """Read what other processes have appended."""
        if not self._file.exists():
            return
        with disk.reading(self._file), self._file.open("rb") as stream:
            stream.seek(self._read)
            *lines, _ = stream.read().split(b"\n")
        for line in lines:
            self._events.append(_event(line, f"{self._file}:{len(self._events) + 1}"))
            self._read += len(line) + 1
            self._state = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside nobody else appends, and what others appended is read."""
        with disk.writing(self._file):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file.touch()
            held = locks.held(self._file, wait=True)
        try:
            self.refresh()
            yield
        finally:
            if held is not None:
                os.close(held)

    def append(self, *events: Event) -> None:
        """Put events on the disk, where they stay; to be called inside `alone`.

        Raises StoreError if they cannot be written.
        """
        with disk.writing(self._file), self._file.open("r+b") as stream:
            stream.truncate(self._read)  # of a torn line, whose writer has ended
            stream.seek(self._read)
            stream.write(b"".join(event.line() for event in events))
            stream.flush()
            os.fsync(stream.fileno())
        self.refresh()
        if any(event.event != "drawn" for event in events):
            self._write_tables()

    def _write_tables(self) -> None:
        grades = sorted(self.state.grades.items())
        lines = [f"{query_id}\t0\t{doc_id}\t{grade}\n" for (query_id, doc_id), grade in grades]
        disk.write(self.folder / "qrels" / "judged.tsv", "".join(lines))
        disk.write(self.folder / "judged.csv", _csv(self.state))


COLUMNS = ("query_id", "doc_id", "grade", "source", "judges", "at", "notes")


def _csv(state: State) -> str:
    """A row a pair: its one grade, and what each judge gave, when the last did, and their notes."""
    import pandas as pd

    from harness.files.spreadsheet import csv_text

    rows = []
    for pair, by in sorted(state.given.items()):
        each = sorted(by.values(), key=lambda one: one.judge)
        people = any(one.source == "person" for one in each)
        judges = ", ".join(state.judged_by(pair))
        noted = [state.notes.get((one.judge, pair), "") for one in each]
        at = max(one.at for one in each)
        source = "person" if people else "model"
        rows.append(
            (*pair, state.grades[pair], source, judges, at, " / ".join(filter(None, noted)))
        )
    return csv_text(pd.DataFrame(rows, columns=list(COLUMNS)))


def _event(line: bytes, place: str) -> Event:
    """Raises DataError where it is none."""
    try:
        said: dict[str, Any] = json.loads(line)
        found = Event(**said)
        _check(found)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{place} is no line of a journal of judgments: {error}. {REPAIRED}"
        ) from error
    return found


def _check(event: Event) -> None:
    """Raises ValueError for what no judge did."""
    texts = (event.query_id, event.doc_id, event.judge, event.at, event.note, event.model)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a text is none")
    if datetime.fromisoformat(event.at).tzinfo is None:
        raise ValueError(f"the time {event.at!r} has no zone")
    if event.event not in get_args(Kind) or event.source not in get_args(Source):
        raise ValueError(f"unknown: {event.event!r} by {event.source!r}")
    if event.event == "grade" and event.grade not in GRADES:
        raise ValueError(f"the grade {event.grade!r} is none of {', '.join(map(str, GRADES))}")
    if event.event == "drawn" and not (
        isinstance(event.chance, float | int) and 0 < event.chance <= 1
    ):
        raise ValueError(f"the chance {event.chance!r} is not between 0 and 1")
