"""Training as a stage of whole runs."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fakes import CALLS, write_experiment

from harness.cli.commands import main
from harness.components.datasets.files import Files
from harness.components.encoders.pylate import Pylate
from harness.components.models import inference
from harness.components.models.trained import sentence
from harness.errors import ComponentError, ConfigError, DataError
from harness.execution.execute import Execution
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.files import temporary
from harness.pipeline import embedding_cache
from harness.results.store import Store, load_results
from harness.training import examples, loop, make

NEGATIVES = {"retriever": {"use": "bm25"}, "depth": 20, "per_query": 2}


HASHED = {
    "name": "hashed",
    "retriever": {"use": "bm25"},
    "reranker": {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}},
}
"""Late interaction of which nothing is trained."""


def train(base: str, **fields: Any) -> dict[str, Any]:
    return {"train": {"base": base, "negatives": NEGATIVES, "max_length": 16, **fields}}


def systems(base: str, **fields: Any) -> list[dict[str, Any]]:
    """BM25, a cross-encoder that is taught, and late interaction, its teacher, at two sizes."""
    small = {"dims": [16, 8], "query_length": 10, "epochs": 1}
    encoder = {"use": "pylate", "model": train(base, **small)}
    late = {"use": "late_interaction", "encoder": encoder}
    taught = train(base, teacher=late, **fields)
    first = {"retriever": {"use": "bm25"}}
    return [
        {"name": "bm25", **first},
        {"name": "late", **first, "reranker": late, "vary": {"reranker.dim": [16, 8]}},
        {"name": "cross", **first, "reranker": {"use": "cross_encoder", "model": taught}},
    ]


def execution(folder: Path, source: Files, listed: list[dict[str, Any]]) -> Execution:
    assert Path(source.path) == folder / "data"
    file = write_experiment(folder, systems=listed, storage={"documents": 9, "plaid_nbits": []})
    plan = make_plan(load_experiment(file))
    store = Store(folder / "results", plan.experiment.name)
    return Execution(plan, store, folder / "cache", lambda *_: None)


def trained(folder: Path) -> dict[str, Path]:
    """The models in the cache by what they are."""
    found = folder.glob("cache/models/[!.]*/training.json")
    return {json.loads(file.read_text())["makes"]: file.parent for file in found}


def rankings(folder: Path) -> dict[str, dict[str, list[str]]]:
    results = load_results(folder / "results" / "experiment")
    return {
        system: {q: [h.doc_id for h in hits] for q, hits in results.run("data", system).items()}
        for system in results.trials["system"]
    }


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was trained, in order."""
    done: list[str] = []

    def fit(student: Any, examples: Any, training: Any, *rest: Any) -> loop.State:
        done.append(training.makes)
        return loop.fit(student, examples, training, *rest)

    monkeypatch.setattr(make, "fit", fit)
    return done


def test_each_model_is_trained_once_and_a_teacher_before_its_student(
    base: str, source: Files, tmp_path: Path, fits: list[str]
) -> None:
    made = execution(tmp_path, source, systems(base))
    made.execute()
    assert not made.failures
    assert fits == ["late-interaction model", "cross-encoder"]
    assert not list(tmp_path.glob("cache/models/*.partial"))
    results = load_results(tmp_path / "results" / "experiment")
    (facts,) = results.facts["data", "late[dim=8]"]["trainings"]
    counts = facts["examples"]
    assert counts["queries"] == 40
    assert counts["queries_without_negatives"] == 5  # BM25 finds few documents for them
    assert (counts["queries_learnt"], counts["queries_held_out"]) == (31, 4)
    assert facts["training"]["dims"] == [16, 8]
    older = {name: count for name, count in counts.items() if name != "queries_unjudged"}
    assert sentence(facts | {"examples": older}) == sentence(facts)
    assert facts["documents"] == 60
    of_cross = results.facts["data", "cross"]["trainings"]
    assert [one["makes"] for one in of_cross] == fits
    assert results.facts["data", "bm25"]["trainings"] == []
    grid = results.costs["grid"]
    assert set(grid.loc[grid["trained"].astype(bool), "dim"]) == {16, 8}
    again = execution(tmp_path, source, systems(base))
    again.execute()
    assert len(fits) == 2
    for folder in trained(tmp_path).values():
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert "31 training queries of data-train in 31 groups" in card
        assert len(re.findall(r"^\| \d+ \| \d\.\d{4} \| \d\.\d{4} \|$", card, re.MULTILINE)) >= 3


