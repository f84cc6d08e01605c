"""Whole runs, from an experiment file to stored results."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fakes
import pandas as pd
import pytest
from fakes import CALLS, write_experiment

from harness.analysis.decision.amounts import gigabytes
from harness.analysis.decision.measurements import Measurements, Option
from harness.analysis.quality import alarms
from harness.errors import ModelError, StoreError
from harness.execution import worker
from harness.execution.execute import Execution
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.files import digests, temporary
from harness.pipeline.stages import StageResult
from harness.report.analyse import analyse
from harness.results.store import Results, Store, load_results

OVERLAP = {"use": "fakes:WordOverlap"}
DENSE = {"use": "dense", "encoder": {"use": "fakes:HashingEncoder"}}
OVERLAP_ONLY = {"name": "overlap", "retriever": OVERLAP}


def reranking(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name.lower(),
        "retriever": OVERLAP,
        "reranker": {"use": f"fakes:{name}", **fields},
    }


@pytest.fixture(autouse=True)
def calls() -> Iterator[None]:
    CALLS.clear()
    fakes.Stoppable.queries_left.clear()
    yield
    fakes.Stoppable.queries_left.clear()


def execution(folder: Path, **changes: Any) -> Execution:
    plan = make_plan(load_experiment(write_experiment(folder, **changes)))
    store = Store(folder / "results", plan.experiment.name)
    return Execution(plan, store, folder / "cache", lambda *_: None)


def executed(folder: Path, **changes: Any) -> Execution:
    made = execution(folder, **changes)
    CALLS.clear()
    made.execute()
    return made


def results(folder: Path) -> Results:
    return load_results(folder / "results" / "experiment")


def means(folder: Path, metric: str) -> dict[str, float]:
    table = results(folder).measurements
    return table[table["metric"] == metric].groupby("system")["value"].mean().to_dict()


def test_run_from_file_to_results(tmp_path: Path) -> None:
    executed(tmp_path, metrics=["ndcg@3", "recall@3"])
    # By hand. overlap, best first: q1 d2 d1 d4; q2 d3 d4; q3 d5 d4 (tied, the greater id first);
    # q4 d2 d4 d1. Relevant are d2; d3 above d4; d5; d2: the order is ideal already.
    assert means(tmp_path, "ndcg@3") == {"overlap": 1.0, "oracle": 1.0}
    found = results(tmp_path)
    run = {q: [hit.doc_id for hit in hits] for q, hits in found.run("data", "overlap").items()}
    assert run == {
        "q1": ["d2", "d1", "d4"],
        "q2": ["d3", "d4"],
        "q3": ["d5", "d4"],
        "q4": ["d2", "d4", "d1"],
    }
    assert found.trials["status"].tolist() == ["done", "done"]
    assert found.trials["reranker"].tolist() == ["", "fakes:Oracle"]
    assert found.timings["stage"].tolist() == ["retrieve", "retrieve", "rerank"]
    assert found.texts("data", "oracle")["doc d2"] == "red apple pie"
    some = found.texts("data", "oracle", ["query q1", "doc d2", "doc none"])
    assert some == {"query q1": "red apple", "doc d2": "red apple pie"}
    facts = found.facts["data", "oracle"]
    assert facts["system"]["reranker"] == {"use": "fakes:Oracle"}
    assert facts["dataset"]["documents"] == 5
    assert facts["stages"][1]["candidates_sha256"]


def test_a_worse_order_measures_worse(tmp_path: Path) -> None:
    executed(tmp_path, systems=[OVERLAP_ONLY, reranking("Reversed")], metrics=["mrr@10"])
    # reversed: q1 d4 d1 d2 -> 1/3; q2 d4 (relevant) -> 1; q3 d4 d5 -> 1/2; q4 d1 d4 d2 -> 1/3
    assert means(tmp_path, "mrr@10") == pytest.approx({"overlap": 1, "reversed": (1 + 7 / 6) / 4})


def test_shared_stage_runs_once(tmp_path: Path) -> None:
    executed(tmp_path, systems=[OVERLAP_ONLY, reranking("Oracle"), reranking("Identity")])
    assert [call for call in CALLS if not call.startswith("score")] == ["index", "search"]
    assert len([call for call in CALLS if call.startswith("score")]) == 8


def test_second_run_does_nothing(tmp_path: Path) -> None:
    executed(tmp_path)
    before = files(tmp_path / "results")
    executed(tmp_path)
    assert CALLS == []
    assert files(tmp_path / "results") == before


def test_new_metric_asks_no_component(tmp_path: Path) -> None:
    executed(tmp_path, metrics=["ndcg@3"])
    shutil.rmtree(tmp_path / "cache")
    executed(tmp_path, metrics=["ndcg@3", "mrr@2"])
    assert CALLS == []
    assert means(tmp_path, "mrr@2") == {"overlap": 1.0, "oracle": 1.0}


@pytest.mark.parametrize("name", ["run.trec.gz", "stage.json", "B2SUMS"])
@pytest.mark.parametrize("content", [b"", b"{", None])
def test_damaged_stage_is_set_aside_and_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: bytes | None
) -> None:
    """An empty run is one without hits, but for its digest."""
    executed(tmp_path, systems=[OVERLAP_ONLY])
    whole = means(tmp_path, "ndcg@3")
    (stage,) = (tmp_path / "cache" / "runs").iterdir()
    (stage / name).unlink()
    if content is not None:
        (stage / name).write_bytes(content)
    shutil.rmtree(tmp_path / "results")
    executed(tmp_path, systems=[OVERLAP_ONLY])
    assert CALLS == ["index", "search"]
    assert means(tmp_path, "ndcg@3") == whole
    (said,) = caplog.messages
    assert f"{stage / name} is " in said
    assert f"is now .damaged-{stage.name}-1" in said
    assert (stage.parent / f".damaged-{stage.name}-1").is_dir()


def test_what_a_retriever_makes_of_the_documents_is_there_for_the_next_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in the environment says where: the run does."""
    monkeypatch.delenv(temporary.CACHE, raising=False)
    bm25 = {"name": "bm25", "retriever": {"use": "bm25"}}
    executed(tmp_path, systems=[bm25])
    (index,) = (tmp_path / "cache" / "indexes").iterdir()
    made = index.stat().st_mtime_ns
    executed(tmp_path, systems=[bm25], depth={"retrieve": 2, "rerank": 2}, metrics=["ndcg@2"])
    assert [one.stat().st_mtime_ns for one in index.parent.iterdir()] == [made]


