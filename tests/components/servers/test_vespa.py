"""A Vespa application made, fed and searched: the hits are those of our own MaxSim, or there are none."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from contract_server import Answer, ContractServer
from contract_vespa import VERSION, ContractVespa
from fakes import HashingEncoder, HashingTokenEncoder, write_experiment
from numpy.typing import NDArray

from harness import load_results
from harness.cli.commands import main
from harness.components.retrievers import vespa as component
from harness.components.retrievers.vespa import Vespa
from harness.components.servers import vespa as wire
from harness.components.vectors.compression import pack, unit, unpack
from harness.components.vectors.maxsim import maxsim
from harness.data import Doc, Query
from harness.errors import ComponentError, ServerError
from harness.experiment.keys import component_key
from harness.experiment.reading import load_experiment
from harness.measure.latency import study

DIM = 16
WORDS = ["apple", "pear", "plum", "pie", "red", "green", "tart", "sour", "sweet", "ripe"]
DOCS = [
    Doc(f"d/{i} ä", " ".join(np.random.default_rng(i).choice(WORDS, 3 + i % 4).tolist()))
    for i in range(30)
]
QUERIES = [Query("q1", "red apple"), Query("q2", 'Sour-"pear" + (pie)'), Query("q3", "plum")]


def drawn(word: str, dim: int) -> NDArray[np.float32]:
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(dim, np.float32)


@dataclass(frozen=True)
class DrawnTokens:
    """One unit vector a word, and one for [CLS]; all coordinates count."""

    dim: int = DIM

    gives: ClassVar = "tokens"

    def encode(self, texts: Sequence[str], side: str) -> list[NDArray[np.float32]]:
        del side
        return [
            unit(np.array([drawn(word.lower(), self.dim) for word in ["[CLS]", *text.split()]]))
            for text in texts
        ]


@dataclass(frozen=True)
class DrawnVectors:
    """One unit vector a text."""

    dim: int = 8

    gives: ClassVar = "dense"

    def encode(self, texts: Sequence[str], side: str) -> NDArray[np.float32]:
        del side
        return unit(np.array([sum(drawn(w, self.dim) for w in t.split()) for t in texts]))


@pytest.fixture
def server(server: ContractServer, monkeypatch: pytest.MonkeyPatch) -> ContractServer:
    server.reset("vespa")
    server.vespa = ContractVespa()
    monkeypatch.setattr(wire, "_sleep", lambda _: None)
    return server


def system(server: ContractServer, **fields: Any) -> Vespa:
    given = {"encoder": DrawnTokens(), "config_url": server.url, "retries": 2, **fields}
    return Vespa(url=server.url, **given)


def feeds(server: ContractServer) -> int:
    return sum(method == "POST" and "/docid/" in path for method, path, _ in server.asked)


# The ranking


def kept(vectors: NDArray[np.float32], precision: str) -> NDArray[np.float32]:
    """What is left of vectors, by others' arithmetic than the application's."""
    if precision == "bfloat16":
        import torch

        return torch.from_numpy(vectors).to(torch.bfloat16).float().numpy()
    if precision == "binary":
        return unpack(pack(vectors, "binary"), "binary")
    return vectors


@pytest.mark.parametrize("dense", [None, DrawnVectors()], ids=["words", "vectors"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "binary"])
@pytest.mark.parametrize("dim", [None, 8])
def test_hits_are_those_of_maxsim(
    server: ContractServer, precision: Any, dense: Any, dim: int | None
) -> None:
    encoder = DrawnTokens()
    asked = system(server, encoder=encoder, precision=precision, dense=dense, dim=dim)
    found = asked.index(DOCS).search(QUERIES, 10)
    for query, hits in zip(QUERIES, found, strict=True):
        words = set(re.findall(r"\w+", query.text.lower()))
        docs = [doc for doc in DOCS if dense or words & set(doc.text.split())]
        cut = DIM if dim is None else dim
        matrices = [unit(m[:, :cut]) for m in encoder.encode([d.text for d in docs], "doc")]
        tokens = kept(np.concatenate(matrices), precision)
        (matrix,) = encoder.encode([query.text], "query")
        lengths = np.array([len(m) for m in matrices])
        scores = maxsim(unit(matrix[:, :cut]), tokens, lengths)
        expected = {doc.doc_id: score for doc, score in zip(docs, scores.tolist(), strict=True)}
        assert len(hits) == min(10, len(docs))
        assert {h.doc_id: h.score for h in hits} == pytest.approx(
            {h.doc_id: expected[h.doc_id] for h in hits}, abs=1e-5
        )
        assert min(h.score for h in hits) >= sorted(expected.values())[-len(hits)] - 1e-5


def test_the_second_phase_has_what_the_first_one_likes_best(server: ContractServer) -> None:
    """Of 30 documents the 5 whose single vectors are nearest are compared by their tokens."""
    asked = system(server, dense=DrawnVectors(), rerank=5)
    (hits,) = asked.index(DOCS).search(QUERIES[:1], 5)
    vectors = DrawnVectors()
    (query,) = vectors.encode([QUERIES[0].text], "query")
    scores = vectors.encode([doc.text for doc in DOCS], "doc") @ query
    nearest = {DOCS[i].doc_id for i in np.argsort(-scores)[:5]}
    assert {hit.doc_id for hit in hits} == nearest


def test_a_cross_encoder_has_the_last_word(server: ContractServer, tmp_path: Path) -> None:
    """The server's gives 100 and a point for each shared word, to 4 documents."""
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    (tmp_path / "tokenizer.json").write_text("{}")
    asked = system(server, cross_encoder_path=str(tmp_path), cross_encode=4)
    (hits,) = asked.index(DOCS).search([Query("q", "red, apple")], 10)
    scores = sorted((hit.score for hit in hits), reverse=True)
    assert all(score >= 100 for score in scores[:4])
    assert all(score < 100 for score in scores[4:])
    (body,) = server.work
    assert body["text"] == "red, apple"
    assert body["input.query(tokens)"] == "embed(tokenizer, @text)"
    assert set(asked.identity()) == {"version", "model.onnx", "tokenizer.json"}


