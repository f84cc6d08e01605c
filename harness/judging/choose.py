"""What to judge next, and whether more judgments could still change the decision.

Queries are drawn with known chances: mostly those whose gain is least sure by the grades so far, and
with the chance FLOOR any. `drawn_queries` says what is judged of them, and what that says of all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from harness.analysis.judgments.drawn_queries import FEWEST, DrawnQueries
from harness.analysis.judgments.pool import Drawn, Grades, Pair, Pool
from harness.analysis.judgments.prediction import LEVEL, Outcome, Prediction, predict
from harness.page.text import counted

FLOOR = 0.2
"""Of drawing a query whatever is known."""


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
    """Chooses by what is judged so far; it remembers no judgment, so that a journal can be taken up."""

    def __init__(self, pool: Pool, smallest: float, seed: int) -> None:
        """`smallest` is the smallest gain over the baseline that matters."""
        self._smallest, self._seed = smallest, seed
        self.queries = DrawnQueries(pool, seed)
        """What draws and grades say of the pool."""
        self._contenders = [name for name in pool.systems if name != pool.baseline]
        self._baseline = pool.baseline

    def next(
        self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]
    ) -> Pick | None:
        """What to judge next; None where nothing is left. `draws` stand in the order of drawing."""
        of = self.queries
        for drawn, left in zip(draws, of.wanted(draws, grades, skipped), strict=True):
            if left:
                return Pick(drawn.query_id, left[0], None)
        rows = of.to_draw(draws, grades, skipped)
        if not rows:
            beyond = of.beyond(draws, grades, skipped)
            return Pick(*beyond[0], None) if beyond else None
        unsure = np.sqrt(of.learnt(draws, grades).guess.variance[rows].mean(axis=1))
        shares = unsure / unsure.sum() if unsure.any() else np.full(len(rows), 1 / len(rows))
        chances = FLOOR / len(rows) + (1 - FLOOR) * shares
        place = int(np.random.default_rng((self._seed, len(draws))).choice(len(rows), p=chances))
        drawn = Drawn(of.of.names[rows[place]], float(chances[place]))
        *_, left = of.wanted([*draws, drawn], grades, skipped)
        left = left or of.left(drawn.query_id, grades, skipped)
        return Pick(drawn.query_id, left[0], drawn)

    def standing(
        self,
        draws: Sequence[Drawn],
        grades: Grades,
        skipped: Collection[Pair],
        seconds_per_judgment: float,
    ) -> Standing:
        """What the judgments so far say of the decision."""
        if not self._contenders:
            return Standing(True, "Settled: there is only one system, and nothing to compare.", 0)
        done = self.queries.finished(draws, grades, skipped)
        rest = self.queries.to_draw(done, grades, skipped)
        found = self.queries.estimate(done, grades, skipped)
        if found is None or (rest and len(done) < FEWEST):
            least = min(FEWEST, len(done) + len(rest))
            sentence = (
                f"Decision now: assess further. {counted(len(done), 'query')} judged; it takes at least "
                f"{least} before anything can be settled."
            )
            return Standing(False, sentence + self._waiting(draws, grades, skipped), None)
        seen = predict(found, self._smallest, LEVEL, self._seed)
        beyond = [] if rest else self.queries.beyond(done, grades, skipped)
        if seen.likely[0][1] >= LEVEL or not (rest or beyond):
            return Standing(True, self._settled(seen, bool(rest or beyond)), 0)
        if rest:
            names = {drawn.query_id for drawn in done}
            each = sum(query_id in names for query_id, _ in grades) / len(done)
            every = len(done) + len(rest)
            needed = 1 / (seen.share * (1 / len(done) - 1 / every) + 1 / every)
            more = max(round((needed - len(done)) * each), 1)
        else:
            now = self.queries.whole(done, grades, skipped)
            needed = now / (now + seen.share * (1 - now))
            more = max(round((needed - now) / (1 - now) * len(beyond)), 1)
        said = self._open(seen, more, more * seconds_per_judgment)
        return Standing(False, said + self._waiting(draws, grades, skipped), more)

    def _waiting(self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]) -> str:
        """Whose work does not count yet, because queries count in the order in which they are drawn."""
        count, first = self.queries.waiting(draws, grades, skipped)
        if not count:
            return ""
        wait = "waits" if count == 1 else "wait"
        return f" {counted(count, 'judged query')} {wait} for query {first}, which somebody opened before."

    def _settled(self, seen: Prediction, some_left: bool) -> str:
        likely, chance = seen.likely[0]
        why = "everything that differs is judged"
        if some_left:
            why = f"judging the rest would leave it so with a probability of {chance:.0%}"
        more = " Only more queries could say more." if likely.answer == "assess" else ""
        return f"Settled by quality: {self._said(likely)}; {why}.{more}"

    def _open(self, seen: Prediction, more: int, seconds: float) -> str:
        first, second = (self._said(found) for found, _ in seen.likely[:2])
        minutes = max(round(seconds / 60), 1)
        return (
            f"Decision now: assess further. About {more} more judgment{'s' * (more != 1)} "
            f"({minutes} minute{'s' * (minutes != 1)}) would settle by quality whether to {first} or to "
            f"{second}, if the difference is as large as it looks."
        )

    def _said(self, found: Outcome) -> str:
        if found.answer == "adopt":
            return f"adopt {self._contenders[found.system]}"
        return f"keep {self._baseline}" if found.answer == "keep" else "assess further"
