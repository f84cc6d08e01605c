"""Standard input, output and error as they may be, and text that a terminal shows and does not act on."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from collections.abc import Iterator

from harness.errors import StoreError

ACTED_ON = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but for tabs and line ends, the direction of writing, halves of characters."""

STREAMS = ("stdin", "stdout", "stderr")
"""In the order of their numbers."""


def plain(text: str) -> str:
    r"""`text` with every character that a terminal acts on written as `\u001b`, as in JSON."""
    return ACTED_ON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(text: object) -> None:
    """Print `text` on standard output; raises StoreError where it cannot be written."""
    with heard():
        print(plain(str(text)))


def complain(text: str) -> None:
    """Print `text` on standard error, as far as that can be written."""
    with contextlib.suppress(OSError):
        print(plain(text), file=sys.stderr, flush=True)


class Formatter(logging.Formatter):
    """What is logged, names and texts of the user's in it, as a terminal shows it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record in plain text."""
        return plain(super().format(record))


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
    """Write what is printed inside; a reader who left, such as `head`, has what he wanted.

    Raises StoreError where it cannot be written.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _mute()
    except OSError as error:
        _mute()
        raise StoreError(f"Standard output cannot be written: {error.strerror}.") from error


def _mute() -> None:
    """What is still to be written to standard output, and all that comes, goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
