"""Text as a terminal shows it, which acts on none of it."""

from __future__ import annotations

import logging
import re
import sys
from typing import TextIO

ACTED_ON = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but for tabs and line ends, the direction of writing, halves of characters."""


def plain(text: str) -> str:
    r"""`text` with every character that a terminal acts on written as `\u001b`, as in JSON."""
    return ACTED_ON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(text: object, stream: TextIO | None = None) -> None:
    """Print `text` on standard output, or another stream."""
    print(plain(str(text)), file=stream or sys.stdout, flush=True)


class Formatter(logging.Formatter):
    """What is logged, names and texts of the user's in it, as a terminal shows it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record in plain text."""
        return plain(super().format(record))
