"""Every branch of the decision, from literal results: gains and needs are constants."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist, fmean, stdev
from typing import Any

import pandas as pd
import pytest
from literal import literal

from harness.analysis.costs import vector_bytes
from harness.analysis.costs.measured import CostAnalysis, analyse_costs
from harness.analysis.decision import reasons
from harness.analysis.decision.recommend import (
    OPTIONS,
    REQUIREMENTS,
    SENSITIVITY,
    Recommendation,
    decide,
    decisions,
)
from harness.analysis.quality.alarms import ALARMS
from harness.analysis.statistics.tail import Seen
from harness.errors import ConfigError
from harness.results.store import Results
from harness.results.terms import with_decision

QUERIES = 200
BASE = [0.5] * QUERIES


def plus(gain: float, spread: float = 0.0) -> list[float]:
    """The baseline's values and a gain, which alternates by `spread`."""
    return [0.5 + gain + spread * (-1) ** i for i in range(QUERIES)]


QUALITY = {"base": BASE, "late": plus(0.2), "late[dim=8]": plus(0.195), "cross": plus(0.25)}
SIZES = {"late": 9000, "late[dim=8]": 3000}
SECONDS = {"late": 0.03, "late[dim=8]": 0.02, "cross": 1.0}
RESULTS = literal(QUALITY, bytes_per_document=SIZES, seconds=SECONDS)
LOAD = {"documents": 2_000_000, "queries_per_day": 36_000, "candidates": 10}
PRICES = {"ram_gb_month": 3.0, "disk_gb_month": 0.5, "cpu_core_hour": 0.05}


def costs_of(results: Results) -> CostAnalysis:
    return analyse_costs(results, vector_bytes.storage_per_document(results))


COSTS = costs_of(RESULTS)


def decided(results: Results | None = None, alarms: Any = None, **terms: Any) -> Recommendation:
    """The decision on RESULTS, or on others, under these terms."""
    if results is None:
        return decide(with_decision(RESULTS, **terms), COSTS, alarms)
    return decide(with_decision(results, **terms), costs_of(results), alarms)


def under(**requirements: Any) -> Recommendation:
    return decided(requirements=requirements)


def said(texts: Sequence[str]) -> str:
    return " ".join(texts)


def test_the_greatest_lower_bound_where_nothing_is_required() -> None:
    found = decided()
    assert (found.answer, found.system) == ("adopt", "cross")
    assert found.headline == "Adopt cross."
    # constant gains leave one flip of signs as extreme: p = 2 / 2^200, times 3 by Holm
    assert found.reasons[0] == (
        "cross gains +0.250 m@1 [+0.250, +0.250] over base: at least 0.250 with 95 % confidence; you "
        "asked for 0.01. This holds after correcting for 3 comparisons."
    )
    assert "No requirement limits latency, storage, memory, licence or cost" in found.reasons[1]
    assert said(found.reasons).endswith(
        "Compared with base it needs 1.00 GB of index per million documents instead of 1.00; 1,010 ms "
        "(p95) on cpu instead of 10.0."
    )


def test_requirements_come_first() -> None:
    found = under(p95_ms={"cpu": 200})
    assert found.answer == "adopt"
    assert found.system == "late[dim=8]"
    assert (
        "cross gains enough but misses a requirement: 1,010 ms (p95) on cpu; 200 allowed (5.0 times)."
    ) in found.reasons
    # 0.95^200 = 3.5e-5
    assert (
        "It meets the requirements: 30.0 ms (p95) on cpu, 200 allowed (none of 200 calls took more than "
        "200 ms, enough to say that p95 meets the limit (p < 0.001))."
    ) in found.reasons
    assert "No requirement limits storage, memory, cost or licences." in found.reasons


def test_how_far_each_is_from_each_requirement() -> None:
    found = under(p95_ms={"cpu": 200}, gb_per_million_documents=5).requirements
    assert tuple(found.columns) == REQUIREMENTS
    rows = {(row.system, row.requirement): row for row in found.itertuples()}
    # retrieval takes 10 ms, reranking 30; of 9,000 + 1,000 bytes a million documents take 10 GB
    assert rows["late", "p95_ms"].value == pytest.approx(40)
    assert rows["late", "p95_ms"].over == pytest.approx(40 / 200 - 1)
    assert rows["late", "gb_per_million_documents"].value == pytest.approx(10)
    assert rows["late", "gb_per_million_documents"].over == pytest.approx(1.0)
    assert rows["cross", "p95_ms"].over == pytest.approx(1010 / 200 - 1)
    verdicts = {key: row.verdict for key, row in rows.items()}
    assert verdicts["late", "gb_per_million_documents"] == "out"
    assert verdicts["late[dim=8]", "gb_per_million_documents"] == "in"
    assert verdicts["base", "p95_ms"] == "in"


