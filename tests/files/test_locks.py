"""A lock keeps others waiting as long as its process lives, and no longer."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.files import disk, locks

ROOT = Path(__file__).parents[2]

HOLDS = """
import sys, time
from pathlib import Path
from harness.files import disk as files, locks
place = Path(sys.argv[1])
with locks.alone(place / "lock", "busy"), files.new_folder(place / "folder") as aside:
    (aside / "part").write_text("x")
    print("ready", flush=True)
    time.sleep(3600)
"""


@contextmanager
def holder(place: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a lock, and writes a folder without end."""
    command = [sys.executable, "-c", HOLDS, str(place)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING)
    return caplog


def test_who_is_alone_waits_for_nobody(tmp_path: Path, told: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with locks.alone(tmp_path / "a" / "lock", "busy"):
            assert (tmp_path / "a" / "lock").read_text() == str(os.getpid())
        assert list((tmp_path / "a").iterdir()) == []
    assert told.messages == []


def test_another_is_waited_for_until_it_is_killed(
    tmp_path: Path, told: pytest.LogCaptureFixture
) -> None:
    with holder(tmp_path) as process:
        threading.Timer(0.5, process.kill).start()
        with locks.alone(tmp_path / "lock", "Somebody is at it"):
            assert process.wait() == -signal.SIGKILL
    assert told.messages == [
        f"Somebody is at it (process {process.pid}); this one waits until it ends"
    ]
    assert not (tmp_path / "lock").exists()


def test_many_are_alone_one_after_another(tmp_path: Path) -> None:
    inside, most, done = [0], [0], [0]

    def work() -> None:
        for _ in range(50):
            with locks.alone(tmp_path / "lock", "busy"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1
                done[0] += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, done) == ([1], [200])
    assert list(tmp_path.iterdir()) == []


def test_where_no_lock_can_be_made_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(StoreError, match="lock cannot be made: "),
        locks.alone(tmp_path / "file" / "lock", "busy"),
    ):
        pass


def test_without_locks_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    with locks.alone(tmp_path / "lock", "busy"), locks.alone(tmp_path / "lock", "busy"):
        disk.write(tmp_path / "file", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    (tmp_path / ".writing-1").mkdir()
    disk.sweep(tmp_path, ".writing-*")
    assert (tmp_path / ".writing-1").exists()  # it may be another process's


def writing(place: Path) -> list[Path]:
    return list(place.glob(".writing-*"))


@pytest.mark.parametrize("how", ["write", "new_folder"])
def test_what_a_killed_process_left_half_written_goes_at_the_next_write(
    tmp_path: Path, how: str
) -> None:
    (tmp_path / ".writing-file").touch()
    with holder(tmp_path) as process:
        _forget(tmp_path)
        disk.write(tmp_path / "a", "x")
        assert len(writing(tmp_path)) == 1  # the file's process has ended, the other's has not
        process.kill()
        process.wait()
    _forget(tmp_path)
    if how == "write":
        disk.write(tmp_path / "b", "x")
    else:
        with disk.new_folder(tmp_path / "b"):
            assert len(writing(tmp_path)) == 1
    assert writing(tmp_path) == []
    assert not (tmp_path / "folder").exists()


def _forget(folder: Path) -> None:
    """As a process does that has just started."""
    disk._swept.discard(folder)
