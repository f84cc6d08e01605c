"""What a server tells of itself, what of it decides the key, and how work is cut into requests."""

from __future__ import annotations

import json
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract_server import MODEL, SHA, STANFORD_DOCS, Answer, ContractServer, score, texts
from fakes import write_experiment
from spoken import CASES, QUERY, Case

from harness import load_results
from harness.analysis.costs.latency import latencies
from harness.cli.commands import main
from harness.components import registry
from harness.components.abilities import Stores
from harness.components.encoders.endpoint import Endpoint as Encoder
from harness.components.encoders.token_endpoint import TokenEndpoint
from harness.components.rerankers.endpoint import Endpoint
from harness.components.retrievers.endpoint import Endpoint as Search
from harness.components.servers import colbert, served
from harness.data import Doc, Query
from harness.errors import ComponentError, ServerError
from harness.execution.execute import Execution
from harness.experiment.keys import component_key, timing_key
from harness.experiment.plan import Plan, make_plan
from harness.experiment.reading import load_experiment
from harness.report.analyse import analyse
from harness.results.store import Store

OVERLAP = {"use": "fakes:WordOverlap"}


def docs(count: int) -> list[Doc]:
    return [Doc(str(i), text) for i, text in enumerate(texts(count))]


def speaking(server: ContractServer, dialect: str, **fields: Any) -> Endpoint:
    server.reset(dialect)
    return Endpoint(dialect=dialect, url=server.url, **{"model": MODEL, **fields})


# Requests


@pytest.mark.parametrize(
    ("dialect", "batch", "sizes"),
    [
        ("tei", None, [32, 32, 32, 4]),  # what /info says
        ("tei", 30, [30, 30, 30, 10]),
        ("tei", 64, [32, 32, 32, 4]),  # the server's limit holds
        ("plain", None, [50, 50]),
        ("triton", None, [64, 36]),
        ("cohere", None, [100]),
        ("cohere", 40, [40, 40, 20]),
    ],
)
def test_work_is_cut_where_the_limit_demands(
    server: ContractServer, dialect: str, batch: int | None, sizes: list[int]
) -> None:
    asked = speaking(server, dialect, batch=batch)
    whole = speaking(server, dialect)
    found = asked.score(QUERY, docs(100))
    sent = [str(body).count("number ") for body in server.work]
    assert sent == sizes
    assert found == whole.score(QUERY, docs(100))
    assert asked.server()["texts_a_request"] == (sizes[0] if len(sizes) > 1 else None)


def test_encoding_is_cut_too(server: ContractServer) -> None:
    server.reset("tei")
    encoder = Encoder(dialect="tei", url=server.url)
    assert encoder.encode(texts(70), "doc").shape == (70, 4)
    assert [len(body["inputs"]) for body in server.work] == [32, 32, 6]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.kind != "hits"], ids=lambda case: case.name
)
def test_nothing_is_asked_of_nothing(server: ContractServer, case: Case) -> None:
    server.reset(case.dialect)
    assert len(case.ask(case.component(server.url), [])) == 0
    assert server.work == []


def test_vectors_of_one_dimension_across_requests(server: ContractServer) -> None:
    """The last request has a fault of its own: the vectors are of another length."""
    server.reset("tei")
    encoder = Encoder(dialect="tei", url=server.url, batch=2)

    def shorter(_: ContractServer, answer: Answer) -> Answer:
        return Answer(
            [row[:2] for row in answer.content] if len(server.work) == 3 else answer.content
        )

    server.fault = shorter
    with pytest.raises(ComponentError, match="of 2 lengths"):
        encoder.encode(texts(5), "doc")


@pytest.mark.parametrize(("raw", "between"), [(True, False), (False, True)])
@pytest.mark.parametrize("dialect", ["tei", "infinity", "vllm", "vllm_score"])
def test_scores_are_logits_unless_probabilities_are_asked_for(
    server: ContractServer, dialect: str, raw: bool, between: bool
) -> None:
    found = np.array(speaking(server, dialect, raw_scores=raw).score(QUERY, docs(9)))
    assert ((found > 0) & (found < 1)).all() == between


