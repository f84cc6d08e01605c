"""What is wrong with a value of an experiment file, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHOWN = 200
"""Characters of a wrong value that a message repeats."""


def told(detail: ErrorDetails) -> str:
    """What is wrong with a value, and the way out; a check of ours says it all itself."""
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    return f"{_lower(detail['msg'])}, not {shown(detail['input'])}{_way_out(detail)}"


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
    """Where in a value a part of it stands, such as `.p95_ms[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)


def shown(value: Any) -> str:
    """A value as it was written, or the beginning of a long one."""
    whole = repr(value)
    return whole if len(whole) <= SHOWN else f"{whole[: SHOWN - 1]}…"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
