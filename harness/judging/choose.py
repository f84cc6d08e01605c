"""What to judge next, and whether more judgments could still change the decision."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from harness.judging.pool import Drawn, Grades, Pair, Pool


class Pick(NamedTuple):
    """What is to be judged next."""

    query_id: str
    doc_id: str
    drawn: Drawn | None
    """Set where this pick opens a query: it belongs to `draws` from then on."""


class Standing(NamedTuple):
    """How far the judgments have come."""

    settled: bool
    """No further judgments are likely to change the decision."""
    sentence: str
    """For people: the decision now, and how many more judgments would settle which question."""
    more: int | None
    """Judgments that are still needed, about; None where that is not known."""


class Chooser:
    """Chooses by what is judged so far; it remembers nothing, so that a journal can be taken up."""

    def __init__(self, pool: Pool, smallest: float, seed: int) -> None:
        """`smallest` is the smallest gain over the baseline that matters."""
        self._pool, self._smallest, self._seed = pool, smallest, seed

    def next(
        self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]
    ) -> Pick | None:
        """What to judge next; None where nothing is left. `draws` stand in the order of drawing."""
        for drawn in draws:
            if left := self._left(drawn.query_id, grades, skipped):
                return Pick(drawn.query_id, left[0], None)
        there = {drawn.query_id for drawn in draws}
        rest = [name for name in self._pool.queries if name not in there]
        rest = [name for name in rest if self._left(name, grades, skipped)]
        if not rest:
            return None
        name = rest[int(np.random.default_rng((self._seed, len(draws))).integers(len(rest)))]
        return Pick(name, self._left(name, grades, skipped)[0], Drawn(name, 1 / len(rest)))

    def standing(
        self,
        draws: Sequence[Drawn],
        grades: Grades,
        skipped: Collection[Pair],
        seconds_per_judgment: float,
    ) -> Standing:
        """What the judgments so far say of the decision."""
        more = sum(len(self._left(name, grades, skipped)) for name in self._pool.queries)
        minutes = round(more * seconds_per_judgment / 60)
        left = f"{more} more judgments ({minutes} minutes)" if more else "no more judgments"
        return Standing(more == 0, f"{len(draws)} queries are begun: {left} to make.", more)

    def _left(self, query_id: str, grades: Grades, skipped: Collection[Pair]) -> list[str]:
        pairs = [(query_id, doc_id) for doc_id in self._pool.items(query_id)]
        return [pair[1] for pair in pairs if pair not in grades and pair not in skipped]
