"""Limits of containers, from trees of files as Linux shows them (admin-guide/cgroup-v2, -v1)."""

from __future__ import annotations

import math
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.components.hardware import limits
from harness.components.hardware import threads as hardware_threads
from harness.experiment import provenance
from harness.measure import machine

GIB = 2**30
V1_NONE = str(2**63 - 4096)
"""What v1 says of memory without a limit."""


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def grouped(
    folder: Path, patch: pytest.MonkeyPatch, own: str, files: Mapping[str, str | int]
) -> None:
    """A machine whose process is in the group `own`, a line of /proc/self/cgroup."""
    for name, content in files.items():
        (folder / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup" / name).write_text(f"{content}\n")
    (folder / "own").write_text(f"{own}\n")
    patch.setattr(limits, "MOUNT", folder / "cgroup")
    patch.setattr(limits, "OWN", folder / "own")


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/", {}, 8),
        ("0::/", {"cpu.max": "max 100000"}, 8),
        ("0::/", {"cpu.max": "200000 100000"}, 2),
        ("0::/", {"cpu.max": "250000 100000"}, 2),
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/", {"cpu.max": "6400000 100000"}, 8),  # more than there are
        ("0::/pod/box", {"pod/cpu.max": "300000 100000", "pod/box/cpu.max": "max 100000"}, 3),
        ("0::/pod/box", {"pod/cpu.max": "600000 100000", "pod/box/cpu.max": "50000 10000"}, 5),
        ("0::/host/path", {"cpu.max": "200000 100000"}, 2),  # the host's path in a container
        (
            "4:cpu,cpuacct:/box",
            {"cpu,cpuacct/box/cpu.cfs_quota_us": 200000, "cpu/box/cpu.cfs_period_us": 100000}
            | {"cpu,cpuacct/box/cpu.cfs_period_us": 100000},
            2,
        ),
        ("4:cpu:/", {"cpu/cpu.cfs_quota_us": -1, "cpu/cpu.cfs_period_us": 100000}, 8),
    ],
)
def test_cores_are_those_of_the_container(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: str,
    files: Mapping[str, str | int],
    cores: int,
) -> None:
    grouped(tmp_path, monkeypatch, own, files)
    assert limits.usable_cores() == cores
    assert hardware_threads.threads_now() == cores
    with hardware_threads.pinned(None) as threads:
        assert threads == cores


@pytest.mark.parametrize(
    ("own", "files", "left"),
    [
        ("0::/", {"memory.max": "max", "memory.current": GIB}, math.inf),
        (
            "0::/",
            {"memory.max": 4 * GIB, "memory.current": 3 * GIB}
            | {"memory.stat": f"anon 1\ninactive_file {GIB}\nactive_file 7"},
            2 * GIB,
        ),
        (
            "0::/pod/box",
            {"pod/memory.max": 4 * GIB, "pod/memory.current": 3 * GIB}
            | {"pod/box/memory.max": 3 * GIB, "pod/box/memory.current": GIB},
            GIB,  # of the pod, whose other containers hold 2
        ),
        (
            "7:memory:/box",
            {"memory/box/memory.limit_in_bytes": 2 * GIB, "memory/memory.limit_in_bytes": V1_NONE}
            | {"memory/box/memory.usage_in_bytes": GIB}
            | {"memory/box/memory.stat": f"total_inactive_file {GIB // 2}"},
            1.5 * GIB,
        ),
    ],
)
def test_memory_is_that_of_the_container(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: str,
    files: Mapping[str, str | int],
    left: float,
) -> None:
    grouped(tmp_path, monkeypatch, own, files)
    assert limits.memory_left() == left
    assert machine.free_bytes() <= left


def test_libraries_hear_of_a_quota_and_of_idle_threads_unless_the_user_did_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*limits.THREADS, *limits.SLEEP):
        monkeypatch.delenv(name, raising=False)
    grouped(tmp_path, monkeypatch, "0::/", {"cpu.max": "max 100000"})
    limits.limit_library_threads()
    assert not set(limits.THREADS) & set(os.environ)
    assert {name: os.environ[name] for name in limits.SLEEP} == limits.SLEEP
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "26")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    grouped(tmp_path, monkeypatch, "0::/", {"cpu.max": "200000 100000"})
    monkeypatch.setattr(sys, "argv", ["harness", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("harness", run_name="__main__")
    assert [os.environ[name] for name in limits.THREADS] == ["1", "2", "2", "2", "2"]
    assert [os.environ[name] for name in limits.SLEEP] == ["26", "1000"]


def test_provenance_tells_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    grouped(tmp_path, monkeypatch, "0::/", {"cpu.max": "150000 100000", "memory.max": GIB // 2})
    told = provenance.machine()
    assert (told["cores"], told["memory_gib"]) == (1, 0.5)
    assert told["limits"]["processors"] == 1.5
    assert told["limits"]["host_cores"] == 64
    grouped(tmp_path, monkeypatch, "0::/", {"cpu.max": "max 100000", "memory.max": "max"})
    assert provenance.machine().get("limits", {}) == {"host_cores": 64}  # by its affinity
