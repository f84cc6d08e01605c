"""Systems whose models bring code of their own run where that is trusted, else they are left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_results
import pytest
from fakes import write_experiment

from harness.cli.commands import main
from harness.errors import ConfigError
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.experiment.schema import Experiment
from harness.report.missing import not_measured

OVERLAP = {"use": "fakes:WordOverlap"}
TURBO = "jinaai/jina-reranker-v1-turbo-en"
"""The catalogue says that it brings code of its own."""
COMMIT = "0123abcdef" * 4


def system(name: str, model: str, **settings: Any) -> dict[str, Any]:
    reranker = {"use": "cross_encoder", "model": model, **settings}
    return {"name": name, "retriever": OVERLAP, "reranker": reranker}


def loaded(folder: Path, *systems: dict[str, Any], **keys: Any) -> Experiment:
    first = {"name": "overlap", "retriever": OVERLAP}
    weights = keys.pop("weights", "real")
    return load_experiment(write_experiment(folder, systems=[first, *systems], **keys), (), weights)


def runs(experiment: Experiment) -> dict[str, bool]:
    """By name of a system with a reranker whether it may run the model's code."""
    rerankers = {one.name: one.reranker for one in experiment.systems if one.reranker}
    return {name: one.trust_remote_code for name, one in rerankers.items()}


SYSTEMS = (
    system("pinned", f"{TURBO}@{COMMIT}"),
    system("branch", f"{TURBO}@main"),
    system("own", "cross-encoder/ms-marco-MiniLM-L6-v2"),
    system("unknown", f"nobody/knows@{COMMIT}"),
    system("by itself", f"{TURBO}@{COMMIT}", trust_remote_code=True),
)


def test_without_trust_they_are_left_out_and_the_others_run(tmp_path: Path) -> None:
    found = loaded(tmp_path, *SYSTEMS)
    assert runs(found) == {"own": False, "unknown": False, "by itself": True}
    assert list(found.left_out) == ["pinned", "branch"]
    assert "`trust_remote_code: true`" in found.left_out["pinned"]


def test_trust_reaches_pinned_models_that_bring_code_or_are_not_known(tmp_path: Path) -> None:
    found = loaded(tmp_path, *SYSTEMS, trust_remote_code=True)
    assert runs(found) == {"pinned": True, "own": False, "unknown": True, "by itself": True}
    assert list(found.left_out) == ["branch"]
    assert f"write {TURBO}@COMMIT" in found.left_out["branch"]


def test_random_weights_run_no_code_of_theirs(tmp_path: Path) -> None:
    found = loaded(tmp_path, *SYSTEMS[:2], weights="dummy")
    assert runs(found) == {"pinned": False, "branch": False}
    assert found.left_out == {}


def test_baseline_must_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"baseline: left out, because a model brings code"):
        loaded(tmp_path, SYSTEMS[0], baseline="pinned")


def test_plan_and_report_name_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan(found := loaded(tmp_path, *SYSTEMS[:2]))
    said = (
        "pinned, branch: left out, because a model brings code of its own; `trust_remote_code: true` "
        "in the experiment lets it run."
    )
    results = made_results.results({"left_out": plan.described()["left_out"]})
    assert not_measured(results)[0] == said
    assert main(["plan", str(found.file)]) == 0
    assert said in " ".join(capsys.readouterr().out.split())