def test_a_cheaper_one_is_adopted_where_its_loss_is_shown_not_to_matter() -> None:
    # 0.005 are lost by it, in every query
    found = under(p95_ms={"cpu": 200})
    assert found.system == "late[dim=8]"
    assert (
        "late gains more, but late[dim=8] needs only 4.00 GB of index per million documents "
        "instead of 10.0 and loses less than 0.01 (0.005 m@1 [+0.005, +0.005])."
    ) in found.reasons
    strict = decided(requirements={"p95_ms": {"cpu": 200}}, smallest_gain_that_matters=0.004)
    assert strict.system == "late"


def test_a_cheaper_one_whose_loss_is_not_told_is_named_and_not_adopted() -> None:
    quality = {"base": BASE, "late": plus(0.2), "late[dim=8]": plus(0.195, 0.1)}
    results = literal(quality, bytes_per_document=SIZES, seconds=SECONDS)
    found = decided(results)
    assert found.system == "late"
    assert "late[dim=8] is cheaper (4.00 GB of index per million documents" in said(found.reasons)
    assert "but loses 0.005 m@1 [-0.0" in said(found.reasons)
    assert "] to late, which may be more than 0.01." in said(found.reasons)


def test_what_is_slower_is_not_cheaper_without_prices() -> None:
    seconds = {"late": 0.03, "late[dim=8]": 0.04}
    quality = {name: QUALITY[name] for name in ("base", "late", "late[dim=8]")}
    results = literal(quality, bytes_per_document=SIZES, seconds=seconds, workload=LOAD)
    assert decided(results).system == "late"
    # 7 and 1 more GB of RAM and disk outweigh the milliseconds: see the cost by hand below
    priced = literal(
        quality,
        bytes_per_document=SIZES,
        seconds=seconds,
        workload=LOAD,
        memory={"base": 0.0, "late": 0.0, "late[dim=8]": 0.0},
    )
    assert decided(priced, prices=PRICES).system == "late[dim=8]"


def test_a_loosened_requirement_flips_the_decision() -> None:
    tight = under(p95_ms={"cpu": 200}, gb_per_million_documents=2)
    assert (tight.answer, tight.system, tight.headline) == ("keep", "base", "Keep base.")
    assert tight.reasons == [
        (
            "3 systems gain enough but miss a requirement (cross; late; late[dim=8]); the nearest is "
            "late[dim=8]: 4.00 GB of index per million documents; 2 allowed (2.0 times)."
        ),
        "No other system meets the requirements.",
        "No requirement limits memory, cost or licences.",
    ]
    assert tight.flips == [
        "Adopt cross if the limit were 1,010 ms (p95) on cpu (now 200; 5.0 times as much).",
        (
            "Adopt late[dim=8] if the limit were 4.00 GB of index per million documents (now 2; 2.0 "
            "times as much)."
        ),
    ]
    assert under(p95_ms={"cpu": 200}, gb_per_million_documents=4).system == "late[dim=8]"


def test_what_would_flip_an_adoption() -> None:
    flips = under(p95_ms={"cpu": 200}).flips
    assert flips == [
        "Adopt cross if the limit were 1,010 ms (p95) on cpu (now 200; 5.0 times as much).",
        "Keep base if the limit were below 30.0 ms (p95) on cpu (now 200).",
        "Keep base if the limit were below 4.00 GB of index per million documents (now no limit).",
        "late[dim=8] would not gain enough if you asked for more than 0.195 (now 0.01).",
    ]


def test_a_flip_is_told_by_a_limit_that_does() -> None:
    # 10,748.1 bytes a document, such that three digits would be too few: 10.7 GB are not enough
    results = literal({"base": BASE, "late": plus(0.2)}, bytes_per_document={"late": 9748.1})
    (flip,) = decided(results, requirements={"gb_per_million_documents": 4}).flips
    assert flip.startswith("Adopt late if the limit were 10.8 GB of index")


