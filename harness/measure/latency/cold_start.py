"""A system alone in a fresh process: what its first answer takes, and what memory it holds.

`start` runs this module in a new interpreter, hands it a description on standard input, and reads
one line of JSON that it prints.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from harness.components import registry, requirements
from harness.components.abilities import Loadable
from harness.components.hardware import threads
from harness.components.protocols import Reranker, Retriever
from harness.data import Doc, Query
from harness.errors import ComponentError
from harness.files import temporary
from harness.measure import machine
from harness.measure.latency.arms import placed, with_documents
from harness.measure.latency.prebuilt_vectors import RandomVectors

LOADING_S = 600.0
"""Seconds that a process may take for its imports and its model, beside the budget of its arm."""


def start(
    component: Any,
    modes: Sequence[str],
    query: str,
    docs: Sequence[Doc],
    sizes: Sequence[int],
    device: str,
    threads: int,
    allowed: float,
    limit: float,
) -> list[dict[str, float]]:
    """For each mode what `columns.STARTS` names from `import_seconds` on, of one fresh process.

    The first call reranks `sizes[0]` documents; then come those of `sizes` that should take at most
    `allowed` seconds. Peaks only rise, so the mode that needs less memory goes first; a later mode has
    no first call of its own (NaN). Raises ComponentError if the process fails, is killed, as it is where
    memory does not suffice, or did not end within `limit` seconds, and then was.
    """
    task = {
        "component": registry.config_of(component),
        "modes": modes,
        "query": query,
        "docs": docs,
        "sizes": sizes,
        "device": device,
        "threads": threads,
        "allowed": allowed,
        "spawned": _now(),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "harness.measure.latency.cold_start"],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            env=_environment(threads),
            check=False,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        raise ComponentError(
            f"A process of its own did not load and answer within {limit:,.0f} s, and was ended. Way "
            "out: raise `latency.budget_s`, or start none (`latency.starts: 0`)."
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        killed = " (killed, as for want of memory)" if done.returncode == -9 else ""
        raise ComponentError(f"A process of its own ended with {done.returncode}{killed}: {last}")
    last = (done.stdout.strip().splitlines() or ["nothing"])[-1]
    try:
        found: list[dict[str, float]] = json.loads(last)
    except (ValueError, RecursionError):
        raise ComponentError(
            f"A process of its own did not say what it measured, but last {last[:80]!r}. Way out: see "
            "that nothing in it prints when it ends, or start none (`latency.starts: 0`)."
        ) from None
    return found


def _environment(threads: int) -> dict[str, str]:
    """What this process has, so many threads, and where trained models lie."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    cache = temporary.cache()
    known = {temporary.CACHE: str(cache)} if cache else {}
    return {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONPATH": path, **known}


def _now() -> float:
    """Seconds that two processes of this machine can compare, and that nobody can set.

    CLOCK_MONOTONIC on Linux and mach_absolute_time on macOS count from the system's start;
    `time.perf_counter` may count from the process's.
    """
    return time.monotonic()


def main() -> list[dict[str, float]]:
    """What this process is asked to do on standard input, and what it found."""
    task = json.load(sys.stdin)
    faults: list[str] = []
    spec = _tuples(task["component"])
    kind = Retriever if task["modes"] == ["retrieve"] else Reranker
    component = registry.build((kind,), spec, "component", lambda *f: faults.append(": ".join(f)))
    if faults:
        raise ComponentError("; ".join(faults))
    component = placed(component, task["device"])
    for part in registry.parts(component):
        for need in getattr(part, "needs", ()):
            importlib.import_module(requirements.package(need))
    with threads.pinned(task["threads"]):
        return _measured(component, task)


def _measured(component: Any, task: Mapping[str, Any]) -> list[dict[str, float]]:
    imported, libraries = _now(), machine.resident_bytes()
    for part in registry.parts(component):
        if isinstance(part, Loadable):
            part.load()
    loaded, held = _now(), machine.resident_bytes()
    common = {
        "import_seconds": imported - task["spawned"],
        "load_seconds": loaded - imported,
        "libraries_bytes": libraries,
        "loaded_bytes": held,
        "threads": task["threads"],
    }
    rows = [{**common, **_called(component, mode, task)} for mode in task["modes"]]
    return [rows[0], *({**row, "first_call_seconds": math.nan} for row in rows[1:])]


def _called(component: Any, mode: str, task: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of the first call, and the peaks after as large a call as is allowed."""
    docs = [Doc(*doc) for doc in task["docs"]]
    answer = _answering(component, mode, docs, task["device"])
    query, (fewest, *more) = Query("query", task["query"]), task["sizes"]
    begun = _now()
    answer(query, docs[:fewest])
    first = _now() - begun
    most = fewest
    for size in more:
        if first * size / fewest <= task["allowed"]:
            answer(query, docs[:size])
            most = size
    return {
        "first_call_seconds": first,
        "peak_bytes": machine.peak_bytes(),
        "gpu_peak_bytes": machine.gpu_peak_bytes(task["device"]),
        "candidates": most,
    }


def _answering(component: Any, mode: str, docs: Sequence[Doc], device: str) -> Any:
    fed = with_documents(component, device, lambda _, here: RandomVectors(here))
    if mode == "retrieve":
        searcher = fed.index(docs)
        return lambda query, docs: searcher.search([query], len(docs))
    scorer = fed.prepare(docs) if mode == "precomputed" else component
    return lambda query, docs: scorer.score(query.text, docs)


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()) + "\n")
