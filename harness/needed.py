"""What a component needs installed: a package by its import name, or one of some version (`x>=6`)."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re


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
    return found if least and _release(found) < _release(least) else None


def _release(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with."""
    start = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, start[0].split("."))) if start else ()
