"""What is wrong with a value of an experiment file, in words."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails, ValidationError

Place = tuple[int | str, ...]
"""Keys and numbers of entries that lead to a part of a value."""

SHOWN = 200
"""Characters of a wrong value that a message repeats."""

OURS = "fault"
"""What pydantic calls an error that is a sentence already."""

LISTED = 40
"""Known words that are listed; of more a list helps nobody."""

COMPARED, LONGEST = 200, 60
"""Known words that a word is compared with, and its characters: the time is the product of both."""


def in_words(error: ValidationError, known: Collection[str] = ()) -> Iterator[tuple[Place, str]]:
    """Each fault: its place and a sentence. `known` are the keys that may stand at the top."""
    for detail in error.errors(include_url=False):
        where = detail["loc"]
        if detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            continue  # its entries have faults, which are listed
        if detail["type"] == "missing":
            yield where[:-1], f"the key {where[-1]!r} is missing"
        elif detail["type"] == "extra_forbidden":
            near = did_you_mean(str(where[-1]), known if len(where) == 1 else ())
            yield where, f"unknown key{near}"
        else:
            yield where, message(detail)


def refused(*faults: tuple[Place, str]) -> ValidationError:
    """The error with which a check of ours notes faults at several places inside a value."""
    from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

    details = [
        InitErrorDetails(
            type=PydanticCustomError(OURS, "{it}", {"it": text}), loc=where, input=None
        )
        for where, text in faults
    ]
    return ValidationError.from_exception_data("", details)


def message(detail: ErrorDetails) -> str:
    """What is wrong with a value, and the way out; a check of ours says it all itself."""
    kind, limits = detail["type"], detail.get("ctx", {})
    if kind == OURS:
        return detail["msg"]
    if kind == "value_error":
        return str(limits["error"])
    if kind == "tuple_type":
        return f"expected a list, not {shown(detail['input'])}"
    if kind == "dict_type":
        return f"expected keys with their values, not {shown(detail['input'])}"
    if kind == "too_short":
        return f"expected a list of at least {limits['min_length']}, not {shown(detail['input'])}"
    said = detail["msg"]
    return f"{said[:1].lower()}{said[1:]}, not {shown(detail['input'])}{_way_out(detail)}"


def _way_out(detail: ErrorDetails) -> str:
    """How a number, true, false or text is written where a reader may have taken one for another."""
    kind, value = detail["type"], detail["input"]
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "; put it in quotation marks"
    if not isinstance(value, str):
        return ""
    if kind == "bool_type":
        return "; write true or false"
    if kind in ("int_type", "float_type") and any(c.isdigit() for c in value):
        return "; write a plain decimal number such as 42, 0.01 or 1e6, without quotation marks"
    return ""


def place(loc: Sequence[int | str]) -> str:
    """Where in a value a part of it stands, such as `.p95_ms[0]`.

    What begins with a colon names one of several types, and stands in no file.
    """
    written = (part for part in loc if not str(part).startswith(":"))
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in written)


def shown(value: Any) -> str:
    """A value as it was written, or the beginning of a long one."""
    whole = repr(value)
    return whole if len(whole) <= SHOWN else f"{whole[: SHOWN - 1]}…"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where a known word is close, else the list of them if it is short."""
    known = sorted(known)
    few = len(known) <= COMPARED and len(word) <= LONGEST
    close = difflib.get_close_matches(word, known, n=1) if few else []
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(known)}" if 0 < len(known) <= LISTED else ""
