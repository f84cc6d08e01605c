from __future__ import annotations

from typing import Any

from harness.analysis.quality.servers import sentences

SERVER = {
    "url": "http://localhost:8080",
    "dialect": "tei",
    "identity": {"model_id": "org/model", "model_sha": "0123"},
    "texts_a_request": 32,
    "remark": "Truncated.",
}


def told(*stages: dict[str, Any], servers: Any = (SERVER,)) -> list[str]:
    return list(sentences("bge", {"servers": list(servers), "stages": list(stages)}))


def test_a_system_without_servers_needs_no_word() -> None:
    assert told({"kind": "retrieve"}, servers=()) == []
    assert list(sentences("old", {"stages": []})) == []  # results of a version without servers


def test_a_server_is_named_with_its_limit_and_its_remark() -> None:
    assert told() == [
        (
            "bge: served by http://localhost:8080 (tei): model_id org/model, model_sha 0123. "
            "At most 32 texts a request. Truncated."
        )
    ]
    (unlimited,) = told(servers=[SERVER | {"texts_a_request": None, "remark": ""}])
    assert unlimited.endswith("model_sha 0123.")


def test_requests_of_all_stages_are_counted_together() -> None:
    first = {"requests": 1, "client_seconds": 0.5}
    second = {"requests": 3, "client_seconds": 0.5, "server_seconds": 0.04}
    second |= {"retries": 2, "waited_seconds": 1.5}
    # (0.5 + 0.5) s / 4 = 250 ms; 0.04 s / 4 = 10 ms
    assert told({"traffic": first}, {"traffic": second})[1:] == [
        (
            "bge: 4 requests of 250.0 ms each; 10.0 ms by the server's count; "
            "2 tries more after faults, 1.5 s waited, during the run that quality comes from."
        )
    ]


def test_after_which_faults_was_asked_again() -> None:
    sent = {"requests": 4, "client_seconds": 1.0, "retries": 7, "waited_seconds": 9.0}
    sent |= {"broken": 4, "late": 1, "refused": 2}
    told_of = told({"traffic": sent})[1]
    assert (
        "7 tries more after faults (4 connections that failed, 1 answers that did not come in time, "
        "2 requests refused for the moment), 9.0 s waited"
    ) in told_of
