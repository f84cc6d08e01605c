"""A pool of two queries, and a session over it whose chooser and clock are fakes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from harness.analysis.judgments.journal import Journal
from harness.analysis.judgments.pool import Drawn, Grades, Pair, Pool
from harness.judging.choose import Pick, Standing
from harness.judging.session import Session

DOCS = [f"d{i}" for i in range(30)]
POOL = Pool({"q": "apple", "r": "pear"}, {"a": {"q": DOCS, "r": DOCS}}, "a", depth=30)


class InOrder:
    """Chooses in the order of the ids; settled after so many grades."""

    def __init__(self, enough: int = 1000) -> None:
        self.enough = enough
        self.asked: list[float] = []

    def next(
        self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]
    ) -> Pick | None:
        open_ = {drawn.query_id for drawn in draws}
        pairs = [(query_id, doc_id) for query_id in "qr" for doc_id in DOCS]
        left = [pair for pair in pairs if pair not in grades and pair not in skipped]
        if not left:
            return None
        query_id, doc_id = left[0]
        return Pick(query_id, doc_id, None if query_id in open_ else Drawn(query_id, 0.5))

    def standing(
        self,
        draws: Sequence[Drawn],  # noqa: ARG002 - as the interface has it
        grades: Grades,
        skipped: Collection[Pair],  # noqa: ARG002
        seconds_per_judgment: float,
    ) -> Standing:
        self.asked.append(seconds_per_judgment)
        more = max(self.enough - len(grades), 0)
        return Standing(more == 0, f"{more} more", more)


class Clock:
    """Goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


def session(folder: Path, judge: str = "ann", enough: int = 1000) -> Session:
    return Session(Journal(folder), POOL, InOrder(enough), judge, Clock())


def shown(of: Session) -> Pair:
    pair = of.view().pair
    assert pair is not None
    return pair
