"""The database Infinity in this process: one connection, and tables by content.

An engine of its own would end with the first of several connections, so there is one, over a temporary
folder, until the process ends. It opens no port.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.errors import ComponentError
from harness.files import temporary

CONFIG = """\
[general]
version = "0.5.0"
time_zone = "utc+0"
server_mode = "standalone"
[network]
server_address = "127.0.0.1"
[log]
log_dir = "{folder}/log"
log_to_stdout = false
log_level = "warning"
[storage]
persistence_dir = ""
data_dir = "{folder}/data"
[buffer]
temp_dir = "{folder}/tmp"
[wal]
wal_dir = "{folder}/wal"
[resource]
resource_dir = "{folder}/resource"
"""
"""Every folder is named: Infinity's own choice is below /var/infinity."""

DATABASE = "default_db"
WORDS = "words"
"""The name of the index over words."""

ROWS_PER_INSERT = 64


class Words(NamedTuple):
    """A column of text that is indexed by its words."""

    column: str
    analyzer: str


@dataclass(frozen=True)
class Table:
    """A table that is whole."""

    name: str
    seconds: float
    """What filling it took."""

    def select(self, *columns: str) -> Any:
        """A new query, to which what is looked for is added."""
        return _database().get_table(self.name).output(list(columns))


_tables: dict[str, Table] = {}


def table(
    key: str,
    columns: Mapping[str, str],
    rows: Iterable[Mapping[str, Any]],
    words: Words | None = None,
) -> Table:
    """The table of `key`, filled the first time; it goes when this process ends.

    `columns` says of which type each is. Raises ComponentError for what Infinity refuses.
    """
    if key not in _tables:
        name, start = f"docs_{key}", time.perf_counter()
        with clear_errors():
            _fill(name, columns, rows, words)
        _tables[key] = Table(name, time.perf_counter() - start)
    return _tables[key]


def _fill(
    name: str,
    columns: Mapping[str, str],
    rows: Iterable[Mapping[str, Any]],
    words: Words | None,
) -> None:
    from infinity_embedded.common import ConflictType
    from infinity_embedded.index import IndexInfo, IndexType

    types = {column: {"type": kind} for column, kind in columns.items()}
    made = _database().create_table(
        name, types, ConflictType.Replace
    )  # what a fault left half full
    left = iter(rows)
    while some := list(itertools.islice(left, ROWS_PER_INSERT)):
        made.insert(some)
    if words:
        analyzed = {"ANALYZER": words.analyzer}
        made.create_index(WORDS, IndexInfo(words.column, IndexType.FullText, analyzed))


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turns what Infinity complains of into one sentence."""
    from infinity_embedded.common import InfinityException

    try:
        yield
    except InfinityException as error:
        said = error.error_message or f"error {error.error_code}"
        raise ComponentError(f"Infinity failed: {said}") from error


@functools.cache
def _database() -> Any:
    import infinity_embedded

    folder = temporary.folder()
    config = folder / "infinity.toml"
    config.write_text(CONFIG.format(folder=folder), encoding="utf-8")
    with _said_aside():
        connection = infinity_embedded.connect(str(folder), str(config))
    atexit.register(_disconnect, connection)
    return connection.get_database(DATABASE)


def _disconnect(connection: Any) -> None:
    with _said_aside():
        connection.disconnect()


@contextmanager
def _said_aside() -> Iterator[None]:
    """What the engine prints of itself goes to the stream of complaints: output is for answers."""
    usual = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(usual, 1)
        os.close(usual)