def test_late_interaction_says_who_is_a_query(server: ContractServer) -> None:
    for dialect in ("pylate", "next_plaid"):
        server.reset(dialect)
        encoder = TokenEndpoint(dialect=dialect, url=server.url, model=MODEL)
        (query,), (doc,) = (
            encoder.encode(["pear"], "query"),
            encoder.encode(["pear"], "doc"),
        )
        assert query.shape == doc.shape == (2, 4)
        assert not np.allclose(query, doc)


def test_maxsim_of_vectors_made_beforehand(server: ContractServer) -> None:
    (case,) = (case for case in CASES if case.name == "maxsim")
    server.reset(case.dialect)
    reranker = case.component(server.url)
    ready = reranker.prepare([*docs(9), *docs(9)])
    assert ready.score(QUERY, docs(5)) == pytest.approx(case.expected(texts(5)))
    assert isinstance(ready, Stores)
    words = sum(len(text.split()) for text in texts(9))
    (found,) = ready.footprints()
    assert found[1:6] == (9, words, 8, "float32", words * 8 * 4)
    assert ready.count_tokens(QUERY, docs(2)) == sum(len(text.split()) for text in texts(2))


def test_prompts_are_put_before_texts(server: ContractServer) -> None:
    server.reset("openai")
    encoder = Encoder(
        dialect="openai",
        url=server.url,
        model=MODEL,
        query_prompt="query: ",
        doc_prompt="passage: ",
    )
    encoder.encode(["pear"], "query")
    encoder.encode(["pear"], "doc")
    assert [body["input"] for body in server.work] == [["query: pear"], ["passage: pear"]]


def test_vectors_have_length_1(server: ContractServer) -> None:
    server.reset("openai")
    found = Encoder(dialect="openai", url=server.url, model=MODEL).encode(texts(3), "doc")
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("dialect", ["vllm", "vllm_score"])
def test_a_prefix_cache_is_salted_anew(server: ContractServer, dialect: str) -> None:
    asked = speaking(server, dialect, batch=2)
    for _ in range(2):
        asked.score(QUERY, docs(4))
    salts = Counter(body["cache_salt"] for body in server.work)
    assert len(salts) == len(server.work) == 4


# Search


def stanford(server: ContractServer, **fields: Any) -> Search:
    server.reset("colbert")
    return Search(dialect="colbert", url=server.url, **fields)


COLLECTION = [Doc(f"doc{i}", text) for i, text in enumerate(STANFORD_DOCS)]


def test_hits_are_the_documents_at_their_places(server: ContractServer) -> None:
    (hits,) = stanford(server).index(COLLECTION).search([Query("q", QUERY)], 100)
    assert len(hits) == 100
    assert {hit.doc_id: hit.score for hit in hits}.items() <= {
        doc.doc_id: score(QUERY, doc.text) for doc in COLLECTION
    }.items()


def test_a_query_is_never_sent_twice(server: ContractServer) -> None:
    """The server's lru_cache has (query, k) as its key, white space included."""
    searcher = stanford(server).index(COLLECTION)
    first, second = (searcher.search([Query("q", QUERY)] * 20, 10) for _ in range(2))
    sent = [body["query"] for body in server.work]
    assert len(set(sent)) == 40
    assert {query.strip() for query in sent} == {QUERY}
    assert max(map(len, sent)) < len(QUERY) + 64
    assert first == second


def test_white_space_is_nothing_to_the_tokenizer() -> None:
    """What BERT's tokenizer cuts into pieces; Stanford ColBERT puts ". " before a query."""
    from tokenizers import normalizers, pre_tokenizers

    def words(text: str) -> list[str]:
        normal = normalizers.BertNormalizer(lowercase=True).normalize_str(f". {text}")
        return [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(normal)]

    assert words(QUERY) == [".", "red", "apple", "pie"]
    assert all(words(colbert.unlike(QUERY)) == words(QUERY) for _ in range(9))


