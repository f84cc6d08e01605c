"""How much of the machine this process may use: what its affinity and its container leave of it.

A container's processors and memory are limited by control groups, which `os.cpu_count` and
/proc/meminfo do not see: 64 threads in a container of 2 processors wait for each other, and a
process that fills the host's free memory is killed at its container's limit. Groups are nested, so
that the least limit from this process's own group up to the root holds. Read are cgroup v2
(`cpu.max`, `memory.max`; Linux, admin-guide/cgroup-v2) and v1 (`cpu.cfs_quota_us`,
`memory.limit_in_bytes`; admin-guide/cgroup-v1).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
"""A line for each hierarchy: number, controllers (none for v2), and the group of this process."""

THREADS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"),
)
"""The variables that say to libraries how many threads to start."""

SLEEP: Mapping[str, str] = {"OPENBLAS_THREAD_TIMEOUT": "4", "GOMP_SPINCOUNT": "1000"}
"""The variables that have threads sleep when they wait, and not spin (tests/benchmarks/idle_threads.py).

Those of OpenBLAS, numpy's, spin for 2^26 cycles, 27 ms, after each product; 2^4 is the least. They took
cores from the model that encodes the query next: it took 1.8 times as long.

Those of GNU OpenMP, torch's, spin 300,000 times at the end of each operation, for milliseconds if another
process has the core of the thread that they wait for. On two cores with a load of 8 a query was encoded
in 300 ms instead of 20, and a projection was trained 30 times as long. 1,000 times, some 10 microseconds,
is what the library itself takes where it knows of more threads than cores."""


def usable_cores() -> int:
    """Processors that this process may keep busy, at least 1; a part of one is left out."""
    quota = processor_quota()
    return _allowed_cores() if math.isinf(quota) else min(_allowed_cores(), max(1, int(quota)))


def processor_quota() -> float:
    """Processors' worth of time that the control groups grant; infinite without a limit."""
    return min((_quota(group) for group in _groups()), default=math.inf)


def memory_limit() -> float:
    """Bytes that the control groups grant; infinite without a limit."""
    return min((_memory(group) for group in _groups()), default=math.inf)


def memory_left() -> float:
    """Bytes that the control groups would still grant; infinite without a limit.

    What a group holds of files that were read long ago goes when memory is wanted.
    """
    return min((_memory(group) - _held(group) for group in _groups()), default=math.inf)


def limit_library_threads() -> None:
    """Have libraries start no more threads than the quota lets run, and threads sleep when idle.

    What the user said holds. To be called before any library is imported.
    """
    for name, value in SLEEP.items():
        os.environ.setdefault(name, value)
    cores = usable_cores()
    if cores < _allowed_cores():
        for name in THREADS:
            os.environ.setdefault(name, str(cores))


def _allowed_cores() -> int:
    """Processors that the scheduler may put this process on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _groups() -> Iterator[Path]:
    """The folders of the groups that this process is in, each followed by those around it.

    Inside a container the path may be that of the host; then the mount itself is the group.
    """
    for line in _text(OWN).splitlines():
        _, controllers, path = line.split(":", 2)
        mounts = (controllers, *controllers.split(",")) if controllers else ("", "unified")
        for mount in {MOUNT / name for name in mounts}:
            group = mount / path.lstrip("/")
            yield from (at for at in (group, *group.parents) if at.is_relative_to(mount))


def _quota(group: Path) -> float:
    limit = _text(group / "cpu.max").split()
    limit = limit or [_text(group / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
    allowed, period = (_number(word) for word in limit)
    return allowed / period if math.isfinite(period) else math.inf


def _memory(group: Path) -> float:
    return _number(_text(group / "memory.max") or _text(group / "memory.limit_in_bytes"))


def _held(group: Path) -> float:
    """Bytes that count against the limit of a group and cannot be had back."""
    held = _text(group / "memory.current") or _text(group / "memory.usage_in_bytes") or "0"
    stat = dict(line.split(" ", 1) for line in _text(group / "memory.stat").splitlines())
    unread = stat.get("total_inactive_file") or stat.get("inactive_file") or "0"
    return max(_number(held) - _number(unread), 0.0)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:  # not there: the root of v2 has no limits, and other systems no groups
        return ""


def _number(text: str) -> float:
    """Infinite for `max`, for the -1 of v1, and for what is not there."""
    return float(text) if text.isdecimal() else math.inf
