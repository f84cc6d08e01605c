"""A Ray cluster of two nodes with one processor each, both on this machine."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from commands import environment

RAY = Path(sys.executable).with_name("ray")
NODE = ("--num-cpus=1", "--num-gpus=0", "--disable-usage-stats", "--block")


class TwoNodes:
    def __init__(self, folder: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        port = self.address.partition(":")[2]
        head = ("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}")
        self._nodes = [self._started(*head)]
        self.add()

    def _started(self, *options: str) -> subprocess.Popen[bytes]:
        """A node that is up; one that finds no head yet ends, and is started again."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            node = subprocess.Popen(
                [RAY, "start", *NODE, *options],
                env=environment(OMP_NUM_THREADS="1"),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            assert node.stdout is not None
            for line in node.stdout:
                if b"Ray runtime started" in line:
                    return node
            node.wait()
        raise TimeoutError("a node of the cluster is not up")

    def add(self) -> None:
        self._nodes.append(self._started(f"--address={self.address}"))

    def kill_last(self) -> None:
        """As a machine that loses its power."""
        kill(self._nodes.pop())

    def close(self) -> None:
        while self._nodes:
            self.kill_last()


def kill(node: subprocess.Popen[bytes]) -> None:
    everything = [*psutil.Process(node.pid).children(recursive=True), psutil.Process(node.pid)]
    for process in everything:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    node.wait()
    if node.stdout:
        node.stdout.close()


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        nodes = TwoNodes(folder)  # a short path: sockets lie below it
        try:
            yield nodes
        finally:
            nodes.close()
