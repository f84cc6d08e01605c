"""What a loop reports of a server whose service time is known."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
from contract_server import Answer, ContractServer, texts
from numpy.typing import NDArray
from patience import patient

from harness.components.rerankers.endpoint import Endpoint
from harness.data import Doc, Query
from harness.measure.load import client_limit as ceilings
from harness.measure.load import loops
from harness.measure.load.client_limit import answering_at_once, asking, client_limit
from harness.measure.load.loops import Outcome, Reply, Span, Step, Task

SERVICE = 0.01
DOCS = [Doc(str(i), text) for i, text in enumerate(texts(3))]
TASKS = [Task(Query(f"q{i}", f"apple {i}"), DOCS) for i in range(5)]


def nobody(seconds: float) -> None:
    del seconds


class OneWorker:
    """Takes SERVICE a request, one at a time; may stall for once."""

    def __init__(self, stall: float = 0.0) -> None:
        self.lock = threading.Lock()
        self.stall = stall
        self.count = 0

    def __call__(self, server: ContractServer, answer: Answer) -> Answer:
        del server
        with self.lock:
            self.count += 1
            time.sleep(SERVICE + self.stall * (self.count == 15))
        return answer


def asked(server: ContractServer) -> Endpoint:
    return Endpoint(dialect="plain", url=server.url, retries=0, timeout_s=5)


def opened(
    server: ContractServer, rate: float, window: float, clients: int = 64
) -> tuple[Step, Sequence[float]]:
    ask = asking(asked(server))
    ask(TASKS[0])  # connected, and what the server is has been asked
    due = loops.arrivals(rate, window, np.random.default_rng(1))
    step = loops.opened(ask, itertools.cycle(TASKS), due, window, clients, nobody)
    return step, due


def seconds(step: Step) -> NDArray[np.float64]:
    return np.array([sent.done - sent.due for sent in step.sent])


def outcomes(step: Step) -> list[Outcome]:
    return [sent.reply.outcome for sent in step.sent]


def waits(due: Sequence[float], service: float) -> NDArray[np.float64]:
    """Seconds in the queue of one worker that takes `service` each (Lindley 1952)."""
    found = [0.0]
    for gap in np.diff(due):
        found.append(max(0.0, found[-1] + service - gap))
    return np.array(found)


def test_arrivals_are_those_of_poisson() -> None:
    # Pollaczek and Khinchine: with a load of 0.7 and constant service of 1 the mean wait of M/D/1 is
    # 0.7 / (2 * 0.3) = 1.167
    due = loops.arrivals(0.7, 200_000, np.random.default_rng(3))
    assert np.mean(waits(due, 1.0)) == pytest.approx(0.7 / 0.6, rel=0.05)
    assert len(due) == pytest.approx(140_000, rel=0.02)
    assert np.std(np.diff(due)) == pytest.approx(
        1 / 0.7, rel=0.02
    )  # as the mean, of exponential gaps


def test_arrivals_are_drawn_from_the_seed_and_never_none() -> None:
    one, same, other = (loops.arrivals(5, 3, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert len(loops.arrivals(1e-9, 1, np.random.default_rng(1))) == 1


@patient
def test_open_loop_waits_as_the_theory_of_queues_has_it(server: ContractServer) -> None:
    server.fault = OneWorker()
    step, due = opened(server, 60, 2.0)
    expected = float(np.mean(waits(due, SERVICE))) + SERVICE
    assert 0.95 * expected < np.mean(seconds(step)) < 2 * expected + 0.02
    assert set(outcomes(step)) == {"answered"}
    assert [sent.due for sent in step.sent] == list(due)


@patient
def test_closed_loop_finds_what_one_worker_can_do(server: ContractServer) -> None:
    server.fault = OneWorker()
    ask = asking(asked(server))
    step = loops.closed(ask, itertools.cycle(TASKS), 4, Span(0.7), nobody)
    assert 0.3 / SERVICE < len(step.sent) / step.window < 1.1 / SERVICE
    # each waits for the three others, but for the first ones (Little's law)
    assert 3 * SERVICE < np.median(seconds(step)) < 14 * SERVICE


@pytest.mark.parametrize("clients", [1, 64])
@patient
def test_a_stall_is_paid_by_all_that_were_due_in_it(server: ContractServer, clients: int) -> None:
    """Also where nobody was free to send them: that is what coordinated omission leaves out."""
    server.fault = OneWorker(stall=0.3)
    step, _ = opened(server, 50, 1.2, clients)
    assert 0.3 < np.nanmax(seconds(step)) < 0.9
    assert (seconds(step) > 0.15).sum() >= 5  # half of the stall, 50 a second
    late = np.array([sent.sent - sent.due for sent in step.sent])
    assert (np.nanquantile(late, 0.9) > 0.1) == (clients == 1)


@patient
def test_a_closed_loop_hides_a_stall(server: ContractServer) -> None:
    server.fault = OneWorker(stall=0.3)
    step = loops.closed(asking(asked(server)), itertools.cycle(TASKS), 1, Span(0.8), nobody)
    assert (seconds(step) > 0.25).sum() == 1


@patient
def test_what_cannot_be_sent_in_time_is_never_sent(server: ContractServer) -> None:
    server.fault = OneWorker()
    step, due = opened(server, 400, 0.5, clients=2)
    unsent = [sent for sent in step.sent if sent.reply.outcome == "unsent"]
    assert len(step.sent) == len(due)
    assert 50 < len(unsent) < len(due)  # of about 200 one worker answers 50 in half a second
    assert all(np.isnan([sent.sent, sent.done]).all() for sent in unsent)


def test_refusals_are_counted_and_not_sent_again(server: ContractServer) -> None:
    count = itertools.count()
    server.fault = lambda _, answer: (
        answer if next(count) % 3 else Answer({"error": "busy"}, status=503)
    )
    step, due = opened(server, 60, 0.6)
    assert len(server.work) == len(due) + 1
    found = outcomes(step)
    assert found.count("refused") == pytest.approx(len(due) / 3, abs=1)
    assert set(found) == {"answered", "refused"}
    said = next(sent.reply.said for sent in step.sent if sent.reply.said)
    assert 'it answered 503, saying {"error": "busy"}' in said


def test_an_answer_that_cannot_be_used_has_failed(server: ContractServer) -> None:
    server.fault = lambda *_: Answer({"results": []})
    reply = asking(asked(server))(TASKS[0])
    assert reply.outcome == "failed"
    assert "it has 0 values for 3 texts" in reply.said


def test_a_server_that_is_gone_ends_the_step() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reranker = Endpoint(dialect="plain", url=f"http://127.0.0.1:{port}", retries=0)
    for clients in (1, 4):
        ask = asking(reranker)
        start = time.perf_counter()
        step = loops.closed(ask, itertools.cycle(TASKS), clients, Span(30.0), nobody)
        assert time.perf_counter() - start < 10
        assert step.broken
        assert loops.GIVE_UP <= len(step.sent) <= loops.GIVE_UP + clients
        assert set(outcomes(step)) == {"failed"}


def test_a_component_that_breaks_takes_no_client_down() -> None:
    def ask(task: Task) -> Reply:
        raise ZeroDivisionError(task.query.query_id)

    step = loops.closed(ask, iter(TASKS), 2, Span(5.0), nobody)
    assert [sent.reply.said for sent in step.sent] == [f"ZeroDivisionError: q{i}" for i in range(5)]


@patient
def test_a_closed_loop_ends_with_its_tasks_its_time_or_its_requests() -> None:
    def ask(task: Task) -> Reply:
        del task
        time.sleep(0.005)
        return Reply("answered")

    told: list[float] = []
    assert len(loops.closed(ask, iter(TASKS), 3, Span(5.0), told.append).sent) == 5
    longer = loops.closed(ask, itertools.cycle(TASKS), 1, Span(0.01, requests=20), nobody)
    assert len(longer.sent) == 20
    short = loops.closed(ask, itertools.cycle(TASKS), 1, Span(0.01, 10_000, 0.1), nobody)
    assert 1 < len(short.sent) < 25
    assert told


@patient
def test_the_client_is_measured_on_a_server_that_answers_at_once(
    server: ContractServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceilings, "SECONDS", 0.2)
    monkeypatch.setattr(ceilings, "WAKE_SECONDS", 0.05)
    one, two = client_limit(TASKS, [1, 2], asked(server))
    assert (one["clients"], two["clients"]) == (1, 2)
    assert one["per_second"] > 50
    assert 0 < one["median_seconds"] < 0.02
    assert 0 < one["cores"] < 3
    assert server.work == []


def test_a_server_that_answers_at_once_gives_a_score_a_document() -> None:
    with answering_at_once(3) as url:
        reply = asking(Endpoint(dialect="plain", url=url, retries=0))(TASKS[0])
    assert reply.scores == [0, -1, -2]
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", int(url.rpartition(":")[2])))
