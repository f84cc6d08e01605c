"""The gain of one system by many labels of a model, corrected by few judgments of people.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, Science 382):
the model's differences are had for every query, people's for some, and what these say of the
model's error corrects it. However wrong the model is, the interval stays right; a bad model leaves
it as wide as people's judgments alone make it. How far the model is trusted, its power, is tuned by
the same queries (PPI++: Angelopoulos, Duchi and Zrnic 2023). The model's differences, times the
power, are the prediction of `estimate`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analysis.judgments import estimate
from harness.analysis.judgments.estimate import Draws

TUNED_FROM = 20
"""Queries that people judged; fewer do not show how far the model can be trusted, and stand alone. In
simulated draws intervals that were tuned by 10 covered 88 to 95 % where they should cover 95."""

TINY = 1e-12
"""A variance below it is rounding."""

Values = NDArray[np.float64]


class Judged(NamedTuple):
    """A query that people judged."""

    place: int
    """Of the query, among those that the model judged."""
    chance: float
    """That it was drawn, of the queries that were left then."""
    difference: float
    """Of the two systems, by people's grades."""


class Estimate(NamedTuple):
    """A mean difference over queries like these, with the bounds of its interval."""

    value: float
    low: float
    high: float
    power: float
    """How much of the model's differences is in it; 0: people's judgments alone."""


def people_alone(count: int, judged: Sequence[Judged]) -> Estimate:
    """The mean over queries like these `count`, of which some were drawn and judged by people."""
    return _estimate(np.zeros(count), judged, 0.0)


def corrected(model: Sequence[float], judged: Sequence[Judged]) -> Estimate:
    """The mean by the model's difference of every query, corrected by people's of those drawn.

    `judged` stand in the order in which they were drawn, one after the other and none twice; each
    chance may depend on all that was seen before. Never wider than `people_alone`, which it is
    where the model's differences do not help, and with fewer than TUNED_FROM queries. The bounds are
    NaN with too few for an interval.
    Raises ValueError for a query that is not the model's or drawn twice, or a chance that is none.
    """
    differences = np.asarray(model, dtype=np.float64)
    alone = _estimate(differences, judged, 0.0)
    tuned = _estimate(differences, judged, _power(differences, judged))
    return tuned if tuned.high - tuned.low < alone.high - alone.low else alone


def _estimate(model: Values, judged: Sequence[Judged], power: float) -> Estimate:
    """The estimate where the model's differences count with `power`."""
    _check(len(model), judged)
    if not judged:
        return Estimate(math.nan, math.nan, math.nan, power)
    predicted = power * model[[one.place for one in judged]]
    left = power * model.sum() - np.cumsum(predicted) + predicted
    found = estimate.estimate(_draws(judged, [_people(judged)], [predicted], [left]), len(model))
    (value,), (low,), (high,) = found.of_others(tuned=1 if power else 0)
    return Estimate(float(value), float(low), float(high), power)


def _power(model: Values, judged: Sequence[Judged]) -> float:
    """The share of the model's differences that leaves the least variance of drawing."""
    if len(judged) < TUNED_FROM:
        return 0.0
    both = [_people(judged), model[[one.place for one in judged]]]
    nothing = np.zeros((2, len(judged)))
    found = estimate.estimate(_draws(judged, both, nothing, nothing), len(model))
    (_, together), (_, own) = found.covariance.tolist()
    return together / own if own > TINY else 0.0


def _people(judged: Sequence[Judged]) -> Values:
    return np.array([one.difference for one in judged])


def _draws(
    judged: Sequence[Judged],
    measured: Sequence[Values],
    predicted: Sequence[Values] | Values,
    left: Sequence[Values] | Values,
) -> Draws:
    """Each of shape (columns, draws); people's judgments of a query are its full value."""
    chances = np.array([one.chance for one in judged])
    said, expected, rest = (np.array(part).T for part in (measured, predicted, left))
    return Draws(chances, said, expected, rest, np.zeros_like(said))


def _check(count: int, judged: Sequence[Judged]) -> None:
    places = [one.place for one in judged]
    if len(set(places)) < len(places) or any(not 0 <= place < count for place in places):
        raise ValueError(f"people's queries must be different ones of the {count} of the model")
    if any(not 0 < one.chance <= 1 for one in judged):
        raise ValueError("a chance must lie above 0 and not above 1")
