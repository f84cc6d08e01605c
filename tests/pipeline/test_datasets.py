"""Datasets on disk: read once, whole or absent, checked, and never all in memory."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fakes import DOCS, QRELS, QUERIES, write_beir

from harness.components.datasets.files import Files
from harness.data import Columns, Dataset, Doc, PlacedDoc, Query
from harness.errors import DataError
from harness.experiment.schema import DatasetChoice, Subset
from harness.pipeline.datasets import load_dataset, load_questions

ROOT = Path(__file__).parents[2]
PASSES: list[str] = []


@dataclass(frozen=True)
class Counted(Files):
    """Files that tell how often their documents are read."""

    def stream(self) -> Iterator[PlacedDoc]:
        PASSES.append(self.label())
        return super().stream()


@dataclass(frozen=True)
class Listed:
    """A dataset of somebody else's, with documents in a list."""

    docs: tuple[tuple[str, str], ...] = tuple(DOCS.items())

    def label(self) -> str:
        return "listed"

    def identity(self) -> Mapping[str, str]:
        return {}

    def load(self) -> Dataset:
        queries = [Query(*item) for item in QUERIES.items()]
        docs = [Doc(*doc) for doc in self.docs]
        return Dataset("listed", docs, queries, QRELS, "fruit", ("told",), drop_self_hits=True)


