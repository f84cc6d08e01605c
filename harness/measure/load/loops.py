"""Requests in a closed or an open loop: when each was due, sent and answered.

In the closed loop each of N clients asks again as soon as it is answered: it finds out what a server
can do, but a server that stalls is asked less meanwhile, and most of what the stall would have cost
is never seen (coordinated omission). In the open loop requests are due at times that do not depend
on the answers, and latency counts from there, sent in time or not.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from harness.data import Doc, Query

log = logging.getLogger(__name__)

GIVE_UP = 20
"""Requests in a row that fail, after which a step is ended: the server is gone."""

PROGRESS_SECONDS = 0.2
"""From one report of progress to the next."""

Outcome = Literal["answered", "refused", "failed", "unsent"]
"""As `columns.REQUESTS` has them."""

Elapsed = Callable[[float], None]
"""Gets how many seconds of a step are over."""


class Task(NamedTuple):
    """What one request asks."""

    query: Query
    docs: Sequence[Doc]


class Reply(NamedTuple):
    """What became of a request."""

    outcome: Outcome
    scores: Sequence[float] = ()
    server: float = math.nan
    """Seconds by the server's own count."""
    said: str = ""
    """Why there is no answer."""


Ask = Callable[[Task], Reply]


class Sent(NamedTuple):
    """A request with its times, in seconds from the begin of its step."""

    task: Task
    due: float
    sent: float
    """NaN where it was not sent."""
    done: float
    """When the answer, the refusal or the failure was there; NaN where it was not sent."""
    reply: Reply


class Span(NamedTuple):
    """How long a closed loop goes on: `seconds` and `requests`, but no longer than `longest`."""

    seconds: float
    requests: int = 0
    longest: float = math.inf

    def over(self, now: float, count: int) -> bool:
        """Whether no further request is begun."""
        return now >= self.seconds and (count >= self.requests or now >= self.longest)


@dataclass(frozen=True)
class Step:
    """One number of clients, or one rate."""

    sent: Sequence[Sent]
    """In the order in which they were due."""
    window: float
    """Seconds over which requests were due."""
    cores: float
    """That this process used on average."""
    broken: bool
    """Whether it was ended because the server was gone."""


def closed(
    ask: Ask,
    tasks: Iterator[Task],
    clients: int,
    span: Span,
    progress: Elapsed = lambda _: None,
) -> Step:
    """What `clients` that ask one request after the other had for answers."""
    requests = _Requests(ask, ((math.nan, task) for task in tasks))

    def client() -> None:
        while not requests.broken and not span.over(requests.now(), len(requests.sent)):
            if (arrival := requests.take()) is None:
                return
            requests.send(arrival[1], requests.now())

    return requests.worked(client, clients, math.nan, progress)


def opened(
    ask: Ask,
    tasks: Iterable[Task],
    due: Sequence[float],
    window: float,
    clients: int,
    progress: Elapsed,
) -> Step:
    """What was answered of requests that were due at these seconds, `clients` of them at most under way.

    One that finds all clients waiting is sent late; one that finds them so until the window is over
    is never sent.
    """
    requests = _Requests(ask, zip(due, tasks, strict=False))

    def client() -> None:
        while (arrival := requests.take()) is not None:
            (at, task), now = arrival, requests.now()
            if now > window or requests.broken:
                requests.leave(at, task)
                continue
            time.sleep(max(at - now, 0.0))
            requests.send(task, at)

    return requests.worked(client, clients, window, progress)


def arrivals(rate: float, seconds: float, rng: np.random.Generator) -> list[float]:
    """When requests are due: those of a Poisson process with `rate` a second, over `seconds`.

    Given how many there are, which is Poisson's, they lie anywhere alike.
    """
    count = max(int(rng.poisson(rate * seconds)), 1)
    found: list[float] = np.sort(rng.uniform(0, seconds, count)).tolist()
    return found


class _Requests:
    """The requests of a step: those that clients take next, and what came of the others."""

    def __init__(self, ask: Ask, arriving: Iterable[tuple[float, Task]]) -> None:
        self._ask = ask
        self._arriving = iter(arriving)
        self._lock = threading.Lock()
        self._failed = 0
        self._start = time.perf_counter()
        self.sent: list[Sent] = []
        self.broken = False

    def now(self) -> float:
        return time.perf_counter() - self._start

    def take(self) -> tuple[float, Task] | None:
        with self._lock:
            return next(self._arriving, None)

    def send(self, task: Task, due: float) -> None:
        begun = self.now()
        try:
            reply = self._ask(task)
        except Exception as error:  # one request must not take a client down
            log.debug("a request under load broke", exc_info=True)
            reply = Reply("failed", said=f"{type(error).__name__}: {error}")
        done = self.now()
        with self._lock:
            self.sent.append(Sent(task, due, begun, done, reply))
            self._failed = self._failed + 1 if reply.outcome == "failed" else 0
            self.broken = self.broken or self._failed >= GIVE_UP

    def leave(self, due: float, task: Task) -> None:
        with self._lock:
            self.sent.append(Sent(task, due, math.nan, math.nan, Reply("unsent")))

    def worked(
        self, client: Callable[[], None], clients: int, window: float, progress: Elapsed
    ) -> Step:
        """All `clients` at work until there is none; without a `window` it ends with the last begun."""
        used = time.process_time()
        threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
        self._start = time.perf_counter()
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(PROGRESS_SECONDS)
                    progress(self.now())
        finally:
            self.broken = self.broken or any(thread.is_alive() for thread in threads)  # interrupted
        elapsed = self.now()
        self.sent.sort(key=lambda sent: sent.due)
        if math.isnan(window):
            window = self.sent[-1].due if len(self.sent) > clients else elapsed
        return Step(self.sent, window, (time.process_time() - used) / elapsed, self.broken)
