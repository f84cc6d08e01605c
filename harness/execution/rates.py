"""How fast this machine was at each kind of work, by model: what a later run's time is estimated from.

CACHE/rates.json    by machine and work: characters, pairs or systems done in a second
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.components.protocols import Progress
from harness.experiment.keys import key
from harness.experiment.provenance import measured_on
from harness.files import disk
from harness.results.tables import json_text

SHORTEST_S = 0.5
"""Work that took less says little about a rate, and replaces none that is known."""


class Spent(NamedTuple):
    """How much of a kind of work was done in how much time."""

    amount: float = 0.0
    seconds: float = 0.0


class Meter:
    """Passes progress on, and adds up what was done of each kind of work in how much time."""

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.perf_counter) -> None:
        """`progress` hears what this hears."""
        self._progress, self._clock = progress, clock
        self._spent: dict[str, Spent] = {}
        self._last = ("", 0, 0.0)

    def __call__(self, name: str, done: int, total: int) -> None:
        """Hear that `done` of `total` are done."""
        before, at, since = self._last
        now = self._clock()
        if name == before and done > at:
            amount, seconds = self._spent.get(name, Spent())
            self._spent[name] = Spent(amount + done - at, seconds + now - since)
        self._last = name, done, now
        self._progress(name, done, total)

    def taken(self) -> dict[str, Spent]:
        """What was spent since this was last called."""
        spent, self._spent, self._last = self._spent, {}, ("", 0, 0.0)
        return spent


class Rates:
    """The rates of this machine, as earlier runs with this cache left them and this one adds to them."""

    def __init__(self, cache: Path) -> None:
        """Read them; a file that cannot be read says nothing."""
        self._file = cache / "rates.json"
        self._machine = key(measured_on())[:12]
        self._known = self._stored().get(self._machine, {})

    def get(self, work: str) -> float | None:
        """How much of some work was done in a second; None where that was never measured."""
        rate = self._known.get(work)
        return rate if isinstance(rate, float) and rate > 0 else None

    def note(self, spent: Mapping[str, Spent]) -> None:
        """Remember the rates of what was done, for this run and later ones."""
        new = {
            work: one.amount / one.seconds
            for work, one in spent.items()
            if one.amount and one.seconds > (SHORTEST_S if work in self._known else 0)
        }
        if new:
            stored = self._stored()
            self._known = {**stored.get(self._machine, {}), **self._known, **new}
            disk.write(self._file, json_text({**stored, self._machine: self._known}))

    def _stored(self) -> dict[str, Any]:
        try:
            found = disk.read_json(self._file)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