def test_more_than_the_server_gives_is_refused(server: ContractServer) -> None:
    searcher = stanford(server).index(COLLECTION)
    with pytest.raises(ComponentError, match=r"at most 100 hits.*101 are.*lower depth.retrieve"):
        searcher.search([Query("q", QUERY)], 101)


@pytest.mark.parametrize("place", [3, 50])
def test_an_index_of_other_documents_is_refused(server: ContractServer, place: int) -> None:
    other = [*COLLECTION[:place], *COLLECTION[place + 1 :], COLLECTION[place]]
    with pytest.raises(ComponentError, match="made of other documents, or in another order"):
        stanford(server).index(other).search([Query("q", QUERY)], 100)


def test_white_space_makes_no_other_document(server: ContractServer) -> None:
    spaced = [Doc(doc.doc_id, doc.text.replace(" ", "\n ")) for doc in COLLECTION]
    (hits,) = stanford(server).index(spaced).search([Query("q", QUERY)], 5)
    assert len(hits) == 5


# What a server is


@pytest.mark.parametrize(
    ("dialect", "identity"),
    [
        (
            "tei",
            {"model_id": MODEL, "model_sha": SHA, "model_dtype": "float16", "version": "1.9.3"},
        ),
        ("cohere", {"id": MODEL, "owned_by": "test"}),
        ("vllm", {"id": MODEL, "owned_by": "test", "version": "0.32.0"}),
        ("next_plaid", {"model": MODEL, "version": "1.6.1"}),
        ("triton", {"name": MODEL, "platform": "python", "versions": "['1']"}),
        ("plain", {"model": MODEL, "revision": SHA}),
        ("torchserve", {"model": MODEL}),
        ("bentoml", {"model": MODEL, "title": "rerank", "version": "tag:abc"}),
    ],
)
def test_identity(server: ContractServer, dialect: str, identity: dict[str, str]) -> None:
    """What decides scores; no times, counts of memory or limits, which are never the same twice."""
    assert speaking(server, dialect).identity() == identity


def test_a_fingerprint_stands_for_all_that_decides_scores(server: ContractServer) -> None:
    """What else a server tells, such as its machine, makes no result another one."""
    asked = speaking(server, "plain")
    server.only_work = False
    told = {"model": MODEL, "fingerprint": "f00d", "provenance": {"cores": 2}, "max_documents": 5}
    server.fault = lambda *_: Answer(told)
    assert asked.identity() == {"model": MODEL, "fingerprint": "f00d"}
    assert asked.server()["configuration"]["/info"] == told


def test_identity_of_ollama_has_the_digest(server: ContractServer) -> None:
    server.reset("ollama")
    encoder = Encoder(dialect="ollama", url=server.url, model=MODEL)
    assert encoder.identity() == {"model": f"{MODEL}:latest", "digest": "sha256:77"}


def test_identity_is_asked_once(server: ContractServer) -> None:
    asked = speaking(server, "tei")
    for _ in range(3):
        asked.identity()
        asked.score(QUERY, docs(2))
    assert [path for _, path, _ in server.asked].count("/info") == 1


def test_what_is_told_is_kept(server: ContractServer) -> None:
    facts = speaking(server, "tei").server()
    assert facts["configuration"]["/info"]["max_batch_tokens"] == 16384
    assert (facts["url"], facts["dialect"]) == (server.url, "tei")
    json.dumps(facts)


@pytest.mark.parametrize(
    ("dialect", "model", "message"),
    [
        ("tei", "other", "serves 'org/model' and not 'other'"),
        ("cohere", "other", "no model 'other' but org/model"),
        ("vllm", "other", "no model 'other' but org/model"),
        ("triton", "other", "no model 'other' that is ready"),
    ],
)
def test_a_model_that_is_not_there(
    server: ContractServer, dialect: str, model: str, message: str
) -> None:
    with pytest.raises(ServerError, match=message):
        speaking(server, dialect, model=model).identity()


