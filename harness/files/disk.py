"""Files: read whether packed or not, and written aside first so that what is there is whole."""

from __future__ import annotations

import codecs
import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from harness.errors import DataError, StoreError
from harness.files import bounds, locks

_swept: set[Path] = set()
"""Folders in which this process has looked for what others left half-written."""


def write(file: Path, content: str | bytes | memoryview) -> None:
    """Put `content` into `file`, replacing it at once; raises StoreError if it cannot."""
    with writing(file), passing(file.parent, Path.touch) as part:
        if isinstance(content, str):
            # Half a character, as names of files may hold it, is written as its escape.
            content = content.encode(errors="backslashreplace")
        part.write_bytes(content)
        sync(part)
        part.replace(file)
        sync(file.parent)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill that becomes `folder` when the block ends well, and vanishes when not.

    If `folder` is there already by then, as from another process, it stays as it is. Raises
    StoreError if it cannot be written.
    """
    with writing(folder), passing(folder.parent, Path.mkdir) as aside:
        yield aside
        for path in (*aside.rglob("*"), aside):
            sync(path)
        try:
            if not folder.exists():
                aside.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        sync(folder.parent)


@contextmanager
def passing(parent: Path, make: Callable[[Path], object]) -> Iterator[Path]:
    """What `make` makes in `parent`, to be renamed; it goes if it was not, even after a kill."""
    parent.mkdir(parents=True, exist_ok=True)
    if parent not in _swept:
        _swept.add(parent)
        sweep(parent, ".writing-*")
    aside, held = locks.made(parent, ".writing-", make)
    try:
        yield aside
    finally:
        remove(aside)
        if held is not None:
            os.close(held)


def sweep(folder: Path, pattern: str) -> None:
    """Remove what processes that have ended left in `folder`, made by `locks.made`."""
    for path in locks.left_behind(folder, pattern):
        remove(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, as far as it is there and can be."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def sync(path: Path) -> None:
    """Have the system put a file or the names in a folder on the disk, where they stay."""
    if os.name == "nt" and path.is_dir():  # Windows opens no folder
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems cannot, for folders
            raise
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError while writing `path` into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}. Nothing half-written was left; "
            "free some space or name another folder with --results or --cache, then run again: "
            "what was finished is kept."
        ) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns an OSError while `path` is read into a StoreError that says what to do.

    What cannot be read may be whole. FileNotFoundError passes: what is gone can be made again.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read: {error.strerror or error}. It was left as it is; see to its "
            "rights and to the limit of open files (`ulimit -n`), then run again."
        ) from error


OTHER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""Byte order marks of what is not UTF-8."""

MARK = "\ufeff"
"""The byte order mark, as it is read: no part of the text."""

PACKED = b"\x1f\x8b"
"""How a file that gzip packed begins."""


BROKEN = (OSError, EOFError, zlib.error)
"""What a file brings about that cannot be opened or unpacked to its end."""


@contextmanager
def open_text(file: Path) -> Iterator[TextIO]:
    """The UTF-8 lines of `file` without a byte order mark, unpacked if its name ends in .gz.

    Raises DataError if it cannot be opened, unpacked or decoded; the message names the first line
    that is not UTF-8, or the encoding that the file's mark says.
    """
    try:
        with _opened(file) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig") as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise DataError(f"{_undecodable(file)}: save the file as UTF-8.") from error
    except BROKEN as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{file} cannot be read: {why}.") from error


def _opened(file: Path) -> BinaryIO:
    """The bytes of `file`, unpacked; raises DataError for those that begin as no UTF-8 does."""
    packed = file.suffix == ".gz"
    stream = gzip.open(file, "rb") if packed else file.open("rb")  # noqa: SIM115 - the caller's
    start = stream.peek(4)
    for mark, encoding in OTHER_MARKS.items():
        if start.startswith(mark):
            stream.close()
            raise DataError(
                f"{file} is not UTF-8 text: its byte order mark says {encoding}. Save it as UTF-8."
            )
    if start.startswith(PACKED) and not packed:
        stream.close()
        raise DataError(f"{file} is packed by gzip: give it a name that ends in .gz.")
    return cast("BinaryIO", stream)


def _undecodable(file: Path) -> str:
    """Where and why `file` is not UTF-8."""
    with suppress(*BROKEN), _opened(file) as raw:
        for number, line in enumerate(iter(lambda: raw.readline(bounds.LINE), b""), start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return f"{file}:{number} is not UTF-8 text ({error.reason}, byte 0x{byte:02X})"
    return f"{file} is not UTF-8 text"


def text_lines(file: Path) -> Iterator[tuple[str, str]]:
    """Each line of `file` that is not blank, without its end, and where it stands (`FILE:7`).

    A byte order mark before a line is dropped: files that have one are joined, too. Raises
    DataError as `open_text` does, and for a NUL byte.
    """
    with open_text(file) as stream:
        lines = iter(lambda: stream.readline(bounds.LINE), "")
        for number, line in enumerate(lines, start=1):
            if len(line) == bounds.LINE:
                raise DataError(
                    f"{file}:{number} has over {bounds.LINE:,} characters, which no line of data has: "
                    "the file is damaged, or its lines do not end as lines do."
                )
            text = line.rstrip("\r\n").removeprefix(MARK)
            if "\0" in text:
                raise DataError(
                    f"{file}:{number} holds a NUL byte: the file is damaged, or it is UTF-16 "
                    "without a byte order mark; save it as UTF-8."
                )
            if text.strip():
                yield f"{file}:{number}", text


def read_yaml(file: Path) -> Any:
    """What a YAML file of this project holds; by libyaml, ten times as fast, where PyYAML has it."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - both are safe


def read_json(file: Path) -> Any:
    """What a JSON file holds; an empty mapping where there is none."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


LARGE = 2**24
"""Bytes of a file whose digest is remembered as long as its size and time of change stay."""


def sha256(file: Path) -> str:
    """The SHA-256 of a file, 64 hex digits; raises DataError if it cannot be read."""
    try:
        found = file.stat()
        read = _sha256 if found.st_size > LARGE else _sha256.__wrapped__
        return read(file, (found.st_ino, found.st_size, found.st_mtime_ns))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}.") from error


@lru_cache
def _sha256(file: Path, state: tuple[int, int, int]) -> str:
    del state  # it is of the key alone
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def disk_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
