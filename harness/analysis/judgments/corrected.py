"""Few judgments of people and many of a model: the mean difference of two systems, and its interval.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, Science 382):
the model's differences are had for every query, people's for some, and what these say of the
model's error corrects it. However wrong the model is, the interval stays right; a bad model leaves
it as wide as people's judgments alone make it. How far the model is trusted, its power, is tuned by
the same queries (PPI++: Angelopoulos, Duchi and Zrnic 2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analysis.judgments.estimate import t_quantile
from harness.analysis.statistics.intervals import CONFIDENCE, FEWEST

TUNED_FROM = 20
"""Queries that people judged; fewer do not show how far the model can be trusted, and stand alone. In
simulated draws intervals that were tuned by 10 covered 88 to 95 % where they should cover 95."""

TINY = 1e-12
"""Below which a sum of squares is rounding."""

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


class _Steps(NamedTuple):
    """What each drawn query says of the mean over all of them, and how much it counts."""

    values: Values
    shares: Values


def people_alone(count: int, judged: Sequence[Judged]) -> Estimate:
    """The mean over queries like these `count`, of which some were drawn and judged by people."""
    return _estimate(np.zeros(count), judged, 0.0)


def corrected(model: Sequence[float], judged: Sequence[Judged]) -> Estimate:
    """The mean by the model's difference of every query, corrected by people's of those drawn.

    `judged` stand in the order in which they were drawn, one after the other and none twice; each
    chance may depend on all that was seen before. Never wider than `people_alone`, which it is
    where the model's differences do not help, and with fewer than TUNED_FROM queries. The bounds are
    NaN with fewer than FEWEST.
    Raises ValueError for a query that is not the model's or drawn twice, or a chance that is none.
    """
    differences = np.asarray(model, dtype=np.float64)
    alone = _estimate(differences, judged, 0.0)
    power = _power(differences, judged)
    tuned = _estimate(differences, judged, power)
    return tuned if tuned.high - tuned.low < alone.high - alone.low else alone


def _estimate(model: Values, judged: Sequence[Judged], power: float) -> Estimate:
    """The estimate where the model's differences count with `power`."""
    _check(len(model), judged)
    if not judged:
        return Estimate(math.nan, math.nan, math.nan, power)
    places = [one.place for one in judged]
    people = np.array([one.difference for one in judged])
    left = _steps(people - power * model[places], judged, len(model))
    value = float(power * model.mean() + left.shares @ left.values)
    if len(judged) < FEWEST:
        return Estimate(value, math.nan, math.nan, power)
    off = left.values - left.shares @ left.values
    if power:
        off /= 1 - _pull(model[places], judged, len(model))
    of_drawing, of_queries = _weights(left.shares) @ off**2, _spread(people, judged, len(model))
    variance = of_drawing + of_queries / len(model)
    apart = t_quantile(CONFIDENCE, len(judged) - (2 if power else 1)) * math.sqrt(variance)
    return Estimate(value, value - apart, value + apart, power)


def _steps(values: Values, judged: Sequence[Judged], count: int) -> _Steps:
    """Drawing without replacement from `count` queries, step by step.

    Before each draw the sum of what was drawn is known, and the drawn value over its chance is an
    unbiased estimate of the rest: so each step gives one of the mean over all, whatever was drawn
    before, and the steps do not correlate. Later steps know more, and count more: shares by which the
    mean of equal chances is the plain one (Farquhar, Gal and Rainforth 2021, On statistical bias in
    active learning, their R_LURE).
    """
    drawn, steps = len(values), np.arange(1, len(values) + 1)
    chances = np.array([one.chance for one in judged])
    before = np.concatenate([[0.0], np.cumsum(values)[:-1]])
    said = (before + values / chances) / count
    if drawn == count:
        return _Steps(said, (steps == count).astype(np.float64))
    shares = count * (count - drawn) / (drawn * (count - steps) * (count - steps + 1.0))
    return _Steps(said, shares)


def _weights(shares: Values) -> Values:
    """By which squares of steps about their own mean are an estimate of its variance."""
    own = 1 - 2 * shares + shares @ shares
    return np.divide(shares**2, own, out=np.zeros_like(shares), where=own > TINY)


def _power(model: Values, judged: Sequence[Judged]) -> float:
    """The share of the model's differences that leaves the least variance of drawing."""
    _check(len(model), judged)
    if len(judged) < TUNED_FROM:
        return 0.0
    places = [one.place for one in judged]
    people = _steps(np.array([one.difference for one in judged]), judged, len(model))
    models = _steps(model[places], judged, len(model))
    weights, theirs = _weights(models.shares), models.values - models.shares @ models.values
    ours = people.values - people.shares @ people.values
    together, own = float(weights @ (ours * theirs)), float(weights @ theirs**2)
    return together / own if own > TINY else 0.0


def _pull(model: Values, judged: Sequence[Judged], count: int) -> Values:
    """How much of the power each step decided, at most 0.9.

    What is left at a step is so much smaller than it would be with the power of the others, which
    is what its error is (MacKinnon and White 1985, HC3).
    """
    models = _steps(model, judged, count)
    own = _weights(models.shares) * (models.values - models.shares @ models.values) ** 2
    pull: Values = np.minimum(own / own.sum(), 0.9)
    return pull


def _spread(people: Values, judged: Sequence[Judged], count: int) -> float:
    """The variance of people's differences from query to query, over all queries."""
    first, second = (_steps(values, judged, count) for values in (people, people**2))
    mean = first.shares @ first.values
    of_mean = _weights(first.shares) @ (first.values - mean) ** 2
    over_all = float(second.shares @ second.values - mean**2 + of_mean)
    return max(over_all, 0.0) * count / max(count - 1, 1)


def _check(count: int, judged: Sequence[Judged]) -> None:
    places = [one.place for one in judged]
    if len(set(places)) < len(places) or any(not 0 <= place < count for place in places):
        raise ValueError(f"people's queries must be different ones of the {count} of the model")
    if any(not 0 < one.chance <= 1 for one in judged):
        raise ValueError("a chance must lie above 0 and not above 1")
