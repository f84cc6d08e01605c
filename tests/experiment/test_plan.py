from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from fakes import DOCS, QRELS, QUERIES, write_beir, write_experiment
from hypothesis import given
from hypothesis import strategies as st

from harness.components.models import references
from harness.errors import DataError
from harness.experiment.plan import Plan, make_plan
from harness.experiment.reading import load_experiment
from harness.experiment.result_folders import BESIDE, folders, slug

ROOT = Path(__file__).parents[2]
OVERLAP = {"use": "fakes:WordOverlap"}
ORACLE = {"use": "fakes:Oracle"}


def plan(folder: Path, **changes: Any) -> Plan:
    return make_plan(load_experiment(write_experiment(folder, **changes)))


def keys(folder: Path, **changes: Any) -> list[str]:
    return [trial.key for trial in plan(folder, **changes).trials]


def systems(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "a", "retriever": OVERLAP, "reranker": {"use": "fakes:Constant"}, **changes}]


def key(folder: Path, **changes: Any) -> str:
    (found,) = keys(folder, systems=systems(**changes))
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"question": "Another?"},
        {"metrics": ["mrr@5", "recall@2"]},
        {"baseline": "oracle"},
        {"seed": 7},
        {"datasets": [{"use": "files", "path": "data", "name": "renamed"}]},
        {"datasets": [{"use": "files", "path": "data", "split": "test"}]},  # the default
    ],
)
def test_key_stays(tmp_path: Path, changes: dict[str, Any]) -> None:
    before = keys(tmp_path)
    assert keys(tmp_path, **changes) == before


def test_key_stays_for_the_same_content_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        write_beir(folder / "data")
    elsewhere = [{"use": "files", "path": str(there / "data")}]
    expected = keys(here)
    assert keys(there) == keys(here, datasets=elsewhere) == expected
    monkeypatch.chdir(here)
    assert [trial.key for trial in make_plan(load_experiment("experiment.yaml")).trials] == expected


def test_key_stays_where_a_file_has_another_name(tmp_path: Path) -> None:
    expected = keys(tmp_path)
    (tmp_path / "data" / "qrels" / "test.tsv").rename(tmp_path / "data" / "judged.tsv")
    (tmp_path / "data" / "corpus.jsonl").rename(tmp_path / "texts.jsonl")
    names = {"qrels": "judged.tsv", "corpus": "../texts.jsonl"}
    assert keys(tmp_path, datasets=[{"use": "files", "path": "data", **names}]) == expected


def test_key_stays_where_a_model_lies_elsewhere(tmp_path: Path) -> None:
    found = set()
    for place, weights in (("a", "same"), ("b", "same"), ("c", "other")):
        model = tmp_path / place / "models" / "mine"
        model.mkdir(parents=True)
        (model / "model.safetensors").write_text(weights)
        reranker = {"use": "cross_encoder", "model": "./models/mine", "head": "untrained"}
        found.add((key(tmp_path / place, reranker=reranker), weights))
    assert len(found) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"depth": {"retrieve": 99}},
        {"depth": {"rerank": 99}},
        {"retriever": {**OVERLAP, "salt": 1}},
        {"reranker": {"use": "fakes:Constant", "value": 0.25}},
        {"reranker": {"use": "fakes:Identity"}},
        {"reranker": None},
    ],
)
def test_key_changes_with_the_system(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert key(tmp_path, **changes) != key(tmp_path)


def test_key_changes_with_how_token_vectors_are_stored_where_there_are_any(tmp_path: Path) -> None:
    late = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}}
    without, half = key(tmp_path), {"cache": {"precision": "float16"}}
    (before,) = keys(tmp_path, systems=systems(reranker=late))
    (same,) = keys(tmp_path, systems=systems(reranker=late), cache={"precision": "float32"})
    (after,) = keys(tmp_path, systems=systems(reranker=late), **half)
    assert before == same != after
    assert keys(tmp_path, systems=systems(), **half) == [without]


def test_key_does_not_change_with_the_name(tmp_path: Path) -> None:
    assert key(tmp_path, name="b") == key(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        {"docs": {**DOCS, "d1": "blue"}},
        {"docs": {**DOCS, "d9": "new"}},
        {"queries": {**QUERIES, "q1": "blue"}},
        {"qrels": {**QRELS, "q1": {"d2": 2}}},
    ],
)
def test_key_changes_with_the_dataset(tmp_path: Path, content: dict[str, Any]) -> None:
    write_beir(tmp_path / "other", **content)
    changed = keys(tmp_path, datasets=[{"use": "files", "path": "other"}])
    assert not set(changed) & set(keys(tmp_path))


