from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes import write_experiment

from harness.components import registry
from harness.components.retrievers.bm25 import Bm25
from harness.errors import ConfigError
from harness.experiment.dataset_option import dataset_spec
from harness.experiment.decision_terms import Decision, Requirements
from harness.experiment.metric_names import KNOWN
from harness.experiment.quick import quickened
from harness.experiment.reading import load_decision, load_experiment
from harness.experiment.schema import Experiment

OVERLAP = {"use": "fakes:WordOverlap"}


def faults(file: Path, **arguments: Any) -> list[str]:
    """The lines of the error but its heading, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        load_experiment(file, **arguments)
    heading, *rows = str(caught.value).splitlines()
    assert heading.startswith(str(file))
    return [row.strip().removeprefix(f"{file}:") for row in rows]


def system(**changes: Any) -> dict[str, Any]:
    return {"name": "a", "retriever": OVERLAP, **changes}


def loaded(folder: Path, **changes: Any) -> Experiment:
    return load_experiment(write_experiment(folder, **changes))


def test_metrics_by_default_must_fit_the_depth(tmp_path: Path) -> None:
    file = write_experiment(tmp_path, depth={"retrieve": 50})
    content = yaml.safe_load(file.read_text())
    del content["metrics"]
    file.write_text(yaml.safe_dump(content))
    (fault,) = faults(file)
    assert "metrics[2]: recall@100 looks deeper than the 50 documents" in fault


def test_defaults(tmp_path: Path) -> None:
    file = write_experiment(tmp_path)
    content = {**yaml.safe_load(file.read_text())}
    del content["metrics"]
    file.write_text(yaml.safe_dump(content))
    found = load_experiment(file)
    assert found.name == "experiment"
    assert found.metrics == ("ndcg@10", "mrr@10", "recall@100")
    assert (found.baseline, found.seed) == ("overlap", 42)
    assert found.systems[0].depth.model_dump() == {"retrieve": 100, "rerank": 100}
    assert found.datasets[0].name == "data"


BAD = """\
question: 3
question: again
metricks: [ndcg@10]
datasets:
  - {use: files, path: data, splitt: dev}
  - {use: filez}
  - {use: irds}
systems:
  - name: a
    retriever: {use: bm25, k1: high, b: true}
    reranker: {use: fakes:WordOverlap}
  - name: b
    retriever: {use: dense, encoder: {use: bm25}}
    depth: {retrieve: "128", rerank: 0, keep: 3}
  - retriever: {use: fakes:Nothing}
    colour: red
  - 7