def test_the_whole_time_is_for_the_search(server: ContractServer) -> None:
    asked = system(server, timeout_s=7.5, first=200)
    asked.index(DOCS).search(QUERIES[1:2], 10)
    (body,) = server.work
    assert body["timeout"] == "7.5s"
    assert body["ranking.softtimeout.enable"] is False
    assert body["hits"] == 10
    assert body["words"] == "Sour pear pie"
    assert 'where ({targetHits: 200, grammar: "weakAnd"}userInput(@words))' in body["yql"]


def test_a_query_without_words_finds_nothing_by_words(server: ContractServer) -> None:
    searcher = system(server).index(DOCS)
    assert searcher.search([Query("q", "?!")], 5) == [[]]
    assert server.work == []
    by_vector = system(server, dense=HashingEncoder(8)).index(DOCS)
    assert len(by_vector.search([Query("q", "?!")], 5)[0]) == 5


def test_more_hits_than_are_compared_are_refused(server: ContractServer) -> None:
    searcher = system(server, rerank=20).index(DOCS)
    with pytest.raises(ComponentError, match=r"the 20 best.*21 hits are asked for.*raise `rerank`"):
        searcher.search(QUERIES, 21)


def test_documents_without_tokens_are_not_fed(server: ContractServer) -> None:
    docs = [Doc("empty", ""), *DOCS[:3]]
    searcher = system(server, encoder=HashingTokenEncoder(8)).index(docs)
    assert sorted(server.vespa.docs) == [1, 2, 3]
    found = searcher.search([Query("q", DOCS[0].text)], 5)
    assert "empty" not in {hit.doc_id for hit in found[0]}


