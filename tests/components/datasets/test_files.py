from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from fakes import DOCS, QRELS, QUERIES, write_beir
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.components.datasets.files import Files
from harness.data import Dataset, Doc, Query
from harness.errors import DataError

HEADER = "query-id\tcorpus-id\tscore\n"


def load(folder: Path, **fields: Any) -> Dataset:
    return Files(path=str(folder), **fields).load()


def pack(file: Path) -> None:
    file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()


def write_tsv(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    (folder / "collection.tsv").write_text("".join(f"{k}\t{v}\n" for k, v in DOCS.items()))
    (folder / "queries.tsv").write_text("".join(f"{k}\t{v}\n" for k, v in QUERIES.items()))
    write_trec_qrels(folder / "qrels" / "test.tsv")
    return folder


def write_trec_qrels(file: Path) -> None:
    rows = [f"{q} 0\t{d} {grade}\n" for q, judged in QRELS.items() for d, grade in judged.items()]
    file.write_text("".join(rows))


def test_beir(tmp_path: Path) -> None:
    found = load(write_beir(tmp_path / "fruit"))
    assert found.name == "fruit"
    assert found.docs == [Doc(*item) for item in DOCS.items()]
    assert found.queries == [Query(*item) for item in QUERIES.items()]
    assert found.qrels == QRELS
    assert found.notes == ()


def test_title_stands_before_the_text_and_ids_may_be_numbers(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "x", qrels={"q1": {"1": 1}})
    docs = [{"_id": 1, "title": "T", "text": "b"}, {"_id": "2", "title": "", "text": "", "k": 1}]
    (folder / "corpus.jsonl").write_text("\n\n".join(map(json.dumps, docs)))
    assert load(folder).docs == [Doc("1", "T b"), Doc("2", "")]


def test_all_formats_hold_the_same(tmp_path: Path) -> None:
    beir = load(write_beir(tmp_path / "x"))
    tsv = load(write_tsv(tmp_path / "y"), format="tsv")
    write_trec_qrels(tmp_path / "x" / "qrels" / "trec.tsv")
    trec = load(tmp_path / "x", format="trec", split="trec")
    assert beir.fingerprint == tsv.fingerprint == trec.fingerprint


def test_packed_files(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "x")
    before = load(folder).fingerprint
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        pack(folder / name)
    assert load(folder).fingerprint == before


@pytest.mark.parametrize("absolute", [False, True])
def test_other_files_by_name(tmp_path: Path, absolute: bool) -> None:
    folder = write_beir(tmp_path / "x")
    other = folder / "qrels" / "alt.tsv"
    other.write_text(HEADER + "q1\td1\t3\n")
    (folder / "corpus.jsonl").rename(folder / "docs.jsonl")
    name = str(other) if absolute else "qrels/alt.tsv"
    assert load(folder, corpus="docs.jsonl", qrels=name).qrels == {"q1": {"d1": 3}}


def test_label_names_a_split_that_is_not_the_test_split(tmp_path: Path) -> None:
    assert Files(str(tmp_path / "x")).label() == "x"
    assert Files(str(tmp_path / "x"), split="dev").label() == "x-dev"


def test_identity_is_of_the_content(tmp_path: Path) -> None:
    one, two = write_beir(tmp_path / "x"), write_beir(tmp_path / "y")
    assert Files(str(one)).identity() == Files(str(two)).identity()
    (two / "qrels" / "test.tsv").write_text(HEADER + "q1\td1\t1\n")
    changed = {
        k for k, v in Files(str(one)).identity().items() if Files(str(two)).identity()[k] != v
    }
    assert changed == {"qrels"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("corpus.jsonl", '{"_id": "d1"', ":1: not a JSON object"),
        ("corpus.jsonl", "\n[1]", ":2: expected a JSON object, found list"),
        ("corpus.jsonl", "[" * 100_000, ":1: not a JSON object"),
        ("corpus.jsonl", '{"_id": "d1"}', ":1: expected text under 'text', found None"),
        ("corpus.jsonl", '{"_id": "d1", "text": 3}', ":1: expected text under 'text', found 3"),
        ("corpus.jsonl", '{"_id": true, "text": ""}', ":1: expected text under '_id', found True"),
        (
            "corpus.jsonl",
            '{"_id": "a b", "text": ""}',
            ":1: the id 'a b' contains white space",
        ),
        ("corpus.jsonl", '{"_id": "", "text": ""}', ":1: the id '' is empty"),
        (
            "corpus.jsonl",
            '{"_id": "a", "text": "\\ud800"}',
            ":1: the text under 'text' is not valid",
        ),
        (
            "corpus.jsonl",
            '{"_id": "1", "text": ""}\n{"_id": 1, "text": ""}',
            ":2: the id '1' occurs a second time",
        ),
        ("corpus.jsonl", "", "The dataset 'x' has no documents"),
        ("queries.jsonl", '{"_id": "q1"}', ":1: expected text under 'text', found None"),
        (
            "queries.jsonl",
            "",
            "qrels/test.tsv:2: the query 'q1' is judged but not among the queries",
        ),
        ("qrels/test.tsv", HEADER, "No query of the dataset 'x' has a judgement in .*test.tsv"),
        ("qrels/test.tsv", HEADER + "q1\td1", ":2: expected query-id, corpus-id, score; found 2"),
        ("qrels/test.tsv", HEADER + "q1\td1\t1.5", ":2: the relevance '1.5' is not a whole number"),
        ("qrels/test.tsv", HEADER + "q9\td1\t1", ":2: the query 'q9' is judged but not among"),
        (
            "qrels/test.tsv",
            HEADER + "q1\td1\t1\nq1\td1\t1\nq1\td1\t2",
            ":4: query 'q1' and document 'd1' were judged 1 before and 2 here",
        ),
    ],
)
def test_faulty_file_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    folder = write_beir(tmp_path / "x")
    (folder / name).write_text(text)
    with pytest.raises(DataError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("collection.tsv", "d1 no tab", r"collection\.tsv:1: expected id, tab, text; found 1"),
        ("collection.tsv", "d1\ta\tb", r"collection\.tsv:1: expected id, tab, text; found 3"),
        (
            "qrels/test.tsv",
            "q1 d1 1",
            r"test\.tsv:1: expected query, 0, document, relevance; found 3",
        ),
        ("qrels/test.tsv", "q1 0 d1 x", r"test\.tsv:1: the relevance 'x' is not a whole number"),
    ],
)
def test_faulty_tsv_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    folder = write_tsv(tmp_path / "x")
    (folder / name).write_text(text)
    with pytest.raises(DataError, match=message):
        load(folder, format="tsv")


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_absent_file_is_named(tmp_path: Path, name: str) -> None:
    folder = write_beir(tmp_path / "x")
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"does not exist: .*{name}"):
        load(folder)