@pytest.mark.usefixtures("source")
def test_a_document_goes_once_through_the_body_that_three_systems_share(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = inference.run, Counter[str]()

    def counted(passes: Any, texts: Sequence[str]) -> Any:
        seen.update(texts)
        return run(passes, texts)

    monkeypatch.setattr(inference, "run", counted)
    dense = {"use": "dense", "encoder": {"use": "sentence_transformers", "model": base}}
    dense["encoder"] |= {"pooling": "mean", "max_length": 16}
    small = {"dims": [16], "query_length": 10, "epochs": 1}
    model = train(base, **small)
    lengths = {"query_length": 10, "document_length": 16}
    plain = {"model": base, "projection": "identity", "query_expansion": False, **lengths}
    rerankers = {
        name: {"use": "late_interaction", "encoder": {"use": "pylate", **encoder}}
        for name, encoder in {"late": {"model": model}, "untrained": plain}.items()
    }
    listed = [{"name": "dense", "retriever": dense}]
    listed += [{"name": n, "retriever": dense, "reranker": one} for n, one in rerankers.items()]
    file = write_experiment(tmp_path, systems=listed, depth={"retrieve": 20, "rerank": 20})
    plan = make_plan(load_experiment(file))
    made = Execution(plan, Store(tmp_path / "results", "x"), tmp_path / "cache", lambda *_: None)
    made.execute()
    assert not made.failures
    assert len(seen) == 60
    assert set(seen.values()) == {1}
    # Its vectors are those that the model itself gives.
    (stage,) = plan.trials[1].trainings
    encoder = Pylate(stage.reference)
    texts = sorted(seen)
    memory = embedding_cache.stored(
        tmp_path / "cache" / "vectors", encoder, lambda *_: None, "float32"
    )
    with temporary.below(tmp_path / "cache"):
        pairs = zip(memory.encode(texts, "doc"), encoder.encode(texts, "doc"), strict=True)
        assert all(np.allclose(kept, own, atol=1e-6) for kept, own in pairs)
    # From a body that is stored in half precision they would not be.
    folder = tmp_path / "cache" / "vectors"
    assert embedding_cache.stored(folder, encoder, lambda *_: None, "float16").body is None


def test_only_queries_that_are_used_are_searched(
    base: str, source: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "SEARCHED", 20)
    reranker = {"use": "cross_encoder", "model": train(base, groups=12), "max_length": 16}
    few = {"name": "few", "retriever": {"use": "bm25"}, "reranker": reranker}
    made = execution(tmp_path, source, [few])
    made.execute()
    assert not made.failures
    (facts,) = load_results(tmp_path / "results" / "experiment").facts["data", "few"]["trainings"]
    assert facts["examples"]["queries"] == 27  # of 40; 2 x 12 / 0.9
    assert facts["examples"]["groups_learnt"] == 12


def test_a_log_of_queries_that_nobody_judged_is_learnt_from_the_teacher(
    base: str, source: Files, tmp_path: Path
) -> None:
    (measured, *_) = (tmp_path / "data" / "queries.jsonl").read_text().splitlines()
    turned = " ".join(reversed(json.loads(measured)["text"].split()))
    texts = ("cat", turned, "river stone sort")
    lines = [json.dumps({"_id": f"q{i}", "text": text}) + "\n" for i, text in enumerate(texts)]
    log = tmp_path / "data" / "log.jsonl"
    log.write_text("".join(lines), encoding="utf-8")
    unjudged = {"use": "files", "path": "data", "qrels": "none", "queries": "log.jsonl"}
    made = execution(tmp_path, source, systems(base, unjudged=unjudged))
    made.execute()
    assert not made.failures
    results = load_results(tmp_path / "results" / "experiment")
    late, cross = results.facts["data", "cross"]["trainings"]
    assert [one["examples"]["queries_unjudged"] for one in (late, cross)] == [0, 3]
    assert cross["examples"]["groups_learnt"] == late["examples"]["groups_learnt"] + 3
    assert (late["near"], cross["near"]) == ([], ["q0"])
    card = (trained(tmp_path)["cross-encoder"] / "README.md").read_text(encoding="utf-8")
    assert "and by those alone for 3 queries that nobody judged" in card
    log.write_text("".join(lines[:2]), encoding="utf-8")
    again = execution(tmp_path, source, systems(base, unjudged=unjudged)).plan
    keys = [[stage.key for stage in plan.trials[-1].trainings] for plan in (made.plan, again)]
    assert keys[0][0] == keys[1][0]  # the teacher's
    assert keys[0][1] != keys[1][1]


def test_unjudged_queries_that_are_judged_are_refused(
    base: str, source: Files, tmp_path: Path
) -> None:
    forgotten = {"use": "files", "path": "data"}  # without `qrels: none`
    made = execution(tmp_path, source, systems(base, unjudged=forgotten))
    made.execute()
    ((_, why),) = made.failures.items()
    assert "are to be learnt as unjudged ones, but there are judgements of them: say" in str(why)


def test_unjudged_queries_ask_for_a_teacher(base: str, source: Files, tmp_path: Path) -> None:
    lone = train(base, unjudged={"use": "pydoc", "split": "unjudged"})
    cross = {"retriever": {"use": "bm25"}, "reranker": {"use": "cross_encoder", "model": lone}}
    with pytest.raises(ConfigError, match="nobody judged teach nothing without a teacher: name"):
        execution(tmp_path, source, [{"name": "cross", **cross}])


def test_one_seed_gives_one_ranking(base: str, source: Files, tmp_path: Path) -> None:
    found = []
    for seed in (1, 1, 2):
        execution(tmp_path, source, systems(base, seed=seed, learning_rate=0.01)).execute()
        found.append((rankings(tmp_path), models_bytes(tmp_path)))
        for place in ("cache", "results"):
            (tmp_path / place).rename(tmp_path / f"{place}-{len(found)}")
    assert found[0] == found[1]
    assert found[0][1] != found[2][1]


def models_bytes(folder: Path) -> dict[str, bytes]:
    return {kind: make._weights(place).read_bytes() for kind, place in trained(folder).items()}


@pytest.mark.parametrize("calls", [2, 5])
def test_a_run_that_is_killed_in_the_middle_goes_on(
    base: str, source: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    left = [calls]
    step = loop._step

    def stopping(*arguments: Any) -> float:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return step(*arguments)

    execution(tmp_path, source, systems(base)).execute()
    whole = models_bytes(tmp_path)
    for place in ("cache", "results"):
        (tmp_path / place).rename(tmp_path / f"{place}-whole")
    monkeypatch.setattr(loop, "_step", stopping)
    with pytest.raises(KeyboardInterrupt):
        execution(tmp_path, source, systems(base)).execute()
    monkeypatch.setattr(loop, "_step", step)
    assert len(trained(tmp_path)) == (0 if calls < 4 else 1)  # 31 groups are 4 steps
    assert list(tmp_path.glob("cache/models/*.partial/model.pt"))
    execution(tmp_path, source, systems(base)).execute()
    assert models_bytes(tmp_path) == whole
    assert not list(tmp_path.glob("cache/models/*.partial"))


def test_a_training_that_fails_stops_only_its_systems(
    base: str, source: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(student: Any, examples: Any, training: Any, *rest: Any) -> loop.State:
        CALLS.append(training.makes)
        if training.makes == "cross-encoder":
            raise ComponentError("The loss was not finite.")
        return loop.fit(student, examples, training, *rest)

    CALLS.clear()
    monkeypatch.setattr(make, "fit", fit)
    listed = systems(base)
    listed.append({**listed[-1], "name": "again"})
    made = execution(tmp_path, source, listed)
    made.execute()
    assert made.failures == {
        ("data", "cross"): "The loss was not finite.",
        ("data", "again"): "The loss was not finite.",
    }
    assert CALLS.count("cross-encoder") == 1
    results = load_results(tmp_path / "results" / "experiment")
    assert results.trials.set_index("system")["status"]["late[dim=8]"] == "done"
    assert set(results.costs["grid"]["system"]) == {"late[dim=16]"}


def test_metrics_and_names_train_nothing_anew(
    base: str, source: Files, tmp_path: Path, fits: list[str]
) -> None:
    execution(tmp_path, source, systems(base)).execute()
    del fits[:]
    renamed = [{**one, "name": one["name"] + "x"} for one in systems(base)]
    file = write_experiment(tmp_path, systems=renamed, metrics=["mrr@3"])
    plan = make_plan(load_experiment(file))
    Execution(plan, Store(tmp_path / "r", "x"), tmp_path / "cache", lambda *_: None).execute()
    assert not fits


def test_what_was_deleted_is_trained_again_for_what_is_left_to_measure(
    base: str, source: Files, tmp_path: Path, fits: list[str]
) -> None:
    execution(tmp_path, source, systems(base)).execute()
    shutil.rmtree(tmp_path / "cache")
    file = write_experiment(
        tmp_path, systems=systems(base), storage={"documents": 8, "plaid_nbits": []}
    )
    plan = make_plan(load_experiment(file))
    store = Store(tmp_path / "results", plan.experiment.name)
    Execution(plan, store, tmp_path / "cache", lambda *_: None).execute()
    assert fits == ["late-interaction model", "cross-encoder"] * 2
    assert not load_results(store.folder).costs["grid"].empty


def test_a_damaged_model_is_set_aside_and_trained_again(
    base: str,
    source: Files,
    tmp_path: Path,
    fits: list[str],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = execution(tmp_path, source, systems(base)[:2])
    made.execute()
    ranked, whole = rankings(tmp_path), models_bytes(tmp_path)
    (model,) = trained(tmp_path).values()
    weights = make._weights(model)
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    command = ["export", str(made.plan.experiment.file), "late[dim=16]", str(tmp_path / "copy")]
    assert main([*command, "--cache", str(tmp_path / "cache")]) == 2
    assert "or is damaged" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "results")
    shutil.rmtree(tmp_path / "cache" / "runs")
    execution(tmp_path, source, systems(base)[:2]).execute()
    assert len(fits) == 2
    assert f"{model} is damaged" in caplog.text
    assert (model.parent / f".damaged-{model.name}-1").is_dir()
    assert (rankings(tmp_path), models_bytes(tmp_path)) == (ranked, whole)


def test_what_is_measured_changes_nothing_that_is_learnt(
    base: str, source: Files, tmp_path: Path
) -> None:
    """Other judgements of the measured queries: the fingerprint of what is learnt stays."""
    execution(tmp_path, source, systems(base)).execute()
    facts = json.loads((trained(tmp_path)["cross-encoder"] / "training.json").read_text())
    qrels = tmp_path / "data" / "qrels" / "test.tsv"
    qrels.write_text(qrels.read_text().replace("\t1\n", "\t2\n"), encoding="utf-8")
    (tmp_path / "cache").rename(tmp_path / "cache-before")
    execution(tmp_path, source, systems(base)).execute()
    after = json.loads((trained(tmp_path)["cross-encoder"] / "training.json").read_text())
    assert after["fingerprint"] == facts["fingerprint"]
    assert after["weights_sha256"] == facts["weights_sha256"]


def test_too_little_to_learn_from(base: str, source: Files, tmp_path: Path) -> None:
    file = tmp_path / "data" / "qrels" / "train.tsv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:6]), encoding="utf-8")
    made = execution(tmp_path, source, systems(base))
    made.execute()
    assert {system for _, system in made.failures} == {"late[dim=16]", "late[dim=8]", "cross"}
    assert all("'data-train' has 5 queries to learn" in why for why in made.failures.values())


def test_what_is_not_trained_again_is_left_out_of_costs(
    base: str, source: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [*systems(base), HASHED]
    made = execution(tmp_path, source, listed)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "pending_cost_stages", lambda *_: [])
        made.execute()
    shutil.rmtree(tmp_path / "cache")

    def fit(*_: Any) -> loop.State:
        raise ComponentError("The loss was not finite.")

    monkeypatch.setattr(make, "fit", fit)
    again = execution(tmp_path, source, listed)
    again.execute()
    assert again.failures == {}
    results = load_results(tmp_path / "results" / "experiment")
    assert set(results.costs["grid"]["system"]) == {"hashed"}
    left_out = results.cost_facts["data", "storage"]["left_out"]
    assert left_out == {"late[dim=16]": "The loss was not finite."}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "qrels/train.tsv"),
        ({"split": "train"}, "measured on its training queries"),
    ],
)
def test_no_training_split(
    base: str,
    source: Files,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    message: str,
) -> None:
    if not change:
        (tmp_path / "data" / "qrels" / "train.tsv").unlink()
    dataset = {"use": "files", "path": source.path, **change}
    file = write_experiment(tmp_path, systems=systems(base), datasets=[dataset])
    assert main(["run", str(file), "--results", str(tmp_path / "r")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_dataset_without_training(base: str, tmp_path: Path) -> None:
    listed = systems(base)
    file = write_experiment(
        tmp_path, systems=listed, datasets=[{"use": "learning_fakes:NoTraining"}]
    )
    with pytest.raises(DataError, match="no training queries"):
        make_plan(load_experiment(file))


def test_the_plan_says_what_will_be_trained(
    base: str, source: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = execution(tmp_path, source, systems(base))
    command = ["plan", str(made.plan.experiment.file), "--cache", str(tmp_path / "cache")]
    command += ["--results", str(tmp_path / "results")]
    assert main(command) == 0
    before = capsys.readouterr().out
    assert len(re.findall(r"  train a late-interaction model \[\w{12}\]: to do", before)) == 3
    assert re.search(r"cross: to do\n  train a late.*\n  train a cross-encoder \[\w{12}\]", before)
    made.execute()
    assert main(command) == 0
    assert "  train a cross-encoder" in capsys.readouterr().out.replace(": cached", "")


def test_a_trained_model_is_copied_and_used_elsewhere(
    base: str, source: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = execution(tmp_path, source, systems(base))
    file, copy = made.plan.experiment.file, tmp_path / "copy"
    command = ["export", str(file), "cross", str(copy), "--cache", str(tmp_path / "cache")]
    assert main(command) == 2
    assert f"python -m harness run {file}" in capsys.readouterr().err
    assert not copy.exists()
    made.execute()
    assert main(command) == 0
    assert capsys.readouterr().out == f"{copy}\n"
    assert main(command) == 2
    assert "is there already" in capsys.readouterr().err
    command[2] = "bm25"
    assert main(command) == 2
    assert "no system 'bm25' with a model that it trains" in capsys.readouterr().err
    reranker = {"use": "cross_encoder", "model": str(copy)}
    elsewhere = [{"name": "copied", "retriever": {"use": "bm25"}, "reranker": reranker}]
    ranked = rankings(tmp_path)["cross"]
    execution(tmp_path, source, elsewhere).execute()
    assert rankings(tmp_path)["copied"] == ranked


def test_a_trained_reranker_is_served_by_its_experiment(
    base: str, source: Files, tmp_path: Path
) -> None:
    from harness.service import host

    made = execution(tmp_path, source, systems(base))
    made.execute()
    with temporary.below(tmp_path / "cache"):
        chosen = host.chosen(made.plan.experiment, "cross")
    assert chosen.reranker.model.startswith("trained:")
    listed = yaml.safe_load(made.plan.experiment.file.read_text())["datasets"]
    twice = [*listed, {**listed[0], "name": "other"}]
    file = write_experiment(tmp_path, systems=systems(base), datasets=twice)
    with pytest.raises(Exception, match="has a model for each of 2 datasets"):
        host.chosen(load_experiment(file), "cross")