@pytest.mark.parametrize("docs", [[], [Doc("empty", "")]])
def test_nothing_to_feed(server: ContractServer, docs: list[Doc]) -> None:
    searcher = system(server, encoder=HashingTokenEncoder(8)).index(docs)
    assert searcher.search(QUERIES, 5) == [[], [], []]
    assert server.asked == []


@pytest.mark.parametrize(("precision", "size"), [("float32", 64), ("bfloat16", 32), ("binary", 2)])
def test_bytes_are_counted(server: ContractServer, precision: Any, size: int) -> None:
    searcher: Any = system(server, precision=precision).index(DOCS)
    vectors = sum(len(doc.text.split()) + 1 for doc in DOCS)
    fed, words = searcher.footprints()
    assert fed[:6] == ("token vectors", 30, vectors, DIM, precision, vectors * size)
    assert (words.bytes, words.unknown) == (None, component.WORDS)  # BM25 is Vespa's own
    both: Any = system(server, precision=precision, dense=DrawnVectors()).index(DOCS)
    (found,) = both.footprints()
    assert found.bytes == vectors * size + 30 * 8 * 4


def test_a_vector_that_is_not_finite(server: ContractServer) -> None:
    broken = SimpleNamespace(
        gives="tokens", encode=lambda texts, _: [np.full((1, 8), np.nan)] * len(texts)
    )
    with pytest.raises(ComponentError, match="not finite"):
        replace(system(server), encoder=broken).index(DOCS)


# Feeding


def test_what_is_fed_is_not_fed_again(server: ContractServer) -> None:
    first = system(server).index(DOCS).search(QUERIES, 5)
    assert feeds(server) == 30
    assert system(server).index(DOCS).search(QUERIES, 5) == first
    assert feeds(server) == 30


@pytest.mark.parametrize("docs", [DOCS[:9], [*DOCS[1:], Doc("new", "plum pie")]])
def test_other_documents_take_the_place_of_those_before(
    server: ContractServer, docs: list[Doc]
) -> None:
    before = system(server).index(DOCS)
    after = system(server).index(docs)
    assert len(server.vespa.docs) == len(docs)
    assert {hit.doc_id for hit in after.search(QUERIES, 9)[2]} <= {doc.doc_id for doc in docs}
    with pytest.raises(ComponentError, match=r"bears the mark.*was fed|and 30 were fed"):
        before.search(QUERIES, 9)


def test_a_feed_that_was_broken_off_is_fed_again(server: ContractServer) -> None:
    system(server).index(DOCS)
    del server.vespa.docs[3]
    system(server).index(DOCS)
    assert feeds(server) == 60
    assert len(server.vespa.docs) == 30


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Answer({"message": "x"}, status=507), r"answered 507.*out of memory or disk"),
        (Answer({"message": "No field 'mark'"}, status=400), r"answered 400.*No field 'mark'"),
        (Answer({}, headers={"X-Vespa-Ignored-Fields": "true"}), "ignored fields"),
        (Answer(b"<html>"), "no JSON"),
        (Answer({}, status=429), r"answered 429.*in 3 tries"),
    ],
)
def test_a_document_that_is_not_taken(server: ContractServer, fault: Answer, told: str) -> None:
    asked = system(server)
    asked.index(DOCS[:1])
    server.only_work = False
    server.fault = lambda _, answer: fault if "/docid/" in server.asked[-1][1] else answer
    with pytest.raises(ComponentError, match=told) as caught:
        asked.index(DOCS)
    assert f"POST /document/v1/harness/{server.vespa.schema.name}/docid/0" in str(caught.value)


