"""One person at work: what comes next, what was done with it, and how much is left.

Grades of models are no judgments here: what a model graded is shown as any other document.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from harness.analysis.judgments.journal import Event, Journal, Kind, now
from harness.analysis.judgments.pool import Pair, Pool
from harness.judging.choose import Chooser, Standing

DOUBLES = 0.05
"""The share of picks that are documents which another judge graded, so that agreement is seen."""

ASSUMED_SECONDS = 20.0
"""A judgment, before the journal has FEWEST of people: an assumption, not a measurement."""

FEWEST = 3

HELD = timedelta(minutes=10)
"""How long after a judge's last judgment his query is not given to another."""


class View(NamedTuple):
    """What a judge is shown."""

    pair: Pair | None
    """None where the decision is settled, or nothing is left."""
    standing: Standing
    mine: int
    """Documents that this judge graded."""
    all: int
    """Documents that anybody graded."""
    note: str
    """This judge's own of the pair."""
    last: str
    """What undo takes back: a grade or `skip`; empty where there is nothing."""


class Session:
    """One judge at work; everything that must last is in the journal."""

    def __init__(
        self,
        journal: Journal,
        pool: Pool,
        chooser: Chooser,
        judge: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`judge` is a name; `clock` gives seconds."""
        self._journal, self._pool, self._chooser = journal, pool, chooser
        self._judge, self._clock = judge, clock
        self._shown: Pair | None = None
        self._since = 0.0
        self._standing: tuple[int, Standing] | None = None

    def view(self) -> View:
        """What is to be judged now; the same until it was judged. Raises StoreError."""
        with self._journal.alone():
            standing = self.standing()
            if self._shown is None and not standing.settled:
                self._shown, self._since = self._picked(), self._clock()
        state = self._journal.state
        mine, done = state.judges.get(self._judge, {}), state.done_by(self._judge)
        shown = None if standing.settled else self._shown
        note = state.notes.get((self._judge, shown), "") if shown else ""
        last = ("skip" if done[-1].event == "skip" else str(done[-1].grade)) if done else ""
        return View(shown, standing, len(mine), len(state.grades), note, last)

    def standing(self) -> Standing:
        """How far the judgments of all judges have come."""
        state = self._journal.state
        if self._standing is None or self._standing[0] != len(state.events):
            given = (state.draws, state.of_people, state.skipped)
            found = self._chooser.standing(*given, self.seconds_per_judgment())
            self._standing = len(state.events), found
        return self._standing[1]

    def seconds_per_judgment(self) -> float:
        """The median of all people's judgments, so that a pause does not count."""
        took = [
            one.seconds
            for one in self._journal.state.events
            if one.event == "grade" and one.source == "person" and one.seconds is not None
        ]
        return statistics.median(took) if len(took) >= FEWEST else ASSUMED_SECONDS

    def grade(self, pair: Pair, grade: int) -> None:
        """Note a grade of what is shown; of anything else, as from an old page, nothing is noted."""
        self._done(pair, "grade", grade)

    def skip(self, pair: Pair) -> None:
        """Pass over what is shown."""
        self._done(pair, "skip")

    def note(self, pair: Pair, text: str) -> None:
        """Note words about what is shown, unless they stand there already."""
        with self._journal.alone():
            before = self._journal.state.notes.get((self._judge, pair), "")
            if pair == self._shown and text != before:
                self._journal.append(self._event("note", pair, note=text))

    def undo(self) -> None:
        """Take back this judge's last grade or skip, and show its document again."""
        with self._journal.alone():
            done = self._journal.state.done_by(self._judge)
            if done:
                self._journal.append(self._event("undo", done[-1].pair))
                self._shown, self._since = done[-1].pair, self._clock()

    def _done(self, pair: Pair, kind: Kind, grade: int | None = None) -> None:
        with self._journal.alone():
            if pair == self._shown:
                seconds = round(self._clock() - self._since, 1)
                self._journal.append(self._event(kind, pair, grade=grade, seconds=seconds))
                self._shown = None

    def _event(
        self,
        kind: Kind,
        pair: Pair,
        *,
        grade: int | None = None,
        note: str = "",
        seconds: float | None = None,
        chance: float | None = None,
    ) -> Event:
        query_id, doc_id = pair
        return Event(kind, query_id, self._judge, now(), doc_id, grade, note, seconds, chance)

    def _picked(self) -> Pair | None:
        """The next pair; a query that is opened for it is noted as drawn."""
        if (double := self._double()) is not None:
            return double
        state = self._journal.state
        held = state.skipped | self._held()
        pick = self._chooser.next(state.draws, state.of_people, held) or self._chooser.next(
            state.draws, state.of_people, state.skipped
        )
        if pick is None:
            return None
        if pick.drawn is not None:
            drawn = (pick.drawn.query_id, "")
            self._journal.append(self._event("drawn", drawn, chance=pick.drawn.chance))
        return pick.query_id, pick.doc_id

    def _double(self) -> Pair | None:
        """In a share of picks, which the judge's name and work decide, one that another graded."""
        state = self._journal.state
        done = state.done_by(self._judge)
        mine = {one.pair for one in done}
        others = sorted(pair for pair in state.given if pair not in mine)
        drawing = random.Random(f"{self._pool.seed} {self._judge} {len(done)}")  # noqa: S311 - no secret
        return drawing.choice(others) if others and drawing.random() < DOUBLES else None

    def _held(self) -> set[Pair]:
        """The pairs of queries that others opened and are at work on."""
        events = self._journal.state.events
        last = {one.judge: datetime.fromisoformat(one.at) for one in events}
        busy = {name for name, at in last.items() if datetime.now(UTC) - at < HELD} - {self._judge}
        queries = {one.query_id for one in events if one.event == "drawn" and one.judge in busy}
        return {(name, doc_id) for name in queries for doc_id in self._pool.items(name)}
