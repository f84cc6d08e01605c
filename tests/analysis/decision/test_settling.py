"""Which arms more calls are asked for, from literal results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from literal import literal

from harness.analysis.decision.settling import Inquiry, More
from harness.results.store import Results

QUALITY = {"base": [0.5] * 200, "late": [0.7] * 200, "late[dim=8]": [0.695] * 200}
SIZES = {"late": 9000, "late[dim=8]": 3000}
LIMIT: Any = {"p95_ms": {"cpu": 100}}


def asked(results: Results) -> list[More]:
    inquiry = Inquiry(Path(), "x")
    vars(inquiry)["results"] = results  # what is stored is read once
    tables = {name: results.costs[name] for name in ("calls", "arms")}
    return inquiry.open("cpu", tables, results.cost_facts["x", "latency"])


def timed(count: int | None = None, **more: Any) -> Results:
    seconds = {"late": 0.03, "late[dim=8]": 0.03} | more.pop("seconds", {})
    given = {"bytes_per_document": SIZES, "seconds": seconds, "timed": count, **more}
    return literal(
        more.pop("quality", QUALITY), **{k: v for k, v in given.items() if k != "quality"}
    )


def test_requirements_that_are_open() -> None:
    # 40 calls, of which none is above: twice as many at most, and 110 are enough
    late = [More(name, "precomputed", 10, 40, "base") for name in ("late", "late[dim=8]")]
    assert asked(timed(40, requirements=LIMIT)) == [More("base", "retrieve", 10, 40, "base"), *late]
    assert asked(timed(200, requirements=LIMIT, equal_arms=1.0)) == []


def test_what_is_out_gets_no_call() -> None:
    results = timed(40, seconds={"late": 0.3}, requirements=LIMIT)
    assert [more.system for more in asked(results)] == ["base", "late[dim=8]"]
    heavy = timed(40, requirements={**LIMIT, "gb_per_million_documents": 5})
    assert [more.system for more in asked(heavy)] == ["base", "late[dim=8]"]


def test_what_gains_too_little_gets_no_call() -> None:
    small = {**QUALITY, "late": [0.5] * 200}
    results = timed(40, quality=small, requirements=LIMIT)
    assert [more.system for more in asked(results)] == ["base", "late[dim=8]"]


def test_a_system_that_another_dataset_is_still_to_tell_gets_calls() -> None:
    results = timed(40, quality={**QUALITY, "late": [0.5] * 200}, requirements=LIMIT)
    later = results.trials.assign(dataset="y", status="pending", reason="not run yet")
    both = replace(
        results, trials=type(later)(results.trials.to_dict("records") + later.to_dict("records"))
    )
    assert [more.system for more in asked(both)] == ["base", "late", "late[dim=8]"]


@pytest.mark.parametrize(
    ("small", "equal_arms", "systems"),
    [
        (0.029, 1.5, ["late", "late[dim=8]"]),  # no slower, within what two equal arms differed by
        (0.029, 1.0, []),
        (0.09, 1.0, []),  # slower: time is not paid for bytes
    ],
)
def test_a_pace_beside_the_best_that_is_open(
    small: float, equal_arms: float, systems: list[str]
) -> None:
    """It keeps fewer bytes, and would be taken if it were shown to be no slower."""
    results = timed(seconds={"late[dim=8]": small}, equal_arms=equal_arms)
    assert [more.system for more in asked(results)] == systems


def test_nothing_is_asked_for_beside_a_baseline_that_failed() -> None:
    quality = {name: values for name, values in QUALITY.items() if name != "base"}
    assert asked(timed(40, quality=quality, failed={"base": "it broke"}, requirements=LIMIT)) == []