def test_key_changes_with_the_subset(tmp_path: Path) -> None:
    parts = ({}, {"documents": 4}, {"documents": 4, "seed": 1}, {"documents": 4, "queries": 2})
    data = {"use": "files", "path": "data"}
    made = [
        keys(tmp_path, datasets=[data | ({"subset": part} if part else {})])[0] for part in parts
    ]
    assert len(set(made)) == len(parts)


def test_key_changes_with_the_content_of_a_saved_run(tmp_path: Path) -> None:
    retriever = {"use": "saved_run", "path": "run.trec"}
    (tmp_path / "run.trec").write_text("q1 Q0 d1 1 1.0 t\n")
    before = key(tmp_path, retriever=retriever)
    (tmp_path / "moved.trec").write_text("q1 Q0 d1 1 1.0 t\n")
    assert key(tmp_path, retriever={**retriever, "path": "moved.trec"}) == before
    (tmp_path / "run.trec").write_text("q1 Q0 d2 1 1.0 t\n")
    assert key(tmp_path, retriever=retriever) != before


def test_key_changes_with_the_weights_of_a_model(tmp_path: Path) -> None:
    encoder = {"use": "sentence_transformers", "model": "./model", "pooling": "mean"}
    retriever = {"use": "dense", "encoder": encoder}
    found = []
    (tmp_path / "model").mkdir()
    for weights in (b"one", b"two"):
        (tmp_path / "model" / "model.safetensors").write_bytes(weights)
        references._in_folder.cache_clear()
        found.append(key(tmp_path, retriever=retriever))
    assert found[0] != found[1]


def test_shared_stages_have_one_key(tmp_path: Path) -> None:
    three = [
        {"name": "first", "retriever": OVERLAP},
        {"name": "second", "retriever": OVERLAP, "reranker": ORACLE},
        {"name": "third", "retriever": OVERLAP, "reranker": {"use": "fakes:Identity"}},
    ]
    first, second, third = plan(tmp_path, systems=three).trials
    assert first.stages[0] == second.stages[0] == second.stages[1].candidates == third.stages[0]
    assert len({trial.key for trial in (first, second, third)}) == 3
    assert [stage.kind for stage in second.stages] == ["retrieve", "rerank"]


def test_trials_stand_in_the_order_of_the_file(tmp_path: Path) -> None:
    data = {"use": "files", "path": "data"}
    found = plan(tmp_path, datasets=[{**data, "name": "z"}, {**data, "name": "a"}])
    assert [(trial.dataset.name, trial.system.name) for trial in found.trials] == [
        ("z", "overlap"),
        ("z", "oracle"),
        ("a", "overlap"),
        ("a", "oracle"),
    ]


