"""How long a server asks to be left alone: its header Retry-After."""

from __future__ import annotations

import datetime as dt
import email.utils
import re

DAY = 86_400
"""Seconds."""

DIGITS = 12
"""That are read of a number: thousands of years."""


def seconds(retry_after: str) -> float:
    """The header Retry-After, in seconds or as a date of HTTP; 0 where it says neither."""
    text = retry_after.strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", text):
        return float(text[:DIGITS])
    try:
        until = email.utils.parsedate_to_datetime(text)
        aware = until if until.tzinfo else until.replace(tzinfo=dt.UTC)
        return max((aware - dt.datetime.now(dt.UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError, LookupError, OverflowError):  # of dates that are none
        return 0.0


def in_words(wait: float) -> str:
    """Seconds, or days where they are many."""
    return f"{wait:,.0f} s" if wait < 10 * DAY else f"{wait / DAY:,.0f} days"