def test_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"The dataset folder .*nowhere does not exist"):
        load(tmp_path / "nowhere")


def test_what_does_not_fit_is_counted_and_kept(tmp_path: Path) -> None:
    qrels = {"q1": {"gone": 1, "d1": 0}, "q2": {"d1": 0}}
    found = load(write_beir(tmp_path / "x", qrels=qrels))
    assert [query.query_id for query in found.queries] == ["q1", "q2"]
    assert found.qrels == qrels
    assert list(found.notes) == [
        "Left out without a judgement: 2 of 4 queries.",
        (
            "1 of 3 judgements is of a document that the corpus lacks; they are kept, since they "
            "belong to the ideal ranking."
        ),
        "1 query has no relevant document and counts 0 in every mean.",
    ]


FILES = {
    "beir": ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"),
    "tsv": ("collection.tsv", "queries.tsv", "qrels/test.tsv"),
}
JSON_LINES = st.dictionaries(
    st.sampled_from(["_id", "text", "title"]),
    st.text() | st.none() | st.integers() | st.lists(st.integers()),
).map(lambda value: json.dumps(value).encode())
LINES = st.lists(JSON_LINES | st.binary() | st.just(b"q1\td1\t1"), max_size=3).map(b"\n".join)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("which", range(3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=LINES)
def test_any_bytes_are_read_or_refused(
    tmp_path: Path, kind: str, which: int, content: bytes
) -> None:
    folder = tmp_path / "x"
    if not folder.exists():
        (write_beir if kind == "beir" else write_tsv)(folder)
    (folder / FILES[kind][which]).write_bytes(content)
    with contextlib.suppress(DataError):
        assert len(load(folder, format=kind).fingerprint) == 64


def test_training_queries_are_those_of_their_own_qrels(tmp_path: Path) -> None:
    one = Files(str(tmp_path), split="dev", qrels="mine.tsv", corpus="c.jsonl")
    assert one.training() == Files(str(tmp_path), split="train", corpus="c.jsonl")
    with pytest.raises(DataError, match="measured on its training queries"):
        Files(str(tmp_path), split="train").training()
