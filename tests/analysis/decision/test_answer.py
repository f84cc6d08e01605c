"""The answer in one sentence, for each step of the rule."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from literal import literal

from harness.analysis.costs import vector_bytes
from harness.analysis.costs.measured import analyse_costs
from harness.analysis.decision.recommend import Recommendation, decide
from harness.analysis.quality.alarms import ALARMS
from harness.results.terms import with_decision

BASE = [0.1 * (i % 5) for i in range(200)]
ADOPTED = "late[dim=64,precision=int8]"


def above(gain: float, spread: float = 0.0) -> list[float]:
    """The baseline's values and a gain, which alternates by `spread`."""
    return [value + gain + spread * (-1) ** i for i, value in enumerate(BASE)]


def decided(
    quality: dict[str, list[float]],
    alarms: pd.DataFrame | None = None,
    requirements: dict[str, Any] | None = None,
    **made: Any,
) -> Recommendation:
    results = with_decision(literal(quality, **made), requirements=requirements or {})
    return decide(
        results, analyse_costs(results, vector_bytes.storage_per_document(results)), alarms
    )


def test_what_to_adopt_says_what_it_gains_and_costs() -> None:
    # 10 ms of retrieval and 26 of reranking; 1,000 and 13,300 bytes a document
    made = {"bytes_per_document": {ADOPTED: 13_300}, "seconds": {ADOPTED: 0.026}}
    found = decided({"base": BASE, ADOPTED: above(0.054)}, **made)
    assert found.sentence == (
        "Adopt late at 64 dimensions, int8: ranks 0.054 m@1 better than base, answers in 36.0 ms (p95), "
        "stores 14.3 GB per million documents."
    )


def test_too_few_calls_for_a_percentile() -> None:
    """By 71 calls p95 is at most the slowest of them: 0.95^71 = .026; by 40 nothing bounds it."""
    made = {"bytes_per_document": {ADOPTED: 13_300}, "seconds": {ADOPTED: 0.026}}
    quality = {"base": BASE, ADOPTED: above(0.054)}
    assert "answers in at most 36.0 ms (p95)," in decided(quality, timed=71, **made).sentence
    assert "answers in 36.0 ms (median)," in decided(quality, timed=40, **made).sentence


def test_where_the_calls_leave_a_limit_open_is_said() -> None:
    """Of 20 to 40 ms and 10 before: the first limit is missed by a binomial test, the other met."""
    seconds = {"base": 0.01, ADOPTED: np.linspace(0.02, 0.04, 100).tolist()}
    quality = {"base": BASE, ADOPTED: above(0.054)}
    found = decided(quality, None, {"p95_ms": {"cpu": 100}}, timed=100, seconds=seconds)
    assert (
        "Keep base if the limit were below 48.2 ms (p95) on cpu (now 100; between 48.2 and 50.0 too few "
        "calls were timed to tell)."
    ) in found.flips


KEPT = {
    "a small gain": (
        {"late": above(0.009)},
        (
            "Keep base: the only other system, late, ranks 0.009 m@1 better than base, less than the 0.01 "
            "that you asked for."
        ),
    ),
    "a loss": (
        {"late": above(-0.04), "cross": above(-0.1)},
        "Keep base: the nearest other system, late, ranks 0.040 m@1 worse than base.",
    ),
    "a copy": (
        {"late": BASE},
        "Keep base: the only other system, late, ranks as base does.",
    ),
    "a gain that may be none": (
        {"late": above(0.005, 0.3)},
        (
            "Keep base: the only other system, late, ranks 0.005 m@1 better than base, which 200 queries "
            "cannot tell from no gain."
        ),
    ),
    "nothing else": ({}, "Keep base: there is no other system than base."),
}


@pytest.mark.parametrize("case", KEPT)
def test_why_the_baseline_stays(case: str) -> None:
    others, said = KEPT[case]
    assert decided({"base": BASE, **others}).sentence == said


def test_what_gains_enough_and_costs_too_much() -> None:
    required = {"gb_per_million_documents": 2}
    made = {"bytes_per_document": {"late": 9000}}
    assert decided({"base": BASE, "late": above(0.2)}, None, required, **made).sentence == (
        "Keep base: late ranks 0.200 m@1 better than base, but misses the limit of 2 GB of index per "
        "million documents."
    )