def test_what_was_not_measured_is_neither_in_nor_out() -> None:
    found = under(p95_ms={"cpu": 200, "cuda": 20})
    assert found.answer == "assess"
    assert found.headline == "Assess further: measure late against the requirements."
    assert found.reasons[0].endswith(
        "but may miss a requirement: its latency was not measured on cuda."
    )
    table = found.requirements.set_index(["system", "device"])["verdict"]
    assert table["late", "cuda"] == table["base", "cuda"] == "unknown"
    # out by one requirement is out, whatever is not known of another
    assert "cross gains enough but misses a requirement" in said(found.reasons)
    assert "late[dim=8] gains enough, but may miss a requirement" in said(found.flips)


def test_nothing_was_timed_at_all() -> None:
    results = literal(QUALITY, bytes_per_document=SIZES, workload=LOAD)
    found = decided(results, requirements={"memory_gb": 8})
    assert found.headline == "Assess further: measure cross against the requirements."
    assert "its memory was not measured" in found.reasons[0]
    assert found.sensitivity.empty
    assert decided(results).system == "cross"


def test_few_calls_may_show_what_they_carry_no_estimate_of() -> None:
    few = literal(QUALITY, bytes_per_document=SIZES, seconds=SECONDS, timed=71)
    found = decided(few, requirements={"p95_ms": {"cpu": 100}})
    rows = found.requirements.set_index("system")
    assert rows["value"].isna().all()
    assert rows["verdict"].to_dict() == {
        "base": "in",
        "late": "in",
        "late[dim=8]": "in",
        "cross": "out",
    }
    # 40 ms each, and 0.95^71 = .0262
    assert tuple(rows.loc["late", list(Seen._fields)]) == (
        "met",
        71,
        0,
        pytest.approx(0.0262, abs=1e-4),
        0,
    )
    assert rows.loc["late", "at_most"] == pytest.approx(40)
    assert rows.loc["cross", "at_least"] == pytest.approx(1010)
    assert (found.answer, found.system) == ("adopt", "late[dim=8]")
    assert (
        "p95 is unknown (to measure it takes 200 calls), but none of 71 calls took more than 100 ms, "
        "enough to say that p95 meets the limit (p = 0.026)"
    ) in said(found.reasons)
    assert (
        "all 71 calls took more than 100 ms, enough to say that p95 misses the limit (p < 0.001)"
    ) in said(found.reasons)


def test_calls_that_are_too_few_are_neither_in_nor_out_and_the_way_on_is_told() -> None:
    few = literal(QUALITY, bytes_per_document=SIZES, seconds=SECONDS, timed=40)
    found = decided(few, requirements={"p95_ms": {"cpu": 200}})
    rows = found.requirements.set_index("system")
    assert rows["verdict"].to_dict() == {
        "base": "unknown",  # 0.95^40 = .13
        "late": "unknown",
        "late[dim=8]": "unknown",
        "cross": "out",
    }
    assert found.headline == "Assess further: measure late against the requirements."
    assert (
        "its median on cpu is 40.0 ms; none of 40 calls took more than 200 ms, too few calls to say "
        "whether p95 meets the limit; about 74 more would settle it: write `settle_s: 10` under `latency`"
    ) in found.reasons[0]


def test_a_slow_call_in_a_few_is_not_yet_shown_to_be_out() -> None:
    """The median of one call is above the limit, but one call in twenty is anyway."""
    seconds = {"late": 0.3}
    one = literal({"base": BASE, "late": plus(0.2)}, seconds=seconds, timed=1)
    two = literal({"base": BASE, "late": plus(0.2)}, seconds=seconds, timed=2)
    verdicts = [
        decided(few, requirements={"p95_ms": {"cpu": 200}}).requirements["verdict"].tolist()[1]
        for few in (one, two)
    ]
    assert verdicts == ["unknown", "out"]  # .05, .05^2 = .0025


@pytest.mark.parametrize(
    ("calls", "above", "outcome", "words"),
    [
        (
            1,
            1,
            "open",
            "the only call took more than 200 ms, too few calls to say whether p95 meets",
        ),
        (1, 0, "open", "the only call took no more than 200 ms, too few calls to say whether"),
        (
            2,
            2,
            "missed",
            "all 2 calls took more than 200 ms, enough to say that p95 misses the limit",
        ),
        (
            1000,
            3,
            "met",
            "3 of 1,000 calls took more than 200 ms, enough to say that p95 meets the",
        ),
    ],
)
def test_what_calls_say_of_a_limit(calls: int, above: int, outcome: str, words: str) -> None:
    assert reasons.tested(Seen(outcome, calls, above, 0.01, 0.0), 200).startswith(words)


