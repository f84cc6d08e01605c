"""What a judge needs: the documents, the choice among them, and the journal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.analysis.judgments.estimated import depth_of
from harness.analysis.judgments.journal import Journal, journal_of
from harness.analysis.judgments.pool import Pair, Pool, pooled
from harness.data import Dataset
from harness.errors import ConfigError, DataError
from harness.experiment.metric_names import parsed
from harness.experiment.schema import Experiment
from harness.files.wrong_values import did_you_mean
from harness.judging.choose import Chooser
from harness.judging.session import Session
from harness.pipeline.datasets import load_dataset
from harness.results.store import Results
from harness.results.terms import objective, terms

DEPTH = 10
"""Documents of each system that are judged, where the objective looks at all."""


class Texts(NamedTuple):
    """What a judge reads."""

    query: str
    document: str


@dataclass(frozen=True)
class Desk:
    """Everything for judges of one dataset."""

    dataset: Dataset
    pool: Pool
    chooser: Chooser
    journal: Journal

    def session(self, judge: str) -> Session:
        """That of a judge of this name."""
        return Session(self.journal, self.pool, self.chooser, judge)

    def texts(self, pair: Pair) -> Texts:
        """Of a query and a document of the pool."""
        query_id, doc_id = pair
        return Texts(self.pool.queries[query_id], self.dataset.found([doc_id])[doc_id].text)


def desk(
    experiment: Experiment, results: Results, name: str, depth: int | None, cache: Path
) -> Desk:
    """The desk of an experiment's dataset; of its only one where `name` is empty.

    Of each system the first `depth` documents are judged; None: as many as the objective looks at.

    Raises ConfigError where the dataset has no results, or no two systems that can be compared, or
    where gains are estimated of more documents than `depth`, and DataError where its documents are
    others than those that were searched.
    """
    choices = {choice.name: choice for choice in experiment.datasets}
    choice = choices.get(name or (next(iter(choices)) if len(choices) == 1 else ""))
    if choice is None:
        hint = did_you_mean(name, list(choices)) if name else f": {', '.join(choices)}"
        wrong = f"has no dataset {name!r}" if name else "has several datasets"
        raise ConfigError(f"{experiment.file} {wrong}{hint}. Name one with --dataset.")
    done = [system for dataset, system in results.facts if dataset == choice.name]
    baseline = results.plan["baseline"]
    if baseline not in done or len(done) < 2:
        raise ConfigError(
            f"Results of the baseline ({baseline}) and of another system are needed on {choice.name!r}, "
            f"and there are those of: {', '.join(done) or 'none'}. Run `python -m harness run FILE` first."
        )
    metric = objective(results)
    least = (depth_of(metric) or 0) if choice.name in results.unjudged else 0
    if depth is not None and depth < least:
        raise ConfigError(
            f"{metric} looks at the first {least} documents of each system. Of {depth} judged ones its "
            f"gain cannot be estimated: give --depth {least} or more, or leave it out."
        )
    depth = depth or parsed(metric).cut or DEPTH
    pool = pooled(results, choice.name, depth, results.plan["seed"])
    dataset = load_dataset(choice, cache)
    pairs = {doc_id for query_id in pool.queries for doc_id in pool.items(query_id)}
    if lost := pairs - dataset.known(pairs):
        raise DataError(
            f"{len(lost):,} of {len(pairs):,} documents that were found on {choice.name!r} are not in it "
            f"(such as {min(lost)!r}): it changed since. Run `python -m harness run FILE` again."
        )
    chooser = Chooser(pool, terms(results).smallest_gain_that_matters, pool.seed)
    journal = journal_of(results, choice.name)
    return Desk(dataset, pool, chooser, journal)
