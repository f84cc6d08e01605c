"""Standard input, output and error as they may be: closed, full, or of few characters."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from harness.errors import StoreError

STREAMS = ("stdin", "stdout", "stderr")
"""In the order of their numbers."""


def prepare() -> None:
    """Have all three there, and both that are written to take any text.

    One that was closed is one that nobody reads. Its number must not go to the next file that is
    opened: what a library prints would stand in it. Characters that a terminal does not have are
    escaped.
    """
    for number, name in enumerate(STREAMS):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # gets the least number that is free
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Have what is printed inside written; a reader who left, such as `head`, has what he wanted.

    Raises StoreError where it cannot be written.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _mute(sys.stdout)
    except OSError as error:
        _mute(sys.stdout)
        raise StoreError(f"Standard output cannot be written: {error.strerror}.") from error


def _mute(stream: TextIO) -> None:
    """What is still to be written to `stream`, and all that comes, goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