def test_a_requirement_near_an_estimate_is_not_settled_by_it() -> None:
    """200 calls carry a p95 of 199 ms, but 9 of them above 200 ms do not show that it is below."""
    calls = [0.1] * 191 + [0.4] * 9
    near = literal({"base": BASE, "late": plus(0.2)}, seconds={"late": calls})
    found = decided(near, requirements={"p95_ms": {"cpu": 200}}).requirements.set_index("system")
    assert found.loc["late", "value"] < 200
    assert found.loc["late", "verdict"] == "unknown"
    # P(B(200, .05) <= 9) = .45
    assert found.loc["late", "p"] == pytest.approx(0.45, abs=0.01)


def test_a_predicted_median_above_the_limit_is_out() -> None:
    # 100 tokens a second: 3,000 tokens by prediction take 30 s
    quality = {name: QUALITY[name] for name in ("base", "cross")}
    more = {**LOAD, "candidates": 20}
    results = literal(quality, seconds={"cross": 1.0}, predicted={"cross": 3000.0}, workload=more)
    found = decided(results, requirements={"p95_ms": {"cpu": 200}})
    (row,) = [row for row in found.requirements.itertuples() if row.system == "cross"]
    assert (row.verdict, row.at_least) == ("out", pytest.approx(30_010))
    assert "by prediction" in row.said
    assert found.answer == "keep"


def test_an_undecided_gain_asks_for_queries() -> None:
    quality = {"base": BASE, "late": plus(0.03, 0.2)}
    found = decided(literal(quality, bytes_per_document=SIZES))
    # ((z(.975) + z(.8)) s / (0.03 - 0.01))^2 queries, with s of a change that alternates by 0.2
    spread = stdev([0.2 * (-1) ** i for i in range(QUERIES)])
    z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
    needed = math.ceil((z * spread / 0.02) ** 2)
    assert found.options.set_index("system").loc["late", "needed"] == needed
    more = float(f"{needed - QUERIES:.2g}")
    assert found.answer == "assess"
    assert found.headline == f"Assess further: compare late on about {more:,.0f} more queries."
    assert "but 200 queries cannot show that it is at least 0.01, as you asked" in found.reasons[0]
    assert found.flips[-1].startswith(f"About {more:,.0f} more queries like these would settle")


def test_a_gain_that_is_too_small_keeps_the_baseline() -> None:
    found = decided(literal({"base": BASE, "late": plus(0.009), "cross": plus(-0.1)}))
    assert (found.answer, found.system) == ("keep", "base")
    assert found.reasons == [
        (
            "Of the 2 systems, late gains most: +0.009 m@1 [+0.009, +0.009] over base, less than the "
            "0.01 that you asked for."
        )
    ]
    states = found.options.set_index("system")["state"].to_dict()
    assert states == {"base": "", "late": "small", "cross": "small"}


# How many of ArguAna's 1,406 queries, each with one relevant document, have it at rank 1 to 10: made
# up, so that nDCG@10 is what Qdrant published of MiniLM and of MaxSim over its token vectors.
DENSE_RANKS = (400, 200, 120, 80, 63, 50, 40, 41, 30, 25)
MAXSIM_RANKS = (333, 200, 114, 80, 65, 50, 40, 47, 30, 25)


def ndcg_of_ranks(counts: Sequence[int], seed: int) -> list[float]:
    """nDCG@10 of 1,406 queries in an order of the seed's; the rest have nothing in the first ten."""
    gains = [1 / math.log2(1 + rank) for rank, n in enumerate(counts, 1) for _ in range(n)]
    gains += [0.0] * (1406 - len(gains))
    return random.Random(seed).sample(gains, len(gains))


def test_a_reranker_that_loses_as_maxsim_does_on_arguana_keeps_the_baseline() -> None:
    quality = {"base": ndcg_of_ranks(DENSE_RANKS, 1), "late": ndcg_of_ranks(MAXSIM_RANKS, 2)}
    means = [fmean(values) for values in quality.values()]
    assert means == pytest.approx([0.50167, 0.45378], abs=5e-6)
    found = decided(literal(quality))
    assert (found.answer, found.system) == ("keep", "base")
    assert found.headline == "Keep base."
    (reason,) = found.reasons
    # Of two independent orders: 1.96 x sqrt(.377^2 + .374^2) / sqrt(1406) = .028
    assert reason.startswith("The only other system, late, loses: -0.048 m@1 [-0.07")
    assert found.options.set_index("system")["state"].to_dict() == {"base": "", "late": "small"}


