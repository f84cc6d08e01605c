"""Progress on the terminal, with an estimate of the time left."""

from __future__ import annotations

import contextlib
import shutil
from typing import Any, TextIO

from tqdm import tqdm

from harness.cli.streams import plain

PAUSE_ON_TERMINAL = 0.2
"""Seconds between redraws, and what takes less is not shown."""

WIDTH = 79
"""Columns at most; fewer on a narrow terminal, where a longer line would not be drawn over."""

SECONDS_BETWEEN_LINES = 10
"""How often a line is written where the output is no terminal, and what takes less is not shown."""


class Bars:
    """One bar for the work at hand; a new name closes the bar before.

    Where nobody can read them any more, the work goes on.
    """

    def __init__(self, stream: TextIO) -> None:
        """Draw on `stream`."""
        self._stream = stream
        self._bar: tqdm[Any] | None = None
        self._name = ""

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done; both may be in any unit."""
        with contextlib.suppress(OSError):
            self._show(name, done, total)

    def _show(self, name: str, done: int, total: int) -> None:
        if (
            self._bar is None
            or (name, total) != (self._name, self._bar.total)
            or done < self._bar.n
        ):
            self.close()
            pause = PAUSE_ON_TERMINAL if self._stream.isatty() else SECONDS_BETWEEN_LINES
            self._bar = tqdm(
                total=total,
                desc=plain(name),
                file=self._stream,
                leave=False,
                ncols=min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns),
                mininterval=pause,
                delay=pause,
                bar_format="{desc}: {percentage:3.0f}% {bar} {elapsed}, {remaining} left",
            )
            self._name = name
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave no bar behind."""
        bar, self._bar = self._bar, None
        if bar is not None:
            with contextlib.suppress(OSError):
                bar.close()
