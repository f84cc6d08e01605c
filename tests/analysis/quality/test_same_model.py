"""Systems that are to be one model: by hand, against scipy, and from the run of an experiment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import write_experiment
from literal import literal
from scipy.stats import kendalltau

from harness.analysis.quality import same_model
from harness.cli import commands
from harness.data import Hit
from harness.results.store import load_results

OVERLAP = {"use": "fakes:WordOverlap"}


def run(**queries: Mapping[str, float]) -> dict[str, list[Hit]]:
    return {
        query: [Hit(*item) for item in sorted(hits.items(), key=lambda item: -item[1])]
        for query, hits in queries.items()
    }


def test_agreement_by_hand() -> None:
    expected = run(q1={"a": 3.0, "b": 2.0, "c": 1.0}, q2={"a": 1.0, "b": 0.5})
    found = run(q1={"b": 2.5, "a": 2.25, "d": 1.0}, q2={"a": 1.0, "b": 0.25})
    # q1: a and b in common, turned around: tau -1, differences .75 and .5; q2: tau 1, .25
    assert same_model.agreement(expected, found) == (4, 4 / 5, 0.75, 0.0)


def test_nothing_in_common_is_not_measured_and_not_0() -> None:
    pairs, shared, difference, tau = same_model.agreement(run(q={"a": 1.0}), run(q={"b": 1.0}))
    assert (pairs, shared) == (0, 0.0)
    assert math.isnan(difference)
    assert math.isnan(tau)


def test_tau_is_that_of_scipy() -> None:
    rng = np.random.default_rng(5)
    names = [f"d{i:02}" for i in range(40)]
    one, other = (dict(zip(names, rng.normal(size=40), strict=True)) for _ in range(2))
    expected = kendalltau([one[n] for n in names], [other[n] for n in names]).statistic
    assert same_model.agreement(run(q=one), run(q=other)).tau == pytest.approx(expected)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three rerankers said to be one, of which one turns the order around; one trial failed."""
    folder = tmp_path_factory.mktemp("parity")
    rerankers: Sequence[tuple[str, Mapping[str, Any]]] = [
        ("first", {"use": "fakes:Identity"}),
        ("same", {"use": "fakes:Identity"}),
        ("turned", {"use": "fakes:Reversed"}),
        ("broken", {"use": "fakes:NotFinite"}),
    ]
    file = write_experiment(
        folder,
        systems=[{"name": n, "retriever": OVERLAP, "reranker": r} for n, r in rerankers],
        parity={"It": ["first", "same", "turned", "broken"]},
        metrics=["mrr@3", "recall@1"],
        depth={"rerank": 2},
    )
    place = folder / "results"
    code = commands.main(
        ["run", str(file), "--results", str(place), "--cache", str(folder / "cache")]
    )
    assert code == 3
    return load_results(place / "experiment")


def test_rows_are_those_of_systems_that_were_run(results: Any) -> None:
    found = same_model.parity(results, "data")
    assert list(found.columns) == list(same_model.PARITY)
    assert found[["model", "system", "reference"]].to_numpy().tolist() == [
        ["It", system, "first"] for system in ("same", "turned")
    ]


def test_the_same_is_the_same(results: Any) -> None:
    row = same_model.parity(results, "data").iloc[0]
    assert (row["score_difference"], row["tau"], row["changed"], row["shared"]) == (0, 1, 0, 1)
    assert row["gain"] == 0


def test_only_what_was_reranked_is_compared(results: Any) -> None:
    # Two candidates a query are reranked (0 and -1 against 1 and 0 of the same two: 1 apart, tau
    # -1); the scores of the others are made up so that they lie below.
    row = same_model.parity(results, "data").iloc[1]
    heads = sum(min(len(hits), 2) for hits in results.candidates("data", "first").values())
    assert row["pairs"] == heads < sum(map(len, results.run("data", "first").values()))
    assert (row["score_difference"], row["tau"]) == (2, -1)


