"""A service of our own, asked by one client and by eight, against the same reranker in this process.

Prints milliseconds at the median, the part of them that is not the model's, and requests a second
of two services in turns, one of which scores requests that wait together. Every library has one
thread, in this process and in the services. An argument is the number of documents a request.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from services import CLIENTS, ROOT, Request, asked_by_many, serving

from harness.components.datasets.pydoc import Pydoc
from harness.components.protocols import Reranker
from harness.data import Doc
from harness.experiment.reading import load_experiment
from harness.service.host import chosen

FILE, SYSTEM = ROOT / "experiments" / "service.yaml", "maxsim"
DOCUMENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
ASKED, TURNS, SECONDS = 40, 5, 4.0


def requests(reranker: Reranker) -> Iterator[tuple[float, Request]]:
    """Questions about docstrings, with the order and the seconds of this process."""
    dataset = Pydoc().load()
    for place, query in enumerate(dataset.queries):
        texts = [doc.text for doc in dataset.docs[place * DOCUMENTS :][:DOCUMENTS]]
        docs = [Doc(str(i), text) for i, text in enumerate(texts)]
        start = time.perf_counter()
        scores = reranker.score(query.text, docs)
        seconds = time.perf_counter() - start
        expected = sorted(range(len(docs)), key=lambda i: -scores[i])
        yield seconds, Request({"query": query.text, "documents": texts}, expected)


def beside(url: str, asked: Sequence[Request]) -> list[float]:
    """Seconds of each request of one client that are not the model's."""
    found = []
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        for request in asked:
            start = time.perf_counter()
            answer = client.post("/rerank", json=request.body)
            spent = time.perf_counter() - start
            timing = dict(p.split(";dur=") for p in answer.headers["server-timing"].split(", "))
            found.append(spent - float(timing["score"]) / 1000)
    return found


def rate(url: str, asked: Sequence[Request], name: str) -> float:
    """Requests a second of eight clients."""
    start = time.perf_counter()
    seen = asked_by_many(url, asked, SECONDS)
    found = len(seen.seconds) / (time.perf_counter() - start)
    print(
        f"{CLIENTS} clients, {name}: {found:.1f} requests a second, {ms(seen.seconds)} each, "
        f"of {len(seen.seconds)} answers wrong or missing: {len(seen.wrong)}"
    )
    return found


def ms(seconds: list[float]) -> str:
    return f"{1000 * statistics.median(seconds):.1f} ms"


def main() -> None:
    reranker = chosen(load_experiment(FILE), SYSTEM).reranker
    list(islice(requests(reranker), 3))  # loaded and warm
    timed = list(islice(requests(reranker), ASKED))
    asked = [request for _, request in timed]
    print(f"in process: {ms([seconds for seconds, _ in timed])} a request of {DOCUMENTS} documents")
    with (
        serving(FILE, SYSTEM, "--port", "0") as together,
        serving(FILE, SYSTEM, "--port", "0", "--max-batch", "1") as apart,
    ):
        print(f"one client: {ms(beside(together.url, asked))} beside the model's own")
        ratios = []
        for _ in range(TURNS):
            with_batches = rate(together.url, asked, "together")
            ratios.append(with_batches / rate(apart.url, asked, "apart"))
    print(
        f"requests a second with batches, of those without: {statistics.median(ratios):.2f} "
        f"(from {min(ratios):.2f} to {max(ratios):.2f} in {TURNS} turns)"
    )


if __name__ == "__main__":
    main()
