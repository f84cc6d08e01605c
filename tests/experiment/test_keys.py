"""What is scored and what is timed have keys of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fakes
import pytest
from fakes import write_experiment

from harness import load_results
from harness.components import registry
from harness.components.abilities import Tunable
from harness.components.encoders.bge_m3 import BgeM3
from harness.components.encoders.fastembed import Fastembed
from harness.components.encoders.pylate import Pylate
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.protocols import PLACE, SPEED
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.data import Doc
from harness.execution.execute import Execution
from harness.experiment.keys import component_key, timing_key
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.results.store import Results, Store
from harness.training.onnx_export import FLOAT32, INT8

OVERLAP = {"use": "fakes:WordOverlap"}


@dataclass(frozen=True)
class Batched:
    """Scores by length, in batches; what is read lies somewhere."""

    batch: int = field(default=1, metadata=SPEED)
    folder: str = field(default="", metadata=PLACE)
    sign: int = 1

    def score(self, query: str, docs: Sequence[Doc]) -> list[float]:
        fakes.CALLS.append(f"score {query}")
        return [self.sign * float(len(doc.text)) for doc in docs]


def test_speed_and_place_are_in_no_key_of_scores() -> None:
    one = component_key(Batched())
    assert component_key(Batched(batch=9)) == one == component_key(Batched(folder="x"))
    assert component_key(Batched(sign=-1)) != one


def test_speed_is_in_the_key_of_times() -> None:
    one = timing_key(Batched())
    assert timing_key(Batched(folder="x")) == one
    assert len({one, timing_key(Batched(batch=9)), timing_key(Batched(sign=-1))}) == 3


def test_a_configuration_tells_all_unless_it_is_told_not_to() -> None:
    assert registry.config_of(Batched())["batch"] == 1
    told = registry.config_of(Batched(), without=(SPEED, PLACE))
    assert told == {"use": f"{__name__}:Batched", "sign": 1}


@pytest.mark.parametrize(
    "component",
    [
        CrossEncoder("BAAI/bge-reranker-base"),
        Pylate("lightonai/colbert"),
        SentenceTransformers("sentence-transformers/minilm"),
        BgeM3("BAAI/bge-m3"),
    ],
    ids=lambda component: type(component).__name__,
)
def test_variants_that_score_alike_have_one_key(hub: Path, component: Any) -> None:
    assert hub.is_dir()
    variants = [dataclasses.replace(component, batch_size=size) for size in (1, 7)]
    if isinstance(component, Tunable):
        variants += component.policies().values()
    assert {component_key(one) for one in variants} == {component_key(component)}
    assert len({timing_key(one) for one in variants}) == len(set(variants))


def test_batches_that_share_a_scale_change_scores(exported: Callable[[str], str]) -> None:
    """A graph of int8 rounds all texts of a run by one scale."""
    place = exported("sentence-transformers/minilm")
    for file, same in ((FLOAT32, True), (INT8, False)):
        one, other = (Fastembed(place, file, batch_size=size) for size in (1, 8))
        assert (component_key(one) == component_key(other)) == same
        assert component_key(one) == component_key(dataclasses.replace(one, threads=3))


def run(folder: Path, batch: int) -> Results:
    system = {"name": "a", "retriever": OVERLAP}
    system |= {"reranker": {"use": "experiment.test_keys:Batched", "batch": batch}}
    latency = {"candidates": [2], "budget_s": 0.1, "starts": 0}
    file = write_experiment(folder, systems=[system], latency=latency)
    store = Store(folder / "results", "experiment")
    plan = make_plan(load_experiment(file))
    Execution(plan, store, folder / "cache", lambda *_: None).execute()
    return load_results(store.folder)


def test_another_batch_scores_nothing_again_and_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr("harness.pipeline.stage_runner.StageRunner.record", _asked)
        second = run(tmp_path, 2)
    assert second.run("data", "a") == first.run("data", "a")
    assert not second.costs["calls"]["seconds"].equals(first.costs["calls"]["seconds"])


def _asked(*_: Any) -> None:
    raise AssertionError("a trial that is done was asked for again")


def test_systems_that_differ_in_speed_are_timed_apart(tmp_path: Path) -> None:
    late = {"use": "late_interaction", "encoder": {"use": "experiment.test_keys:SlowEncoder"}}
    vary = {"reranker.encoder.batch": [1, 2], "reranker.precision": ["float32", "float16"]}
    systems = [{"name": "late", "retriever": OVERLAP, "reranker": late, "vary": vary}]
    latency = {"candidates": [2], "budget_s": 0.1, "starts": 0}
    file = write_experiment(tmp_path, systems=systems, latency=latency)
    store = Store(tmp_path / "results", "experiment")
    Execution(
        make_plan(load_experiment(file)), store, tmp_path / "cache", lambda *_: None
    ).execute()
    shares = load_results(store.folder).cost_facts["data", "latency"]["shares"]["on the fly"]
    assert {name.partition(",")[0] for name in shares.values()} == {"late[batch=1", "late[batch=2"}


@dataclass(frozen=True)
class SlowEncoder(fakes.HashingTokenEncoder):
    """One unit vector a word, in batches."""

    batch: int = field(default=1, metadata=SPEED)
