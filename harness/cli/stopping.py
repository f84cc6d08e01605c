"""Ctrl-C, `kill` and a terminal that closes: each ends the process by its code and in one line.

While a command works, a signal raises an exception, so that the work cleans up behind itself. Before
and after there is nothing to clean up, and it ends at once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

SAID = "Stopped. Run the same command again to go on."

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""Those by which people and systems end a process; Windows has no SIGHUP."""


_came: list[int] = [signal.SIGINT]
"""The signals that came, the last one last; some libraries raise a KeyboardInterrupt of their own."""


class StoppedError(KeyboardInterrupt):
    """The process was asked to end by a signal, and cleans up as it does after Ctrl-C."""

    def __init__(self, number: int) -> None:
        """`number` is the signal's."""
        super().__init__(number)
        self.code = 128 + number


def at_once() -> None:
    """From now on a signal ends the process at once: nothing was begun yet, or all is done."""
    _handle(_end)


def unwinding() -> None:
    """From now on a signal raises StoppedError."""
    _handle(_raise)


def code(error: KeyboardInterrupt) -> int:
    """The exit code, which is 128 and the number of the signal, as shells have it."""
    return error.code if isinstance(error, StoppedError) else 128 + _came[-1]


def _handle(handler: Callable[[int, FrameType | None], None]) -> None:
    for one in SIGNALS:
        if signal.getsignal(one) is not signal.SIG_IGN:  # as `nohup` has it
            signal.signal(one, handler)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    _came.append(number)
    raise StoppedError(number)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """Nothing is imported or flushed, which could take long or fail."""
    del frame
    try:
        os.write(2, f"harness: {SAID}\n".encode())
    finally:
        os._exit(128 + number)