def test_where_nothing_gains_nobody_gains_most() -> None:
    (reason,) = decided(literal({"base": BASE, "late": plus(-0.02), "cross": plus(-0.1)})).reasons
    assert reason == (
        "Of the 2 systems, none gains; the nearest, late, loses: -0.020 m@1 [-0.020, -0.020]."
    )
    (reason,) = decided(literal({"base": BASE, "late": plus(-0.01, 0.3)})).reasons
    assert reason.startswith("The only other system, late, differs by -0.010 m@1 [-0.05")
    # twice the share of halves of 100 x 0.29 and 100 x 0.31 that sum to at most 29: 0.6287
    assert "which may be no difference (p = 0.628" in reason
    (reason,) = decided(literal({"base": BASE, "late": BASE, "cross": plus(-0.1)})).reasons
    assert reason == "By m@1 none of the 2 systems gains; late differs from base in no query."


def test_a_gain_that_is_shown_and_not_its_size_is_told_apart() -> None:
    # alternates by 0.1 around 0.02: the interval of 200 queries is +-0.014, and holds 0.01
    results = literal({"base": BASE, "late": plus(0.02, 0.1)})
    found = decided(results)
    assert found.headline.startswith("Assess further: compare late on")
    assert (
        "Some gain is certain, but 200 queries cannot show that it is at least" in found.reasons[0]
    )
    assert found.sentence == (
        "Assess further: late ranks 0.020 m@1 better than base, but 200 queries cannot show that it "
        "gains 0.01."
    )


def test_five_queries_show_nothing_in_the_answer_nor_in_the_decision() -> None:
    # five wins of five: 2 of 2^5 flips are as extreme, p = 0.0625
    results = literal({"base": [0.0] * 5, "late": [1.0] * 5})
    found = decided(results)
    assert found.answer == "assess"
    assert found.sentence.endswith("but 5 queries cannot show that it gains 0.01.")
    assert "(p = 0.0625)" in found.reasons[0]
    six = decided(literal({"base": [0.0] * 6, "late": [1.0] * 6}))
    assert six.headline == "Adopt late."
    assert six.sentence.startswith("Adopt late: ranks 1.000 m@1 better than base")


def test_several_datasets_have_one_verdict_in_the_answer_and_the_decision() -> None:
    parts = {
        "x": {"base": BASE, "late": plus(0.03, 0.2)},
        "y": {"base": BASE, "late": plus(0.05, 0.2)},
    }
    results = literal(parts, bytes_per_document=SIZES)
    found = decided(results)
    assert found.headline == "Adopt late."
    # (0.03 + 0.05) / 2; 1,000 and 9,000 bytes a document
    assert found.sentence == (
        "Adopt late: ranks 0.040 m@1 better than base, stores 10.0 GB per million documents."
    )
    (line,) = [
        text for text in found.reasons if text.startswith("That is the mean over 2 datasets")
    ]
    assert "+0.030 [+0.0" in line
    assert "+0.050 [+0.0" in line


def test_one_query_shows_nothing() -> None:
    found = decided(literal({"base": [0.5], "late": [0.9]}, bytes_per_document=SIZES))
    assert found.headline == "Assess further: compare late on more than 10 times as many queries."
    assert "[no interval]" in found.reasons[0]


def test_a_failed_trial_is_to_be_mended() -> None:
    results = literal({"base": BASE, "late": plus(0.0)}, failed={"cross": "RuntimeError: <no>"})
    found = decided(results)
    assert found.headline == "Assess further: measure the quality of cross."
    assert found.reasons == ["The quality of cross is unknown: RuntimeError: <no>."]
    better = decided(literal({"base": BASE, "late": plus(0.2)}, failed={"cross": "it broke"}))
    assert better.system == "late"
    assert "cross was not compared: it broke." in better.flips


def test_random_weights_are_neither_adopted_nor_worth_measuring() -> None:
    results = literal({"base": BASE, "late": plus(0.0)}, failed={"cross": "no weights here"})
    trials = results.trials.replace({"status": {"failed": "not measured"}})
    found = decided(replace(results, trials=trials))
    assert (found.answer, found.system) == ("keep", "base")
    assert found.gains.family == 0  # late changes no value, and cross is not tested
    assert "cross was not compared: no weights here." in found.flips


