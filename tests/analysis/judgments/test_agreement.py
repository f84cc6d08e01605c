"""Agreement of judges: by hand, against scikit-learn, and how often the intervals are right."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from harness.analysis.judgments.agreement import (
    Agreement,
    Grades,
    agreement,
    agreement_block,
    agreements,
)


def graded(grades: list[int]) -> Grades:
    """A query a grade."""
    return {(f"q{i:03}", "d"): grade for i, grade in enumerate(grades)}


def of(first: list[int], second: list[int]) -> Agreement:
    found = agreement(("ann", graded(first)), ("bob", graded(second)), seed=1)
    assert found is not None
    return found


def test_by_hand() -> None:
    """50 proposals: both for 20, both against 15; chance agrees in half: (0.7 - 0.5) / 0.5 = 0.4."""
    found = of([1] * 20 + [1] * 5 + [0] * 10 + [0] * 15, [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15)
    assert (found.pairs, found.queries) == (50, 50)
    assert found.same.value == pytest.approx(0.7)
    assert found.kappa.value == pytest.approx(0.4)
    assert found.weighted.value == pytest.approx(0.4)  # of two grades the same
    assert found.stricter.value == pytest.approx(5 / 50)
    assert found.kappa.low < 0.4 < found.kappa.high


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_kappas_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    first, second = [list(column) for column in zip(*pairs, strict=True)]
    found = of(first, second)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is none
        expected = [
            cohen_kappa_score(first, second, labels=range(4), weights=weights)
            for weights in (None, "linear")
        ]
    assert [found.kappa.value, found.weighted.value] == pytest.approx(expected, nan_ok=True)
    assert found.stricter.value == pytest.approx(np.mean(second) - np.mean(first))


def test_only_what_both_judged_counts() -> None:
    first = {("q", "a"): 1, ("q", "b"): 2, ("r", "a"): 3}
    second = {("q", "b"): 2, ("r", "b"): 0}
    found = agreement(("ann", first), ("bob", second), seed=1)
    assert found is not None
    assert (found.pairs, found.queries, found.same.value) == (1, 1, 1.0)
    assert math.isnan(found.kappa.value)  # both gave the one grade
    assert math.isnan(found.same.low)  # one query
    assert agreement(("ann", first), ("bob", {}), seed=1) is None


def test_documents_of_one_query_are_drawn_together() -> None:
    """The same pairs in 8 queries instead of 80 make the interval wider."""
    rng = np.random.default_rng(0)
    bias = np.repeat(rng.integers(0, 2, 8), 10)  # per query
    first = rng.integers(0, 3, 80)
    together = [
        {(f"q{i // 10}", f"d{i}"): int(g) for i, g in enumerate(x)} for x in (first, first + bias)
    ]
    found = agreement(("ann", together[0]), ("bob", together[1]), seed=1)
    assert found is not None
    apart = of(first.tolist(), (first + bias).tolist())
    assert found.stricter.value == pytest.approx(apart.stricter.value)
    assert found.stricter.high - found.stricter.low > 2 * (apart.stricter.high - apart.stricter.low)


def test_the_block_says_who_is_stricter() -> None:
    strict, lax = [0, 1, 2, 1, 0, 2, 1, 0], [1, 2, 3, 2, 1, 3, 2, 1]
    block = agreement_block({"ann": graded(strict), "bob": graded(lax), "cy": graded(lax)}, seed=1)
    assert block is not None
    assert block.lines == [
        "ann is stricter than bob, by 1.00 grades on average.",
        "ann is stricter than cy, by 1.00 grades on average.",
        "Neither bob nor cy is seen to be stricter than the other.",
    ]
    (table,) = block.tables
    assert [row[0] for row in table.table.rows] == ["ann, bob", "ann, cy", "bob, cy"]
    assert table.table.rows[2][3:5] == ("100 %", "1.00 [1.00, 1.00]")


def test_no_block_where_no_two_judged_the_same() -> None:
    assert agreement_block({"ann": {("q", "a"): 1}, "bob": {("q", "b"): 1}}, seed=1) is None
    assert list(agreements({"ann": {("q", "a"): 1}}, seed=1)) == []


CONFUSION = np.array([[20, 6, 1, 0], [5, 14, 6, 1], [1, 5, 12, 5], [0, 1, 4, 19]]) / 100


@pytest.mark.slow
def test_intervals_are_right_as_often_as_they_say() -> None:
    """Of 300 samples of 80 pairs; percentile intervals cover a little less than 95 %."""
    rng = np.random.default_rng(4)
    cells = rng.choice(16, size=(300, 80), p=CONFUSION.ravel())
    million = np.repeat(np.arange(16), (CONFUSION.ravel() * 100).astype(int))
    truth = of((million // 4).tolist(), (million % 4).tolist())
    right = dict.fromkeys(("same", "kappa", "weighted", "stricter"), 0)
    for row in cells:
        found = of((row // 4).tolist(), (row % 4).tolist())
        for name in right:
            estimate = getattr(found, name)
            right[name] += estimate.low <= getattr(truth, name).value <= estimate.high
    assert all(count >= 0.91 * 300 for count in right.values()), right