def test_missing_dataset_is_told_by_the_plan(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist"):
        plan(tmp_path, datasets=[{"use": "files", "path": "nowhere"}])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a[dim=8,precision=int8]", "a[dim=8,precision=int8]"),
        ("beir/scifact/test", "beir-scifact-test"),
        ("../..", "unnamed"),
        ("ü b", "ü-b"),
        ("x" * 300, "x" * 80),
    ],
)
def test_slug_is_a_name_for_a_folder(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_systems_with_one_slug_have_folders_of_their_own(tmp_path: Path) -> None:
    two = [
        {"name": "a/b", "retriever": OVERLAP},
        {"name": "a:b", "retriever": {**OVERLAP, "salt": 1}},
    ]
    folders = {trial.folder for trial in plan(tmp_path, systems=two).trials}
    assert len(folders) == 2


def test_names_that_a_file_system_may_take_for_one_have_folders_of_their_own(
    tmp_path: Path,
) -> None:
    names = [
        "a b",
        "a-b",
        "A-B",
        "\u00e9",
        "e\u0301",
        "..",
        "figures",
        "PLAN.json",
        "plan.json",
        "a" * 90,
    ]
    names.append(f"{'a' * 90}b")
    data = [{"use": "files", "path": "data", "name": name} for name in names]
    systems = [{"name": name, "retriever": OVERLAP} for name in names]
    made = plan(tmp_path, datasets=data, systems=systems)
    folders = {unicodedata.normalize("NFC", trial.folder).casefold() for trial in made.trials}
    assert len(folders) == len(names) ** 2
    assert len({folder.partition("/")[0] for folder in folders} - set(BESIDE)) == len(names)
    assert not {"figures", "plan.json"} & {folder.partition("/")[0] for folder in folders}


@given(st.lists(st.text(max_size=200), unique=True), st.data())
def test_folders_are_never_shared(names: list[str], data: st.DataObject) -> None:
    names = [name for name in names if not re.search("[\ud800-\udfff]", name)]
    made = folders(names, BESIDE)
    if made:  # one who knows how folders are told apart takes such a name
        names = list(dict.fromkeys([*names, data.draw(st.sampled_from(list(made.values())))]))
        made = folders(names, BESIDE)
    seen = [unicodedata.normalize("NFKC", one).casefold() for one in made.values()]
    assert len(set(seen)) == len(names)
    assert not {one.casefold() for one in BESIDE} & set(seen)
    assert all(0 < len(one.encode()) < 200 and not set("/\0") & set(one) for one in made.values())
    assert not {".", ".."} & set(made.values())


HEAVY = """
import sys
from harness.experiment.reading import load_experiment
from harness.experiment.plan import make_plan
make_plan(load_experiment(sys.argv[1]))
heavy = {"torch", "ranx", "numba", "matplotlib", "pandas", "transformers", "sentence_transformers",
         "pylate", "bm25s", "ir_datasets", "huggingface_hub"}
print(sorted(heavy & set(sys.modules)))
"""


def test_plan_imports_nothing_heavy(tmp_path: Path) -> None:
    late = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}}
    fused = {"use": "fused", "retrievers": [{"use": "bm25"}, OVERLAP]}
    file = write_experiment(tmp_path, systems=systems(retriever=fused, reranker=late))
    done = subprocess.run(
        [sys.executable, "-c", HEAVY, str(file)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )
    assert done.stdout == "[]\n"


def trained(**fields: Any) -> dict[str, Any]:
    bm25 = {"retriever": {"use": "bm25"}, "per_query": 1, **fields.pop("negatives", {})}
    return {"train": {"base": "x/y", "negatives": bm25, **fields}}


def training_keys(folder: Path, *trainings: dict[str, Any], **changes: Any) -> list[str]:
    """Of a system with a cross-encoder trained in each way."""
    if not (folder / "data").exists():
        write_beir(folder / "data")
        (folder / "data" / "qrels" / "train.tsv").write_text("q1\td1\t1\n", encoding="utf-8")
    listed = [
        {**systems()[0], "name": str(i), "reranker": {"use": "cross_encoder", "model": model}}
        for i, model in enumerate(trainings)
    ]
    found = plan(folder, systems=listed, **changes)
    assert {str(wanted) for wanted in found.models()} == {"x/y"}
    return [trial.trainings[-1].key for trial in found.trials]


def test_a_training_is_keyed_by_all_that_it_depends_on(tmp_path: Path) -> None:
    ways = [
        trained(),
        trained(),
        trained(seed=2),
        trained(layers=1),
        trained(negatives={"depth": 9}),
        trained(negatives={"retriever": {"use": "bm25", "k1": 2.0}}),
        trained(teacher=ORACLE),
        trained(teacher={"use": "cross_encoder", "model": trained()}),
        trained(teacher={"use": "cross_encoder", "model": trained(seed=3)}),
    ]
    found = training_keys(tmp_path, *ways)
    assert found[0] == found[1]
    assert len(set(found)) == len(found) - 1
    assert training_keys(tmp_path, trained(), depth={"retrieve": 200}, seed=7)[0] == found[0]
    qrels = tmp_path / "data" / "qrels" / "train.tsv"
    qrels.write_text(qrels.read_text() + "q2\td2\t1\n", encoding="utf-8")
    assert training_keys(tmp_path, trained())[0] != found[0]


def test_a_system_names_what_is_trained_for_it(tmp_path: Path) -> None:
    (key,) = training_keys(tmp_path, trained(teacher={"use": "cross_encoder", "model": trained()}))
    (trial,) = plan(
        tmp_path,
        systems=[
            systems()[0]
            | {
                "reranker": {
                    "use": "cross_encoder",
                    "model": trained(teacher={"use": "cross_encoder", "model": trained()}),
                }
            }
        ],
    ).trials
    teacher, student = trial.trainings
    assert student.key == key
    assert trial.system.reranker.model == f"trained:{key[:16]}" == student.reference
    assert student.training.teacher is not None
    assert student.training.teacher.model == teacher.reference
    assert trial.asked.configuration()["reranker"]["model"]["train"]["base"] == "x/y"
