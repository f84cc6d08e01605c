"""What a run is at: a stage and a bar on a terminal, a line for each stage anywhere else."""

from __future__ import annotations

import contextlib
import shutil
import textwrap
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from tqdm import tqdm

from harness.cli.streams import plain

PAUSE_S = 0.2
"""Seconds between two drawings."""

WIDTH = 79
"""Columns at most; fewer on a narrow terminal, where a longer line would not be drawn over."""

CLEAR, UP = "\r\x1b[K", "\x1b[1A"
"""What empties the line, and what goes to the line above."""


class Bars:
    """The stage of a run, and below it a bar for the work at hand.

    Where the stream is no terminal, the stages alone. Where nobody can read them any more, the work
    goes on.
    """

    def __init__(self, stream: TextIO) -> None:
        """Draw on `stream`."""
        self._stream = stream
        self._stage: Callable[[], str] | None = None
        self._bar = ("", 0, 0)
        self._began = self._drawn = 0.0
        self._is_drawn = False

    def stage(self, line: Callable[[], str]) -> None:
        """Show a stage that begins; `line` says at any time what it is and how long all will take."""
        self._stage, self._bar = line, ("", 0, 0)
        with contextlib.suppress(OSError):
            if self._stream.isatty():
                self._draw()
            else:
                self._write(f"{plain(line())}\n")

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done; both may be in any unit."""
        now = time.monotonic()
        before, at, of = self._bar
        if (name, total) != (before, of) or done < at:
            self._began = now
        self._bar = name, done, total
        with contextlib.suppress(OSError):
            if now - self._drawn >= PAUSE_S and self._stream.isatty():
                self._draw()

    def close(self) -> None:
        """Leave no line behind."""
        if self._is_drawn:
            self._is_drawn = False
            with contextlib.suppress(OSError):
                self._write_lines(["", "", ""])

    def _draw(self) -> None:
        self._drawn, self._is_drawn = time.monotonic(), True
        width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
        stage = textwrap.wrap(
            plain(self._stage()) if self._stage else "",
            width,
            subsequent_indent="  ",
            max_lines=2,
            placeholder=" …",
            break_on_hyphens=False,
        )
        self._write_lines([*stage, *[""] * (2 - len(stage)), self._bar_text(width)])

    def _write_lines(self, lines: Sequence[str]) -> None:
        """Write lines over those that were written before, and leave the cursor before the first."""
        self._write("\n".join(f"{CLEAR}{line}" for line in lines) + UP * (len(lines) - 1) + "\r")

    def _bar_text(self, width: int) -> str:
        name, done, total = self._bar
        if not name:
            return ""
        shape = "  {desc}: {percentage:3.0f}% {bar} {elapsed}, {remaining} left"
        elapsed = time.monotonic() - self._began
        return str(
            tqdm.format_meter(
                done, total, elapsed, width, prefix=_cut(plain(name), width - 40), bar_format=shape
            )
        )

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
