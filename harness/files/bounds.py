"""The most that an input may hold, which no sane one meets, and what is said of one that breaks us.

Readers refuse what is wrong by file, line and way out. What nobody foresaw ends in `reading`: one
paragraph that names the input, and never a traceback.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import DataError, HarnessError

log = logging.getLogger(__name__)

YAML_CHARACTERS = 500_000
"""Of a whole YAML file."""

VALUES = 20_000
"""Values of a YAML file, with what its aliases unfold to."""

UNFOLDED = 5_000_000
"""Characters of all these values and of their paths."""

DEEP = 50
"""Levels of nesting."""

ENTRIES = 1_000
"""Entries of one list or mapping."""

CHARACTERS = 10_000
"""Of one value."""

NAME = 200
"""Characters of a name, a key or a tag."""

DIGITS = 18
"""Of a whole number, so that it fits 64 bits."""

FAULTS = 50
"""Faults of one file that are listed together."""

SYSTEMS, DATASETS, TRIALS = 500, 100, 5_000
"""Systems of an experiment after `vary`, its datasets, and each of the one on each of the other."""

DEEPEST = 100_000
"""Documents that a stage passes on, and ranks that a metric looks at."""

MANY = 10**12
"""Of anything that is counted or paid."""

LINE = 2**26
"""Characters of one line of data."""

ID = 2_000
"""Characters of an id."""

GRADE_DIGITS = 6
"""Of a grade of relevance."""

TOLD = 300
"""Characters of an unforeseen error that are repeated."""

NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
"""Control characters but for tabs and line ends, and halves of characters."""


def text_fault(text: str, most: int = CHARACTERS) -> str | None:
    """Why `text` is not read, as the end of a sentence; None where it is."""
    if len(text) > most:
        return f"has {len(text):,} characters: more than {most:,} are not read"
    found = NO_TEXT.search(text)
    return f"holds U+{ord(found[0]):04X}, which is no character of a text" if found else None


def name_fault(name: str) -> str | None:
    """Why `name` cannot be one of a dataset or system, as the end of a sentence; None where it can."""
    if len(name.splitlines()) > 1 or "\t" in name:
        return "is more than one line of text, or holds a tab"
    return text_fault(name, NAME)


@contextmanager
def reading(what: object, kind: type[HarnessError] = DataError) -> Iterator[None]:
    """Turns whatever goes wrong while `what` is read, and was not foreseen, into one error of `kind`."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        log.debug("%s cannot be read", what, exc_info=True)
        message = f"{what} cannot be read: {why(error)}. Mend it; --verbose tells where it was met."
        raise kind(message) from error


def why(error: BaseException) -> str:
    """An error of code that is not ours, or that nobody foresaw, in one line."""
    said, name = brief(str(error)), type(error).__name__
    return f"{name}: {said}" if said else name


def brief(text: str) -> str:
    """The beginning of what an error says, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= TOLD else f"{line[: TOLD - 1]}…"
