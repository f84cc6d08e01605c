"""A service of our own, asked by one client and by eight, against the same reranker in this process.

Prints milliseconds at the median, the part of them that is not the model's, and requests a second.
Every library has one thread, in this process and in the service.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import statistics
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from services import CLIENTS, ROOT, Request, asked_by_many, serving

from harness.config import load_experiment
from harness.data import Doc
from harness.datasets.pydoc import Pydoc
from harness.protocols import Reranker
from harness.service.host import chosen

FILE, SYSTEM = ROOT / "experiments" / "service.yaml", "maxsim"
DOCUMENTS, ASKED, SECONDS = 5, 20, 10.0


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


def ms(seconds: list[float]) -> str:
    return f"{1000 * statistics.median(seconds):.1f} ms"


def main() -> None:
    reranker = chosen(load_experiment(FILE), SYSTEM).reranker
    list(islice(requests(reranker), 3))  # loaded and warm
    timed = list(islice(requests(reranker), ASKED))
    asked = [request for _, request in timed]
    print(f"in process: {ms([seconds for seconds, _ in timed])} a request of {DOCUMENTS} documents")
    with serving(FILE, SYSTEM, "--port", "0") as service:
        beside: list[float] = []
        with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as client:
            for request in asked:
                start = time.perf_counter()
                answer = client.post("/rerank", json=request.body)
                spent = time.perf_counter() - start
                timing = dict(p.split(";dur=") for p in answer.headers["server-timing"].split(", "))
                beside.append(spent - float(timing["score"]) / 1000)
        print(f"one client: {ms(beside)} beside the model's own")
        start = time.perf_counter()
        seen = asked_by_many(service.url, asked, SECONDS)
        rate = len(seen.seconds) / (time.perf_counter() - start)
    print(
        f"{CLIENTS} clients for {SECONDS:g} s: {rate:.1f} requests a second, {ms(seen.seconds)} each, "
        f"of {len(seen.seconds)} answers wrong or missing: {len(seen.wrong)}"
    )


if __name__ == "__main__":
    main()
