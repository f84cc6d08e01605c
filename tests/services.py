"""Services of our own in processes of their own, many clients at once, and rerankers to serve."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from fakes import write_experiment

from harness.data import Doc

ROOT = Path(__file__).parents[1]
CLIENTS = 8
OVERLAP = {"use": "fakes:WordOverlap"}


def experiment(folder: Path, reranker: dict[str, Any], **changes: Any) -> Path:
    """A file of a system without a reranker, and of `ours`, which has one."""
    systems = [
        {"name": "overlap", "retriever": OVERLAP},
        {"name": "ours", "retriever": OVERLAP, "reranker": reranker, **changes},
    ]
    return write_experiment(folder, systems=systems)


def wait_until(seen: Callable[[], bool]) -> None:
    """Look until it is so, for a minute at most."""
    until = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < until
        time.sleep(0.005)


@dataclass(frozen=True)
class Halting:
    """Scores by length; the first time that it meets a query with `word` it waits to be let go."""

    marker: str
    """A file that says that it happened; `marker.go` lets it go."""
    word: str = "pear"
    seconds: float = 60.0

    def score(self, query: str, docs: Sequence[Doc]) -> list[float]:
        marker = Path(self.marker)
        if self.word in query and not marker.exists():
            marker.touch()
            until = time.monotonic() + self.seconds
            while not marker.with_suffix(".go").exists() and time.monotonic() < until:
                time.sleep(0.01)
        return [float(len(doc.text)) for doc in docs]


@dataclass(frozen=True)
class Hoarding:
    """Scores by length; for `pear` it opens all files that can be, until it is let go."""

    marker: str
    """A folder that says that it happened; the file `marker.go` lets it go."""

    def score(self, query: str, docs: Sequence[Doc]) -> list[float]:
        if "pear" in query:
            with contextlib.ExitStack() as held:
                with contextlib.suppress(OSError):
                    while True:
                        held.enter_context(Path(os.devnull).open())
                Path(self.marker).mkdir()  # a file would have to be opened
                until = time.monotonic() + 60
                while not Path(self.marker).with_suffix(".go").exists():
                    assert time.monotonic() < until
                    time.sleep(0.01)
        return [float(len(doc.text)) for doc in docs]


class Service(NamedTuple):
    process: subprocess.Popen[str]
    url: str


@contextlib.contextmanager
def serving(
    file: Path,
    system: str,
    *options: str,
    environment: Mapping[str, str] | None = None,
    files: int = 1024,
) -> Iterator[Service]:
    """`python -m harness serve FILE SYSTEM`, from when it says that it is ready.

    It may have so many `files` open.
    """
    command = [sys.executable, "-m", "harness", "serve", str(file), system, *options]
    command = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh", *command]
    variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), **(environment or {})}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            said = process.stdout.readline()
            assert said.startswith("Ready: "), process.stderr.read()
            yield Service(process, said.split(" at ")[1].split()[0])
        finally:
            process.kill()


class Request(NamedTuple):
    """What is asked, and the places of the documents as they must come back."""

    body: Mapping[str, Any]
    expected: Sequence[int]


@dataclass
class Seen:
    """What came of many requests."""

    wrong: list[str] = field(default_factory=list)
    """Answers with another ranking, and whatever was no answer."""
    seconds: list[float] = field(default_factory=list)
    """Of each request, as its client saw it."""
    server_seconds: list[float] = field(default_factory=list)
    """As the service says, waiting for its turn included."""


def asked_by_many(
    url: str, requests: Sequence[Request], seconds: float, count: int = CLIENTS
) -> Seen:
    """Clients that ask one request after the other, each from another one on, for so long."""
    seen = Seen()
    until = time.monotonic() + seconds

    def ask(first: int) -> None:
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            number = first
            while time.monotonic() < until:
                _one(client, requests[number % len(requests)], seen)
                number += 1

    clients = [threading.Thread(target=ask, args=(3 * i,)) for i in range(count)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return seen


def _one(client: httpx.Client, request: Request, seen: Seen) -> None:
    start = time.perf_counter()
    try:
        answer = client.post("/rerank", json=request.body)
        places = [result["index"] for result in answer.json()["results"]]
    except (httpx.HTTPError, ValueError, LookupError) as error:
        seen.wrong.append(repr(error))
        return
    seen.seconds.append(time.perf_counter() - start)
    timing = dict(part.split(";dur=") for part in answer.headers["server-timing"].split(", "))
    seen.server_seconds.append(float(timing["total"]) / 1000)
    if places != list(request.expected):
        seen.wrong.append(f"{places} and not {request.expected}")
