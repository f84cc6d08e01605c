"""A model judges: first what people judged, and only where it agrees with them, what is chosen next."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.analysis.judgments import model_trial
from harness.analysis.judgments.model_trial import Trial
from harness.analysis.judgments.pool import Drawn, Grades, Pair, Pool
from harness.errors import BusyError, ComponentError, TextError
from harness.experiment import judge_prompt
from harness.experiment.judge_terms import ModelJudge
from harness.judging.choose import Chooser
from harness.judging.model.asking import Asker, SpentError
from harness.judging.model.ledger import Ledger, Spent
from harness.page.text import counted, listed, significant

TRIED = 300
"""Documents that people judged and that the model is tried on: whole queries until they are so many."""

IN_A_ROW = 3
"""Documents one after the other that end with a fault of the server: then the work ends. It ends at the
first where there is no server."""


class Outcome(NamedTuple):
    """What came of it."""

    grades: dict[Pair, int]
    """All of the model's, those of the trial among them."""
    draws: list[Drawn]
    """The queries that were drawn after the trial, in their order."""
    skipped: list[Pair]
    """Without a grade: no answer was in the form that was asked for, or the server failed."""
    trial: Trial
    spent: Spent
    sentences: list[str]
    """For people: the trial, what was judged and spent, and why it ended."""
    broken: bool
    """Whether faults of the server ended it."""


def judge_by_model(
    judge: ModelJudge,
    pool: Pool,
    text: Callable[[str], str],
    people: Grades,
    chooser: Chooser,
    ledger: Path,
    record: Callable[[Pair, int], None],
) -> Outcome:
    """Have the model judge, and give `record` each grade that counts as soon as it is there.

    `text` gives a document's text by its id; `people` are the grades that people gave, in the
    journal or in the qrels; `ledger` is the file of every answer, which bounds what all runs spend
    together. Grades count once the trial is passed: those of the trial come then, and where it is
    not passed none does. A run that goes on where another ended gives the same grades to `record`
    again, at no cost. Server faults end the work with a sentence, not with an error. Raises ServerError
    where the token is missing, OSError or ValueError where the prompt cannot be read, and StoreError
    where the ledger cannot be.
    """
    prompt, book = judge_prompt.loaded(judge.prompt), Ledger(ledger, judge.budget)
    work = _Work(Asker(judge, prompt, book, pool.seed), pool, text, record)
    stopped, broken = "", False
    try:
        for pair in trial_pairs(pool, people):
            work.judge(pair)
        if _tried(judge, pool, people, work).counts:
            work.let_count()
            work.go_on(chooser)
    except SpentError as error:
        stopped = str(error)
    except _StoppedError as error:
        broken = True
        stopped = f"The work ended early, and what was judged is stored. {error}"
    trial = _tried(judge, pool, people, work)
    said = [*model_trial.sentences(trial), _summary(work, book), stopped]
    said = [one for one in said if one]
    return Outcome(work.grades, work.draws, work.skipped, trial, book.spent, said, broken)


def trial_pairs(pool: Pool, people: Grades) -> list[Pair]:
    """Documents of the pool that people judged, of whole queries in an order drawn by its seed."""
    found: list[Pair] = []
    names = sorted(pool.queries)
    for place in np.random.default_rng(pool.seed).permutation(len(names)).tolist():
        if len(found) >= TRIED:
            break
        query_id = names[place]
        found += [
            (query_id, doc_id) for doc_id in pool.items(query_id) if (query_id, doc_id) in people
        ]
    return found


class _StoppedError(Exception):
    """The server's faults end the work; the message is theirs."""


class _Work:
    """The labels so far, and the faults."""

    def __init__(
        self,
        asker: Asker,
        pool: Pool,
        text: Callable[[str], str],
        record: Callable[[Pair, int], None],
    ) -> None:
        self.asker, self._pool, self._text, self._record = asker, pool, text, record
        self.grades: dict[Pair, int] = {}
        self.draws: list[Drawn] = []
        self.skipped: list[Pair] = []
        self._in_a_row = 0
        self._count = False

    def let_count(self) -> None:
        """Record the grades so far, and from now on each as it comes."""
        self._count = True
        for pair, grade in self.grades.items():
            self._record(pair, grade)

    def go_on(self, chooser: Chooser) -> None:
        """Judge what is chosen until nothing is left.

        The chooser does not see the trial: whole queries that it did not draw would look done.
        """
        chosen: dict[Pair, int] = {}
        passed: set[Pair] = set()
        while pick := chooser.next(self.draws, chosen, passed):
            pair = (pick.query_id, pick.doc_id)
            if self.judge(pair):
                chosen[pair] = self.grades[pair]
            else:
                passed.add(pair)
            if pick.drawn:
                self.draws.append(pick.drawn)

    def judge(self, pair: Pair) -> bool:
        """Whether the model gives a document a grade, now or before."""
        if pair in self.grades:
            return True
        grade = self._grade(pair)
        if grade is None:
            if pair not in self.skipped:
                self.skipped.append(pair)
            return False
        self.grades[pair] = grade
        if self._count:
            self._record(pair, grade)
        return True

    def _grade(self, pair: Pair) -> int | None:
        import httpx

        query_id, doc_id = pair
        try:
            found = self.asker.grade(self._pool.queries[query_id], self._text(doc_id))
        except TextError:  # this document alone is to blame
            return None
        except BusyError as error:
            raise _StoppedError(str(error)) from error
        except ComponentError as error:
            self._in_a_row += 1
            if self._in_a_row == IN_A_ROW or isinstance(
                error.__cause__, (httpx.ConnectError, httpx.ConnectTimeout)
            ):
                raise _StoppedError(str(error)) from error
            return None
        self._in_a_row = 0
        return found


def _tried(judge: ModelJudge, pool: Pool, people: Grades, work: _Work) -> Trial:
    least, metric, rankings = judge.least_agreement, pool.metric, pool.rankings
    return model_trial.tried(judge.model, people, work.grades, rankings, metric, least, pool.seed)


def _summary(work: _Work, book: Ledger) -> str:
    """What was judged and spent, by whom it was counted."""
    spent, cost = book.spent, book.cost
    parts: Sequence[str] = [counted(spent.calls, "call"), counted(spent.tokens, "token")]
    if not math.isnan(cost):
        parts = [*parts, f"{significant(cost)} in the currency of the price"]
    said = f"It judged {counted(len(work.grades), 'document')} and skipped {len(work.skipped):,}"
    said += f"; spent in all runs: {listed(parts)}."
    if spent.estimated:
        said += (
            f" Of these tokens {spent.estimated:,} are estimated, as the most that they can be, because "
            "the server did not count them."
        )
    if work.asker.refused_settings:
        settings = listed(work.asker.refused_settings, " and ")
        said += f" The server refuses {settings}: other runs may be answered otherwise."
    return said
