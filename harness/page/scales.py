"""From values to places along an axis, and the round values that are named there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

WIDE = 200
"""Factor between the ends of a log axis from which on only powers of ten are named."""

TICKS = 6
"""Values that are named on a linear axis, at most."""

MARGIN = 0.04
"""Share of an axis that stays empty at each end."""


class Scale(NamedTuple):
    """An axis from `low`, which lies at `start`, to `high` at `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of `value`."""
        low, high, at = (
            map(math.log, (self.low, self.high, value))
            if self.log
            else (self.low, self.high, value)
        )
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values between the ends."""
        found = _decades(self.low, self.high) if self.log else []
        return found if len(found) > 1 else _steps(self.low, self.high)


def linear(values: Iterable[float], start: float, end: float) -> Scale:
    """A scale on which all `values` that are finite have a place, and some more."""
    low, high = _ends(values)
    spare = (high - low) * MARGIN or 0.5
    return Scale(low - spare, high + spare, start, end)


def logarithmic(values: Iterable[float], start: float, end: float) -> Scale:
    """As `linear`, of the values above 0, by their logarithms."""
    low, high = _ends(value for value in values if value > 0)
    spare = (high / low) ** MARGIN if 0 < low < high else 1.5
    return Scale((low or 1) / spare, (high or 1) * spare, start, end, log=True)


def _ends(values: Iterable[float]) -> tuple[float, float]:
    known = [float(value) for value in values if math.isfinite(value)]
    return (min(known), max(known)) if known else (0.0, 0.0)


def _decades(low: float, high: float) -> list[float]:
    factors = (1, 2, 5) if high < WIDE * low else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [float(f"{factor}e{power}") for power in powers for factor in factors]
    return [value for value in every if low <= value <= high]


def _steps(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    power = math.floor(math.log10((high - low) / TICKS))
    step = next(
        step
        for step in (float(f"{f}e{power}") for f in (1, 2, 5, 10))
        if (high - low) / step <= TICKS
    )
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def thinned(ticks: Sequence[float], scale: Scale, apart: float) -> list[float]:
    """Of `ticks` those that leave at least `apart` to the one before."""
    kept: list[float] = []
    for tick in ticks:
        if not kept or abs(scale(tick) - scale(kept[-1])) >= apart:
            kept.append(tick)
    return kept


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near `wanted`, which ascend, at least `gap` apart, within the ends as far as they fit.

    What lies too close is spread around its middle.
    """
    crowds: list[tuple[float, int]] = []
    for place in wanted:
        crowds.append((place, 1))
        while len(crowds) > 1 and _overlap(crowds[-2], crowds[-1], gap):
            (one, count), (other, more) = crowds[-2:]
            crowds[-2:] = [((one * count + other * more) / (count + more), count + more)]
    places = [
        middle + (i - (count - 1) / 2) * gap for middle, count in crowds for i in range(count)
    ]
    for i in range(len(places)):
        places[i] = max(places[i], low + i * gap)
    for i in range(len(places)):
        places[-1 - i] = min(places[-1 - i], high - i * gap)
    return places


def _overlap(below: tuple[float, int], above: tuple[float, int], gap: float) -> bool:
    (one, count), (other, more) = below, above
    return bool(other - one < (count + more) / 2 * gap)
