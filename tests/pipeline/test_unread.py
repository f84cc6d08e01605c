"""What a model leaves unread is counted as it cuts: of documents and queries, of every stage."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.analysis.quality.alarms import alarms
from harness.cli.commands import main
from harness.components.encoders.bge_m3 import BgeM3
from harness.components.encoders.fastembed import Fastembed as FastembedEncoder
from harness.components.encoders.fastembed_tokens import FastembedTokens
from harness.components.encoders.pylate import Pylate
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.rerankers import cross_encoder
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.components.rerankers.fastembed import Fastembed
from harness.data import Hit, Query
from harness.pipeline import unread
from harness.report.analyse import analyse
from harness.results import columns
from harness.results.derived_rankings import Lengths
from harness.results.store import load_results
from harness.results.tables import lengths_table, read_lengths, write_table

MS_MARCO = "cross-encoder/ms-marco-MiniLM-L6-v2"
MINILM = "sentence-transformers/minilm"
COLBERT = "colbert-ir/colbertv2.0"

pytestmark = pytest.mark.usefixtures("hub", "no_network")

Exported = Callable[[str], str]


@dataclass(frozen=True)
class Words:
    """Reads the first words of a text."""

    most: int

    def doc_lengths(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def room(self, query: str) -> int:
        return self.most - len(query.split())

    def query_room(self, doc_tokens: int) -> int:
        return self.most - doc_tokens


def counts(docs: dict[str, str]) -> unread.Count:
    return lambda reader: np.array(reader.doc_lengths(list(docs.values())), np.int32)


def test_the_counts_by_hand() -> None:
    docs = {"a": "one two three", "b": "one", "c": "one two"}
    queries = [Query("p", "what"), Query("q", "what is it")]
    run = {"p": [Hit("b", 1.0)], "q": [Hit("c", 1.0), Hit("b", 0.5)]}
    found = unread.facts([Words(4)], {"b": 1, "c": 2}, queries, run, counts(docs))
    assert found["read"] == {
        # 4 - 1 words are left beside the query p: nothing is longer.
        "documents": 3,
        "documents_cut": 0,
        "room": 3,
        # 4 - 2 beside c: q, of 3 words, is cut.
        "queries": 2,
        "queries_cut": 1,
        "query_room": 2,
    }
    lengths = Lengths(**found["lengths"])
    assert lengths.docs == {"b": 1, "c": 2}  # of the hits alone
    assert lengths.cut_queries() == ["q"]
    assert lengths.truncated("q", "c")
    assert not lengths.truncated("q", "b")


def test_of_several_readers_the_one_that_cuts_most_and_nothing_without_one() -> None:
    count, queries = counts({"a": "one two three"}), [Query("q", "what")]
    found = unread.facts([Words(9), Words(2), Words(5)], {}, queries, {}, count)
    assert found["read"]["documents_cut"] == 1
    assert found["read"]["room"] == 1
    assert unread.facts([], {}, queries, {}, count) == {}


def test_lengths_come_back_from_their_file(tmp_path: Path) -> None:
    lengths = Lengths({"d": 5}, {"q": 4}, {"q": 9}, {"q": 8})
    write_table(tmp_path / "lengths.csv", lengths_table(lengths))
    assert read_lengths(tmp_path / "lengths.csv") == lengths
    old = lengths_table(Lengths({"d": 5}, {"q": 4}))
    write_table(tmp_path / "old.csv", old)
    assert read_lengths(tmp_path / "old.csv") == Lengths({"d": 5}, {"q": 4})
    assert list(old.columns) == list(columns.LENGTHS)


ENCODERS: dict[str, Callable[[Exported], Any]] = {
    "dense": lambda _: SentenceTransformers(MINILM, max_length=9, device="cpu"),
    "prompted": lambda _: SentenceTransformers(
        "sentence-transformers/prompted", max_length=12, device="cpu"
    ),
    "dense of ONNX": lambda exported: FastembedEncoder(exported(MINILM), max_length=9),
    "pylate": lambda _: Pylate(
        COLBERT, query_length=10, document_length=9, query_expansion=False, device="cpu"
    ),
    "tokens of ONNX": lambda exported: FastembedTokens(exported(COLBERT), max_length=9),
    "bge_m3": lambda _: BgeM3("BAAI/bge-m3", max_length=9, device="cpu"),
}


def vectors(encoder: Any, text: str, of: str) -> Any:
    part = ["tokens"] if encoder.gives == "joint" else []
    return np.atleast_2d(encoder.encode([text], of, *part)[0])


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("of", ["query", "doc"])
def test_an_encoder_reads_as_many_tokens_as_it_says(exported: Exported, name: str, of: str) -> None:
    encoder = ENCODERS[name](exported)
    room = encoder.query_room(0) if of == "query" else encoder.room("")
    words = ["cat", "dog", "tree", "river"] * 20
    assert encoder.doc_lengths([" ".join(words[:room])]) == [room]
    full, over, under = (
        vectors(encoder, " ".join(words[:count]), of) for count in (room, room + 1, room - 1)
    )
    np.testing.assert_allclose(full, over, atol=1e-5)
    assert full.shape != under.shape or not np.allclose(full, under, atol=1e-4)


@pytest.mark.parametrize("doc", ["cat", "cat " * 40])
def test_a_cross_encoder_keeps_as_long_a_query_as_it_says(exported: Exported, doc: str) -> None:
    torch = CrossEncoder(MS_MARCO, max_length=17, device="cpu")
    onnx = Fastembed(exported(MS_MARCO), max_length=17)
    (tokens,) = torch.doc_lengths([doc])
    for count in range(1, 30):
        query = "river " * count
        (row,) = cross_encoder.pairs(torch.loaded().tokenizer, query, [doc])
        kept = row["token_type_ids"].count(0) - 2  # [CLS] and [SEP]
        assert (kept < count) == (count > torch.query_room(tokens))
        pair = onnx.loaded().inner.tokenizer.encode(query, doc)
        kept = pair.type_ids.count(0) - 2
        assert (kept < count) == (count > onnx.query_room(tokens))


def results(tmp_path: Path, systems: str) -> Any:
    """A run over three documents, one of them long, and three queries, one of them long."""
    long = "river " * 80
    files = {
        "corpus.jsonl": [
            {"_id": "d1", "text": "the cat"},
            {"_id": "d2", "text": "a dog"},
            {"_id": "d3", "text": long},
        ],
        "queries.jsonl": [
            {"_id": "q1", "text": "cat"},
            {"_id": "q2", "text": "dog"},
            {"_id": "q3", "text": long},
        ],
    }
    folder = tmp_path / "data"
    (folder / "qrels").mkdir(parents=True)
    for name, rows in files.items():
        (folder / name).write_text("\n".join(map(json.dumps, rows)))
    judged = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t1\nq3\td3\t1\n"
    (folder / "qrels" / "test.tsv").write_text(judged)
    (tmp_path / "cut.yaml").write_text(
        "question: What is read?\ndatasets: [{use: files, path: data}]\nmetrics: [ndcg@3]\n"
        f"depth: {{retrieve: 3, rerank: 3}}\nsystems:\n{systems}"
    )
    options = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    assert main(["run", str(tmp_path / "cut.yaml"), *options]) == 0
    return load_results(tmp_path / "results" / "cut")


def test_what_each_stage_cuts_is_an_alarm_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = results(
        tmp_path,
        "  - name: dense\n"
        "    retriever: &r {use: dense, encoder: {use: sentence_transformers, model: "
        f"{MINILM}, max_length: 32, device: cpu}}}}\n"
        "  - {name: ce, retriever: *r, reranker: {use: cross_encoder, model: "
        f"{MS_MARCO}, max_length: 64, device: cpu}}}}\n"
        "  - {name: li, retriever: *r, reranker: {use: late_interaction, encoder: {use: pylate, "
        f"model: {COLBERT}, device: cpu}}}}}}\n",
    )
    table = alarms(found)
    cut = table[table["alarm"].isin(["documents truncated", "queries truncated"])]
    said = sorted(zip(cut["system"], cut["alarm"], cut["evidence"], strict=True))
    # Special tokens and markers apart: 32 - 2, 64 - 3 (one is left to the document), 32 - 3.
    model = "tokens that the first stage's model reads."
    assert said == [
        ("ce", "queries truncated", f"1 of 3 queries are longer than the 60 {RERANKER}"),
        ("dense", "documents truncated", f"1 of 3 documents are longer than the 30 {model}"),
        ("dense", "queries truncated", f"1 of 3 queries are longer than the 30 {model}"),
        ("li", "queries truncated", f"1 of 3 queries are longer than the 29 {RERANKER}"),
    ]
    assert set(cut["severity"]) == {"CAUTION"}  # a third is more than a quarter
    closing = " ".join(capsys.readouterr().out.split())
    assert "Cautions in the report: " in closing
    assert closing.count("documents truncated") == 1
    lengths = found.lengths("data", "dense")
    assert lengths is not None
    assert [lengths.truncated("q1", doc_id) for doc_id in ("d1", "d2", "d3")] == [
        False,
        False,
        True,
    ]
    assert lengths.cut_queries() == ["q3"]
    assert isinstance(analyse(found).alarms, pd.DataFrame)


RERANKER = "tokens that the reranker's model reads."


def test_lexical_search_has_nothing_to_tell(tmp_path: Path) -> None:
    found = results(tmp_path, "  - {name: bm25, retriever: {use: bm25}}\n")
    assert found.lengths("data", "bm25") is None
    assert "read" not in found.facts["data", "bm25"]["stages"][0]
