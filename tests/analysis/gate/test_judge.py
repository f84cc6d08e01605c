from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gated
import numpy as np
import pytest
from made_results import MACHINE

from harness.analysis.gate import baseline
from harness.analysis.gate.baseline import accept
from harness.analysis.gate.baseline_files import Baseline
from harness.analysis.gate.judge import Gate, judge
from harness.errors import InputError

SAME = [0.5] * 40
SPREAD = np.random.default_rng(0).normal(0, 0.05, 40).round(3)
WORSE = (0.5 - 0.2 + SPREAD - SPREAD.mean()).tolist()
BETTER = (0.5 + 0.2 + SPREAD - SPREAD.mean()).tolist()


class Bench:
    """A place where results are accepted and judged."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.file = gated.experiment(folder, **changes)

    def accept(self, values: dict[str, Sequence[float]], **facts: Any) -> Baseline:
        results = gated.store(self.folder / "old", self.file, values, **facts)
        return accept(results, gated.loaded(self.file), "because", "2026-01-01")

    def judge(self, accepted: Baseline, values: dict[str, Sequence[float]], **facts: Any) -> Gate:
        results = gated.store(self.folder / "new", self.file, values, **facts)
        return judge(results, accepted, gated.loaded(self.file))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "bench")


def messages(gate: Gate) -> dict[str, tuple[str, str]]:
    """By system the status and the message."""
    return {one.system: (one.status, one.message) for one in gate.judgements}


def statuses(gate: Gate) -> list[str]:
    return [one.status for one in gate.judgements]


def test_the_same_results_pass(bench: Bench) -> None:
    values = {"first": SAME, "second": WORSE}
    gate = bench.judge(bench.accept(values), values)
    assert (gate.status, statuses(gate)) == ("pass", ["pass", "pass"])
    assert messages(gate)["second"][1] == "all 40 values are the accepted ones."
    assert gate.judgements[1].moved.empty
    assert gate.changed == []


def test_a_loss_fails_and_names_the_queries(bench: Bench) -> None:
    gate = bench.judge(
        bench.accept({"first": SAME, "second": SAME}), {"first": SAME, "second": WORSE}
    )
    assert (gate.status, statuses(gate)) == ("fail", ["pass", "fail"])
    row = gate.judgements[1]
    assert (row.accepted, row.value, row.change) == pytest.approx((0.5, 0.3, -0.2))
    assert row.low < -0.2 < row.high < -0.15
    assert row.message.startswith("-0.2000 in the mean [-0.2")
    assert row.message.endswith("]: a loss of more than 0.01.")
    assert gate.judgements[0].moved.empty
    assert row.moved["change"].abs().is_monotonic_decreasing
    assert len(row.moved) == 40


def test_an_improvement_passes_and_asks_for_a_new_baseline(bench: Bench) -> None:
    gate = bench.judge(
        bench.accept({"first": SAME, "second": SAME}), {"first": SAME, "second": BETTER}
    )
    assert gate.status == "pass"
    assert [one.better for one in gate.judgements] == [False, True]
    assert messages(gate)["second"][1].endswith("is ruled out. It got better: re-baseline?")


def test_three_queries_say_which_margin_they_could_have_seen(bench: Bench) -> None:
    accepted = bench.accept({"first": [0.1] * 3, "second": [0.5] * 3})
    gate = bench.judge(accepted, {"first": [0.1] * 3, "second": [0.4, 0.5, 0.6]})
    assert (gate.status, statuses(gate)) == ("no verdict", ["pass", "inconclusive"])
    # s = 0.1: 2.4865 x 0.1 / sqrt(3) = 0.1436
    assert messages(gate)["second"][1] == (
        "+0.0000 in the mean: 3 queries can only detect losses of 0.144 or more at best; "
        "a gate of this size needs 5 to decide anything."
    )


def test_an_improvement_of_three_queries_is_no_failure(bench: Bench) -> None:
    accepted = bench.accept({"first": [0.1] * 3, "second": [0.1] * 3})
    gate = bench.judge(accepted, {"first": [0.1] * 3, "second": [0.9, 0.9, 0.8]})
    assert statuses(gate) == ["pass", "inconclusive"]


def test_what_is_not_settled_says_how_many_queries_it_takes(bench: Bench) -> None:
    noise = (0.5 + 4 * (SPREAD - SPREAD.mean())).tolist()
    gate = bench.judge(
        bench.accept({"first": SAME, "second": SAME}), {"first": SAME, "second": noise}
    )
    row = gate.judgements[1]
    assert row.status == "inconclusive"
    # 4 x .05 spreads each value: 40 x (seen / 0.01)^2 is some 3,600 queries
    assert 40 * (row.seen / 0.01) ** 2 > 10 * 40
    more = "0.01 takes more than 10 times as many queries like these."
    assert f"40 queries can only detect losses of {row.seen:.3g} or more; {more}" in row.message


def test_other_documents_are_not_comparable(bench: Bench) -> None:
    values = {"first": SAME, "second": SAME}
    accepted = bench.accept(values)
    gate = bench.judge(accepted, values, dataset={"fingerprint": "g", "documents": 6})
    assert (gate.status, statuses(gate)) == ("no verdict", ["not comparable"] * 2)
    assert messages(gate)["first"][1] == (
        "documents, queries or judgements of data changed (documents 5 -> 6)."
    )
    gate = bench.judge(accepted, values, dataset={"fingerprint": "g"})
    assert "their numbers are the same, their content is not" in messages(gate)["first"][1]


def test_the_same_grades_of_other_judges_are_not_comparable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"first": SAME, "second": SAME}
    monkeypatch.setattr(baseline, "counts_of", lambda *_: {"by models": 6})
    accepted = bench.accept(values)
    assert bench.judge(accepted, values).status == "pass"
    monkeypatch.setattr(baseline, "counts_of", lambda *_: {"by people": 2, "by models": 4})
    said = "judgments of data have other sources: 6 by models -> 2 by people, 4 by models."
    assert messages(bench.judge(accepted, values))["second"] == ("not comparable", said)
    accepted.facts["datasets"]["data"].pop("judged")  # accepted before sources were stored
    assert bench.judge(accepted, values).status == "pass"


@pytest.mark.parametrize(
    ("facts", "second"),
    [
        ({"first": "other", "candidates": "other"}, "not comparable"),
        ({"first": "other"}, "pass"),  # the very same lists
        ({"candidates": "other"}, "pass"),  # of the same first stage: near-ties
    ],
)
def test_candidates_of_another_first_stage_are_not_comparable(
    bench: Bench, facts: dict[str, Any], second: str
) -> None:
    values = {"first": SAME, "second": SAME}
    gate = bench.judge(bench.accept(values), values, **facts)
    assert statuses(gate) == ["pass", second]


def test_other_queries_are_not_comparable_even_under_the_same_fingerprint(bench: Bench) -> None:
    accepted = bench.accept({"first": SAME, "second": SAME})
    gate = bench.judge(accepted, {"first": SAME, "second": SAME[:-1]})
    assert messages(gate)["second"] == ("not comparable", "its values are not of the same queries.")


def test_a_failed_and_a_pending_trial_are_neither_regression_nor_pass(bench: Bench) -> None:
    accepted = bench.accept({"first": SAME, "second": SAME})
    gate = bench.judge(accepted, {"first": SAME}, failed={"second": "It broke."})
    assert (gate.status, messages(gate)["second"]) == (
        "no verdict",
        ("not measured", "failed: It broke."),
    )
    gate = bench.judge(accepted, {"first": WORSE}, failed={"second": "It broke."})
    assert gate.status == "fail"
    fresh = Bench(bench.folder.parent / "fresh")
    gate = fresh.judge(accepted, {"second": SAME})
    assert messages(gate)["first"] == ("not measured", "not run yet.")


def test_systems_on_one_side_only(bench: Bench) -> None:
    accepted = bench.accept({"first": SAME, "second": SAME})
    third = {"name": "third", "retriever": gated.OVERLAP}
    other = Bench(
        bench.folder.parent / "other",
        systems=[{"name": "first", "retriever": gated.OVERLAP}, third],
    )
    gate = other.judge(accepted, {"first": SAME, "third": SAME})
    assert messages(gate) == {
        "first": ("pass", "all 40 values are the accepted ones."),
        "third": ("not comparable", "the baseline has no ndcg@3 for it."),
        "second": ("not measured", "it is no longer in the experiment."),
    }
    assert [one for one in gate.changed if one.what == "trial"] == [
        ("trial", "-", "new", "third on data"),
        ("trial", "accepted", "-", "second on data"),
    ]


def test_results_of_an_older_file_are_not_judged(bench: Bench) -> None:
    values = {"first": SAME, "second": SAME}
    accepted = bench.accept(values)
    gated.store(bench.folder / "new", bench.file, values)
    salted = {"use": "fakes:WordOverlap", "salt": 1}
    systems = [
        {"name": "first", "retriever": salted},
        {"name": "second", "retriever": gated.OVERLAP, "reranker": {"use": "fakes:Oracle"}},
        {"name": "third", "retriever": salted},
    ]
    gated.experiment(bench.folder, systems=systems)
    from harness.results.store import load_results

    results = load_results(bench.folder / "new" / "experiment")
    gate = judge(results, accepted, gated.loaded(bench.file))
    assert messages(gate)["first"] == (
        "not comparable",
        "the file now asks for something else than was measured (retriever.salt: 0 -> 1): run again.",
    )
    assert messages(gate)["third"] == ("not measured", "not run yet.")
    assert messages(gate)["second"][0] == "pass"


def test_a_changed_margin_counts_at_once(bench: Bench) -> None:
    accepted = bench.accept({"first": SAME, "second": SAME})
    worse = {"first": SAME, "second": WORSE}
    assert bench.judge(accepted, worse).status == "fail"
    gated.experiment(bench.folder, gate=[{**gated.RULE, "margin": 0.5}])
    gate = bench.judge(accepted, worse)
    assert gate.status == "pass"
    assert gate.changed == [("rule.1.margin", "0.01", "0.5", "gate")]


def test_rules_can_be_restricted(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "bench", gate=[{**gated.RULE, "systems": ["first"]}])
    accepted = bench.accept({"first": SAME})  # the other need not have a result
    assert messages(bench.judge(accepted, {"first": SAME, "second": WORSE})) == {
        "first": ("pass", "all 40 values are the accepted ones.")
    }


def test_what_changed_in_configuration_and_versions(bench: Bench) -> None:
    values = {"first": SAME, "second": SAME}
    accepted = bench.accept(values)
    packages = {"torch": "2.12.0", "pylate": "1.7"}
    gate = bench.judge(
        accepted,
        values,
        provenance={**gated.PROVENANCE, "packages": packages, "revision": "r2"},
        identities=[{"model": "m 1"}],
    )
    assert gate.status == "pass"
    assert gate.changed == [
        ("packages.numpy", "2", "-", "every trial"),
        ("packages.torch", "2.11.0", "2.12.0", "every trial"),
        ("revision", "r1", "r2", "every trial"),
        ("model.1.model", "-", "m 1", "every trial"),
        ("packages.pylate", "-", "1.7", "every trial"),
    ]


@pytest.mark.parametrize(
    ("values", "failed", "what"),
    [
        ({"first": SAME}, {"second": "it broke"}, "second on data (failed: it broke)"),
        ({"first": SAME}, {}, "second on data (not run yet)"),
    ],
)
def test_a_hole_is_not_accepted(
    bench: Bench, values: dict[str, Sequence[float]], failed: dict[str, str], what: str
) -> None:
    results = gated.store(bench.folder / "new", bench.file, values, failed)
    with pytest.raises(InputError, match="Nothing was accepted") as caught:
        accept(results, gated.loaded(bench.file), "r", "d")
    assert what in str(caught.value)


def timed_bench(folder: Path, **rule: Any) -> Bench:
    return Bench(
        folder, latency=gated.LATENCY, gate=[{**gated.TIMED_RULE, **rule}], metrics=[gated.METRIC]
    )


BOTH = {"first": SAME, "second": SAME}


@pytest.mark.parametrize(
    ("seconds", "status", "message"),
    [
        # of calls that took .05 s before; an A/A pair within 3 %
        (0.05, "pass", "all 30 values are the accepted ones."),
        (0.052, "pass", "1.04 times in the mean [1.04 times, 1.04 times]: a loss of 1.1 times is"),
        (0.054, "inconclusive", "can only detect losses of"),
        (0.0555, "inconclusive", "can only detect losses of"),
        (0.06, "fail", "1.2 times in the mean [1.2 times, 1.2 times]: a loss of more than"),
        (0.04, "pass", "It got better: re-baseline?"),
    ],
)
def test_latency_is_judged_by_its_ratio_to_the_yardstick(
    tmp_path: Path, seconds: float, status: str, message: str
) -> None:
    bench = timed_bench(tmp_path / "bench")
    accepted = bench.accept(BOTH, calls=gated.timed(0.05))
    gate = bench.judge(accepted, BOTH, calls=gated.timed(seconds))
    assert statuses(gate) == [status]
    row = gate.judgements[0]
    assert (row.system, row.metric) == ("second", "latency rerank k=2 cpu / first")
    assert row.change == pytest.approx(seconds / 0.05, rel=1e-4)
    # seconds x the geometric mean of 1.00 ... 1.09, over .01
    assert row.value == pytest.approx(seconds / 0.01 * 1.0446, rel=1e-3)
    assert message in row.message
    assert row.moved.empty


def test_a_slower_machine_that_slows_both_alike_changes_no_ratio(tmp_path: Path) -> None:
    bench = timed_bench(tmp_path / "bench")
    accepted = bench.accept(BOTH, calls=gated.timed(0.05))
    slow = [{**call, "seconds": 3 * call["seconds"]} for call in gated.timed(0.05)]
    assert bench.judge(accepted, BOTH, calls=slow).status == "pass"


@pytest.mark.parametrize(
    ("facts", "status", "message"),
    [
        (
            # apart by 30 % up and down, 5 % in the geometric mean
            {"calls": gated.timed(0.08, noise=0.3)},
            "inconclusive",
            "the same system timed twice took unequal times now: delete data/latency--",
        ),
        (
            {"calls": [call for call in gated.timed(0.08) if not call["copy"]]},
            "inconclusive",
            "the same system timed twice took unequal times now: delete data/latency--",
        ),
        (
            {
                "calls": gated.timed(0.08),
                "provenance": {**gated.PROVENANCE, "machine": {**MACHINE, "cores": 9}},
            },
            "not comparable",
            "another machine (cores 2 -> 9).",
        ),
        (
            {"calls": gated.timed(0.08), "dataset": {"fingerprint": "g"}},
            "not comparable",
            "documents, queries or judgements of data changed",
        ),
        (
            {"calls": [{**call, "query_id": f"x{call['query_id']}"} for call in gated.timed(0.08)]},
            "inconclusive",
            "no query was timed both then and now.",
        ),
        ({}, "not measured", "it has no latency rerank k=2 cpu / first"),
    ],
)
def test_latency_without_a_verdict(
    tmp_path: Path, facts: dict[str, Any], status: str, message: str
) -> None:
    bench = timed_bench(tmp_path / "bench")
    accepted = bench.accept(BOTH, calls=gated.timed(0.05))
    gate = bench.judge(accepted, BOTH, **facts)
    assert (gate.status, statuses(gate)) == ("no verdict", [status])
    assert message in gate.judgements[0].message


def test_what_equal_arms_differ_by_is_allowed_for(tmp_path: Path) -> None:
    calls = gated.timed(0.05, noise=0.2)  # ratios of .8 and 1.2 in turn: an interval of some 7 %
    bench = timed_bench(tmp_path / "bench", latency=1.05)
    accepted = bench.accept(BOTH, calls=calls)
    (apart,) = accepted.facts["latency"]["data"]["equal_arms"].values()
    assert 1.05 < apart < 1.12
    gate = bench.judge(accepted, BOTH, calls=gated.timed(0.051))
    assert messages(gate)["second"][0] == "inconclusive"
    assert (
        f"the same system timed twice differed up to {apart:.3g} times, too much"
        in messages(gate)["second"][1]
    )
    assert bench.judge(accepted, BOTH, calls=gated.timed(0.08)).status == "fail"


def test_a_latency_rule_without_any_latency_is_no_pass(tmp_path: Path) -> None:
    plain = Bench(tmp_path / "plain").accept(BOTH)
    gate = timed_bench(tmp_path / "bench").judge(plain, BOTH)
    assert messages(gate) == {"every reranker": ("not measured", "no such latency was measured.")}
    with pytest.raises(InputError, match="latency k=2 cpu / first"):
        timed_bench(tmp_path / "other").accept(BOTH)


def test_an_arm_that_was_not_timed_is_not_measured(tmp_path: Path) -> None:
    bench = timed_bench(tmp_path / "bench")
    accepted = bench.accept(BOTH, calls=gated.timed(0.05))
    results = gated.store(bench.folder / "new", bench.file, BOTH, calls=gated.timed(0.05))
    arms = results.costs["arms"]
    arms.loc[arms["mode"] == "rerank", ["status", "reason"]] = ("predicted", "one call takes 7 s")
    gate = judge(results, accepted, gated.loaded(bench.file))
    assert messages(gate)["second"] == ("not measured", "predicted: one call takes 7 s.")
