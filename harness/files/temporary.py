"""Temporary folders: below the cache, since a system's own may be in memory, and gone at the end.

    CACHE/tmp/PROCESS/

That of a process that was killed goes when the next one needs one, or runs an experiment.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.files import disk, locks

CACHE = "HARNESS_CACHE"
"""The environment variable that names the cache to the processes that this one starts."""

_caches: list[Path] = []
"""The caches of the work that goes on here, that of the innermost last."""


@contextmanager
def below(cache: Path) -> Iterator[None]:
    """Inside, temporary folders, and models that are trained, lie below `cache`."""
    _caches.append(cache.resolve())
    try:
        yield
    finally:
        _caches.pop()


def cache() -> Path | None:
    """The cache of the work at hand; None where none is known."""
    if _caches:
        return _caches[-1]
    named = os.environ.get(CACHE)
    return Path(named) if named else None


def folder() -> Path:
    """A new folder, which goes with this process if it is there still."""
    return Path(tempfile.mkdtemp(dir=_own()))


@contextmanager
def passing() -> Iterator[Path]:
    """A new folder, which goes when the block ends."""
    with tempfile.TemporaryDirectory(dir=_own(), ignore_cleanup_errors=True) as made:
        yield Path(made)


def sweep(cache: Path) -> None:
    """Remove the folders of processes that have ended."""
    disk.sweep(cache / "tmp", "*")


_made: dict[Path | None, Path] = {}
"""By cache the folder of all that this process makes."""


def _own() -> Path:
    """The folder of this process; one in the system's own where no cache is known."""
    here = cache()
    if here not in _made or not _made[here].exists():  # a cache may be deleted at any time
        _made[here] = _new(here)
    return _made[here]


def _new(here: Path | None) -> Path:
    if here is None:
        made = Path(tempfile.mkdtemp(prefix="harness-"))
    else:
        sweep(here)
        place = here / "tmp"
        place.mkdir(parents=True, exist_ok=True)
        made, _ = locks.made(place, f"{os.getpid()}-", Path.mkdir)  # held until the process ends
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