def test_nobody_answers_where_vllm_may_have_ended() -> None:
    asked = Endpoint(dialect="vllm", url=f"http://127.0.0.1:{free_port()}", model=MODEL)
    with pytest.raises(
        ServerError, match=r"when it answers; if vLLM ended.*has dim.*--hf-override"
    ):
        asked.identity()


@pytest.mark.parametrize(
    ("spoken", "meant", "message"),
    [
        ("plain", "tei", "no TEI server"),
        ("plain", "next_plaid", "no next-plaid server"),
    ],
)
def test_a_server_of_another_kind(
    server: ContractServer, spoken: str, meant: str, message: str
) -> None:
    server.reset(spoken)
    with pytest.raises(ServerError, match=message):
        Endpoint(dialect=meant, url=server.url, model=MODEL).identity()


def test_triton_model_of_another_signature(server: ContractServer) -> None:
    asked = speaking(server, "triton")
    server.only_work = False
    names = [{"name": "input_ids"}], [{"name": "logits"}]
    server.fault = lambda *_: Answer({"inputs": names[0], "outputs": names[1]})
    with pytest.raises(ServerError, match=r"takes \['input_ids'\] and gives \['logits'\]"):
        asked.identity()


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize(
    ("content", "status"),
    [(b"\xff", 200), ([], 200), ({"data": [{}]}, 200), ({"data": 3}, 200), ("x", 200), (7, 200),
     ({"model_id": "a", "max_client_batch_size": "many"}, 200), ({}, 401), ({}, 503)],
)  # fmt: skip
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_whatever_a_server_tells_is_no_traceback(
    server: ContractServer, case: Case, content: Any, status: int
) -> None:
    server.reset(case.dialect)
    server.only_work = False
    server.fault = lambda *_: Answer(content, status=status)
    component = case.component(server.url)
    if status == 200:
        try:
            assert isinstance(component.identity(), dict)
        except ServerError as error:
            assert server.url in str(error)  # noqa: PT017  (either is right, by the dialect)
    elif component.spoken.about:
        with pytest.raises(ServerError, match="Way out"):
            component.identity()


@pytest.mark.parametrize(
    "change",
    [{"timeout_s": 5.0}, {"retries": 9}, {"token_env": "MY_TOKEN"}, {"batch": 8}],
)
def test_patience_batches_and_tokens_are_not_in_the_key(
    server: ContractServer, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    monkeypatch.setenv("MY_TOKEN", "abc")
    assert component_key(speaking(server, "tei", **change)) == component_key(
        speaking(server, "tei")
    )


def test_what_decides_time_is_in_the_key_of_times(
    server: ContractServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T", "abc")
    changes: list[dict[str, Any]] = [{}, {"batch": 8}, {"timeout_s": 5.0}, {"token_env": "T"}]
    keys = [timing_key(speaking(server, "tei", **change)) for change in changes]
    assert len(set(keys)) == 3
    assert keys[0] == keys[3]  # how one gets at a server changes no time either


def test_what_decides_scores_is_in_the_key(server: ContractServer) -> None:
    changes: list[dict[str, Any]] = [{}, {"raw_scores": False}, {"model": ""}]
    keys = {component_key(speaking(server, "tei", **change)) for change in changes}
    server.only_work = False
    served._known.cache_clear()
    server.fault = lambda _, answer: Answer(answer.content | {"model_sha": "other"})
    keys.add(component_key(Endpoint(dialect="tei", url=server.url, model=MODEL)))
    assert len(keys) == 4


# Configuration


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dialect": "tie"}, "there is no dialect 'tie'; known: bentoml, cohere"),
        ({"dialect": "cohere"}, "the dialect 'cohere' needs the key 'model'"),
        ({"url": "127.0.0.1:8080"}, "url must be like"),
        ({"url": "ftp://127.0.0.1"}, "url must be like"),
        ({"url": "http://:80"}, "url must be like"),
        ({"url": "http://a:port"}, "url must be like"),
        ({"url": "http://a:0"}, "url must be like"),
        ({"url": "http://a:99999"}, "url must be like"),
        ({"url": "http://user:s3cret@a"}, "url must be like"),
        ({"url": "http://a/?key=s3cret"}, "url must be like"),
        ({"token_env": "s3cret-t0ken"}, "never a token"),
        ({"token_env": "Bearer S3CRET"}, "never a token"),
        ({"timeout_s": 0.0}, "timeout_s and batch must be above 0"),
        ({"retries": -1}, "retries not below it"),
        ({"batch": 0}, "timeout_s and batch must be above 0"),
    ],
)
def test_configuration_is_refused_without_its_secrets(fields: dict[str, Any], message: str) -> None:
    faults: list[tuple[str, str]] = []
    spec = {"use": "endpoint", "dialect": "plain", "url": "http://localhost", **fields}
    kinds = registry.KINDS["rerankers"]
    assert registry.build(kinds, spec, "it", lambda *fault: faults.append(fault)) is None
    ((_, told),) = faults
    assert message in told
    assert "s3cret" not in told.lower()


