"""Encoding by several workers: which texts one of them encodes, and how they are cut into ranges.

A range begins where a part would begin if one process encoded all that is missing, so that the
batches, and the vectors to the bit, are the same however many encode.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from harness.experiment.tasks import TextPlace, TextRange
from harness.pipeline.vector_store import Keyed

PER_TEXT = 32
"""Characters that a text costs beside its own, when work is divided."""

SHARE, SMALLEST = 1 / 2, 1 / 64
"""A range is this share of what a worker would get of the rest, and of all at the least."""


class UnencodedError(BaseException):
    """More is missing than one worker should encode; no component is to take it for its own."""

    def __init__(self, ranges: Sequence[TextRange]) -> None:
        """`ranges` are what is missing."""
        super().__init__(ranges)
        self.ranges = ranges


class RangeEncodedError(BaseException):
    """A worker encoded the range that it was to encode: it need do no more."""


@dataclass(frozen=True)
class _Sharing:
    workers: int
    mine: TextRange | None


_sharing: ContextVar[_Sharing | None] = ContextVar("sharing", default=None)


@contextmanager
def shared(workers: int, mine: TextRange | None) -> Iterator[None]:
    """Inside, documents are encoded by range.

    Of the range `mine` all is encoded, and then RangeEncodedError raised. Where it is None, and more
    than a part of documents is missing, UnencodedError is, with ranges for so many workers.
    """
    token = _sharing.set(_Sharing(workers, mine))
    try:
        yield
    finally:
        _sharing.reset(token)


def to_encode(store: str, missing: Keyed, per_part: int) -> slice:
    """What is to be encoded here of the texts that `store` lacks, which are in the order of encoding."""
    sharing = _sharing.get()
    everything = slice(len(missing.keys))
    if sharing is None or not len(missing.keys) or "encode_doc" not in store:  # queries are few
        return everything
    if sharing.mine is None:
        ranges = _cut(store, missing, per_part, sharing.workers)
        if len(ranges) > 1:
            raise UnencodedError(ranges)
        return everything
    mine = sharing.mine
    if store != mine.store:
        return everything
    return slice(_before(missing, mine.first), _before(missing, mine.before))


def encoded(store: str) -> None:
    """Raise RangeEncodedError if the range to encode here is of this store."""
    sharing = _sharing.get()
    if sharing is not None and sharing.mine is not None and store == sharing.mine.store:
        raise RangeEncodedError


def _place(missing: Keyed, at: int) -> TextPlace:
    high, low = missing.keys[at].tolist()
    return -int(missing.lengths[at]), high, low


def _before(missing: Keyed, place: TextPlace | None) -> int:
    """How many texts stand before `place`; None: all."""
    count = len(missing.keys)
    if place is None:
        return count
    return bisect.bisect_left(range(count), place, key=lambda at: _place(missing, at))


def _cut(store: str, missing: Keyed, per_part: int, workers: int) -> list[TextRange]:
    """Ranges of whole parts of a store, the large ones first, so that workers end together.

    By characters each has SHARE of what a worker would get of the rest, and no less than SMALLEST of
    what it would get of all (guided self-scheduling, Polychronopoulos and Kuck 1987).
    """
    work = np.add.reduceat(missing.lengths + PER_TEXT, np.arange(0, len(missing.keys), per_part))
    total = int(work.sum())
    starts: list[TextPlace] = []
    done, end = 0, 0.0
    for number, more in enumerate(work.tolist()):
        if done >= end:
            starts.append(_place(missing, number * per_part))
            end = done + max((total - done) * SHARE, total * SMALLEST) / workers
        done += more
    return [
        TextRange(store, first, before)
        for first, before in zip(starts, [*starts[1:], None], strict=True)
    ]
