"""Real servers, each in an environment of its own, named by HARNESS_SERVER_PYTHON.

The variable lists Python interpreters, as PATH lists folders; a server runs under the first of them
that has its package, and its test is skipped where none has.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

HERE = Path(__file__).parent / "servers"
SECONDS = 180
"""For a server to be ready."""

Start = Callable[..., contextlib.AbstractContextManager[None]]


@functools.cache
def python_with(*packages: str) -> str:
    """An interpreter that has the packages; skips the test where there is none."""
    named = os.environ.get("HARNESS_SERVER_PYTHON", "").split(os.pathsep)
    code = f"import importlib.util as u; [u.find_spec(p) or 1 / 0 for p in {packages}]"
    for python in [sys.executable, *filter(None, named)]:
        if not subprocess.run([python, "-c", code], capture_output=True, check=False).returncode:
            return python
    pytest.skip(f"no interpreter of HARNESS_SERVER_PYTHON has {' and '.join(packages)}")


def run(python: str, *command: str | Path, told: Any = None) -> str:
    """What a program of another environment prints; what it complains of where it fails."""
    paths = os.pathsep.join(map(str, (HERE.parents[1], HERE.parent)))
    done = subprocess.run(
        [python, *map(str, command)],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.contextmanager
def started(
    command: Sequence[str],
    ready: str,
    folder: Path,
    environment: Mapping[str, str],
    seconds: float = SECONDS,
) -> Iterator[None]:
    """A server while its URL `ready` answers 200; what it printed is shown if it never does."""
    with launched(command, folder, environment) as (process, log):
        until = time.monotonic() + seconds
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"{command} is not ready: {log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.3)
        yield


@contextlib.contextmanager
def launched(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A server's process, and the file of what it prints; it is stopped at the end."""
    log = folder / "server.log"
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": paths, **environment},
            start_new_session=True,
        )
    try:
        yield process, log
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code in (200, 405)
    except httpx.HTTPError:
        return False
