"""Gains over several datasets, and how often the decision is wrong where nothing gains."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from literal import literal

from harness.analysis.costs.vector_bytes import configurations
from harness.analysis.decision import gains
from harness.analysis.decision.gains import GAINS
from harness.analysis.decision.measurements import Measurements, Option
from harness.analysis.statistics import intervals


def test_one_dataset_has_the_intervals_of_the_report() -> None:
    rng = np.random.default_rng(5)
    base, late = rng.random(30).tolist(), rng.random(30).tolist()
    found = gains.gains(literal({"base": base, "late": late}), "m@1", 0.01)
    assert tuple(found.table.columns) == GAINS
    row = found.of["late"]
    change = (np.array(late) - np.array(base))[:, None]
    value, low, high = (one.item() for one in intervals.mean_intervals(change, 1))
    assert (row.gain, row.low, row.high) == pytest.approx((value, low, high))


def test_p_by_full_enumeration_of_two_datasets() -> None:
    # Datasets of 6 and 3 queries count alike: a flip of signs weighs a query by 1 / (2 n). All 2^9
    # flips of the changes less the smallest gain give the p.
    x, y = [0.3, 0.1, -0.05, 0.2, 0.0, 0.15], [0.1, 0.05, 0.3]
    quality = {
        name: {"base": [0.5] * len(change), "late": [0.5 + c for c in change]}
        for name, change in (("x", x), ("y", y))
    }
    found = gains.gains(literal(quality), "m@1", 0.02).of["late"]
    assert found.gain == pytest.approx(sum(x) / 12 + sum(y) / 6)
    weighted = [(c - 0.02) / 12 for c in x] + [(c - 0.02) / 6 for c in y]
    seen = abs(sum(weighted))
    flips = itertools.product((1, -1), repeat=9)
    means = [sum(s * w for s, w in zip(flip, weighted, strict=True)) for flip in flips]
    exact = sum(abs(mean) >= seen - 1e-12 for mean in means) / 2**9
    assert found.p == pytest.approx(exact)


def test_holm_over_the_systems() -> None:
    alternating = [0.5 + 0.05 + 0.2 * (-1) ** i for i in range(40)]
    quality = {"base": [0.5] * 40, "a": alternating, "b": [0.9] * 40}
    found = gains.gains(literal(quality), "m@1", 0.01)
    a, b = found.of["a"], found.of["b"]
    assert b.p_holm == pytest.approx(2 * b.p)
    assert a.p_holm == pytest.approx(a.p)
    assert (a.state, b.state) == ("undecided", "shown")
    assert math.isnan(b.needed)


@pytest.mark.parametrize(
    ("systems", "fewest"),
    [
        (1, 6),  # 2 / 2^6 = .031, 2 / 2^5 = .063
        (2, 7),  # twice 2 / 2^7 = .031, twice 2 / 2^6 = .063
        (20, 10),  # twenty times 2 / 2^10 = .039, twenty times 2 / 2^9 = .078
    ],
)
def test_no_fewer_are_needed_than_can_show_anything(systems: int, fewest: int) -> None:
    # every query gains, so that nothing but the number of signs is in the way
    quality = {f"s{i}": [0.5 + i / 100] * 2 + [1.0] for i in range(systems)}
    found = gains.gains(literal({"base": [0.0] * 3} | quality), "m@1", 0.01)
    assert {row.needed for row in found.of.values()} == {fewest}


def test_what_is_needed_of_several_datasets_is_what_would_settle_it() -> None:
    # Two datasets: with `needed` queries in the same shares the error of the mean over datasets is
    # the distance to the smallest gain over the two quantiles.
    rng = np.random.default_rng(2)
    parts = {"x": 0.03 + 0.3 * rng.standard_normal(100), "y": 0.03 + 0.1 * rng.standard_normal(50)}
    quality = {
        name: {"base": [0.5] * len(change), "late": (0.5 + change).tolist()}
        for name, change in parts.items()
    }
    found = gains.gains(literal(quality), "m@1", 0.02)
    row = found.of["late"]
    assert found.queries == 150
    factor = row.needed / 150
    error = math.sqrt(
        sum(change.var(ddof=1) / (len(change) * factor) for change in parts.values()) / 4
    )
    assert abs(row.gain - 0.02) / error == pytest.approx(1.959964 + 0.841621, rel=0.01)


def test_a_gain_of_just_what_matters_is_never_told() -> None:
    quality = {"base": [0.0] * 4, "late": [0.5, 0.0, 0.5, 0.0]}
    assert gains.gains(literal(quality), "m@1", 0.25).of["late"].needed == math.inf


def test_an_identical_system_is_not_worth_more_queries() -> None:
    quality = {"base": [0.5, 0.7] * 4, "same": [0.5, 0.7] * 4}
    assert gains.gains(literal(quality), "m@1", 0.0).of["same"].state == "small"


def test_copies_and_what_changes_nothing_leave_the_family() -> None:
    rng = np.random.default_rng(3)
    base, late = [0.5] * 20, (0.5 + rng.normal(0.1, 0.2, 20)).tolist()
    alone = gains.gains(literal({"base": base, "late": late}), "m@1", 0.01)
    copies = {"base": base, "late": late, "fly": late, "cross": base}
    found = gains.gains(literal(copies), "m@1", 0.01)
    assert (alone.family, found.family) == (1, 1)
    assert found.of["late"].p_holm == found.of["fly"].p_holm == alone.of["late"].p_holm
    assert (found.of["cross"].verdict, found.of["cross"].p_holm) == (
        "same",
        pytest.approx(math.nan, nan_ok=True),
    )


def test_a_p_does_not_hang_on_other_metrics_or_the_seed() -> None:
    rng = np.random.default_rng(4)
    quality = {name: (0.5 + rng.normal(0.05, 0.2, 30)).tolist() for name in ("base", "a", "b", "c")}
    results = literal(quality)
    found = gains.gains(results, "m@1", 0.01).table
    values = results.measurements
    more = replace(results, measurements=pd.concat([values, values.assign(metric="n@1")]))
    more.plan["metrics"] = ["m@1", "n@1"]
    for seed in range(20):
        more.plan["seed"] = seed
        again = gains.gains(more, "m@1", 0.01).table
        assert again["p_holm"].tolist() == found["p_holm"].tolist()


@pytest.mark.parametrize("seed", range(10))
def test_what_is_shown_to_gain_enough_is_shown_to_beat(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ("base", "a", "b", "c")
    quality = {name: (0.5 + rng.normal(0.1 * i, 0.3, 30)).tolist() for i, name in enumerate(names)}
    for smallest in (0.0, 0.01, 0.1):
        for row in gains.gains(literal(quality), "m@1", smallest).table.itertuples():
            assert row.p_none_holm <= row.p_holm + 1e-9 or row.gain < smallest
            assert row.verdict == "better" or row.state != "shown"
            if row.verdict == "better":
                assert row.low > 0 or (smallest == 0 and row.low == 0)


def test_an_interval_below_0_is_a_loss() -> None:
    rng = np.random.default_rng(6)
    quality = {"base": [0.5] * 60, "late": (0.46 + rng.normal(0, 0.1, 60)).tolist()}
    row = gains.gains(literal(quality), "m@1", 0.01).of["late"]
    assert row.high < 0
    assert (row.verdict, row.state) == ("worse", "small")


def test_where_nothing_gains_little_is_shown() -> None:
    """A seeded null: 4 systems equal in truth, 120 experiments; the nominal rate is at most 5 %."""
    rng = np.random.default_rng(8)
    shown = 0
    for _ in range(120):
        draws = {name: rng.normal(0.5, 0.2, 50).tolist() for name in ("base", "a", "b", "c", "d")}
        found = gains.gains(literal(draws), "m@1", 0.0).table
        shown += (found["state"] == "shown").any()
    assert shown <= 0.05 * 120 + 2 * math.sqrt(120 * 0.05 * 0.95)


def test_a_gain_of_just_what_matters_on_unequal_datasets_is_ruled_out_in_1_of_20() -> None:
    """The margin is taken off before the datasets are weighted.

    2,000 draws of 50 and 300 queries with a true gain of 0.1, the smallest that matters; taken off
    afterwards it is ruled out in 1.8 %. Of 50 and 5,000 the same way gave 4.0 % of 600 and 5.1 % of
    1,500 draws, and 0.2 % afterwards.
    """
    rng = np.random.default_rng(9)
    draws = 2_000
    parts = [
        0.1 + np.where(rng.random((size, draws)) < 0.4, 0, rng.normal(0, 0.1, (size, draws)))
        for size in (50, 300)
    ]
    p = gains.p_values(parts, 0.1)
    # 5 % with a standard deviation of .5 %
    assert 0.035 <= (p <= intervals.ALPHA).mean() <= 0.065


def test_what_a_query_changed() -> None:
    found = gains.changes(literal({"base": [0.5, 0.25], "late": [0.75, 0.0]}), "x", "m@1")
    assert found.to_dict() == {"late": {"q000": 0.25, "q001": -0.25}}


def test_configurations_of_options() -> None:
    results = literal({"base": [0.5], "late": [0.5], "fly": [0.5], "cross": [0.5]})
    from harness.analysis.costs import vector_bytes
    from harness.analysis.costs.measured import analyse_costs

    costs = analyse_costs(results, vector_bytes.storage_per_document(results))
    found = Measurements(results, costs).served()
    assert found == [
        Option("base", "retrieve"),
        Option("late", "precomputed"),
        Option("fly", "on the fly"),
        Option("cross", "rerank"),
    ]
    assert set(configurations(results)) == {"base", "late", "fly", "cross"}
    assert found[2].name == "fly, on the fly"