def test_without_the_baseline_nothing_is_decided() -> None:
    found = decided(literal({"late": plus(0.2)}, failed={"base": "it broke"}))
    assert found.headline == "Assess further: measure the quality of base, the baseline."
    assert found.reasons == ["The quality of base is unknown: it broke."]
    assert found.flips == []


def test_a_baseline_that_misses_a_requirement() -> None:
    found = under(gb_per_million_documents=0.5)
    assert found.headline == "Keep base."
    assert found.reasons[0].startswith("base itself misses a requirement: 1.00 GB of index")
    # it does not stand in the way of a system that meets them
    slow = literal({"base": BASE, "late": plus(0.2)}, bytes_per_document={"late": 0})
    assert decided(slow, requirements={"gb_per_million_documents": 1}).system == "late"


def alarm(system: str, severity: str) -> pd.DataFrame:
    return pd.DataFrame([("x", system, "constant scores", severity, "0.5 | 0.5")], columns=ALARMS)


def test_an_invalid_measurement_blocks_its_system() -> None:
    found = decided(alarms=alarm("cross", "INVALID"))
    assert found.system == "late[dim=8]"
    assert (
        "cross cannot be recommended while its measurement is invalid: constant scores on x (0.5 | "
        "0.5)."
    ) in found.flips
    row = found.options.set_index("system").loc["cross"]
    assert row["invalid"] == "constant scores on x (0.5 | 0.5)"


def test_why_nobody_else_can_be_adopted() -> None:
    alone = decided(literal({"base": BASE}, seconds={"base": 0.01}))
    assert (alone.answer, alone.reasons[0]) == ("keep", "There is no other system than base.")
    invalid = decided(alarms=pd.concat(alarm(one, "INVALID") for one in QUALITY if one != "base"))
    assert invalid.answer == "keep"
    assert invalid.reasons[0] == (
        "No other system can be adopted: the measurement of late, late[dim=8], cross is INVALID."
    )


def test_an_invalid_baseline_blocks_all() -> None:
    found = decided(alarms=alarm("base", "INVALID"))
    assert found.headline == "Assess further: mend the measurement of base, the baseline."
    assert found.reasons == [
        (
            "The measurement of base is invalid: constant scores on x (0.5 | 0.5). Nothing compares with "
            "it."
        )
    ]


@pytest.mark.parametrize(("system", "is_told"), [("cross", True), ("base", True), ("late", False)])
def test_a_caution_stands_among_the_reasons(system: str, is_told: bool) -> None:
    found = decided(alarms=alarm(system, "CAUTION"))
    assert found.system == "cross"
    caution = f"Constant scores: 0.5 | 0.5 ({system} on x)."
    assert (caution in found.reasons) == is_told
    assert "Constant" not in said(decided(alarms=alarm(system, "INFO")).reasons)


MODELS = {
    "late": "jinaai/jina-colbert-v2",
    "cross": "BAAI/bge-reranker-base@abc",
    "other": "my/own",
}


def test_licences() -> None:
    quality = {"base": BASE, "late": plus(0.3), "cross": plus(0.2), "other": plus(0.25)}
    results = literal(quality, models=MODELS)
    found = decided(results, requirements={"licence": "commercial"})
    rows = found.requirements.set_index("system")
    assert rows["verdict"].to_dict() == {
        "base": "in",
        "late": "out",
        "cross": "in",
        "other": "unknown",
    }
    assert rows.loc["late", "said"] == "jinaai/jina-colbert-v2 is cc-by-nc-4.0"
    assert rows.loc["other", "said"] == "the licence of my/own is unknown"
    assert found.system == "cross"
    assert "its licences allow commercial use" in said(found.reasons)
    assert "late gains enough but misses a requirement: jinaai/jina-colbert-v2 is" in (
        said(found.reasons)
    )
    assert "other gains enough, but may miss a requirement: the licence" in said(found.flips)


def test_the_licence_of_a_trained_model_is_that_of_its_base() -> None:
    results = literal({"base": BASE, "late": plus(0.3)}, models={"late": "trained:abc"})
    training = {"reference": "trained:abc", "base": "jinaai/jina-colbert-v2"}
    facts = {name: {**found, "trainings": [training]} for name, found in results.facts.items()}
    found = decided(replace(results, facts=facts), requirements={"licence": "commercial"})
    rows = found.requirements.set_index("system")
    assert rows.loc["late", "said"] == "jinaai/jina-colbert-v2 is cc-by-nc-4.0"
    alone = decided(results, requirements={"licence": "commercial"}).requirements
    assert alone.set_index("system").loc["late", "verdict"] == "unknown"


