"""Components that take as long as a clock of the tests says, on machines of any speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fakes import write_beir, write_experiment

from harness.data import Doc
from harness.measure import machine
from harness.measure.latency import budget, settle


class Clock:
    """Stands still but for what is added; each reading takes a microsecond."""

    now = 0
    """Nanoseconds."""

    def perf_counter(self) -> float:
        self.now += 1000
        return self.now / 1e9

    def process_time(self) -> float:
        return 0.0


CLOCK = Clock()


@contextmanager
def paced(monkeypatch: pytest.MonkeyPatch, slowness: float) -> Iterator[None]:
    """A machine so many times slower, on which only `Paced` takes any time."""
    with monkeypatch.context() as changed:
        for module in (budget, machine, settle):
            changed.setattr(module, "time", CLOCK)
        changed.setattr(machine, "quiet", nullcontext)
        changed.setattr(machine, "spin", lambda: 1.0)
        changed.setattr(Paced, "slowness", slowness)
        yield


@dataclass(frozen=True)
class Paced:
    """Ranks documents with `alpha` first, in so many seconds a query."""

    seconds: float
    slow_share: float = 0.0
    """Of the calls so many take ten times as long."""
    slowness: ClassVar[float] = 1.0
    calls: ClassVar[list[str]] = []
    stop_at: ClassVar[list[int]] = []
    """Interrupted, as by Ctrl-C, at this many calls."""

    def score(self, query: str, docs: Sequence[Doc]) -> list[float]:
        Paced.calls.append(query)
        if Paced.stop_at and len(Paced.calls) >= Paced.stop_at[0]:
            raise KeyboardInterrupt
        is_slow = self.slow_share and len(Paced.calls) % round(1 / self.slow_share) == 0
        CLOCK.now += round(1e9 * self.seconds * Paced.slowness * (10 if is_slow else 1))
        return [float("alpha" in doc.text) for doc in docs]


def experiment(folder: Path, seconds: float, queries: int = 120, **changes: Any) -> Path:
    """An experiment in which a reranker that takes so long gains .37 nDCG@3 in every other query."""
    words = ("alpha", "beta")
    docs = {f"{'de'[j]}{i}": f"topic{i} {words[i % 2 - j]}" for i in range(queries) for j in (0, 1)}
    asked = {f"q{i}": f"topic{i}" for i in range(queries)}
    write_beir(
        folder / "data", docs, asked, {f"q{i}": {f"{'de'[i % 2]}{i}": 1} for i in range(queries)}
    )
    overlap = {"use": "fakes:WordOverlap"}
    content = {
        "systems": [
            {"name": "overlap", "retriever": overlap},
            {
                "name": "alpha",
                "retriever": overlap,
                "reranker": {"use": "paced:Paced", "seconds": seconds},
            },
        ],
        "latency": {"candidates": [2], "budget_s": 4, "starts": 0},
        "decision": {"requirements": {"p95_ms": {"cpu": 100}}},
        **changes,
    }
    return write_experiment(folder, **content)