def test_a_stage_that_cannot_be_read_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed(tmp_path, systems=[OVERLAP_ONLY])
    shutil.rmtree(tmp_path / "results")
    before = files(tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(digests, "of_content", _too_many)
        patch.setattr(digests, "_digests", {})
        with pytest.raises(StoreError, match=r"Too many open files.*It was left as it is"):
            executed(tmp_path, systems=[OVERLAP_ONLY])
    assert files(tmp_path / "cache") == before
    executed(tmp_path, systems=[OVERLAP_ONLY])
    assert CALLS == []


def _too_many(_: Path) -> str:
    raise OSError(24, "Too many open files")


def test_scores_of_other_candidates_are_not_taken_up(tmp_path: Path) -> None:
    """A first stage that is made again may find other documents."""
    systems = [OVERLAP_ONLY, reranking("Stoppable")]
    fakes.Stoppable.queries_left.append(3)
    with pytest.raises(KeyboardInterrupt):
        executed(tmp_path, systems=systems)
    fakes.Stoppable.queries_left.clear()
    (journal,) = (tmp_path / "cache" / "runs").glob("*.partial")
    made = execution(tmp_path, systems=systems)
    first = made.plan.trials[1].stages[0]
    stage = tmp_path / "cache" / "runs" / first.key[:32]
    found = StageResult.load(stage)
    shutil.rmtree(stage)
    other = {name: list(reversed(hits)) for name, hits in found.run.items()}
    dataclasses.replace(found, run=other).save(stage)
    CALLS.clear()
    made.execute()
    assert [call for call in CALLS if call.startswith("score")] == [
        f"score {text}" for text in fakes.QUERIES.values()
    ]
    assert (journal.parent / f".damaged-{journal.name}-1").exists()


def test_new_system_runs_alone(tmp_path: Path) -> None:
    executed(tmp_path, systems=[OVERLAP_ONLY])
    executed(tmp_path, systems=[OVERLAP_ONLY, reranking("Identity")])
    assert [call.split()[0] for call in CALLS] == ["score"] * 4


@pytest.mark.parametrize(
    ("system", "reason"),
    [
        (reranking("Raising"), "RuntimeError: no score for 'red apple' of 3"),
        (reranking("NotFinite", value="inf"), "a score that is not a finite number: inf"),
        (reranking("TooFew"), "gave 2 scores for the 3 candidates of query 'q1'"),
        (
            {
                "name": "x",
                "retriever": {"use": "fakes:Answers", "hits": [["d1", 1.0], ["d1", 0.0]]},
            },
            "gave a document twice",
        ),
    ],
)
def test_failing_trial_leaves_the_others(
    tmp_path: Path, system: dict[str, Any], reason: str
) -> None:
    made = executed(tmp_path, systems=[system, OVERLAP_ONLY], baseline="overlap")
    assert list(made.failures) == [("data", system["name"])]
    assert reason in made.failures["data", system["name"]]
    found = results(tmp_path)
    assert found.trials["status"].tolist() == ["failed", "done"]
    assert reason in found.trials["reason"][0]
    (folder,) = (tmp_path / "results" / "experiment" / "data").glob(f"{system['name']}--*")
    assert sorted(file.name for file in folder.iterdir()) == ["B2SUMS", "failed.json"]


def test_failed_trial_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executed(tmp_path, systems=[reranking("Raising")])
    monkeypatch.setattr(fakes.Raising, "_scores", fakes.Identity._scores)
    executed(tmp_path, systems=[reranking("Raising")])
    assert results(tmp_path).trials["status"].tolist() == ["done"]
    assert not list(tmp_path.rglob("failed.json"))


def test_saved_run_of_another_version_fails_what_reranks_it(tmp_path: Path) -> None:
    (tmp_path / "run.trec").write_text("q1 Q0 d1 1 2.0 t\nq1 Q0 gone 2 1.0 t\n")
    saved = {"use": "saved_run", "path": "run.trec"}
    system = {"name": "saved", "retriever": saved, "reranker": {"use": "fakes:Identity"}}
    made = executed(tmp_path, systems=[system, OVERLAP_ONLY], baseline="overlap")
    assert "'gone', which 'data' does not have" in made.failures["data", "saved"]
    assert results(tmp_path).trials["status"].tolist() == ["failed", "done"]


def wrong(*_: object, **__: object) -> None:
    raise ModelError("The weights are damaged.")


def exits(*_: object, **__: object) -> None:
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("breaks", "how", "reason"),
    [
        (fakes.HashingEncoder, wrong, "The weights are damaged."),
        (fakes.HashingEncoder, exits, "SystemExit: 1"),
    ],
    ids=["damaged", "exits"],
)
def test_one_systems_fault_is_one_failed_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: type, how: Any, reason: str
) -> None:
    """Its texts are encoded beforehand together with those of others."""
    monkeypatch.setattr(breaks, "encode", how)
    systems = [{"name": "dense", "retriever": DENSE}, OVERLAP_ONLY, reranking("Oracle")]
    made = executed(tmp_path, systems=systems, baseline="overlap")
    assert made.failures == {("data", "dense"): reason}
    assert results(tmp_path).trials["status"].tolist() == ["failed", "done", "done"]


