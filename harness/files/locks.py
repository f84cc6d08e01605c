"""Locks that the system takes back when their process ends, even when it is killed (flock).

Where there are none (Windows, some network file systems) nothing is held and nobody waits: two runs
at one time are then the user's to keep apart, and what a killed process left is the user's to delete.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import StoreError

log = logging.getLogger(__name__)

fcntl: Any = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None


@contextmanager
def alone(file: Path, busy: str) -> Iterator[None]:
    """Be the only process in such a block with this file, which is made and goes again.

    Another one is waited for, and `busy` says what that does. Raises StoreError if the file cannot
    be made.
    """
    if not fcntl:
        yield
        return
    descriptor = _waited_for(file, busy)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.unlink()  # while it is held: who waits for it looks for it again
        os.close(descriptor)


def _waited_for(file: Path, busy: str) -> int:
    """The descriptor of the file, which this process alone has locked."""
    while True:
        with contextlib.ExitStack() as unfinished:
            descriptor = _opened(file)
            unfinished.callback(os.close, descriptor)
            try:
                _lock(descriptor, wait=False)
            except BlockingIOError:
                holder = os.pread(descriptor, 20, 0).decode() or "unknown"
                log.warning("%s (process %s); this one waits until it ends", busy, holder)
                _lock(descriptor, wait=True)
            if _is_at(descriptor, file):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
                unfinished.pop_all()
                return descriptor


def _opened(file: Path) -> int:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(
            f"{file} cannot be made: {error.strerror}. See to the rights of its folder, or name "
            "another one with --results or --cache, then run again."
        ) from error


def made(folder: Path, prefix: str, make: Callable[[Path], object]) -> tuple[Path, int | None]:
    """A new path in `folder`, made by `make`, and the descriptor by which this process holds it.

    As long as that is open, the path is nothing that was left behind.
    """
    while True:
        path = folder / f"{prefix}{os.urandom(8).hex()}"
        make(path)
        descriptor = held(path, wait=True)
        if path.exists():  # else it was taken for left behind before it was held
            return path, descriptor
        if descriptor is not None:
            os.close(descriptor)


def left_behind(folder: Path, pattern: str) -> Iterator[Path]:
    """What `made` made in `folder` for processes that have ended; each is held until the next."""
    for path in sorted(folder.glob(pattern)):
        try:
            descriptor = held(path, wait=False)
        except OSError:  # another user's
            continue
        if descriptor is not None:
            try:
                yield path
            finally:
                os.close(descriptor)


def held(path: Path, *, wait: bool) -> int | None:
    """The descriptor of a file or folder that is locked now; None where that is not to be had."""
    if not fcntl:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        if _lock(descriptor, wait=wait):
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Whether the file is locked now; raises BlockingIOError where another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # the file system has no locks
        return False
    return True


def _is_at(descriptor: int, file: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
