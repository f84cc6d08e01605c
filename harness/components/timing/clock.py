"""Where a run's time went: into models, or into everything around them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Kind = Literal["data", "load", "train", "model", "search", "measure", "cost", "report", "other"]


class Clock:
    """Seconds by kind; an inner kind's seconds are not counted to the outer one."""

    def __init__(self) -> None:
        """Start, with everything counted as `other` until said otherwise."""
        self._seconds: dict[Kind, float] = defaultdict(float)
        self._open: list[Kind] = ["other"]
        self._since = time.perf_counter()

    def seconds(self) -> dict[Kind, float]:
        """Seconds by kind until now; their sum is the time since the clock was made."""
        self._settle()
        return dict(self._seconds)

    @contextmanager
    def kind(self, kind: Kind) -> Iterator[None]:
        """Count the block as `kind`."""
        self._settle()
        self._open.append(kind)
        try:
            yield
        finally:
            self._settle()
            self._open.pop()

    def _settle(self) -> None:
        now = time.perf_counter()
        self._seconds[self._open[-1]] += now - self._since
        self._since = now