def test_memory_and_money_of_retriever_and_reranker_together() -> None:
    memory = {"base": 0.5e9, "late": 1e9}
    results = literal(
        {"base": BASE, "late": plus(0.2), "cross": plus(0.1)},
        bytes_per_document=SIZES,
        seconds={"late": 0.03, "cross": 1.0},
        memory=memory,
        workload=LOAD,
        prices=PRICES,
    )
    found = decided(results, requirements={"memory_gb": 22, "cost_per_month": 120})
    rows = {(row.system, row.requirement): row for row in found.requirements.itertuples()}
    # 2e6 documents of 1,000 and 9,000 bytes are 2 and 18 GB, beside them models of 0.5 and 1 GB
    assert rows["base", "memory_gb"].value == pytest.approx(2.5)
    assert rows["late", "memory_gb"].value == pytest.approx(21.5)
    # 36,000 * 30.4 queries of 10 and 30 ms on 2 cores at 0.05 an hour: 3.04 and 9.12 h
    base, late = 2.5 * 3 + 2 * 0.5 + 3.04 * 0.1, 19 * 3 + 18 * 0.5 + 9.12 * 0.1
    assert rows["base", "cost_per_month"].value == pytest.approx(base)
    assert rows["late", "cost_per_month"].value == pytest.approx(base + late)
    assert found.system == "late"
    # the memory of cross was not measured; its vectors alone reach 2 GB, its calls 304 h
    assert rows["cross", "memory_gb"].verdict == "unknown"
    assert rows["cross", "memory_gb"].at_least == pytest.approx(2.5)
    assert rows["cross", "cost_per_month"].verdict == "unknown"
    assert rows["cross", "cost_per_month"].at_least == pytest.approx(base + 30.4)


def test_sensitivity_to_the_workload() -> None:
    memory = {"base": 0.0, "late": 0.0}
    results = literal(
        {"base": BASE, "late": plus(0.2)},
        bytes_per_document=SIZES,
        seconds={"late": 0.03},
        memory=memory,
        workload=LOAD,
        prices=PRICES,
        requirements={"memory_gb": 50},
    )
    table = decided(results).sensitivity
    assert tuple(table.columns) == SENSITIVITY
    rows = table.set_index("changed")
    assert rows["system"].to_dict() == {
        "": "late",
        "documents x 0.1": "late",
        "documents x 10": "base",
        "queries per day x 0.1": "late",
        "queries per day x 10": "late",
    }
    assert rows.loc["", "vectors_gb"] == pytest.approx(20)
    assert rows.loc["documents x 0.1", "memory_gb"] == pytest.approx(2)
    assert rows.loc["documents x 10", "answer"] == "keep"
    # ten times the queries: 9 times 12.16 h more on 2 cores at 0.05
    more = rows["cost_per_month"]["queries per day x 10"] - rows["cost_per_month"][""]
    assert more == pytest.approx(9 * 12.16 * 0.1)
    assert decided().sensitivity.empty


def test_on_the_fly_is_an_option_where_latency_is_limited() -> None:
    results = literal({"base": BASE, "late": plus(0.2)}, bytes_per_document=SIZES)
    timed = literal(
        {"base": BASE, "late": plus(0.2)}, bytes_per_document=SIZES, seconds={"late": 0.03}
    )
    assert list(decided(timed).options["mode"]) == ["retrieve", "precomputed"]
    both = _with_fly(timed)
    found = decided(both, requirements={"p95_ms": {"cpu": 900}, "gb_per_million_documents": 2})
    assert list(found.options["mode"]) == ["retrieve", "precomputed", "on the fly"]
    # 500 ms and no vectors but those of the retriever
    assert found.headline == "Adopt late, on the fly."
    assert list(decided(both).options["mode"]) == ["retrieve", "precomputed"]
    assert decided(results, requirements={"p95_ms": {"cpu": 900}}).answer == "assess"