def test_a_busy_server_is_given_time(server: ContractServer, pauses: list[float]) -> None:
    asked = system(server)
    asked.index(DOCS[:1])
    busy = iter(range(2))

    def fault(_: ContractServer, answer: Answer) -> Answer:
        feeding = "/docid/" in server.asked[-1][1]
        return Answer({}, status=429) if feeding and next(busy, None) is not None else answer

    server.only_work, server.fault = False, fault
    asked.index(DOCS)
    assert len(server.vespa.docs) == 30
    assert len(pauses) == 2


def test_documents_that_can_be_found_later_are_waited_for(server: ContractServer) -> None:
    asked = system(server)
    asked.index(DOCS[:1])
    server.vespa.hidden = 3
    asked.index(DOCS)
    assert server.vespa.hidden == 0
    server.vespa.hidden = 10**9
    with pytest.raises(ComponentError, match=r"just the 29 documents.*within 0.01 s.*`ready_s`"):
        system(server, ready_s=0.01).index(DOCS[1:])


# The application


def test_an_application_is_deployed_once_and_waited_for(server: ContractServer) -> None:
    server.vespa.not_yet = 3
    system(server).index(DOCS)
    system(server).index(DOCS)
    paths = [path for _, path, _ in server.asked]
    assert sum(path.endswith("/prepareandactivate") for path in paths) == 1
    assert sum(path.endswith("/serviceconverge") for path in paths) == 4


def test_another_application_of_ours_takes_its_place(server: ContractServer) -> None:
    before = system(server).index(DOCS)
    system(server, precision="binary").index(DOCS)
    assert server.vespa.schema.cell == "int8"
    with pytest.raises(ComponentError, match="Could not resolve source ref"):
        before.search(QUERIES, 5)


def test_an_application_that_never_comes_into_use(server: ContractServer) -> None:
    server.vespa.not_yet = 10**9
    with pytest.raises(ComponentError, match=r"did not come into use.*0.01 s.*Vespa's log"):
        system(server, ready_s=0.01).index(DOCS)


def test_a_refused_application(server: ContractServer) -> None:
    server.only_work = False
    server.fault = lambda _, answer: (
        Answer(
            {"error-code": "INVALID", "message": "the content cluster music is removed"}, status=400
        )
        if server.asked[-1][1].endswith("prepareandactivate")
        else answer
    )
    with pytest.raises(ComponentError, match=r"config server.*400.*cluster music is removed"):
        system(server).index(DOCS)


def test_by_hand(server: ContractServer, tmp_path: Path) -> None:
    """The package is written, the message says how to deploy it, and then the run goes on."""
    folder = tmp_path / "package"
    asked = system(server, config_url="", package_path=str(folder))
    with pytest.raises(ComponentError, match=rf"`vespa deploy {re.escape(str(folder))}`, or name"):
        asked.index(DOCS)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in filter(Path.is_file, folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    assert server.vespa._deploy(zipfile.ZipFile(packed)) == ""
    assert asked.index(DOCS).search(QUERIES, 5)
    with pytest.raises(ComponentError, match="`package_path: FOLDER`"):
        system(server, config_url="", precision="binary").index(DOCS)


# Answers that are not whole


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"coverage": {"coverage": 61, "full": False, "degraded": {"timeout": True}}}, r"61 %.*timeout"),
        ({"coverage": {"coverage": 100, "full": True, "degraded": {"match-phase": True}}}, "match-ph"),
        ({"coverage": {"coverage": 99, "full": False}}, "99 % of the documents"),
        ({"errors": [{"code": 12, "summary": "Timed out", "message": "sc0"}]}, r"'Timed out' \(sc0"),
        ({"coverage": None}, "not the form"),
    ],
)  # fmt: skip
def test_part_of_an_answer_is_none(server: ContractServer, change: Any, told: str) -> None:
    searcher = system(server).index(DOCS)
    server.fault = lambda _, answer: Answer({"root": {**answer.content["root"], **change}})
    with pytest.raises(ComponentError, match=told) as caught:
        searcher.search(QUERIES[:1], 5)
    assert f"{server.url}, POST /search/ (5 hits)" in str(caught.value)


