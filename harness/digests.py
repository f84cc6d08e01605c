"""Digests of what a folder holds, so that what is read is what was written.

A sealed folder has a file `B2SUMS` with a line for each other file below it, as `b2sum --length=256`
writes them: `cd FOLDER; b2sum --check B2SUMS` looks by hand. It is written last, so a folder that
has one is whole. A file is checked when it is first opened, and again where its size or time of
change is another.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from harness import files
from harness.errors import StoreError

log = logging.getLogger(__name__)

SUMS = "B2SUMS"

BITS = 256
"""Of a BLAKE2b digest: no two files of one digest are found by chance or on purpose (RFC 7693)."""

_read: dict[Path, tuple[tuple[int, int, int], str]] = {}
"""By file its inode, size and time of change when it was read, and the digest that it had."""


class DamagedError(StoreError):
    """A file is not what was written, or is gone."""

    def __init__(self, file: Path, why: str) -> None:
        """`why` goes on after the name of the file."""
        super().__init__(f"{file} {why}")
        self.file = file


def seal(folder: Path) -> None:
    """Write the digests of all files below `folder`; raises StoreError if it cannot.

    Files and folders whose names begin with a dot are left out.
    """
    with files.telling(folder):
        lines = [f"{_digest(folder / name)}  {name}\n" for name in _names(folder)]
    files.write(folder / SUMS, "".join(lines))


def is_sealed(folder: Path) -> bool:
    """Whether a folder is whole, as far as its names tell."""
    return (folder / SUMS).exists()


def checked(folder: Path, name: str) -> Path:
    """The file `name` of a sealed folder, known to be as it was written.

    Raises DamagedError where it is not, and StoreError where that cannot be told: a file that
    cannot be read is not a damaged one.
    """
    file = folder / name
    if name not in (sums := _sums(folder)):
        raise DamagedError(file, f"is not in {folder / SUMS}")
    try:
        found = file.stat()
        state = (found.st_ino, found.st_size, found.st_mtime_ns)
        if file not in _read or _read[file][0] != state:
            _read[file] = state, _digest(file)
    except FileNotFoundError:
        raise DamagedError(file, "is gone") from None
    except OSError as error:
        raise _unreadable(file, error) from error
    if _read[file][1] != sums[name]:
        raise DamagedError(file, f"is damaged: its digest is not the one in {folder / SUMS}")
    return file


def check(folder: Path) -> None:
    """Check every file of a sealed folder; raises as `checked` does, and for a file too many."""
    for name in sorted({*_sums(folder), *_names(folder)}):
        checked(folder, name)


def set_aside(path: Path) -> Path:
    """Give what is damaged another name, and say so; raises StoreError if that cannot be done.

    Its new name, beside the old one, begins with a dot; nothing is deleted.
    """
    taken = (path.with_name(f".damaged-{path.name}-{number}") for number in range(1, 10_000))
    free = next(name for name in taken if not name.exists())
    with files.telling(path):
        path.rename(free)
    log.warning("%s is damaged, and is made again; what was there is now %s", path, free.name)
    return free


def _sums(folder: Path) -> dict[str, str]:
    """By name the digest of each file of a sealed folder."""
    file = folder / SUMS
    try:
        *lines, rest = file.read_bytes().decode().split("\n")
    except FileNotFoundError:
        raise DamagedError(file, "is gone") from None
    except UnicodeDecodeError:
        raise DamagedError(file, "is damaged: it is not UTF-8 text") from None
    except OSError as error:
        raise _unreadable(file, error) from error
    found = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if rest or len(found) < len(lines) or not all(found):
        raise DamagedError(
            file, "is damaged: a line has no end or no name, or a name is there twice"
        )
    return found


def _names(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.is_file() and name.name != SUMS and not any(p[0] == "." for p in name.parts):
            yield name.as_posix()


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=BITS // 8))
    return found.hexdigest()


def _unreadable(file: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{file} cannot be read: {error.strerror or error}. It was left as it is; see to its "
        "rights and to the limit of open files (`ulimit -n`), then run again."
    )