def test_what_must_be_assessed() -> None:
    required = {"p95_ms": {"cuda": 20}}
    hidden = decided({"base": BASE, "late": above(0.2)}, None, required)
    assert hidden.sentence == (
        "Assess further: late ranks 0.200 m@1 better than base, but it may miss a requirement."
    )
    failed = decided({"base": BASE}, failed={"cross": "it broke"})
    assert failed.sentence == "Assess further: the quality of cross was not measured (it broke)."
    row = ("x", "base", "constant scores", "INVALID", "0.5")
    invalid = decided({"base": BASE, "late": BASE}, pd.DataFrame([row], columns=list(ALARMS)))
    assert invalid.sentence == (
        "Assess further: the measurement of base, the baseline, is invalid (constant scores on x (0.5))."
    )


def test_the_shortlist_has_each_once() -> None:
    quality = {
        "base": BASE,
        ADOPTED: above(0.05),
        "late[dim=128,precision=int8]": above(0.06),
        "cross": above(-0.04),
        "fly": above(0.01),
        "other": above(-0.05),
    }
    sizes = {ADOPTED: 13_000, "late[dim=128,precision=int8]": 25_000}
    seconds = dict.fromkeys(quality, 0.02)
    found = decided(
        quality,
        None,
        {"gb_per_million_documents": 20},
        bytes_per_document=sizes,
        seconds=seconds,
        failed={"random": "no weights here"},
    )
    roles = {one.option.name: list(one.roles) for one in found.shortlist}
    assert roles == {
        "base": ["baseline"],
        ADOPTED: ["adopt"],
        "fly, on the fly": [
            "runner-up",
            "best late interaction, on the fly",
        ],  # the surest that is allowed
        "cross": ["best cross-encoder"],
        "late[dim=128,precision=int8]": ["best late interaction, precomputed"],
    }
    assert {one.option.name: one.over for one in found.shortlist if one.over} == {
        "late[dim=128,precision=int8]": {"gb_per_million_documents": 20}
    }
    assert found.costs[0] == "gb_per_million_documents"  # the one limit


def test_a_first_stage_that_ranks_best_is_shown_where_it_misses_a_limit() -> None:
    found = decided(
        {"base": BASE, "base2": above(0.2), "cross": above(-0.04)},
        None,
        {"gb_per_million_documents": 5},
        bytes_per_document={"base2": 13_000},
        seconds={"cross": 0.02},
    )
    assert found.sentence.startswith("Keep base: base2 ranks 0.200 m@1 better")
    roles = {one.option.name: list(one.roles) for one in found.shortlist}
    assert roles["base2"] == ["ranks best"]


def test_of_first_stages_without_quality_none_ranks_best() -> None:
    why = dict.fromkeys(("base", "late"), "no weights here")
    found = decided({"base0": [math.nan] * 200}, failed=why, seconds={"late": 0.02})
    roles = {one.option.name: list(one.roles) for one in found.shortlist}
    assert roles == {"base": ["baseline"], "late": ["best late interaction, precomputed"]}


def test_what_decides_is_what_keeps_most_out() -> None:
    quality = {"base": BASE, "late": above(0.2), "cross": above(0.1), "cross[k=2]": above(0.1)}
    required = {"p95_ms": {"cpu": 100}, "gb_per_million_documents": 5}
    seconds = {"late": 0.01, "cross": 1.0, "cross[k=2]": 0.5}
    made = {"bytes_per_document": {"late": 9000}, "seconds": seconds}
    assert decided(quality, None, required, **made).costs == [
        *("p95_ms", "gb_per_million_documents"),
    ]
    del quality["cross"], quality["cross[k=2]"]
    assert decided(quality, None, required, **made).costs[0] == "gb_per_million_documents"


def test_without_weights_the_answer_is_the_fastest_reranker() -> None:
    why = dict.fromkeys(("base", "late", "cross"), "no weights here")
    seconds = {"late": 0.02, "cross": 1.0, "other": 2.0}
    results = literal({"other": BASE}, failed=why, seconds=seconds)
    trials = results.trials.assign(
        status=results.trials["status"].replace("failed", "not measured")
    )
    results = dataclasses.replace(results, trials=trials)
    costs = analyse_costs(results, vector_bytes.storage_per_document(results))
    # 10 ms of retrieval and 20 of reranking
    assert decide(results, costs).sentence == (
        "Assess further: nothing says how these systems rank, because there are no weights here; the "
        "fastest reranker, late, answers in 30.0 ms (p95)."
    )
