"""A server's answer joined to what was sent: by index, each exactly once, and only finite numbers."""

from __future__ import annotations

import base64
import binascii
import reprlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.components.servers.dialect import IndexedValue
from harness.page.text import counted


class AnswerError(Exception):
    """An answer that cannot be used; the message goes on after "its answer"."""


def joined(placed: Iterable[IndexedValue], count: int, value: Callable[[Any], Any]) -> list[Any]:
    """The values in the order of the `count` texts that were sent.

    Raises AnswerError saying which index is missing, doubled or none of those, or whose value
    `value` refuses.
    """
    found: dict[int, Any] = {}
    for index, raw in placed:
        if not isinstance(index, int) or isinstance(index, bool):
            raise AnswerError(f"an index is {shown(index)}, no whole number")
        if not 0 <= index < count:
            raise AnswerError(f"it has the index {index}, and there were {counted(count, 'text')}")
        if index in found:
            raise AnswerError(f"it has the index {index} twice")
        try:
            found[index] = value(raw)
        except AnswerError as error:
            raise AnswerError(f"for index {index} {error}") from error
    missing = [index for index in range(count) if index not in found]
    if missing:
        raise AnswerError(
            f"it has {counted(len(found), 'value')} for {counted(count, 'text')}; the first without one is {missing[0]}"
        )
    return [found[index] for index in range(count)]


def score(raw: Any) -> float:
    """A finite number; raises AnswerError for anything else."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise AnswerError(f"it gives {shown(raw)} as a score, which is no number")
    try:
        with np.errstate(over="ignore"):
            rounded = float(np.float32(float(raw)))
    except OverflowError:  # a whole number of hundreds of digits
        rounded = float("inf")
    if not np.isfinite(rounded):
        raise AnswerError(f"it gives the score {shown(raw)}")
    return rounded


def vector(raw: Any) -> NDArray[np.float32]:
    """A vector of finite numbers: a list, or base64 of little-endian float32.

    Raises AnswerError for anything else.
    """
    return _numbers(raw, 1, "one vector a text (its model may give one a token: `token_endpoint`)")


def matrix(raw: Any) -> NDArray[np.float32]:
    """A matrix of finite numbers, a row a token; raises AnswerError for anything else."""
    if isinstance(raw, str):
        raise AnswerError("it gives base64 without a shape: make it answer with lists")
    return _numbers(raw, 2, "one vector a token (its model may give one a text: `endpoint`)")


def same_length(rows: Sequence[NDArray[np.float32]]) -> None:
    """Raise AnswerError if vectors are not all as long as the first one."""
    lengths = {row.shape[-1] for row in rows}
    if len(lengths) > 1:
        raise AnswerError(f"it gives vectors of {len(lengths)} lengths: {sorted(lengths)}")


def _numbers(raw: Any, dimensions: int, wanted: str) -> NDArray[np.float32]:
    try:
        if isinstance(raw, str):
            raw = np.frombuffer(base64.b64decode(raw, validate=True), dtype="<f4")
        found = np.array(raw)
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise AnswerError(f"it gives {shown(raw)}, not {wanted}") from error
    if found.dtype.kind not in "iuf":
        raise AnswerError(f"it gives {shown(raw)}, of which a part is no number, not {wanted}")
    if found.ndim != dimensions or not found.size:
        raise AnswerError(f"it gives an array of the shape {found.shape}, not {wanted}")
    with np.errstate(over="ignore"):
        rounded: NDArray[np.float32] = found.astype(np.float32)
    if not np.isfinite(rounded).all():
        raise AnswerError("it gives a vector that is not finite")
    return rounded


def shown(value: Any) -> str:
    """The beginning of a value, however long or deep it is."""
    text = _repr.repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


_repr = reprlib.Repr()
_repr.maxlevel = 3