def planned(folder: Path, reranker: dict[str, Any], **changes: Any) -> Plan:
    spec = {"name": "served", "retriever": OVERLAP, "reranker": {"use": "endpoint", **reranker}}
    experiment = {"systems": [{"name": "overlap", "retriever": OVERLAP}, spec], **changes}
    return make_plan(load_experiment(write_experiment(folder, **experiment)))


def test_a_served_model_is_not_looked_for_here(server: ContractServer, tmp_path: Path) -> None:
    server.reset("tei")
    reranker = {"dialect": "tei", "url": server.url, "model": MODEL}
    plan = planned(tmp_path, reranker)
    assert plan.models() == {}
    dummy = load_experiment(tmp_path / "experiment.yaml", weights="dummy")
    assert dummy.systems[1].reranker.model == MODEL
    assert not make_plan(dummy).trials[1].random_weights


@pytest.mark.parametrize("model", ["./mine", "/models/mine", "~/mine"])
def test_a_path_on_the_server_stays_as_it_is(tmp_path: Path, model: str) -> None:
    spec = {"use": "endpoint", "dialect": "pylate", "url": "http://localhost:1", "model": model}
    late = {"use": "late_interaction", "encoder": spec | {"use": "token_endpoint"}}
    system = {"name": "a", "retriever": OVERLAP, "reranker": late}
    (read,) = load_experiment(write_experiment(tmp_path, systems=[system])).systems
    assert read.reranker.encoder.model == model


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_server_that_is_down_is_one_sentence(case: Case) -> None:
    component = case.component(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ServerError, match=r"the connection failed \(.*\)\. Way out: start"):
        component.identity()


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_server_that_is_down_at_plan_time_exits_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    reranker = {"use": "endpoint", "dialect": "tei", "url": f"http://127.0.0.1:{free_port()}"}
    system = {"name": "served", "retriever": OVERLAP, "reranker": reranker}
    write_experiment(tmp_path, systems=[system])
    assert main([command, "experiment.yaml"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"harness: The server (tei) at {reranker['url']}, GET /info")
    assert "Traceback" not in told
    assert told.count("\n") == 1


# A whole run


def run(folder: Path, systems: Any, **changes: Any) -> Execution:
    file = write_experiment(folder, systems=systems, metrics=["ndcg@3"], **changes)
    plan = make_plan(load_experiment(file))
    store = Store(folder / "results", "experiment")
    done = Execution(plan, store, folder / "cache", lambda *_: None)
    done.execute()
    return done


def served_systems(server: ContractServer) -> list[dict[str, Any]]:
    reranker = {"use": "endpoint", "dialect": "tei", "url": server.url, "model": MODEL, "batch": 2}
    encoder = {"use": "token_endpoint", "dialect": "pylate", "url": server.url, "model": MODEL}
    late = {"use": "late_interaction", "encoder": encoder}
    return [
        {"name": "overlap", "retriever": OVERLAP},
        {"name": "served", "retriever": OVERLAP, "reranker": reranker},
        {"name": "late", "retriever": OVERLAP, "reranker": late},
    ]


@pytest.mark.usefixtures("pauses")
def test_a_run_over_servers(server: ContractServer, tmp_path: Path) -> None:
    server.reset("tei and pylate")
    latency = {"candidates": [1, 2], "budget_s": 0.3, "starts": 1}
    assert run(tmp_path, served_systems(server), latency=latency).failures == {}
    results = load_results(tmp_path / "results" / "experiment")
    (facts,) = results.facts["data", "served"]["servers"]
    assert facts["configuration"]["/info"]["model_sha"] == SHA
    assert facts["texts_a_request"] == 2
    traffic = results.facts["data", "served"]["stages"][1]["traffic"]
    # q1 has 3 candidates, q2 2, q3 2, q4 3: requests of at most 2.
    assert traffic["requests"] == 6
    assert traffic["server_seconds"] == pytest.approx(6 * 0.012)
    ranked = results.run("data", "served")
    query = "red apple"
    expected = {"d1": "red apple", "d2": "red apple pie", "d4": "green apple tart"}
    assert {hit.doc_id: hit.score for hit in ranked["q1"]} == pytest.approx(
        {doc_id: score(query, text) for doc_id, text in expected.items()}
    )
    assert any("served by" in note for note in analyse(results).notes["data"])
    calls = results.costs["calls"]
    reranked = calls[calls["system"] == "served"]
    assert set(reranked.query("k == 1")["server"].round(6)) == {0.012}
    assert calls[calls["system"] == "overlap"]["server"].isna().all()
    arms = results.costs["arms"]
    assert set(arms["status"]) == {"measured"}
    assert arms["agreement"].eq(1).all()
    assert set(arms[arms["system"] == "late"]["mode"]) == {"precomputed", "on the fly"}
    timed = latencies(results.calls, results.arms)
    (served_row, *_) = timed.query("system == 'served' and mode == 'rerank'").to_dict("records")
    assert served_row["server"] == pytest.approx(0.012)


@pytest.mark.usefixtures("pauses")
def test_a_run_in_which_a_server_fails(server: ContractServer, tmp_path: Path) -> None:
    """The trial of the server fails by name, the others go on; what was done is not asked again."""
    server.reset("tei")
    systems = served_systems(server)[:2]

    def breaks(_: ContractServer, answer: Answer) -> Answer:
        return answer if len(server.work) <= 2 else Answer({"error": "oom"}, status=424)

    server.fault = breaks
    failures = run(tmp_path, systems).failures
    assert list(failures) == [("data", "served")]
    assert failures["data", "served"].startswith(f"The server (tei) at {server.url}, POST /rerank")
    before = len(server.work)
    server.fault = None
    assert run(tmp_path, systems).failures == {}
    assert len(server.work) - before == 4  # of 6 requests q1 had two


def test_another_model_in_the_middle_of_a_run_is_noticed(server: ContractServer) -> None:
    asked = speaking(server, "tei")
    asked.identity()
    server.only_work = False
    server.fault = lambda _, answer: Answer(answer.content | {"model_sha": "other"})
    with pytest.raises(ComponentError, match=r"'other'.*when the work was planned"):
        asked.server()


@pytest.mark.usefixtures("pauses")
def test_a_server_that_leaves_after_its_work_is_no_fault(server: ContractServer) -> None:
    asked = speaking(server, "tei")
    asked.identity()
    server.only_work = False
    server.fault = lambda *_: Answer({}, status=503)
    facts = asked.server()
    assert facts["configuration"]["/info"]["model_sha"] == SHA
    assert "503" in facts["silent_afterwards"]
