"""Digests of what a folder holds, so that what is read is what was written.

A sealed folder has a file `B2SUMS` with a line for each other file below it, as `b2sum --length=256`
writes them, and a comment with the digest of these lines: `cd FOLDER; b2sum --check B2SUMS` looks by
hand. It is written last, so a folder that has one is whole. A file is checked when it is first
opened, and again where its size or time of change is another. A JSON object can have its digest in
itself (`stamped`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import StoreError
from harness.files import disk

log = logging.getLogger(__name__)

SUMS = "B2SUMS"

BITS = 256
"""Of a BLAKE2b digest: no two files of one digest are found by chance or on purpose (RFC 7693)."""

STAMP = "digest"
"""The field of a JSON object with the digest of the others."""

T = TypeVar("T")

_Memory = dict[Path, tuple[tuple[int, int, int], T]]
"""By file its inode, size and time of change when it was read, and what was read."""

_digests: _Memory[str] = {}
_sums_read: _Memory[Mapping[str, str]] = {}


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
    _write(folder, {}, list(_names(folder)))


def renew(folder: Path, names: Collection[str], without: Collection[str] = ()) -> None:
    """Write the digests of files that were replaced; those of the other files stay.

    The files `without` are none of them any longer, and go. Raises DamagedError where the digests
    are damaged, and StoreError if they cannot be written.
    """
    _write(folder, {name: own for name, own in _sums(folder).items() if name not in without}, names)
    for name in without:
        disk.remove(folder / name)


def holds(folder: Path, name: str) -> bool:
    """Whether a sealed folder was written with a file `name`.

    Raises DamagedError where its digests are gone or damaged.
    """
    return name in _sums(folder)


def checked(folder: Path, name: str) -> Path:
    """The file `name` of a sealed folder, known to be as it was written.

    Raises DamagedError where it is not, and StoreError where that cannot be known: a file that
    cannot be read is not a damaged one.
    """
    file = folder / name
    if name not in (sums := _sums(folder)):
        raise DamagedError(file, f"is not in {folder / SUMS}")
    if of_file(file) != sums[name]:
        raise DamagedError(file, f"is damaged: its digest is not the one in {folder / SUMS}")
    return file


def digest(content: bytes | memoryview) -> str:
    """The digest of a file that holds `content`."""
    return hashlib.blake2b(content, digest_size=BITS // 8).hexdigest()


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turns an OSError while `file` is read into a DamagedError if it is gone, else a StoreError."""
    try:
        with disk.reading(file):
            yield
    except FileNotFoundError:
        raise DamagedError(file, "is gone") from None


def check(folder: Path, unread: Collection[str] = ()) -> None:
    """Check every file of a sealed folder; raises as `checked` does, and for a file too many.

    Files that fit one of the patterns `unread` need only be there.
    """
    sums, there = _sums(folder), set(_names(folder))
    for name in sorted(sums.keys() | there):
        known = name in sums and name in there
        if not (known and any(fnmatch(name, pattern) for pattern in unread)):
            checked(folder, name)


def is_whole(folder: Path, unread: Collection[str] = ()) -> bool:
    """Whether a sealed folder is there, with every file as it was written, as `check` looks at it.

    Raises StoreError where that cannot be known.
    """
    try:
        check(folder, unread)
    except DamagedError:
        return False
    return True


def faults(folder: Path) -> list[DamagedError]:
    """What is wrong with the files that a sealed folder was written with.

    Raises StoreError where that cannot be known.
    """
    found = []
    try:
        for name in _sums(folder):
            try:
                checked(folder, name)
            except DamagedError as fault:
                found.append(fault)
    except DamagedError as fault:
        return [fault]
    return found


def set_aside(path: Path, why: object = "") -> Path:
    """Give what is damaged another name, and say so; raises StoreError if that cannot be done.

    Its new name, beside the old one, begins with a dot; nothing is deleted. `why` is a sentence
    without its end.
    """
    taken = (path.with_name(f".damaged-{path.name}-{number}") for number in range(1, 10_000))
    free = next(name for name in taken if not name.exists())
    with disk.writing(path), suppress(FileNotFoundError):  # another process was faster
        path.rename(free)
        said = why or f"{path} is damaged"
        log.warning("%s. What was there is now %s, and is made again.", said, free.name)
    return free


def stamped(content: Mapping[str, Any]) -> dict[str, Any]:
    """`content` with its digest, for a JSON file that stands alone."""
    return {**content, STAMP: _stamp(content)}


def unstamped(content: Any) -> dict[str, Any]:
    """The content of a JSON file that `stamped` made; raises ValueError for any other."""
    if not isinstance(content, dict) or STAMP not in content:
        raise ValueError("it has no digest: it is damaged, or an older version wrote it")
    found = {name: value for name, value in content.items() if name != STAMP}
    if _stamp(found) != content[STAMP]:
        raise ValueError("it is damaged: its digest is another")
    return found


def _stamp(content: Mapping[str, Any]) -> str:
    return digest(json.dumps(content, sort_keys=True).encode())


def _write(folder: Path, sums: Mapping[str, str], names: Collection[str]) -> None:
    """Write `sums`, with the digests that the files of these names have now."""
    with disk.writing(folder):
        found = {**sums, **{name: of_content(folder / name) for name in names}}
    text = "".join(f"{found[name]}  {name}\n" for name in sorted(found))
    disk.write(folder / SUMS, f"{text}# {digest(text.encode())}\n")


def _sums(folder: Path) -> Mapping[str, str]:
    """By name the digest of each file of a sealed folder."""
    file = folder / SUMS
    try:
        with disk.reading(file):
            return _once(_sums_read, file, _parsed)
    except FileNotFoundError:
        raise DamagedError(file, "is gone, or an older version wrote the folder") from None


def _parsed(file: Path) -> Mapping[str, str]:
    try:
        text, _, own = file.read_bytes().decode().rpartition("# ")
    except UnicodeDecodeError:
        raise DamagedError(file, "is damaged: it is not UTF-8 text") from None
    if own != f"{digest(text.encode())}\n":
        raise DamagedError(file, "is damaged: its last line is not the digest of the others")
    lines = (line.partition("  ") for line in text.split("\n")[:-1])
    return {name: own for own, _, name in lines}


def _once(memory: _Memory[T], file: Path, read: Callable[[Path], T]) -> T:
    """What `read` gives of a file; it is read again where its size or time of change is another."""
    found = file.stat()
    state = (found.st_ino, found.st_size, found.st_mtime_ns)
    if file not in memory or memory[file][0] != state:
        memory[file] = state, read(file)
    return memory[file][1]


def _names(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.is_file() and name.name != SUMS and not any(p[0] == "." for p in name.parts):
            yield name.as_posix()


def of_file(file: Path) -> str:
    """The digest of what a file holds, read once for as long as it is as it was."""
    with reading(file):
        return _once(_digests, file, of_content)


def of_content(file: Path) -> str:
    """The digest of what a file holds, read now."""
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=BITS // 8))
    return found.hexdigest()