def test_a_stored_trial_that_cannot_be_measured_again_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systems = [reranking("Identity"), OVERLAP_ONLY]
    executed(tmp_path, systems=systems, metrics=["ndcg@3"])
    shutil.rmtree(tmp_path / "cache")
    for file in tmp_path.rglob("candidates.trec.gz"):  # as an older version had none
        file.unlink()
    monkeypatch.setattr(fakes.WordOverlap, "index", wrong)
    made = executed(tmp_path, systems=systems, metrics=["ndcg@3", "mrr@2"])
    assert made.failures == {("data", "identity"): "The weights are damaged."}
    assert means(tmp_path, "mrr@2") == {"overlap": 1.0}


@pytest.mark.parametrize("kind", ["latency", "storage"])
def test_costs_that_break_as_a_whole_leave_the_quality(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setitem(worker.MEASURES, kind, wrong)  # type: ignore[arg-type]
    made = executed(tmp_path, **{kind: {}})
    assert made.failures == {("data", f"{kind} of all systems"): "The weights are damaged."}
    assert results(tmp_path).trials["status"].tolist() == ["done", "done"]


def test_query_without_hits_counts_0_also_when_reranked(tmp_path: Path) -> None:
    (tmp_path / "run.trec").write_text("q1 Q0 d2 1 2.0 t\n")
    saved = {"use": "saved_run", "path": "run.trec"}
    system = {"name": "saved", "retriever": saved, "reranker": {"use": "fakes:Identity"}}
    made = executed(tmp_path, systems=[system], metrics=["mrr@1"])
    assert made.failures == {}
    assert means(tmp_path, "mrr@1") == {"saved": 0.25}


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def without_times(folder: Path) -> dict[str, bytes]:
    timed = ("timings.csv", "B2SUMS")
    return {name: found for name, found in files(folder).items() if not name.endswith(timed)}


def test_interrupted_rerank_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    undisturbed, stopped = tmp_path / "undisturbed", tmp_path / "stopped"
    systems = [OVERLAP_ONLY, reranking("Stoppable")]
    for folder in (undisturbed, stopped):
        folder.mkdir()
    executed(undisturbed, systems=systems)
    fakes.Stoppable.queries_left.append(3)
    with pytest.raises(KeyboardInterrupt):
        executed(stopped, systems=systems)
    assert results(stopped).trials["status"].tolist() == ["done", "pending"]
    fakes.Stoppable.queries_left.clear()
    executed(stopped, systems=systems)
    assert CALLS == ["score apple pie"]
    expected = without_times(undisturbed / "results")
    found = without_times(stopped / "results")
    here, there = str(undisturbed).encode(), str(stopped).encode()
    assert {name: content.replace(there, here) for name, content in found.items()} == expected
    assert not list((stopped / "cache").rglob("*.partial"))
    assert not list((stopped / "cache").rglob(".writing-*"))


def test_encoded_texts_are_encoded_once(tmp_path: Path) -> None:
    encoder = {"use": "fakes:HashingTokenEncoder", "dim": 8}
    late = {"use": "late_interaction", "encoder": encoder}
    system = {
        "name": "late",
        "retriever": OVERLAP,
        "reranker": late,
        "vary": {"reranker.precision": ["float32", "float16"]},
    }
    executed(tmp_path, systems=[system])
    assert [call for call in CALLS if call.startswith("encode")] == ["encode 4", "encode 5"]
    storage = results(tmp_path).storage.query("holder == 'reranker'").set_index("system")["bytes"]
    assert storage["late[precision=float32]"] == 2 * storage["late[precision=float16]"]


def test_subset_is_labelled(tmp_path: Path) -> None:
    part = {"use": "files", "path": "data", "subset": {"documents": 4, "queries": 2}}
    executed(tmp_path, datasets=[part])
    dataset = results(tmp_path).facts["data", "oracle"]["dataset"]
    assert (dataset["queries"], dataset["subset"]["seed"]) == (2, 42)
    assert any(note.startswith("subset: not comparable") for note in dataset["notes"])
    analysis = analyse(results(tmp_path))
    assert set(analysis.leaderboard["label"]) == {"subset: not comparable with published numbers"}
    assert "data is a subset: not comparable with published numbers." in analysis.decision.reasons


def test_two_datasets_stand_apart(tmp_path: Path) -> None:
    fakes.write_beir(tmp_path / "other", docs={**fakes.DOCS, "d2": "nothing"})
    data = [{"use": "files", "path": path} for path in ("data", "other")]
    executed(tmp_path, datasets=data, systems=[OVERLAP_ONLY], metrics=["recall@3"])
    table = results(tmp_path).measurements
    found = table[table["metric"] == "recall@3"].groupby("dataset")["value"].mean()
    assert found.to_dict() == {"data": 1.0, "other": 0.5}  # d2 is what q1 and q4 look for


def test_everything_stored_is_plain(tmp_path: Path) -> None:
    executed(tmp_path)
    (folder,) = (tmp_path / "results" / "experiment" / "data").glob("oracle--*")
    assert sorted(file.name for file in folder.iterdir()) == [
        "B2SUMS",
        "candidates.trec.gz",
        "measured.json",
        "measurements.parquet",
        "qrels.trec.gz",
        "readings.parquet",
        "run.trec.gz",
        "storage.csv",
        "texts.parquet",
        "timings.csv",
        "trial.json",
    ]
    assert re.fullmatch(r"oracle--[0-9a-f]{12}", folder.name)
    assert json.loads((folder / "trial.json").read_text())["provenance"]["harness"]
    stored = pd.read_parquet(folder / "measurements.parquet")
    assert list(stored) == ["query_id", "ndcg@3", "judged@10", "ties@10"]


def test_other_readings_of_a_rerank_are_made_of_its_stored_runs(tmp_path: Path) -> None:
    systems = [OVERLAP_ONLY, reranking("Identity"), reranking("Constant")]
    executed(tmp_path, systems=systems, metrics=["ndcg@3"])
    found = results(tmp_path)
    read = found.readings("ndcg@3")
    assert set(read["system"]) == {"overlap", "identity", "constant"}
    assert read[read["system"] == "overlap"]["reading"].unique() == ["condensed"]
    table = alarms.alarms(found)
    named = {(row.system, row.alarm, row.severity) for row in table.itertuples()}
    assert ("identity", "null reranker", "INVALID") in named
    assert ("constant", "constant scores", "INVALID") in named
    assert found.qrels("data", "identity") == fakes.QRELS
    (first,) = (found.candidates("data", "identity"),)
    assert first is not None
    assert [hit.doc_id for hit in first["q1"]] == ["d2", "d1", "d4"]
    assert found.candidates("data", "overlap") is None
    assert found.lengths("data", "identity") is None  # no model that could say


def test_results_of_a_version_without_digests_are_made_again_from_their_stages(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    executed(tmp_path)
    whole = files(tmp_path / "results")
    for file in (tmp_path / "results").rglob("B2SUMS"):
        file.unlink()
    with pytest.raises(StoreError, match=r"an older version wrote.*`python -m harness run FILE`"):
        results(tmp_path)
    executed(tmp_path)
    assert CALLS == []  # no component had to work
    found = files(tmp_path / "results")
    assert {name: found[name] for name in whole} == whole
    assert len([name for name in caplog.messages if "an older version wrote" in name]) == 2


def test_a_plan_without_its_digest_is_not_believed(tmp_path: Path) -> None:
    executed(tmp_path)
    file = tmp_path / "results" / "experiment" / "plan.json"
    whole = file.read_text()
    for changed in (whole.replace('"digest"', '"other"'), whole.replace('"overlap"', '"oracle"')):
        assert changed != whole
        file.write_text(changed)
        with pytest.raises(StoreError, match=r"plan\.json was not used.*harness run FILE"):
            results(tmp_path)
    executed(tmp_path)
    assert file.read_text() == whole


def test_bytes_of_the_whole_index(tmp_path: Path) -> None:
    """Late interaction over fused retrieval stores the words, the vectors and the token vectors."""
    words = {"use": "bm25"}
    fused = {"use": "fused", "retrievers": [words, DENSE, {"use": "fused", "retrievers": [words]}]}
    encoder = {"use": "fakes:HashingTokenEncoder", "dim": 8}
    late = {"use": "late_interaction", "encoder": encoder, "precision": "float32"}
    systems = [
        {"name": "words", "retriever": words},
        {"name": "late", "retriever": fused, "reranker": late},
    ]
    executed(tmp_path, systems=systems, baseline="words", depth={"retrieve": 5, "rerank": 5})
    found = results(tmp_path)
    stored = found.storage.set_index(["system", "holder", "kind"])["bytes"].to_dict()
    terms, vectors = stored["words", "retriever", "terms"], stored["late", "retriever", "vectors"]
    tokens = stored.pop(("late", "reranker", "token vectors"))
    assert stored.pop(("late", "retriever", "terms")) == terms > 0
    assert len(stored) == 2
    costs = analyse(found).costs
    index = costs.vector_bytes.groupby("system")["bytes_per_document"].sum()
    documents = found.storage.set_index("holder")["documents"]
    each, reranked = documents["retriever"].iloc[0], documents["reranker"]
    assert index["words"] == pytest.approx(terms / each)
    assert index["late"] == pytest.approx((terms + vectors) / each + tokens / reranked)
    held = Measurements(found, costs)
    for name, mode in (("words", "retrieve"), ("late", "precomputed")):
        need = gigabytes(held, "data", Option(name, mode))
        assert need.value == pytest.approx(index[name] / 1000)
