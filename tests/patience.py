"""Tests of time, on machines where others work too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

GOES = 5
"""One go of five is a miss by the code, not by the machine, if all five are."""


def in_one_of(goes: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The test passes if one of several goes does: other work can only make calls slower, or late.

    For what is asserted of seconds; what is wrong at every go fails at every go.
    """

    def again(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def tried(*args: Any, **kwargs: Any) -> None:
            for _ in range(goes - 1):
                try:
                    return test(*args, **kwargs)
                except AssertionError:
                    continue
            return test(*args, **kwargs)

        return tried

    return again


patient = in_one_of(GOES)