depth: 5
metrics: [ndgc, recall@0]
seed: true
"""


def test_every_fault_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    assert faults(file) == [
        "1: question: input should be a valid string, not 3; put it in quotation marks",
        "2: question: repeated (first on line 1)",
        "3: metricks: unknown key; did you mean 'metrics'?",
        "5: datasets[0].splitt: unknown key; did you mean 'split'?",
        "6: datasets[1].use: there is no dataset 'filez'; did you mean 'files'?",
        "7: datasets[2]: the key 'id' is missing",
        "10: systems[0].retriever.b: input should be a valid number, not True",
        "10: systems[0].retriever.k1: input should be a valid number, not 'high'",
        "11: systems[0].reranker.use: 'fakes:WordOverlap' is not a Reranker: it lacks score()",
        (
            "13: systems[1].retriever.encoder.use: there is no encoder 'bm25'; known: "
            f"{', '.join(registry.names('encoders'))}"
        ),
        ("14: systems[1].depth.keep: unknown key; known: rerank, retrieve"),
        "14: systems[1].depth.rerank: input should be greater than or equal to 1, not 0",
        (
            "14: systems[1].depth.retrieve: input should be a valid integer, not '128'; write a plain "
            "decimal number such as 42, 0.01 or 1e6, without quotation marks"
        ),
        (
            "15: systems[2].retriever.use: 'fakes:Nothing' cannot be imported: module 'fakes' has "
            "no attribute 'Nothing'"
        ),
        "15: systems[2]: the key 'name' is missing",
        "16: systems[2].colour: unknown key; known: depth, name, reranker, retriever, vary",
        "17: systems[3]: expected keys name, retriever, reranker, depth, vary, not 7",
        "18: depth: expected keys retrieve, rerank, not 5",
        f"19: metrics[0]: 'ndgc' is not a metric; {KNOWN}",
        f"19: metrics[1]: 'recall@0' is not a metric; {KNOWN}",
        "20: seed: input should be a valid integer, not True",
    ]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"metrics": []}, "metrics: expected a list of at least 1, not ()"),
        ({"metrics": ["mrr@1", "mrr@1"]}, "metrics: 'mrr@1' occurs more than once: say it once"),
        (
            {"metrics": ["recall@100"], "systems": [system(depth={"retrieve": 20})]},
            (
                "metrics[0]: recall@100 looks deeper than the 20 documents that 'a' retrieves; raise "
                "depth.retrieve or lower the cut-off"
            ),
        ),
        (
            {"parity": {"M": ["overlap", "orakle"]}},
            "parity.M[1]: 'orakle' is not a system; did you mean 'oracle'?",
        ),
        (
            {"parity": {"M": ["oracle", "overlap", "oracle"]}},
            "parity.M[2]: 'oracle' is named twice",
        ),
        (
            {"parity": {"M": ["oracle"]}},
            "parity.M: expected a list of at least 2, not ('oracle',)",
        ),
        (
            {"parity": ["oracle", "overlap"]},
            "parity: expected keys with their values, not ('oracle', 'overlap')",
        ),
        ({"baseline": "orakle"}, "baseline: 'orakle' is not a system; did you mean 'oracle'?"),
        (
            {"systems": [system(), system()]},
            "systems: 'a' occurs more than once: names must differ",
        ),
        ({"systems": [{"name": "a"}]}, "systems[0]: the key 'retriever' is missing"),
        ({"systems": []}, "systems: expected a list of at least 1, not ()"),
        ({"systems": {"a": 1}}, "systems: expected a list, not {'a': 1}"),
        (
            {"systems": [system(retriever="bm25")]},
            "systems[0].retriever: expected a retriever, such as {use: bm25, ...}",
        ),
        (
            {"systems": [system(depth=5)]},
            "systems[0].depth: expected keys retrieve, rerank, not 5",
        ),
        (
            {"systems": [system(vary={"retriever.salt": 3})]},
            "systems[0].vary.retriever.salt: expected a list of values, not 3",
        ),
        *(
            (
                {"systems": [system(vary=vary)]},
                "systems[0].vary: expected keys such as `reranker.dim` with lists of values",
            )
            for vary in (None, 5, True)
        ),
        (
            {"systems": [system(vary=["retriever.salt"])]},
            "systems[0].vary: expected keys such as `reranker.dim` with lists of values",
        ),
        (
            {"systems": [system(vary={"retriever.sugar": [1]})]},
            "systems[0].retriever.sugar: unknown key; known: salt",
        ),
        (
            {"systems": [system(retriever={"use": "fused", "retrievers": []})]},
            "systems[0].retriever: needs at least one retriever and k of at least 0",
        ),
        (
            {"datasets": [{"use": "files", "path": "data"}] * 2},
            "datasets: 'data' occurs more than once: give one a `name:`",
        ),
        (
            {"datasets": [{"use": "files", "path": "data", "format": "csv"}]},
            "datasets[0].format: input should be 'beir', 'tsv' or 'trec', not 'csv'",
        ),
        (
            {"datasets": [{"use": "files", "path": "data", "subset": {"documents": "9"}}]},
            "datasets[0].subset.documents: input should be a valid integer, not '9'",
        ),
        (
            {"datasets": [{"use": "files", "path": "data", "subset": {}}]},
            "datasets[0].subset: the key 'documents' is missing",
        ),
        (
            {"datasets": ["scifact"]},
            "datasets[0]: expected a dataset, such as {use: files, ...}",
        ),
        ({"question": None}, "question: input should be a valid string, not None"),
        ({"seed": 1.0}, "seed: input should be a valid integer, not 1.0"),
    ],
)
def test_fault(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    (row,) = faults(write_experiment(tmp_path, **changes))
    assert row.partition(": ")[2].startswith(fault)


@pytest.mark.parametrize("key", ["question", "datasets", "systems"])
def test_missing_key_is_one_fault(tmp_path: Path, key: str) -> None:
    file = write_experiment(tmp_path)
    content = yaml.safe_load(file.read_text())
    del content[key]
    file.write_text(yaml.safe_dump(content))
    assert faults(file) == [f"1: the key {key!r} is missing"]


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "3"])
def test_file_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"x\.yaml is not an experiment: expected keys question"):
        load_experiment(file)


def test_alias_that_contains_itself_is_a_fault(tmp_path: Path) -> None:
    file = write_experiment(tmp_path)
    file.write_text(file.read_text().replace("question: ", "depth: &d {rerank: *d}\nquestion: "))
    assert "1: depth.rerank: an alias that contains itself" in faults(file)


VARIED = system(
    reranker={"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}},
    vary={"reranker.encoder.dim": [8, 16], "depth.rerank": [10], "retriever": [OVERLAP]},
)


def test_vary_makes_a_system_for_each_combination(tmp_path: Path) -> None:
    changes = {"reranker.encoder.dim": [8, 16], "reranker.precision": ["float16", "int8"]}
    found = loaded(tmp_path, systems=[VARIED | {"vary": changes}]).systems
    assert [system.name for system in found] == [
        "a[dim=8,precision=float16]",
        "a[dim=8,precision=int8]",
        "a[dim=16,precision=float16]",
        "a[dim=16,precision=int8]",
    ]
    made = [(system.reranker.encoder.dim, system.reranker.precision) for system in found]
    assert made == [(8, "float16"), (8, "int8"), (16, "float16"), (16, "int8")]


def test_vary_reaches_depth_and_what_was_not_written(tmp_path: Path) -> None:
    vary = {"depth.rerank": [5, 9], "retriever.salt": [1]}
    found = loaded(tmp_path, systems=[system(vary=vary)]).systems
    assert [(s.name, s.depth.rerank, s.depth.retrieve) for s in found] == [
        ("a[rerank=5,salt=1]", 5, 100),
        ("a[rerank=9,salt=1]", 9, 100),
    ]


def test_name_of_a_varied_model_is_its_last_part(tmp_path: Path) -> None:
    spec = {"use": "cross_encoder", "model": "x/y"}
    varied = system(reranker=spec, vary={"reranker.model": ["BAAI/small", "BAAI/large"]})
    found = loaded(tmp_path, systems=[varied]).systems
    assert [system.name for system in found] == ["a[model=small]", "a[model=large]"]


def test_paths_count_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nested = {"use": "fused", "retrievers": [{"use": "saved_run", "path": "../run.trec"}]}
    local = {"use": "cross_encoder", "model": "./models/mine"}
    hub = {"use": "cross_encoder", "model": "models/hub"}
    systems = [system(retriever=nested, reranker=local), system(name="b", reranker=hub)]
    (tmp_path / "in").mkdir()
    write_experiment(tmp_path / "in", systems=systems)
    monkeypatch.chdir(tmp_path / "in")
    found = load_experiment("experiment.yaml")
    assert found.datasets[0].source.path == str(tmp_path / "in" / "data")
    assert found.systems[0].retriever.retrievers[0].path == str(tmp_path / "run.trec")
    assert found.systems[0].reranker.model == str(tmp_path / "in" / "models" / "mine")
    assert found.systems[1].reranker.model == "models/hub"


def test_the_base_of_a_training_counts_from_the_file(tmp_path: Path) -> None:
    train = {"base": "./mine", "negatives": {"retriever": {"use": "bm25"}}}
    reranker = {"use": "cross_encoder", "model": {"train": train}}
    (found,) = loaded(tmp_path, systems=[system(reranker=reranker)]).systems
    assert found.reranker.model.train.base == str(tmp_path / "mine")


def test_only_datasets_replace_those_of_the_file(tmp_path: Path) -> None:
    file = write_experiment(tmp_path, datasets=[{"use": "nothing"}])
    chosen = {"use": "irds", "id": "vaswani"}
    assert [choice.name for choice in load_experiment(file, [chosen]).datasets] == ["vaswani"]
    (row,) = faults(file, only_datasets=[{"use": "irdz", "id": "vaswani"}])
    assert row.endswith("there is no dataset 'irdz'; did you mean 'irds'?")


def test_baseline_that_was_varied_is_named_in_full(tmp_path: Path) -> None:
    systems = [system(vary={"retriever.salt": [1, 2]})]
    assert loaded(tmp_path, systems=systems, baseline="a[salt=2]").baseline == "a[salt=2]"
    (row,) = faults(write_experiment(tmp_path, systems=systems, baseline="a"))
    assert "'a' is not a system" in row


def test_blocks_that_are_left_out_measure_nothing(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert (found.latency, found.storage, found.load) == (None, None, None)
    assert found.decision.workload is None


def test_an_empty_block_takes_its_defaults(tmp_path: Path) -> None:
    found = loaded(tmp_path, latency={}, storage={}, load={})
    assert found.latency is not None
    assert found.load is not None
    assert (found.load.concurrency, found.load.candidates) == ((1, 2, 4, 8), 20)
    assert found.storage is not None
    assert found.latency.candidates == (10, 50, 100)
    assert (found.latency.queries, found.latency.rounds, found.latency.budget_s) == (200, 5, 60)
    assert found.storage.plaid_nbits == (1, 2, 4)


def test_workload_and_prices_are_read(tmp_path: Path) -> None:
    workload = {"documents": 10, "queries_per_day": 5, "candidates": 3}
    prices = {"ram_gb_month": 3, "disk_gb_month": 0.1, "cpu_core_hour": 0.04}
    found = loaded(tmp_path, decision={"workload": workload, "prices": prices}).decision
    assert found.workload is not None
    assert found.workload.queries_per_day == 5
    assert found.prices is not None
    assert found.prices.gpu_hour is None


def test_the_terms_of_the_decision_are_read(tmp_path: Path) -> None:
    requirements = {"p95_ms": {"cpu": 200, "cuda": 40.5}, "gb_per_million_documents": 40}
    block = {"objective": "ndcg@3", "smallest_gain_that_matters": 0.02, "review_by": "2027-02-28"}
    file = write_experiment(tmp_path, decision={**block, "requirements": requirements})
    found = loaded(tmp_path, decision={**block, "requirements": requirements}).decision
    assert found == load_decision(file)
    assert (found.objective, found.smallest_gain_that_matters) == ("ndcg@3", 0.02)
    assert found.requirements.p95_ms == {"cpu": 200, "cuda": 40.5}
    assert found.requirements.licence is None
    assert Decision.model_validate(found.model_dump(mode="json")) == found  # as plan.json keeps it


def test_terms_that_are_left_out(tmp_path: Path) -> None:
    found = load_decision(write_experiment(tmp_path))
    assert found == loaded(tmp_path).decision == Decision()
    assert (found.objective, found.smallest_gain_that_matters) == (None, 0.01)
    assert found.requirements == Requirements()


def test_a_date_is_text_whether_quoted_or_not(tmp_path: Path) -> None:
    file = write_experiment(tmp_path)
    file.write_text(f"{file.read_text()}decision: {{review_by: 2027-02-28}}\n")
    assert load_decision(file).review_by == "2027-02-28"


def test_the_terms_are_read_though_the_rest_no_longer_loads(tmp_path: Path) -> None:
    file = write_experiment(tmp_path, systems=[7], decision={"review_by": "2027-01-01"})
    assert load_decision(file).review_by == "2027-01-01"
    with pytest.raises(ConfigError, match=r"1: decision\.objective: 'map@5' is not a metric"):
        load_decision(_written(tmp_path, "decision: {objective: map@5}"))
    with pytest.raises(ConfigError, match="is not an experiment"):
        load_decision(_written(tmp_path, "- a"))


def _written(folder: Path, text: str) -> Path:
    file = folder / "terms.yaml"
    file.write_text(text)
    return file


MEMORY = {"requirements": {"memory_gb": 8}}
MONTH = {"requirements": {"cost_per_month": 8}, "workload": {"documents": 1, "candidates": 1}}
MONTH["workload"]["queries_per_day"] = 1


@pytest.mark.parametrize(
    ("decision", "fault"),
    [
        ({"objektive": "ndcg@3"}, "decision.objektive: unknown key; did you mean 'objective'?"),
        (
            {"objective": "ndcg@10"},
            "decision.objective: 'ndcg@10' is not a metric of the experiment; did you mean 'ndcg@3'?",
        ),
        (
            {"objective": "judged@10"},
            "decision.objective: judged@10 does not measure quality: a higher value is not better",
        ),
        ({"smallest_gain_that_matters": 1.5}, "decision.smallest_gain_that_matters: input should"),
        (
            {"smallest_gain_that_matters": float("nan")},
            "decision.smallest_gain_that_matters: input",
        ),
        (
            {"requirements": {"gb_per_milion_documents": 4}},
            (
                "decision.requirements.gb_per_milion_documents: unknown key; did you mean "
                "'gb_per_million_documents'?"
            ),
        ),
        ({"requirements": 4}, "decision.requirements: expected keys p95_ms"),
        ({"requirements": {"p95_ms": 4}}, "decision.requirements.p95_ms: expected keys"),
        ({"requirements": {"p95_ms": {"cpu": 0}}}, "decision.requirements.p95_ms.cpu: input"),
        ({"requirements": {"p95_ms": {"tpu": 9}}}, "decision.requirements.p95_ms.tpu"),
        ({"requirements": {"licence": "any"}}, "decision.requirements.licence: input should be"),
        (MEMORY, "decision: requirements.memory_gb needs a workload"),
        (MONTH, "decision: requirements.cost_per_month needs a workload and prices"),
        ({"review_by": "2026-02-30"}, "decision.review_by: write a date as YYYY-MM"),
        ({"review_by": "20270101"}, "decision.review_by: write a date as YYYY-MM"),
        ({"review_by": 2027}, "decision.review_by: input should be a valid string"),
    ],
)
def test_fault_in_the_terms(tmp_path: Path, decision: dict[str, Any], fault: str) -> None:
    file = write_experiment(tmp_path, decision=decision)
    (row,) = faults(file)
    assert row.partition(": ")[2].startswith(fault)
    with pytest.raises(ConfigError, match=re.escape(fault)):
        load_decision(file)


def test_what_is_no_quality_decides_nothing(tmp_path: Path) -> None:
    (row,) = faults(write_experiment(tmp_path, metrics=["judged@3", "ties@3"]))
    assert row.partition(": ")[2] == (
        "metrics: none of them measures quality: add one that does, such as ndcg@10"
    )


@pytest.mark.parametrize(
    ("block", "fault"),
    [
        ({"latency": {"rounds": 3}}, "latency.rounds: input should be greater than or equal to 5"),
        ({"latency": {"candidates": [50, 10]}}, "from low to high"),
        ({"latency": {"devices": ["tpu"]}}, "latency.devices[0]: input should be 'cpu', 'cuda'"),
        ({"latency": {"device": ["cpu"]}}, "unknown key; did you mean 'devices'?"),
        ({"storage": {"plaid_nbits": [3]}}, "storage.plaid_nbits[0]"),
        (
            {"decision": {"workload": {"documents": 1}}},
            "decision.workload: the key 'queries_per_day' is missing",
        ),
        ({"latency": 5}, "latency: expected keys devices"),
        ({"load": {"concurrency": [2, 1]}}, "from low to high"),
        ({"load": {"rates": [0]}}, "load.rates[0]: input should be greater than 0"),
        ({"load": {"rates": []}}, "from low to high"),
        ({"load": {"second": 3}}, "unknown key; did you mean 'seconds'?"),
    ],
)
def test_fault_in_a_block(tmp_path: Path, block: dict[str, Any], fault: str) -> None:
    assert fault in "\n".join(faults(write_experiment(tmp_path, **block)))


def test_random_weights_take_the_place_of_hub_models_alone(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    models = ("BAAI/bge-reranker-base@abc", "package:some/model", "./own")
    systems = [
        system(name=str(i), reranker={"use": "cross_encoder", "model": model})
        for i, model in enumerate(models)
    ]
    file = write_experiment(tmp_path, systems=systems)
    found = load_experiment(file, weights="dummy")
    wanted = ["dummy:BAAI/bge-reranker-base", "package:some/model", str(tmp_path / "own")]
    assert [each.reranker.model for each in found.systems] == wanted
    assert found.name == "experiment-dummy"
    assert load_experiment(file).systems[0].reranker.model == models[0]


def test_what_is_trained_keeps_its_own_weights(tmp_path: Path) -> None:
    teacher = {"use": "cross_encoder", "model": "BAAI/bge-reranker-base"}
    train = {"base": "x/y", "teacher": teacher, "negatives": {"retriever": {"use": "bm25"}}}
    systems = [system(reranker={"use": "cross_encoder", "model": {"train": train}})]
    file = write_experiment(tmp_path, systems=systems)
    assert load_experiment(file, weights="dummy").systems == load_experiment(file).systems


def test_a_quick_run_takes_less_time_and_never_more(tmp_path: Path) -> None:
    blocks = {"latency": {"budget_s": 2}, "storage": {"documents": 5000}, "load": {"requests": 9}}
    found = quickened(loaded(tmp_path, **blocks))
    assert found.load is not None
    assert (found.load.seconds, found.load.longest_s, found.load.requests) == (5, 5, 9)
    assert found.latency is not None
    assert found.storage is not None
    assert (found.latency.budget_s, found.latency.settle_s, found.latency.starts) == (2, 0, 0)
    assert (found.storage.documents, found.storage.plaid_nbits) == (100, ())
    assert quickened(loaded(tmp_path)).latency is None


YAML_CASES = {
    "an exponent": ("decision: {smallest_gain_that_matters: 1e-2}", ("decision.smallest_gain_that_matters", 0.01)),
    "a million": (
        "decision: {workload: {documents: 1e6, queries_per_day: 5e4, candidates: 50}}",
        ("decision.workload.documents", 1000000),
    ),
    "a seed of 1E3": ("seed: 1E3", ("seed", 1000)),
    "a name that is no number": ("systems: [{name: 0042, retriever: {use: bm25}}]", ("baseline", "0042")),
    "a name that is no time": ("systems: [{name: 10:00, retriever: {use: bm25}}]", ("baseline", "10:00")),
    "Norway": ("systems: [{name: no, retriever: {use: bm25}}]", ("baseline", "no")),
}  # fmt: skip


@pytest.mark.parametrize("case", YAML_CASES)
def test_yaml_is_read_as_it_is_written(tmp_path: Path, case: str) -> None:
    text, (path, value) = YAML_CASES[case]
    file = tmp_path / "e.yaml"
    systems = "" if "systems" in text else "systems: [{name: a, retriever: {use: bm25}}]\n"
    file.write_text(f"question: q\ndatasets: [{{use: files, path: d}}]\n{systems}{text}\n")
    found: Any = load_experiment(file)
    for key in path.split("."):
        found = getattr(found, key)
    assert found == value
    assert type(found) is type(value)


def test_systems_that_merge_another_one(tmp_path: Path) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(
        "question: q?\ndatasets: [{use: files, path: data}]\nsystems:\n"
        "  - &base\n    name: bm25\n    retriever: {use: bm25, k1: 0.9}\n"
        "  - <<: *base\n    name: other\n    depth: {retrieve: 3}\nmetrics: [ndcg@3]\n"
    )
    first, second = load_experiment(file).systems
    assert (first.name, second.name) == ("bm25", "other")
    assert first.retriever == second.retriever == Bm25(k1=0.9)
    assert (first.depth.retrieve, second.depth.retrieve) == (100, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 010", "4: seed: input should be a valid integer, not '010'; write a plain decimal"),
        ("seed: 1:30", "4: seed: input should be a valid integer, not '1:30'; write a plain"),
        ("seed: 0x1F", "4: seed: input should be a valid integer, not '0x1F'; write a plain"),
        ("seed: 1e-2", "4: seed: input should be a valid integer, not 0.01"),
    ],
)
def test_yaml_that_others_read_otherwise_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "e.yaml"
    head = "question: q\ndatasets: [{use: files, path: d}]\nsystems: [{name: a, retriever: {use: bm25}}]"
    file.write_text(f"{head}\n{text}\n")
    (fault,) = faults(file)
    assert fault.startswith(message)


def test_true_is_not_written_as_yes(tmp_path: Path) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(
        "question: q\ndatasets: [{use: files, path: d, drop_self_hits: yes}]\n"
        "systems: [{name: a, retriever: {use: bm25}}]\n"
    )
    assert faults(file) == [
        "2: datasets[0].drop_self_hits: input should be a valid boolean, not 'yes'; write true or false"
    ]


@pytest.mark.parametrize("beside", ["file", "working folder"])
def test_a_folder_with_the_name_of_a_hub_model_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: str
) -> None:
    (tmp_path / "in").mkdir()
    here = tmp_path / ("in" if beside == "file" else "")
    (here / "BAAI" / "bge").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    train = {"base": "BAAI/bge", "negatives": {"retriever": {"use": "bm25"}}}
    systems = [
        system(reranker={"use": "cross_encoder", "model": "BAAI/bge"}),
        system(name="b", reranker={"use": "cross_encoder", "model": {"train": train}}),
        system(name="c", reranker={"use": "cross_encoder", "model": "BAAI/bge@abc"}),
        system(name="d", reranker={"use": "cross_encoder", "model": "BAAI/other"}),
        system(
            name="e",
            reranker={"use": "endpoint", "dialect": "tei", "url": "http://x", "model": "BAAI/bge"},
        ),
    ]
    found = faults(write_experiment(tmp_path / "in", systems=systems))
    said = (
        f"'BAAI/bge' may be the hub's model or the folder {here / 'BAAI' / 'bge'}: write ./BAAI/bge "
        "for the folder, BAAI/bge@COMMIT for the hub's, or move the folder away"
    )
    places = ("systems[0].reranker.model", "systems[1].reranker.model.train.base")
    assert [row.partition(": ")[2] for row in found] == [f"{place}: {said}" for place in places]


def test_a_folder_with_the_name_of_a_dataset_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pydoc").mkdir()
    assert dataset_spec("pydoc") == {"use": "pydoc"}
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"write ./pydoc for the folder, '\{use: pydoc\}' for"):
        dataset_spec("pydoc")
    assert dataset_spec("./pydoc") == {"use": "files", "path": str(tmp_path / "pydoc")}
