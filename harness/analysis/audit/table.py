"""Reads a table of results: a mean for each system and dataset, or a value for each query.

Means, as papers print them, with a row that says how many queries each dataset has:

    system,scifact,nfcorpus
    queries,300,323
    BM25,0.679,0.322
    reranker,0.691,0.350

Values of queries:

    system,dataset,query,value
    BM25,scifact,1,0.63
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harness.errors import DataError

COUNTS = "queries"
"""The name of the row that counts queries."""

LONG = ["system", "dataset", "query", "value"]
"""The columns of a table of values of queries."""

PERCENT = 100.0

FEWEST = 2
"""Queries of a dataset whose values say how much systems differ from query to query."""


@dataclass(frozen=True)
class Table:
    """What a table says of its systems; measures lie between 0 and 1."""

    means: pd.DataFrame
    """A row a system, a column a dataset; NaN where the table has no value."""
    queries: Mapping[str, int]
    """By dataset."""
    values: Mapping[str, pd.DataFrame]
    """By dataset a row a query, a column a system; empty where the table has means alone."""
    percent: bool
    """Whether it had percentages."""


def read(file: Path) -> Table:
    """The table in a CSV file; raises DataError where it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a line that is too long
            raw = pd.read_csv(file, dtype=str, keep_default_na=False, skipinitialspace=True)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, pd.errors.ParserWarning) as error:
        raise DataError(f"{file} is no table of comma-separated values: {error}") from error
    if list(raw.columns) == LONG:
        return _of_values(file, raw)
    if raw.columns[0] == "system" and len(raw.columns) > 1:
        return _of_means(file, raw)
    raise DataError(
        f"{file}: expected the columns system and one a dataset, or {', '.join(LONG)}; "
        f"found {', '.join(raw.columns)}."
    )


def _of_means(file: Path, raw: pd.DataFrame) -> Table:
    named = raw.set_index("system")
    if named.index.duplicated().any():
        twice = named.index[named.index.duplicated()][0]
        raise DataError(f"{file}: two rows are called {twice!r}.")
    if COUNTS not in named.index:
        raise DataError(f"{file}: a row {COUNTS!r} must say how many queries each dataset has.")
    numbers = pd.DataFrame({name: _numbers(file, column) for name, column in named.items()})
    counts = numbers.loc[COUNTS]
    for dataset, count in counts.items():
        if not (count >= 1 and count == int(count)):
            raise DataError(f"{file}: {dataset} has {named.loc[COUNTS, dataset] or 'no'} queries.")
    means, percent = _fractions(file, numbers.drop(index=COUNTS))
    if len(means) < 2:
        raise DataError(f"{file}: two systems are needed for a difference.")
    return Table(means, {str(name): int(count) for name, count in counts.items()}, {}, percent)


def _of_values(file: Path, raw: pd.DataFrame) -> Table:
    twice = raw.duplicated(LONG[:3])
    if twice.any():
        first = int(raw.index[twice][0])
        raise DataError(f"{file}:{first + 2}: a second value for {', '.join(raw.iloc[first, :3])}.")
    numbers, percent = _fractions(file, _numbers(file, raw["value"]).to_frame())
    systems = raw["system"].unique()
    values: dict[str, pd.DataFrame] = {}
    for dataset, part in raw.assign(value=numbers["value"]).groupby("dataset", sort=False):
        there = part.dropna(subset="value")
        wide = there.pivot_table("value", "query", "system", aggfunc="first")
        wide = wide.reindex(
            index=part["query"].unique(),
            columns=[name for name in systems if name in set(part["system"])],
        )
        for system, column in wide.items():
            if column.isna().any():
                query = column.index[column.isna()][0]
                raise DataError(f"{file}: {system} has no value for query {query} of {dataset}.")
        if len(wide) < FEWEST:
            raise DataError(f"{file}: {dataset} has one query, of which no deviation is known.")
        values[str(dataset)] = wide
    means = pd.DataFrame({name: wide.mean() for name, wide in values.items()})
    if len(means) < 2:
        raise DataError(f"{file}: two systems are needed for a difference.")
    counts = {name: len(wide) for name, wide in values.items()}
    return Table(means.loc[list(systems)], counts, values, percent)


def _numbers(file: Path, cells: pd.Series) -> pd.Series:
    """The numbers in a column; NaN for empty cells."""
    found = pd.to_numeric(cells.str.strip().replace("", "nan"), errors="coerce")
    broken = found.isna() & ~cells.str.strip().str.lower().isin(["", "nan", "n/a", "-"])
    if broken.any():
        raise DataError(f"{file}: {cells[broken].iloc[0]!r} in column {cells.name!r} is no number.")
    return found


def _fractions(file: Path, numbers: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Measures between 0 and 1, and whether they were percentages."""
    most = numbers.max(axis=None)
    if numbers.min(axis=None) < 0 or most > PERCENT:
        raise DataError(f"{file}: a measure lies between 0 and 1, or between 0 and 100.")
    percent = bool(most > 1)
    return (numbers / PERCENT if percent else numbers), percent
