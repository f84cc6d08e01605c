"""The report's section on claims: those that name its experiment, with their verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.analysis.claims.page import claim_blocks
from harness.errors import ConfigError
from harness.report.analyse import analyse
from harness.report.render import write_report
from harness.results.store import Results

Make = Callable[..., Results]

ASKED = {"experiment": "e", "system": "cross", "mode": "rerank", "k": 2, "statistic": "p50"}
CLAIM = {"says": "It <b>takes</b> a second.", "source": "a|b", "expected": {"near": 1000}}
CLAIM["expected"] = {"near": 1000, "tolerance": "20%"}


def claims_of(results: Results, folder: Path, *claims: dict[str, Any]) -> Results:
    """The results of an experiment `e` that names a file of these claims."""
    for name in ("e", "other"):
        (folder / f"{name}.yaml").touch()
    content = {"experiments": ["e", "other"], "claims": list(claims)}
    file = folder / "claims.yaml"
    file.write_text(yaml.safe_dump(content))
    return dataclasses.replace(results, plan={**results.plan, "claims": str(file)})


@pytest.mark.parametrize("weights", ["real", "dummy"])
def test_claims_that_name_the_experiment(make_results: Make, tmp_path: Path, weights: str) -> None:
    made = make_results(weights)
    name = "e" if weights == "real" else "e-dummy"
    made = dataclasses.replace(made, plan={**made.plan, "experiment": name})
    results = claims_of(
        made,
        tmp_path,
        CLAIM | {"id": "L1", "latency": ASKED},
        CLAIM | {"id": "L2", "latency": ASKED | {"k": 4}, "expected": {"above": 2000}},
        CLAIM | {"id": "L3", "latency": ASKED | {"experiment": "other"}},
        CLAIM | {"id": "A1", "arithmetic": "1"},
    )
    (block,) = claim_blocks(results)
    (shown,) = block.tables
    assert shown.caption == "Each claim is judged alone: 1 supported, 1 not measured."
    first, second = shown.table.rows
    assert first[:2] == ["L1", "supported on cpu of <cpu>, 2 cores"]
    # the median of 1.00 .. 1.19 s
    assert first[2] == "It <b>takes</b> a second. (a|b)"
    assert first[3].startswith("p50 1,100 ms [")
    assert ("with random weights" in first[3]) == (weights == "dummy")
    # four candidates would not fit in the budget, and two take 1,100 ms already
    assert second[:2] == ["L2", "not measured on cpu of <cpu>, 2 cores"]
    assert "one call takes 7 s (predicted: 2,190 ms))" in second[3]


def test_both_reports_show_them_escaped(make_results: Make, tmp_path: Path) -> None:
    made = make_results()
    same = made.measurements.assign(value=0.5)  # no query changes, whose texts are on no disk here
    made = dataclasses.replace(made, folder=tmp_path, measurements=same)
    results = claims_of(made, tmp_path, CLAIM | {"id": "L1", "latency": ASKED})
    write_report(results, analyse(results))
    text, page = ((tmp_path / f"report.{ending}").read_text() for ending in ("md", "html"))
    assert ">Claims</h2>" in page
    assert ">It &lt;b&gt;takes&lt;/b&gt; a second. (a|b)</td>" in page
    assert "- Claims: Claims of others\n" in text


def test_without_claims_there_is_no_section(make_results: Make, tmp_path: Path) -> None:
    results = make_results()  # as stored before experiments could name claims
    assert list(claim_blocks(results)) == []
    others = claims_of(results, tmp_path, CLAIM | {"id": "A1", "arithmetic": "1"})
    assert list(claim_blocks(others)) == []
    none = dataclasses.replace(results, plan={**results.plan, "claims": None})
    assert list(claim_blocks(none)) == []


def test_a_file_that_is_gone_or_broken(make_results: Make, tmp_path: Path) -> None:
    results = claims_of(make_results(), tmp_path, CLAIM | {"id": "L1", "latency": ASKED})
    file = tmp_path / "claims.yaml"
    file.write_text("claims: []")
    with pytest.raises(ConfigError, match=r"claims\.yaml has 1 fault"):
        list(claim_blocks(results))
    file.unlink()
    (block,) = claim_blocks(results)
    assert block.warnings == ["The file claims.yaml has moved since this was run."]