def choice(source: Any, documents: int | None = None, name: str = "x") -> DatasetChoice:
    subset = Subset(documents=documents, seed=3) if documents else None
    return DatasetChoice(name=name, source=source, subset=subset)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Documents with two splits of the queries."""
    PASSES.clear()
    docs = DOCS | {f"n{i}": f"noise {i}" for i in range(300)}
    made = write_beir(tmp_path / "fruit", docs)
    lines = ["q1\td1\t1\n", "q3\tn7\t1\n"]
    (made / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    return made


def everything(dataset: Dataset) -> tuple[Any, ...]:
    return (
        *(dataset.name, list(dataset.docs), list(dataset.queries), dataset.qrels),
        *(dataset.description, list(dataset.notes), dataset.drop_self_hits, dataset.fingerprint),
    )


def test_what_is_stored_is_what_the_source_gives(folder: Path, tmp_path: Path) -> None:
    for source in (Counted(str(folder)), Listed()):
        PASSES.clear()
        expected = everything(source.load())
        PASSES.clear()
        for _ in range(2):
            found = load_dataset(choice(source), tmp_path / "cache")
            assert isinstance(found.docs, Columns)
            assert everything(found) == expected
        assert len(PASSES) == isinstance(source, Files)
    changed = replace(found, qrels={"q1": {"d1": 1}})
    assert changed.fingerprint != found.fingerprint


def test_two_subsets_of_the_same_documents_take_one_pass(folder: Path, tmp_path: Path) -> None:
    both = [choice(Counted(str(folder), split=split), 9, split) for split in ("test", "train")]
    alone = [everything(load_dataset(one, tmp_path / one.name)) for one in both]
    PASSES.clear()
    found = [everything(load_dataset(one, tmp_path / "cache", both)) for one in both]
    assert PASSES == ["fruit"]
    assert found == alone
    assert [len(docs) for _, docs, *_ in found] == [9, 9]


def test_a_fault_of_a_dataset_beside_is_told_when_its_turn_comes(
    folder: Path, tmp_path: Path
) -> None:
    both = [choice(Counted(str(folder), split=split), 9, split) for split in ("test", "train")]
    for line in ("q9\td1\t1\n", "q1\tgone\t1\n"):  # seen before the documents, and after them
        (folder / "qrels" / "train.tsv").write_text(line)
        assert len(load_dataset(both[0], tmp_path / line[:2], both).docs) == 9
        with pytest.raises(DataError, match=r"train\.tsv"):
            load_dataset(both[1], tmp_path / line[:2], both)


def test_a_repeated_id_is_told_by_line_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    with (folder / "corpus.jsonl").open("a") as file:
        file.write(json.dumps({"_id": "n5", "text": "again"}) + "\n")
    with pytest.raises(DataError, match=r"corpus\.jsonl:306: the id 'n5' occurs a second time"):
        load_dataset(choice(Files(str(folder))), tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("docs", "message"),
    [
        ((), "The dataset 'listed' has no documents"),
        ((("a b", ""),), "The dataset 'listed': the id 'a b' contains white space"),
        ((("a", ""), ("a", "")), "The dataset 'listed': the id 'a' occurs a second time"),
    ],
)
def test_faults_of_somebody_elses_dataset(
    docs: tuple[tuple[str, str], ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(choice(Listed(docs)), tmp_path)


@pytest.mark.parametrize("name", ["texts", "ids", "places", "dataset.json", "B2SUMS"])
@pytest.mark.parametrize("change", ["flip", "cut", "delete"])
def test_damage_is_set_aside_and_the_dataset_made_again(
    folder: Path, tmp_path: Path, name: str, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    asked, cache = choice(Counted(str(folder)), 9), tmp_path / "cache"
    expected = everything(load_dataset(asked, cache))
    (file,) = (cache / "datasets").glob(f"*/{name}")
    content = bytearray(file.read_bytes())
    if change == "delete":
        file.unlink()
    else:
        content[0] ^= 1
        file.write_bytes(content if change == "flip" else content[:-1])
    assert everything(load_dataset(asked, cache)) == expected
    assert len(PASSES) == 2
    assert "is made again" in caplog.text
    assert len(list((cache / "datasets").glob(".damaged-*"))) == 1


def test_queries_alone_need_no_documents(folder: Path) -> None:
    (folder / "corpus.jsonl").write_text("no document")
    found = load_questions(Files(str(folder), split="train"))
    assert ([query.query_id for query in found.queries], len(found.docs)) == (["q1", "q3"], 0)
    assert load_questions(Listed()).qrels == QRELS


LOAD = """
import resource, sys, time
from pathlib import Path
from harness.components.datasets.files import Files
from harness.experiment.schema import DatasetChoice, Subset
from harness.pipeline.datasets import load_dataset
def grown():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
part = Subset(documents=int(sys.argv[3])) if int(sys.argv[3]) else None
choice = DatasetChoice(name="x", source=Files(sys.argv[1]), subset=part)
found = load_dataset(choice, Path(sys.argv[2]))
assert sum(map(len, found.docs.texts)) > 0
print(found.fingerprint, len(found.docs), grown())
"""


def loading(folder: Path, cache: Path, documents: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LOAD), str(folder), str(cache), str(documents)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def long_texts(folder: Path, count: int) -> Path:
    """Documents of 10,000 characters."""
    made = write_beir(folder, dict.fromkeys(DOCS, "x"))
    with (made / "corpus.jsonl").open("a") as file:
        for i in range(count):
            file.write(json.dumps({"_id": f"n{i}", "text": f"{i:<10}" * 1000}) + "\n")
    return made


@pytest.mark.parametrize("documents", [0, 5000])
def test_memory_does_not_grow_with_the_documents(tmp_path: Path, documents: int) -> None:
    source = long_texts(tmp_path / "data", 20_000)  # 200 MB
    process = loading(source, tmp_path / "cache", documents)
    _, count, grown = process.communicate()[0].split()
    assert int(count) == (documents or 20_005)
    assert int(grown) < 150 * 1024  # KiB; a block of 4,096 is 41 MB, and is held as text and bytes


def test_a_killed_load_leaves_nothing_that_is_believed(tmp_path: Path) -> None:
    source = long_texts(tmp_path / "data", 2000)
    expected = loading(source, tmp_path / "undisturbed").communicate()[0].split()[:2]
    for wait in (0.5, 0.7, 0.9, 1.1):
        process = loading(source, tmp_path / "cache")
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    found = loading(source, tmp_path / "cache").communicate()[0].split()[:2]
    assert found == expected
    # A complete dataset is opened without a look at what else lies there; making another one sweeps.
    loading(source, tmp_path / "cache", 9).communicate()
    made = [path for path in (tmp_path / "cache/datasets").iterdir() if path.suffix != ".lock"]
    assert len(made) == 2
    assert all((path / "B2SUMS").exists() for path in made)
