"""Files: read whether packed or not, and written aside first so that what is there is whole."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from harness.errors import DataError, StoreError


def write(file: Path, content: str | bytes) -> None:
    """Put `content` into `file`, replacing it at once; raises StoreError if it cannot."""
    with telling(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=file.parent))
        try:
            part = aside / file.name
            with part.open("wb") as stream:
                stream.write(content.encode() if isinstance(content, str) else content)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(file)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill that becomes `folder` when the block ends well, and vanishes when not.

    If `folder` is there already by then, it stays as it is. Raises StoreError if it cannot be
    written.
    """
    with telling(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
        try:
            yield aside
            if not folder.exists():
                aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def telling(path: Path) -> Iterator[None]:
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
def open_text(file: Path) -> Iterator[TextIO]:
    """The UTF-8 lines of `file`, unpacked if its name ends in .gz.

    Raises DataError if it cannot be opened, unpacked or decoded.
    """
    try:
        with (
            gzip.open(file, "rt", encoding="utf-8")
            if file.suffix == ".gz"
            else file.open(encoding="utf-8") as stream
        ):
            yield stream
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text: {error.reason}.") from error
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{file} cannot be read: {why}.") from error


def read_yaml(file: Path) -> Any:
    """What a YAML file of this project holds; by libyaml, ten times as fast, where PyYAML has it."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - both are safe


def read_json(file: Path) -> Any:
    """What a JSON file holds; an empty mapping where there is none."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def sha256(file: Path) -> str:
    """The SHA-256 of a file, 64 hex digits; raises DataError if it cannot be read."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}.") from error
