"""Every claim of ours names something that an experiment here has, so that running it judges it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.claims.evidence import original
from harness.analysis.claims.quality import setting_found
from harness.components.models import catalogue
from harness.components.protocols import Preparable, TokenEncoder
from harness.experiment.claims import Arm, LatencyEvidence, Memory, Quality, StorageEvidence, Way
from harness.experiment.claims_reading import Claim, load_claims
from harness.experiment.reading import load_experiment
from harness.experiment.schema import Experiment, System
from harness.measure.latency.arms import encoders_of
from harness.measure.storage.study import SLICES

pytestmark = pytest.mark.usefixtures("empty_hub")

FOLDER = Path(__file__).parents[3] / "experiments"
FILE = load_claims(FOLDER / "claims.yaml")
CLAIMS = [one for one in FILE.claims if hasattr(one.evidence, "experiment")]


@cache
def experiment(name: str) -> Experiment:
    return load_experiment(FOLDER / f"{name}.yaml", weights="dummy")  # which leaves nothing out


def system(of: Experiment, name: str) -> System:
    found = {one.name: one for one in of.systems}
    assert name in found, f"{of.name} has no {name}; it has {', '.join(found)}"
    return found[name]


def modes(of: System) -> set[str]:
    """In what modes a system is timed."""
    if of.reranker is None:
        return {"retrieve"}
    late = isinstance(of.reranker, Preparable)
    return {"retrieve", *(("on the fly", "precomputed") if late else ("rerank",))}


def check_arm(of: Experiment, arm: Arm) -> None:
    assert of.latency is not None
    one = system(of, arm.system)
    assert arm.mode in modes(one)
    assert arm.k is None or arm.k in [k for k in of.latency.candidates if k <= one.depth.rerank]
    assert arm.device in of.latency.devices


def check_way(of: Experiment, way: Way) -> None:
    settings = of.storage
    assert settings is not None
    encoders = [p for one in of.systems if one.reranker for p in encoders_of(one.reranker)]
    models = {original(str(e.model)) for e in encoders if isinstance(e, TokenEncoder)}  # type: ignore[attr-defined]
    assert way.model in models
    known = catalogue.catalogue().get(way.model)
    own = known.dims[0] if known and known.dims else 384  # MiniLM's token vectors
    dims = settings.dims or (own, *(dim for dim in SLICES if dim < own))
    if way.precision == "plaid":
        assert (way.dim, way.pool_factor) == (own, 1)
        assert way.nbits in settings.plaid_nbits
    else:
        assert way.dim in dims
        assert way.precision in settings.precisions
        assert way.pool_factor in settings.pool_factors


def check_quality(of: Experiment, asked: Quality) -> None:
    config = system(of, asked.system).configuration()
    assert asked.metric in of.metrics
    if asked.against is not None:
        system(of, asked.against)
    if asked.dataset is not None:
        assert {one.name for one in of.datasets} & set(FILE.datasets[asked.dataset].names)
    assert {path: setting_found(config, path) for path in asked.setting} == dict(asked.setting)


def check(evidence: Any) -> None:
    of = experiment(evidence.experiment)
    assert of.claims == FOLDER / "claims.yaml"  # its report judges the claim
    if isinstance(evidence, Quality):
        check_quality(of, evidence)
    elif isinstance(evidence, LatencyEvidence):
        for arm in (evidence, evidence.over):
            if arm is not None:
                check_arm(of, arm)
    elif isinstance(evidence, Memory):
        assert of.latency is not None
        assert of.latency.starts
        assert evidence.mode in modes(system(of, evidence.system))
    elif isinstance(evidence, StorageEvidence):
        for way in (evidence, evidence.over):
            if isinstance(way, Way):
                check_way(of, way)
    else:
        raise TypeError(f"{type(evidence).__name__} is not checked")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_what_a_claim_names_is_there(claim: Claim) -> None:
    check(claim.evidence)


def absent() -> Iterator[Any]:
    arm = {"experiment": "pydoc_full", "system": "colbert[dim=64,precision=int8]", "k": 20}
    arm |= {"mode": "precomputed", "statistic": "p50"}
    for wrong in ({"system": "colbert"}, {"mode": "rerank"}, {"k": 10}, {"device": "cuda"}):
        yield LatencyEvidence.model_validate(arm | wrong)
    way = {"experiment": "pydoc_full", "model": "sentence-transformers/all-MiniLM-L6-v2", "dim": 64}
    way |= {"precision": "int8"}
    plaid = {"precision": "plaid", "nbits": 2}
    for wrong in ({"model": "colbert-ir/colbertv2.0"}, {"dim": 63}, {"pool_factor": 4}, plaid):
        yield StorageEvidence.model_validate(way | wrong)
    yield Memory(experiment="pydoc_full", system="dense", mode="precomputed")
    ours = {"experiment": "scifact", "system": "bm25", "metric": "ndcg@10", "dataset": "SciFact"}
    for wrong in ({"metric": "map"}, {"dataset": "FiQA"}, {"setting": {"retriever.use": "dense"}}):
        yield Quality.model_validate(ours | wrong)


@pytest.mark.parametrize("evidence", list(absent()))
def test_what_is_not_there_is_found_out(evidence: Any) -> None:
    with pytest.raises(AssertionError):
        check(evidence)


def test_no_note_says_that_something_is_missing() -> None:
    assert [
        one.id for one in FILE.claims if " yet" in one.note or "To measure it" in one.note
    ] == []
