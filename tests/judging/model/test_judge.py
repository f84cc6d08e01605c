"""A judging model on a contract server that answers late, wrongly, in prose, and too expensively."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import contract_chat
import pytest
from contract_answer import Answer, refusal
from contract_server import ContractServer, CutError
from judged_fruit import ALL, PEOPLE, POOL, QUERIES, TEXTS
from real_servers import free_port

from harness.analysis.judgments.pool import Drawn, Grades, Pair
from harness.errors import ServerError, StoreError
from harness.experiment.judge_terms import ModelJudge
from harness.judging.choose import Pick, Standing
from harness.judging.model.judge import Outcome, judge_by_model


class Everything:
    """Chooses every document of every query, in their order."""

    def next(
        self, draws: Sequence[Drawn], grades: Grades, skipped: Collection[Pair]
    ) -> Pick | None:
        there = {drawn.query_id for drawn in draws}
        for place, query_id in enumerate(QUERIES):
            drawn = None if query_id in there else Drawn(query_id, 1 / (len(QUERIES) - place))
            for doc_id in TEXTS:
                if (query_id, doc_id) not in {*grades, *skipped}:
                    return Pick(query_id, doc_id, drawn)
        return None

    def standing(self, *_: object) -> Standing:
        raise NotImplementedError


class Judging:
    """A judging model, what it is asked with, and what was recorded."""

    def __init__(self, server: ContractServer, folder: Path) -> None:
        self.server, self.ledger = server, folder / "calls.jsonl"
        self.labels: list[tuple[Pair, int]] = []

    def done(self, people: dict[Pair, int] | None = None, **changes: Any) -> Outcome:
        said = {
            "use": "llm",
            "url": f"{self.server.url}/v1",
            "model": contract_chat.MODEL,
            "budget": {"calls": 500},
            "retries": 1,
            **changes,
        }
        grades, chooser = PEOPLE if people is None else people, Everything()
        self.labels.clear()
        return judge_by_model(
            ModelJudge(**said), POOL, TEXTS.__getitem__, grades, chooser, self.ledger,
            lambda pair, grade: self.labels.append((pair, grade)),
        )  # fmt: skip

    def stored(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]


@pytest.fixture
def judging(server: ContractServer, tmp_path: Path) -> Judging:
    return Judging(server, tmp_path)


def test_all_is_judged_and_marked_where_the_model_agrees(judging: Judging) -> None:
    found = judging.done()
    assert found.grades == {
        (q, d): contract_chat.grade(QUERIES[q], TEXTS[d]) for q in QUERIES for d in TEXTS
    }
    assert found.trial.counts
    assert {drawn.query_id for drawn in found.draws} == QUERIES.keys()
    assert judging.labels == list(found.grades.items())
    assert found.spent == (ALL, ALL * contract_chat.TOKENS, 0)
    assert len(judging.server.work) == ALL  # the trial's documents are asked once
    first, *_ = found.sentences
    assert "Its labels count, marked as a model's." in first
    body = judging.server.work[0]
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0, POOL.seed, 64)


def test_what_was_answered_is_not_asked_again(judging: Judging) -> None:
    once = judging.done()
    labels = list(judging.labels)
    again = judging.done()
    assert len(judging.server.work) == ALL
    assert again[:3] == once[:3]
    assert again.sentences == once.sentences
    assert judging.labels == labels


def test_another_prompt_is_another_question(judging: Judging, tmp_path: Path) -> None:
    judging.done()
    file = tmp_path / "prompt.txt"
    file.write_text("<query>\n{query}\n</query>\n<document>\n{document}\n</document>\nGrade: N")
    judging.done(prompt=file)
    assert len(judging.server.work) == 2 * ALL


def test_a_model_that_disagrees_stops_after_the_trial(judging: Judging) -> None:
    people = {pair: 3 - grade for pair, grade in PEOPLE.items()}
    found = judging.done(people)
    assert not found.trial.counts
    assert found.grades.keys() == people.keys()
    assert found.draws == []
    assert "Its labels do not count." in found.sentences[0]
    assert judging.labels == []


def test_without_people_nothing_is_asked(judging: Judging) -> None:
    found = judging.done({})
    assert judging.server.work == []
    assert "not measured" in found.sentences[0]
    assert "Its labels do not count." in found.sentences[0]


def late(*_: object) -> Answer:
    time.sleep(1.0)
    raise CutError


FOR_GOOD: dict[str, tuple[Callable[..., Answer], str, int]] = {
    "late": (late, "no whole answer within 0.25 s in 2 tries", 6),
    "busy": (lambda *_: refusal(429, error="slow down"), "429.*slow down.*in 2 tries", 2),
    "busy for long": (
        lambda *_: Answer({}, status=429, headers={"Retry-After": "3600"}),
        "left alone for 3,600 s",
        3,
    ),
    "failed": (lambda *_: refusal(500, error="no memory"), "answered 500.*no memory", 3),
    "no choice": (lambda *_: Answer({"choices": []}), "has not the form", 3),
    "another form": (lambda *_: Answer([1]), "has not the form", 3),
    "no text": (contract_chat.words({"a": 1}), "no text", 3),
    "no JSON": (lambda *_: Answer(b"<html>"), "no JSON", 3),
    "no model": (lambda *_: refusal(404, error="no such model"), "404.*model", 3),
}
"""By name what the server does, what the user reads, and the requests it takes to find out."""


@pytest.mark.parametrize("name", FOR_GOOD)
def test_a_fault_for_good_ends_the_work_in_one_sentence(judging: Judging, name: str) -> None:
    good = judging.done(budget={"calls": 10})
    judging.server.reset("chat")
    judging.server.fault, told, requests = FOR_GOOD[name]
    found = judging.done(timeout_s=0.25 if name == "late" else 5.0)
    assert len(judging.server.work) == requests
    assert found.grades == good.grades  # nothing is lost
    assert (good.broken, found.broken) == (False, True)
    assert len(good.grades) == 10
    (said,) = [one for one in found.sentences if "ended early" in one]
    assert re.search(told, said)
    assert "\n" not in said
    judging.server.fault = None
    assert len(judging.done().grades) == ALL


def test_where_there_is_no_server_the_first_document_ends_the_work(judging: Judging) -> None:
    found = judging.done(url=f"http://127.0.0.1:{free_port()}/v1")
    assert found.broken
    assert found.spent.calls == 2  # a try and a retry
    assert "the connection failed" in found.sentences[-1]


@pytest.mark.parametrize("status", [429, 503])
def test_a_fault_that_passes_is_survived(judging: Judging, status: int) -> None:
    judging.server.fault, judging.server.times = (
        lambda *_: Answer({}, status=status, headers={"Retry-After": "1"}),
        1,
    )
    found = judging.done()
    assert len(found.grades) == ALL
    assert found.spent.calls == ALL + 1


def test_one_document_that_fails_is_skipped(judging: Judging) -> None:
    judging.server.fault, judging.server.times = lambda *_: refusal(500, error="x"), 1
    found = judging.done()
    assert len(found.skipped) == 1
    assert found.grades.keys() >= {pair for pair in PEOPLE if pair not in found.skipped}


def test_prose_is_asked_again_then_skipped(judging: Judging) -> None:
    judging.server.fault, judging.server.times = contract_chat.words("It is quite relevant."), 3
    found = judging.done()
    assert len(found.skipped) == 1
    first, second, third = judging.server.work[:3]
    assert [len(body["messages"]) for body in (first, second, third)] == [1, 3, 3]
    assert second["messages"][1] == {"role": "assistant", "content": "It is quite relevant."}
    again = judging.done()
    assert len(judging.server.work) == ALL + 2  # who was skipped stays so
    assert again.skipped == found.skipped


def test_prose_that_mends_itself_costs_a_call(judging: Judging) -> None:
    judging.server.fault, judging.server.times = contract_chat.words(None), 1
    found = judging.done()
    assert len(found.grades) == ALL
    assert found.spent.calls == ALL + 1


def test_calls_are_bounded_over_all_runs_and_tries(judging: Judging) -> None:
    judging.server.fault = lambda *_: refusal(503, error="x")
    judging.done(budget={"calls": 7}, retries=4)
    judging.done(budget={"calls": 7}, retries=4)
    assert len(judging.server.work) == 7
    found = judging.done(budget={"calls": 7}, retries=4)
    assert len(judging.server.work) == 7
    assert "7 of 7 calls" in found.sentences[-1]


def test_money_is_bounded_before_a_call(judging: Judging) -> None:
    budget = {"calls": 500, "currency": 0.01, "price_per_million_tokens": 2.0}
    found = judging.done(budget=budget)
    assert 0 < len(judging.server.work) < ALL
    assert found.spent.tokens * 2 / 1e6 <= 0.01
    assert "of 0.0100 were spent" in found.sentences[-1]
    assert len(found.grades) == len(judging.labels) == len(judging.server.work)


def test_a_dearer_answer_than_can_be_ends_it_at_once(judging: Judging) -> None:
    judging.server.fault = lambda *_: contract_chat.said("Grade: 1", total_tokens=9_000_000)
    found = judging.done(budget={"calls": 500, "currency": 5.0, "price_per_million_tokens": 1.0})
    assert len(judging.server.work) == 1
    assert len(found.grades) == 1
    assert "9.00 of 5.00" in found.sentences[-1]


@pytest.mark.parametrize("usage", [None, {"total_tokens": "many"}, {"total_tokens": -1}])
def test_what_the_server_does_not_count_is_the_most_that_it_can_be(
    judging: Judging, usage: dict[str, Any] | None
) -> None:
    judging.server.fault = (
        (lambda *_: contract_chat.said("Grade: 1", **usage)) if usage else contract_chat.uncounted
    )
    found = judging.done(budget={"calls": 3})
    assert found.spent.estimated == found.spent.tokens > 3 * 1000
    assert any("are estimated" in one for one in found.sentences)


def test_settings_that_a_server_refuses_are_said_otherwise(judging: Judging) -> None:
    def strict(server: ContractServer, answer: Answer) -> Answer:
        for name in ("max_tokens", "seed", "temperature"):
            if name in server.work[-1]:
                return refusal(400, error={"message": f"Unsupported parameter: '{name}'"})
        return answer

    judging.server.fault = strict
    found = judging.done()
    assert len(found.grades) == ALL
    assert judging.server.work[-1]["max_completion_tokens"] == 64
    assert any("refuses seed and temperature" in one for one in found.sentences)
    assert found.spent.calls == ALL + 3


def test_a_document_that_is_too_long_is_skipped_alone(judging: Judging) -> None:
    def short(server: ContractServer, answer: Answer) -> Answer:
        _, document = contract_chat.asked(server.work[-1])
        told = "maximum context length is 20 tokens"
        return refusal(400, error=told) if "number 7" in document else answer

    judging.server.fault = short
    found = judging.done()
    assert {doc_id for _, doc_id in found.skipped} == {"d7"}
    assert len(found.grades) == ALL - len(QUERIES)


def test_a_token_is_sent_and_stored_nowhere(
    judging: Judging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_TOKEN", "sk-very-secret")
    judging.server.fault = lambda *_: refusal(500, error="bad token sk-very-secret")
    found = judging.done(token_env="JUDGE_TOKEN")
    assert judging.server.headers[0]["authorization"] == "Bearer sk-very-secret"
    assert "sk-very-secret" not in " ".join(found.sentences) + judging.ledger.read_text()
    monkeypatch.delenv("JUDGE_TOKEN")
    with pytest.raises(ServerError, match="JUDGE_TOKEN, which is not set"):
        judging.done(token_env="JUDGE_TOKEN")


def test_a_process_that_was_killed_has_spent_what_it_reserved(judging: Judging) -> None:
    judging.done(budget={"calls": 2})
    lines = judging.ledger.read_bytes().splitlines(keepends=True)
    judging.ledger.write_bytes(b"".join(lines[:3]) + lines[3][:20])  # the second answer is torn
    found = judging.done(budget={"calls": 2})
    assert len(judging.server.work) == 2
    assert len(found.grades) == 1
    assert found.spent.calls == 2
    assert found.spent.estimated == judging.stored()[2]["tokens"]


def test_a_damaged_ledger_is_refused(judging: Judging) -> None:
    judging.done(budget={"calls": 2})
    judging.ledger.write_text("{}\n" + judging.ledger.read_text())
    with pytest.raises(StoreError, match=r"calls.jsonl:1 is damaged"):
        judging.done()
