"""Requests that wait for the model: those that wait together are scored together.

A model that is asked by two threads at once answers neither of them sooner, so one thread asks it.
When it is free it takes those that wait, in the order in which they came; none waits for company.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from harness.components.protocols import Reranker, ScoresTogether
from harness.errors import HarnessError
from harness.pipeline import stages
from harness.service.request import GONE, RefusedError, Wanted

log = logging.getLogger(__name__)

SIZES = (1, 2, 4, 8, 16, 32)
"""The histogram of /metrics counts the batches of so many requests or fewer."""


class Scored(NamedTuple):
    """What came of a request."""

    scores: list[float]
    started: float
    """When the turn of its batch came, by `time.perf_counter`."""
    seconds: float
    """That its batch took."""


@dataclass(eq=False)
class _Waiting:
    wanted: Wanted
    gone: Callable[[], Awaitable[bool]]
    """Whether its sender left."""
    answer: asyncio.Future[Scored]
    alone: bool = False
    """A batch that it was in failed, so that it has one of its own now."""

    def refuse(self, error: RefusedError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Batches:
    """The one thread that asks the model, and who waits for it."""

    def __init__(self, reranker: Reranker, documents: int) -> None:
        """At most so many `documents` a batch, but for a request that has more by itself."""
        self._reranker = reranker
        self.together = isinstance(reranker, ScoresTogether)
        """Whether it can score several requests at once; else each is a batch."""
        self._documents = documents if self.together else 1
        self._waiting: deque[_Waiting] = deque()
        self._work: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "score")
        self._totals = {"seconds": 0.0, "documents": 0.0}
        self._sizes: Counter[int] = Counter()
        self.last_seconds = 0.0
        """That the last batch took."""

    def close(self) -> None:
        """Let the thread go; who still waits gets no answer."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def scored(self, wanted: Wanted, gone: Callable[[], Awaitable[bool]]) -> Scored:
        """What the model says of a request, when its turn has come.

        Raises RefusedError where the model fails, and where the sender is `gone` before its turn.
        """
        one = _Waiting(wanted, gone, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._worked_off())
        return await one.answer

    def metrics(self) -> Iterator[str]:
        """Lines in the text format of Prometheus: what was scored, and in batches of how many."""
        for name, value in self._totals.items():
            yield from (f"# TYPE rerank_{name}_total counter", f"rerank_{name}_total {value:.6f}")
        yield "# TYPE rerank_batch_requests histogram"
        for most in SIZES:
            count = sum(n for size, n in self._sizes.items() if size <= most)
            yield f'rerank_batch_requests_bucket{{le="{most}"}} {count}'
        batches = self._sizes.total()
        yield f'rerank_batch_requests_bucket{{le="+Inf"}} {batches}'
        yield f"rerank_batch_requests_sum {sum(size * n for size, n in self._sizes.items())}"
        yield f"rerank_batch_requests_count {batches}"

    async def _worked_off(self) -> None:
        while self._waiting:
            if batch := await self._taken():
                await self._score(batch)

    async def _taken(self) -> list[_Waiting]:
        """The next batch: who came first, and those behind it that fit in."""
        batch: list[_Waiting] = []
        documents = 0
        while self._waiting:
            one = self._waiting[0]
            size = documents + len(one.wanted.docs)
            if batch and (size > self._documents or one.alone or batch[0].alone):
                break
            self._waiting.popleft()
            if await one.gone():
                one.refuse(RefusedError(GONE, "The sender left."))
            elif not one.answer.done():
                batch.append(one)
                documents = size
        return batch

    async def _score(self, batch: Sequence[_Waiting]) -> None:
        """Answers every request of a batch, or puts them back to be scored one at a time."""
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._thread, self._scores, batch)
        except Exception as error:  # noqa: BLE001 - what breaks the model must not stop the service
            if len(batch) == 1:
                batch[0].refuse(_refusal(error))
                return
            log.warning("%d requests failed together and are scored apart: %s", len(batch), error)
            for one in batch:
                one.alone = True
            self._waiting.extendleft(reversed(batch))
            return
        self.last_seconds = time.perf_counter() - started
        self._totals["seconds"] += self.last_seconds
        self._totals["documents"] += sum(len(one.wanted.docs) for one in batch)
        self._sizes[len(batch)] += 1
        for one, scores in zip(batch, found, strict=True):
            if not one.answer.done():
                one.answer.set_result(Scored(scores, started, self.last_seconds))

    def _scores(self, batch: Sequence[_Waiting]) -> list[list[float]]:
        asked = [(one.wanted.query, one.wanted.docs) for one in batch]
        if len(asked) > 1 and isinstance(self._reranker, ScoresTogether):
            return stages.scores_together(self._reranker, asked)
        return [stages.scores(self._reranker, query, docs) for query, docs in asked]


def _refusal(error: Exception) -> RefusedError:
    """What the sender of a request reads where the reranker fails."""
    if isinstance(error, HarnessError):
        log.warning("a request failed: %s", error)
        fault = str(error)
    else:
        log.error("a request failed", exc_info=error)
        why = " ".join(str(error).split())
        fault = f"The reranker failed ({type(error).__name__}: {why})."
    refused = RefusedError(500, fault)
    refused.__cause__ = error
    return refused
