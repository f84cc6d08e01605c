"""What stored rankings say of claims on quality: a published value met, or a change with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.claims.evidence import (
    Found,
    NoValueError,
    Stored,
    bounded,
    exact,
    original,
)
from harness.analysis.quality.leaderboard import wide
from harness.analysis.statistics import intervals
from harness.experiment.claims import Published, Quality
from harness.page.text import counted
from harness.results.store import Results

Means = NDArray[np.float64]

COUNTED = ("documents", "queries", "judgements", "fingerprint")
"""What tells whether a dataset is the one that a value was published of."""


def quality(asked: Quality, results: Results, stored: Stored) -> Found:
    """The value that a system reaches, or by how much it beats another.

    A value is exact: it was published of the same queries, so that none were sampled. A change has
    an interval over queries: it is claimed of others like these too.
    """
    datasets = _datasets(asked, results, stored)
    for dataset in datasets:
        for system in filter(None, (asked.system, asked.against)):
            _check_done(results, dataset, system, stored.command(asked.experiment))
    if asked.metric not in results.measurements["metric"].unique():
        name = results.plan["experiment"]
        raise NoValueError(f"{name} does not measure {asked.metric}: add it to `metrics`")
    if asked.against is None:
        return _reached(asked, results, datasets[0], stored)
    differing = _other_setting(asked, results, datasets[0])
    if differing:
        raise NoValueError("; ".join(differing), "not comparable")
    return _changed(asked, *stored.once(_sample, results, *datasets), datasets)


def _datasets(asked: Quality, results: Results, stored: Stored) -> list[str]:
    """The experiment's datasets that are meant."""
    there = list(dict.fromkeys(map(str, results.trials["dataset"])))
    if asked.dataset is None:
        return there
    found = [name for name in there if name in stored.datasets[asked.dataset].names]
    if not found:
        raise NoValueError(
            f"{asked.dataset} is not among the datasets of {asked.experiment}: {', '.join(there)}"
        )
    return found


def _check_done(results: Results, dataset: str, system: str, command: str) -> None:
    if dataset in results.unjudged:
        raise NoValueError(f"nothing on {dataset} is judged")
    if (dataset, system) in results.facts:
        return
    trials = results.trials
    row = trials[(trials["dataset"] == dataset) & (trials["system"] == system)]
    name = results.plan["experiment"]
    if row.empty:
        raise NoValueError(f"{name} has no system {system}: add it to the file, then {command}")
    raise NoValueError(f"{system} on {dataset}: {row.iloc[0]['reason']}: {command}")


def _sample(results: Results, *datasets: str) -> tuple[list[pd.DataFrame], Means]:
    """The values of datasets, and the means of one draw of their queries, which serves all claims.

    Of each dataset a row a query, a column a (system, metric): those that all have. Then a row a
    draw, a column as before: over datasets of means over queries.
    """
    table = results.measurements
    tables = [wide(table[table["dataset"] == dataset]) for dataset in datasets]
    shared = [name for name in tables[0].columns if all(name in one for one in tables)]
    tables = [one[shared] for one in tables]
    values = [one.to_numpy() for one in tables]
    return tables, intervals.means_of_halves(values, results.plan["seed"])


def _reached(asked: Quality, results: Results, dataset: str, stored: Stored) -> Found:
    table = results.measurements
    is_here = (table["dataset"] == dataset) & (table["system"] == asked.system)
    values = table[is_here & (table["metric"] == asked.metric)]["value"]
    mean = float(values.mean())
    said = f"{asked.system} reaches {mean:.4f} {asked.metric} on {dataset} ({counted(len(values), 'query')})"
    facts = results.facts[dataset, asked.system]["dataset"]
    published = stored.datasets[str(asked.dataset)]
    differing = [*_other_dataset(facts, published), *_other_setting(asked, results, dataset)]
    if differing:
        raise NoValueError(f"{'; '.join(differing)} ({said})", "not comparable")
    return exact(mean, said)


def _other_dataset(facts: Mapping[str, Any], published: Published) -> Iterator[str]:
    """How the dataset differs from the one that a value was published of."""
    if facts["subset"]:
        yield "only a subset of the dataset was used"
    for name in COUNTED:
        wanted = getattr(published, name)
        if wanted is not None and facts[name] != wanted:
            yield f"{name}: {_short(facts[name])}, not {_short(wanted)}"


def _short(value: object) -> str:
    """A number with its thousands apart, or the beginning of a fingerprint."""
    return f"{value:,}" if isinstance(value, int) else str(value)[:16]


def _other_setting(asked: Quality, results: Results, dataset: str) -> list[str]:
    """How the system's configuration differs from the setting that is claimed."""
    config = results.facts[dataset, asked.system]["system"]
    found = {path: setting_found(config, path) for path in asked.setting}
    return [
        f"{path} is {found[path]}, not {wanted}"
        for path, wanted in asked.setting.items()
        if found[path] != wanted
    ]


def setting_found(config: Any, path: str) -> Any:
    """The value of a configuration at `retriever.encoder.model`; None where there is nothing."""
    for key in path.split("."):
        config = config.get(key) if isinstance(config, Mapping) else None
    return original(config) if path.endswith("model") and isinstance(config, str) else config


def _changed(
    asked: Quality, tables: Sequence[pd.DataFrame], means: Means, datasets: Sequence[str]
) -> Found:
    """By how much the system beats the other, by the mean over datasets of means over queries.

    The interval is that of other queries on these datasets: `intervals.means_of_halves`.
    """
    pair = [(system, asked.metric) for system in (asked.system, asked.against)]
    after, before = np.mean([one[pair].mean().to_numpy() for one in tables], axis=0)
    draws = means[:, tables[0].columns.get_indexer(pair)]
    change = CHANGES[asked.by]
    if asked.by == "share" and not before:
        raise NoValueError(f"{asked.against} reaches 0, of which nothing is a share")
    value, low, high = float(change(after, before)), math.nan, math.nan
    if min(map(len, tables)) >= intervals.FEWEST:
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = (bound.item() for bound in intervals.bounds(change(*draws.T)))
    form = "+.1%" if asked.by == "share" else "+.4f"
    queries = sum(map(len, tables))
    where = datasets[0] if len(datasets) == 1 else f"{len(datasets)} datasets, equally weighted"
    said = (
        f"{value:{form}} {asked.metric} [{low:{form}}, {high:{form}}] by {asked.system} over "
        f"{asked.against} on {where} ({counted(queries, 'query')})"
    )
    return bounded(value, low, high, said)


CHANGES: Mapping[str, Callable[[Any, Any], Any]] = {
    "difference": lambda after, before: after - before,
    "share": lambda after, before: after / before - 1,
}
