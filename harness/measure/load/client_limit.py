"""What the client itself can do: the same requests, to a server that answers at once."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from harness.components.protocols import Reranker
from harness.components.rerankers.endpoint import Endpoint
from harness.components.servers.served import Server
from harness.components.timing import TRAFFIC, recording
from harness.errors import BusyError, ComponentError
from harness.measure import machine
from harness.measure.load import loops
from harness.measure.load.loops import Ask, Reply, Span, Task
from harness.pipeline import stages

SECONDS = 1.0
"""For each number of clients."""

SECONDS_TO_END = 5.0
"""That the server has to end by itself."""

WAKE_SECONDS = 0.2
"""Before that, not counted."""


def asking(reranker: Reranker) -> Ask:
    """Asks the server once; what came back is judged later, because that costs time, too."""

    def ask(task: Task) -> Reply:
        with recording(TRAFFIC) as spent:
            try:
                scores = stages.scores(reranker, task.query, task.docs)
            except BusyError as error:
                return Reply("refused", said=str(error))
            except ComponentError as error:
                return Reply("failed", said=str(error))
        return Reply("answered", scores, spent.get("server_seconds", float("nan")))

    return ask


def client_limit(
    tasks: Sequence[Task], clients: Sequence[int], like: Server
) -> list[dict[str, Any]]:
    """For each number of clients what they reach, and the median that they add to a latency.

    The requests are those of `tasks` in the dialect `plain`, sent with the patience of `like`.
    """
    found = []
    with answering_at_once(len(tasks[0].docs)) as url:
        ask = asking(Endpoint(dialect="plain", url=url, timeout_s=like.timeout_s, retries=0))
        for count in clients:
            loops.closed(ask, itertools.cycle(tasks), count, Span(WAKE_SECONDS))
            with machine.quiet():
                step = loops.closed(ask, itertools.cycle(tasks), count, Span(SECONDS))
            answered = [one for one in step.sent if one.reply.outcome == "answered"]
            if answered:
                found.append(
                    {
                        "clients": count,
                        "per_second": len(answered) / step.window,
                        "median_seconds": float(np.median([s.done - s.due for s in answered])),
                        "cores": step.cores,
                    }
                )
    return found


@contextmanager
def answering_at_once(documents: int) -> Iterator[str]:
    """The url of a server in a process of its own that answers at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        program = Path(__file__).with_name("echo_server.py")
        child = subprocess.Popen(
            [sys.executable, str(program), str(number), str(documents)],
            stdin=subprocess.PIPE,
            pass_fds=[number],
        )
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            _ended(child)


def _ended(child: subprocess.Popen[bytes]) -> None:
    """Close its standard input, at which it ends, or else is made to."""
    try:
        child.communicate(timeout=SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