def test_minus_infinity_is_no_score(server: ContractServer) -> None:
    """Vespa writes it as a text."""
    searcher = system(server).index(DOCS)

    def fault(_: ContractServer, answer: Answer) -> Answer:
        answer.content["root"]["children"][0]["relevance"] = "-Infinity"
        return answer

    server.fault = fault
    with pytest.raises(ComponentError, match="'-Infinity' as a score, which is no number"):
        searcher.search(QUERIES[:1], 5)


# What it is


def test_the_version_is_the_config_servers(server: ContractServer) -> None:
    asked = system(server)
    assert asked.identity() == {"version": VERSION}
    assert replace(asked, url="http://127.0.0.1:9").identity() == {"version": VERSION}
    assert system(server, config_url="").identity() == {"version": VERSION}
    assert asked.server()["identity"] == {"version": VERSION}


def test_no_vespa(server: ContractServer) -> None:
    server.reset("tei")
    with pytest.raises(ServerError, match=r"no /state/v1/version.*no Vespa"):
        system(server).identity()


def test_what_changes_no_answer_is_not_in_the_key(server: ContractServer, tmp_path: Path) -> None:
    key = component_key(system(server))
    assert component_key(system(server, ready_s=9, timeout_s=9, package_path="x")) == key
    assert component_key(system(server, config_url="")) == key
    assert component_key(system(server, rerank=99)) != key
    (tmp_path / "tokenizer.json").write_text("{}")
    keys = set()
    for content in (b"one", b"two"):
        (tmp_path / "model.onnx").write_bytes(content)
        keys.add(component_key(system(server, cross_encoder_path=str(tmp_path))))
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"rerank": 0}, "above 0"),
        ({"rerank": 1001}, "rerank must not be above first"),
        ({"config_url": "127.0.0.1"}, "url must be like"),
        ({"dialect": "tei"}, "known: vespa"),
    ],
)
def test_settings_that_cannot_be(server: ContractServer, fields: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        system(server, **fields)


# An experiment


def test_an_experiment(server: ContractServer, tmp_path: Path) -> None:
    retriever = {
        "use": "vespa",
        "url": server.url,
        "config_url": server.url,
        "encoder": {"use": "fakes:HashingTokenEncoder"},
        "dense": {"use": "fakes:HashingEncoder"},
        "package_path": "package",
        "precision": "float32",
    }
    file = write_experiment(tmp_path, systems=[{"name": "vespa", "retriever": retriever}])
    (made,) = load_experiment(file).systems
    assert made.retriever.package_path == str(tmp_path / "package")
    folders = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    assert main(["run", str(file), *folders]) == 0
    assert (tmp_path / "package" / "services.xml").exists()
    results = load_results(tmp_path / "results" / "experiment")
    (facts,) = results.facts.values()
    (said,) = facts["servers"]
    assert said["identity"] == {"version": VERSION}
    assert facts["stages"][0]["traffic"]["server_seconds"] == pytest.approx(4 * 0.0055)
    (row,) = results.storage.to_dict("records")
    assert (row["holder"], row["precision"], row["vectors"]) == ("retriever", "float32", 11)


@dataclass(frozen=True)
class LoadedTokens(DrawnTokens):
    def load(self) -> None:
        """Have nothing in memory."""


def test_no_process_is_started_that_would_feed(server: ContractServer) -> None:
    """To start one would raise AttributeError: there are no queries to tune on."""
    nothing: Any = SimpleNamespace(starts=1, progress=None)
    arm: Any = SimpleNamespace(mode="retrieve", models=("m",))
    arm.component = system(server, encoder=LoadedTokens())
    assert study._starts([arm], nothing, nothing, "cpu", nothing, nothing) == {}
    arm.mode = "rerank"
    with pytest.raises((AttributeError, TypeError)):
        study._starts([arm], nothing, nothing, "cpu", nothing, nothing)
