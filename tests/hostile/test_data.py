"""Hostile data: what cannot be read is refused by file and line, whatever its bytes are."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes import DOCS, QUERIES
from hypothesis import example, given
from hypothesis import strategies as st
from mutations import HOSTILE_JSON, as_json, damaged, mutated, mutated_lines, share, survives

from harness.components.datasets.files import Files
from harness.components.retrievers.saved_run import SavedRun
from harness.data import Doc, Query
from harness.errors import DataError
from harness.experiment.claims_reading import load_claims
from harness.experiment.schema import DatasetChoice
from harness.files import bounds, trec
from harness.pipeline.datasets import load_dataset

from mutations import HOSTILE_YAML, as_yaml  # isort: skip

JUDGED = [["q1", "d2", "1"], ["q2", "d3", "2"], ["q2", "d4", "1"], ["q3", "d5", "0"]]
HEADER = ["query-id", "corpus-id", "score"]
RANKED = [["q1", "Q0", "d1", "1", "2.5", "x"], ["q1", "Q0", "d2", "2", "1e0", "x"]]
DOC_LINES = [
    {"_id": name, "title": "", "text": text, "metadata": {}} for name, text in DOCS.items()
]
QUERY_LINES = [{"_id": name, "text": text} for name, text in QUERIES.items()]


def jsonl(lines: Any) -> bytes:
    return "\n".join(map(as_json, lines)).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "qrels").mkdir()
    return folder


def written(folder: Path, **changes: bytes) -> None:
    contents = {
        "corpus.jsonl": jsonl(DOC_LINES),
        "queries.jsonl": jsonl(QUERY_LINES),
        "qrels/test.tsv": "\n".join("\t".join(row) for row in [HEADER, *JUDGED]).encode(),
        "collection.tsv": "\n".join("\t".join(item) for item in DOCS.items()).encode(),
        "queries.tsv": "\n".join("\t".join(item) for item in QUERIES.items()).encode(),
        "qrels/four.tsv": "\n".join(f"{q}\t0\t{d}\t{g}" for q, d, g in JUDGED).encode(),
        **changes,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def loaded(folder: Path, **fields: Any) -> Any:
    choice = DatasetChoice(name="d", source=Files(str(folder), **fields))
    return load_dataset(choice, folder / "cache")


LISTS = st.lists(mutated([*DOC_LINES, *QUERY_LINES], HOSTILE_JSON), max_size=4)


@given(LISTS.map(lambda lines: jsonl([*DOC_LINES, *lines])).flatmap(damaged))
@share(0.1)
def test_a_corpus(folder: Path, content: bytes) -> None:
    written(folder, **{"corpus.jsonl": content})
    survives("corpus, jsonl", lambda: loaded(folder))


@given(LISTS.map(lambda lines: jsonl([*QUERY_LINES, *lines])).flatmap(damaged))
@share(0.06)
def test_queries(folder: Path, content: bytes) -> None:
    written(folder, **{"queries.jsonl": content})
    survives("queries, jsonl", lambda: loaded(folder))


@given(mutated_lines([HEADER, *JUDGED], "\t"))
@example(b"q1\td2\t123456789012345678901234567890\n")
@share(0.1)
def test_judgements(folder: Path, content: bytes) -> None:
    written(folder, **{"qrels/test.tsv": content})
    survives("qrels, three columns", lambda: loaded(folder))


@given(mutated_lines([[q, "0", d, grade] for q, d, grade in JUDGED], " "))
@share(0.04)
def test_judgements_of_four_columns(folder: Path, content: bytes) -> None:
    written(folder, **{"qrels/four.tsv": content})
    survives("qrels, four columns", lambda: loaded(folder, format="trec", split="four"))


@given(mutated_lines([list(item) for item in DOCS.items()], "\t"))
@share(0.04)
def test_a_collection(folder: Path, content: bytes) -> None:
    written(folder, **{"collection.tsv": content})
    survives("collection, tsv", lambda: loaded(folder, format="tsv", split="four"))


@given(mutated_lines(RANKED, " "))
@example(b"q1 Q0 d1 --5 1.0 x\nq1 Q0 d2 4 0.5 x\n")
@share(0.06)
def test_runs(folder: Path, content: bytes) -> None:
    file = folder / "run.trec"
    file.write_bytes(content)

    def searched() -> bool:
        searcher: Any = SavedRun(str(file)).index([Doc(*item) for item in DOCS.items()])
        queries = [Query(*item) for item in QUERIES.items()]
        searcher.search(queries, 3)
        return bool(searcher.facts(queries, 3))

    survives("runs", searched)
    file = file.with_name("run.trec.gz")
    file.write_bytes(gzip.compress(content)[: len(content) + 5])
    survives("runs, packed", lambda: trec.read_run(file))


CLAIMS = {
    "experiments": ["e"],
    "datasets": {"d": {"names": ["data"], "documents": 5, "queries": 4}},
    "numbers": {
        "one": {"value": 1.5, "source": "s"},
        "many": {"values": [1, 2.5], "source": "s"},
        "dim": {"model": "colbert-ir/colbertv2.0", "fact": "dim"},
    },
    "claims": [
        {
            "id": "Q1",
            "says": "s",
            "source": "s",
            "arithmetic": "1 - mean(many) / one ** 2",
            "expected": {"near": 0.5, "tolerance": "2%"},
            "note": "n",
        },
        {
            "id": "Q2a",
            "says": "s",
            "source": "s",
            "quality": {"experiment": "e", "system": "a", "metric": "ndcg@10", "dataset": "d"},
            "expected": {"between": [0.1, 0.5]},
        },
        {
            "id": "L1",
            "says": "s",
            "source": "s",
            "latency": {
                "experiment": "e",
                "system": "a",
                "mode": "rerank",
                "k": 10,
                "over": {"system": "b", "mode": "retrieve"},
            },
            "expected": {"above": 2},
        },
        {
            "id": "S1",
            "says": "s",
            "source": "s",
            "storage": {
                "experiment": "e",
                "model": "m",
                "dim": 8,
                "precision": "int8",
                "over": "dense",
            },
            "expected": {"at_most": 4},
        },
    ],
}


@given(mutated([CLAIMS], HOSTILE_YAML))
@example(CLAIMS)
@share(0.16)
def test_claims(folder: Path, node: Any) -> None:
    (folder / "e.yaml").write_text("")
    file = folder / "claims.yaml"
    file.write_bytes(as_yaml(node).encode("utf-8", "surrogatepass"))
    survives("claims", lambda: load_claims(file))


def test_what_is_not_changed_is_read(folder: Path) -> None:
    written(folder)
    assert len(loaded(folder).docs) == len(DOCS)
    assert len(loaded(folder, format="tsv", split="four").docs) == len(DOCS)
    (folder / "e.yaml").write_text("")
    (folder / "claims.yaml").write_text(json.dumps(CLAIMS))
    assert len(load_claims(folder / "claims.yaml").claims) == 4


@pytest.mark.parametrize("grade", ["9" * 30, "1234567", "-1234567"])
def test_a_grade_of_many_digits_is_refused_by_line(folder: Path, grade: str) -> None:
    written(folder, **{"qrels/test.tsv": f"q1\td2\t{grade}\n".encode()})
    with pytest.raises(
        DataError, match=r"test\.tsv:1: the relevance .* is not a whole number of at"
    ):
        loaded(folder)


def test_a_line_without_end_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LINE", 1_000)
    written(folder)
    bomb = gzip.compress(jsonl(DOC_LINES) + b"\n" + b" " * 10_000_000)
    (folder / "corpus.jsonl.gz").write_bytes(bomb)
    with pytest.raises(DataError, match=r"corpus\.jsonl\.gz:6 has over 1,000 characters"):
        loaded(folder, corpus="corpus.jsonl.gz")


def test_an_id_without_end_is_refused(folder: Path) -> None:
    written(folder, **{"corpus.jsonl": jsonl([{"_id": "d" * 2_001, "text": "x"}])})
    with pytest.raises(
        DataError, match=r"corpus\.jsonl:1: the id '.{0,200}…' has over|the id .* has over"
    ):
        loaded(folder)


def test_a_packed_file_that_is_cut_and_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.trec.gz"
    file.write_bytes(gzip.compress(b"q1 Q0 d1 1 1.0 \xff" + bytes(range(256)) * 50)[:-50])
    with pytest.raises(DataError, match=r"run\.trec\.gz:1 is not UTF-8 text"):
        trec.read_run(file)
    file.write_bytes(gzip.compress(b"\xff" * 9)[:-9])
    with pytest.raises(DataError, match=r"run\.trec\.gz (is not UTF-8 text|cannot be read)"):
        trec.read_run(file)


@dataclass(frozen=True)
class Breaks:
    """A dataset of somebody else's whose code is wrong."""

    def label(self) -> str:
        return "breaks"

    def identity(self) -> dict[str, str]:
        return {}

    def load(self) -> Any:
        return {}["nothing"]  # type: ignore[index]


def test_code_of_a_dataset_that_breaks_is_told_in_a_sentence(tmp_path: Path) -> None:
    told = "The dataset 'mine' cannot be read: KeyError: 'nothing'. Mend it"
    with pytest.raises(DataError, match=told):
        load_dataset(DatasetChoice(name="mine", source=Breaks()), tmp_path)
