from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from harness.analysis.judgments import corrected as corrections
from harness.analysis.judgments.corrected import Estimate, Judged, corrected, people_alone

TRUE = 0.02
"""The mean difference of the simulated systems."""

Draws = list[tuple[Estimate, Estimate]]


def drawn(
    rng: np.random.Generator, model: np.ndarray, people: np.ndarray, count: int, sized: bool
) -> list[Judged]:
    """As queries are drawn: one after the other, evenly or four times in five by the model's size."""
    sizes = np.abs(model) if sized else np.zeros(len(model))
    left, found = list(range(len(model))), []
    for _ in range(count):
        chances = np.full(len(left), 1 / len(left))
        if sizes[left].sum() > 0:
            chances = 0.2 * chances + 0.8 * sizes[left] / sizes[left].sum()
        which = int(rng.choice(len(left), p=chances))
        place = left.pop(which)
        found.append(Judged(place, float(chances[which]), float(people[place])))
    return found


def simulated(quality: float, sized: bool, queries: int = 200, judged: int = 30) -> Draws:
    """1,000 times: half the queries do not differ, and the model is off by noise and by 0.05."""
    rng, found = np.random.default_rng(18), []

    def differences() -> np.ndarray:
        return np.where(rng.random(queries) < 0.5, 0, rng.normal(2 * TRUE, 0.25, queries))

    for _ in range(1000):
        people, noise = differences(), differences()
        model = quality * people + (1 - quality) * noise + 0.05
        draws = drawn(rng, model, people, judged, sized)
        found.append((people_alone(queries, draws), corrected(model.tolist(), draws)))
    return found


@pytest.mark.parametrize("sized", [False, True], ids=["evenly", "by size"])
@pytest.mark.parametrize("quality", [0.0, 0.5, 0.9])
def test_the_interval_covers_the_true_mean(quality: float, sized: bool) -> None:
    found = simulated(quality, sized)
    for one in (0, 1):
        covered = sum(both[one].low <= TRUE <= both[one].high for both in found)
        assert 930 <= covered <= 970
    alone, tuned = (np.array([both[i].high - both[i].low for both in found]) for i in (0, 1))
    assert tuned.mean() <= alone.mean()
    if quality == 0.9:
        assert tuned.mean() < 0.7 * alone.mean()


def test_both_are_unbiased_where_chances_hang_on_the_model() -> None:
    found = simulated(0.5, sized=True)
    for one in (0, 1):
        values = np.array([both[one].value for both in found])
        assert abs(values.mean() - TRUE) < 3 * values.std() / math.sqrt(len(values))


def even(places: Sequence[int], people: Sequence[float], count: int) -> list[Judged]:
    return [Judged(place, 1 / (count - i), people[place]) for i, place in enumerate(places)]


PEOPLE = [0.0, 0.2, -0.1, 0.4, 0.3, 0.0, 0.1, -0.2]


def test_even_chances_give_the_plain_mean() -> None:
    found = people_alone(8, even([3, 1, 4], PEOPLE, 8))
    assert found.value == pytest.approx((0.4 + 0.2 + 0.3) / 3)
    assert math.isnan(found.low)


def test_all_queries_judged_give_the_interval_of_student() -> None:
    found = corrected([0.0] * 8, even([5, 3, 0, 1, 4, 2, 7, 6], PEOPLE, 8))
    # The quantile of t with 7 degrees of freedom, times the standard error of the mean.
    apart = 2.364624 * np.std(PEOPLE, ddof=1) / math.sqrt(8)
    assert found.value == pytest.approx(np.mean(PEOPLE))
    assert found.high - found.value == pytest.approx(apart, rel=1e-4)
    assert found.power == 0


def test_a_perfect_model_leaves_only_the_queries_as_a_source_of_error() -> None:
    people = np.random.default_rng(3).normal(0.1, 0.2, 100)
    draws = drawn(np.random.default_rng(4), people, people, 25, sized=False)
    found = corrected(people.tolist(), draws)
    assert found.power == pytest.approx(1)
    assert found.value == pytest.approx(people.mean())


def test_few_judged_queries_stand_alone() -> None:
    people = np.random.default_rng(3).normal(0.1, 0.2, 100)
    draws = drawn(np.random.default_rng(4), people, people, corrections.TUNED_FROM - 1, sized=False)
    assert corrected(people.tolist(), draws) == people_alone(100, draws)
    assert math.isnan(people_alone(100, []).value)


@pytest.mark.parametrize(
    ("judged", "why"),
    [
        ([Judged(0, 0.5, 0.1), Judged(0, 0.5, 0.1)], "different ones of the 3"),
        ([Judged(3, 0.5, 0.1)], "different ones of the 3"),
        ([Judged(1, 0.0, 0.1)], "above 0"),
        ([Judged(1, math.nan, 0.1)], "above 0"),
    ],
)
def test_what_cannot_be_is_refused(judged: list[Judged], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        corrected([0.0, 0.1, 0.2], judged)
