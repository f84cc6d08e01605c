"""Progress on the terminal, with an estimate of the time left."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, TextIO

from tqdm import tqdm

from harness.terminal import plain

PAUSE_ON_TERMINAL = 0.2
"""Seconds between redraws, and what takes less is not shown."""

SECONDS_BETWEEN_LINES = 10
"""How often a line is written where the output is no terminal, and what takes less is not shown."""


class Bars:
    """One bar for the work at hand; a new name closes the bar before."""

    def __init__(self, stream: TextIO) -> None:
        """Draw on `stream`."""
        self._stream = stream
        self._bar: tqdm[Any] | None = None
        self._name = ""

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done; both may be in any unit."""
        if (
            self._bar is None
            or (name, total) != (self._name, self._bar.total)
            or done < self._bar.n
        ):
            self._close()
            pause = PAUSE_ON_TERMINAL if self._stream.isatty() else SECONDS_BETWEEN_LINES
            self._bar = tqdm(
                total=total,
                desc=plain(name),
                file=self._stream,
                leave=False,
                ncols=79,
                mininterval=pause,
                delay=pause,
                bar_format="{desc}: {percentage:3.0f}% {bar} {elapsed}, {remaining} left",
            )
            self._name = name
        self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Self:
        """Start without a bar."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave no bar behind."""
        self._close()