def _with_fly(results: Results) -> Results:
    """The same with arms of `late` on the fly, which take 0.5 s."""
    calls, arms = results.costs["calls"], results.costs["arms"]
    fly = {"mode": "on the fly"}
    more = calls[calls["system"] == "late"].assign(seconds=0.49, **fly)
    tables = {
        "calls": pd.concat([calls, more], ignore_index=True),
        "arms": pd.concat([arms, arms[arms["system"] == "late"].assign(**fly)], ignore_index=True),
    }
    return replace(results, costs={**results.costs, **tables})


def test_several_datasets_count_alike() -> None:
    quality = {
        "x": {"base": BASE, "late": plus(0.3), "cross": plus(0.1)},
        "y": {"base": BASE[:20], "late": plus(-0.02)[:20], "cross": plus(0.02)[:20]},
    }
    results = literal(quality, bytes_per_document=SIZES, seconds={"late": 0.03, "cross": 0.1})
    found = decided(results)
    rows = found.options.set_index("system")
    # means of the datasets' means, however many queries each has
    assert rows.loc["late", "gain"] == pytest.approx(0.14)
    assert rows.loc["cross", "gain"] == pytest.approx(0.06)
    assert found.system == "late"
    assert (
        "That is the mean over 2 datasets: +0.300 [+0.300, +0.300] on x, -0.020 [-0.020, -0.020] on y."
    ) in found.reasons
    assert "It loses on y." in found.reasons


def test_a_requirement_holds_on_the_worst_dataset() -> None:
    quality = {"x": {"base": BASE, "late": plus(0.3)}, "y": {"base": BASE, "late": plus(0.3)}}
    results = literal(quality, bytes_per_document=SIZES, seconds={"late": 0.03})
    kept = results.storage
    is_late = (kept["dataset"] == "y") & (kept["holder"] == "reranker")
    larger = kept.assign(bytes=kept["bytes"].mask(is_late, 19_000))
    found = decided(replace(results, storage=larger), requirements={"gb_per_million_documents": 15})
    row = found.requirements.set_index("system").loc["late"]
    assert (row["value"], row["verdict"]) == (pytest.approx(20), "out")
    unknown = decided(
        replace(results, storage=kept[~is_late]), requirements={"gb_per_million_documents": 15}
    )
    row = unknown.requirements.set_index("system").loc["late"]
    assert row["verdict"] == "unknown"
    assert row["said"] == "the bytes of its token vectors were not counted on y"


def test_a_system_that_one_dataset_lacks_is_not_compared() -> None:
    quality: Mapping[str, Any] = {
        "x": {"base": BASE, "late": plus(0.3)},
        "y": {"base": BASE},
    }
    found = decided(literal(quality))
    assert found.headline == "Assess further: measure the quality of late."
    assert found.reasons == ["The quality of late is unknown: it broke (on y)."]


def test_a_subset_and_other_candidates_are_said() -> None:
    results = literal(
        {"base": BASE, "late": plus(0.2)},
        bytes_per_document=SIZES,
        seconds={"late": 0.03},
        subset=True,
        workload=LOAD,
    )
    reasons = said(decided(results).reasons)
    assert "x is a subset: not comparable with published numbers." in reasons
    assert "Its quality is that of 100 reranked candidates, its cost that of 10" in (reasons)


def test_the_objective_may_be_another_metric() -> None:
    found = decided(objective="n@1")
    assert found.headline == "Assess further: measure the quality of base, the baseline."
    assert found.reasons == ["The quality of base is unknown: n@1 was not measured."]


def test_options_say_what_each_needs() -> None:
    found = decided().options
    assert tuple(found.columns) == OPTIONS
    row = found.set_index("system").loc["late"]
    assert row["value"] == pytest.approx(0.7)
    assert (row["gb_per_million_documents"], row["p95_ms"]) == pytest.approx((10, 40))
    assert math.isnan(row["cost_per_month"])


def test_decisions_under_several_terms() -> None:
    found = decisions(
        RESULTS,
        COSTS,
        {
            "little": {"requirements": {"gb_per_million_documents": 2, "p95_ms": {"cpu": 99}}},
            "all": {},
        },
    )
    assert found[["terms", "answer", "system"]].to_numpy().tolist() == [
        ["little", "keep", "base"],
        ["all", "adopt", "cross"],
    ]


def test_wrong_terms_are_one_error_that_names_them() -> None:
    with pytest.raises(
        ConfigError, match=r"decision\.requirements\.gb: unknown key.*decision\.review_by"
    ):
        with_decision(RESULTS, requirements={"gb": 3}, review_by="soon")
