"""Folders of results: put in their place whole, and checked as they are read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import StoreError
from harness.files import digests, disk
from harness.files.digests import DamagedError

AGAIN = "`python -m harness run FILE` makes it again."
"""The way out of damage."""


def opened(folder: Path, name: str) -> Path:
    """The file `name` of a folder of results, known to be as it was written.

    Raises StoreError with the way out where it is not.
    """
    with _damage_as_store_error():
        return digests.checked(folder, name)


def opened_if_any(folder: Path, name: str) -> Path | None:
    """As `opened`; None where the folder was written without such a file."""
    with _damage_as_store_error():
        return digests.checked(folder, name) if digests.holds(folder, name) else None


def is_there(folder: Path) -> bool:
    """Whether a folder of results is there; raises StoreError where that cannot be known."""
    with digests.reading(folder):
        return folder.exists()


def faults(folder: Path) -> list[DamagedError]:
    """What is not as it was written, in a folder that may not be there."""
    return digests.faults(folder) if is_there(folder) else []


@contextmanager
def written(folder: Path) -> Iterator[Path]:
    """A folder to fill that becomes `folder`, with its digests, when the block ends well.

    What was there before goes then. Raises StoreError if it cannot be written.
    """
    with disk.new_folder(folder) as aside:
        yield aside
        digests.seal(aside)
        if is_there(folder):
            _remove(folder)


def _remove(folder: Path) -> None:
    """Take a folder away at once, so that a half of it is never found in its place."""
    away = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    folder.rename(away / folder.name)
    shutil.rmtree(away, ignore_errors=True)


@contextmanager
def _damage_as_store_error() -> Iterator[None]:
    try:
        yield
    except DamagedError as fault:
        raise StoreError(f"{fault}. Nothing was read from it: {AGAIN}") from fault
