"""A model judges what an experiment's systems found on a dataset: from results to journal and report."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from harness.analysis.judgments.pool import Pair, Pool
from harness.components import registry
from harness.data import Dataset
from harness.experiment.judge_terms import ModelJudge
from harness.files import locks
from harness.judging.desk import Desk
from harness.judging.model import trial_file
from harness.judging.model.gains import Gain, corrected_gains
from harness.judging.model.into_journal import recorder
from harness.judging.model.judge import Outcome, judge_by_model
from harness.page.text import change, counted

LEDGER = "asked_of_model.jsonl"
"""In the folder of the experiment's results, whose datasets share the budget."""


def judge_dataset(judge: ModelJudge, results: Path, desk: Desk) -> Outcome:
    """Have the model judge; its grades are in the journal, and what the trial showed is beside it.

    `results` is the folder of the experiment. What people graded is in the journal, and in the
    dataset's qrels, whose documents need no grade of a model in the journal. Another process that
    does the same is waited for. Raises as `judge_by_model` does, and PackageError where the client
    of servers is not installed.
    """
    registry.require_packages([], also=dict.fromkeys(("httpx", "tenacity"), "judge"))
    pool, dataset, journal = desk.pool, desk.dataset, desk.journal
    busy = "Another process lets a model judge for this experiment"
    with locks.alone(results / f".{LEDGER}.lock", busy):
        state = journal.state
        by_people = state.of_people
        given = given_by_people(pool, dataset, of_models=state.given.keys() - by_people.keys())
        record = recorder(journal, judge.model)
        found = judge_by_model(
            judge,
            pool,
            lambda doc_id: dataset.found([doc_id])[doc_id].text,
            {**given, **by_people},
            desk.chooser,
            results / LEDGER,
            lambda pair, grade: (
                None if pair in given and pair not in by_people else record(pair, grade)
            ),
        )
        if found.trial.counts:
            gains = corrected_gains(pool, found.grades, by_people, state.draws, state.skipped)
            found.sentences.extend(_said(pool, gains))
        counts = found.trial.counts
        trial_file.write(journal.folder, judge.model, found.sentences, counts=counts)
    return found


def given_by_people(
    pool: Pool, dataset: Dataset, of_models: Collection[Pair] = ()
) -> dict[Pair, int]:
    """The dataset's own judgments of documents of the pool.

    Without those `of_models`: where the qrels are those of the journal, a model that was tried on
    its own grades would agree.
    """
    return {
        (query_id, doc_id): dataset.qrels[query_id][doc_id]
        for query_id in pool.queries
        if query_id in dataset.qrels
        for doc_id in pool.items(query_id)
        if doc_id in dataset.qrels[query_id] and (query_id, doc_id) not in of_models
    }


def _said(pool: Pool, gains: Mapping[str, Gain]) -> Iterator[str]:
    """What each system gains by people's judgments alone, and with the model's labels."""
    for system, (both, alone, judged) in gains.items():
        if judged:
            yield (
                f"{system} against {pool.baseline}, {pool.metric}: "
                f"{change(alone.value, alone.low, alone.high, '+.4f')} by people's judgments of "
                f"{counted(judged, 'drawn query')} alone, "
                f"{change(both.value, both.low, both.high, '+.4f')} with the model's labels of "
                f"{counted(len(pool.queries), 'query')}, corrected by people's (power {both.power:.2f})."
            )