def test_difference_is_paired_over_queries(results: Any) -> None:
    row = same_model.parity(results, "data").iloc[1]
    values = results.measurements[results.measurements["metric"] == "mrr@3"]
    wide = values.pivot_table(index="query_id", columns="system", values="value", sort=False)
    change = (wide["turned"] - wide["first"]).to_numpy()
    assert row["gain"] == change.mean()
    assert math.isnan(row["low"])  # four queries bound nothing
    assert row["changed"] == (change != 0).sum() > 0
    assert row["queries"] == 4


def test_the_same_weights_under_onnx_runtime(
    exported: Callable[[str], str], tmp_path: Path
) -> None:
    """An encoder, a cross-encoder and a late-interaction model, each in torch and in ONNX."""
    minilm, cross, colbert = (
        *("sentence-transformers/minilm", "cross-encoder/ms-marco-MiniLM-L6-v2"),
        "colbert-ir/colbertv2.0",
    )
    torch = {"use": "sentence_transformers", "model": minilm, "device": "cpu"}
    onnx = {"use": "fastembed", "model": exported(minilm), "max_length": 32}
    late = {"use": "pylate", "model": colbert, "device": "cpu"}
    late_onnx = {"use": "fastembed_tokens", "model": exported(colbert), "max_length": 180}
    rerankers: Mapping[str, Any] = {
        "cross": {"use": "cross_encoder", "model": cross, "device": "cpu"},
        "cross onnx": {"use": "fastembed", "model": exported(cross)},
        "late": {"use": "late_interaction", "encoder": late},
        "late onnx": {"use": "late_interaction", "encoder": late_onnx},
    }
    file = write_experiment(
        tmp_path,
        systems=[
            {"name": "dense", "retriever": {"use": "dense", "encoder": torch}},
            {"name": "dense onnx", "retriever": {"use": "dense", "encoder": onnx}},
            *({"name": n, "retriever": OVERLAP, "reranker": r} for n, r in rerankers.items()),
        ],
        parity={name: [name, f"{name} onnx"] for name in ("dense", "cross", "late")},
    )
    arguments = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    assert commands.main(["run", str(file), *arguments]) == 0
    found = same_model.parity(load_results(tmp_path / "results" / "experiment"), "data")
    assert found["model"].tolist() == ["dense", "cross", "late"]
    assert (found["changed"] == 0).all()
    assert (found["shared"] == 1).all()
    assert (found["score_difference"] < 1e-4).all()


def test_speed_is_a_ratio_of_the_same_mode() -> None:
    names = ("base", "base2", "cross", "cross2")
    found = literal(
        {name: [0.5] * 12 for name in names},
        seconds={"base2": 0.02, "cross": 1.0, "cross2": 0.25},
    )
    found.plan["parity"] = [["M", "base", "base2"], ["N", "cross", "cross2"]]  # type: ignore[index]
    shares: Any = found.cost_facts["x", "latency"]["shares"]
    shares["retrieve"] |= {"base2": "base2"}
    calls = found.costs["calls"]
    calls.loc[calls["system"] == "base2", "mode"] = "retrieve"
    speeds = same_model.speeds(found, "x")
    assert list(speeds.columns) == list(same_model.SPEEDS)
    rows = speeds[["model", "system", "mode", "ratio"]].to_numpy().tolist()
    assert rows == [
        ["M", "base2", "retrieve", pytest.approx(2)],
        ["N", "cross2", "rerank", pytest.approx(0.25)],
    ]


def test_without_groups_there_is_nothing() -> None:
    found = literal({"base": [1.0, 0.0]})
    assert same_model.parity(found, "x").empty
    assert same_model.speeds(found, "x").empty


def test_the_report_of_the_run_shows_it(results: Any) -> None:
    report = Path(results.folder / "report.html").read_text()
    assert "It, the same model in several ways" in report
    assert "turned: scores within 2.000000; mrr@3 differs on" in report
