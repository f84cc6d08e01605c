"""What is temporary lies below the cache, and goes with its process, however that ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import write_experiment

from harness.files import temporary

ROOT = Path(__file__).parents[2]

PROGRAM = """
import os, signal, sys
from harness.files import temporary
folder = temporary.folder()
(folder / "file").write_text("x")
with temporary.passing() as passing:
    assert passing.parent == folder.parent
assert not passing.exists()
print(folder)
if sys.argv[1:] == ["killed"]:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def folder_of(cache: str, *arguments: str) -> Path:
    """Where a process had a temporary folder."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, temporary.CACHE: cache},
    )
    assert done.stderr == ""
    return Path(done.stdout.strip())


def test_a_process_takes_its_folders_with_it(tmp_path: Path) -> None:
    folder = folder_of(str(tmp_path))
    assert folder.parents[1] == tmp_path / "tmp"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_without_a_cache_it_is_the_system_s_own() -> None:
    assert not folder_of("").parent.exists()


def test_what_a_killed_process_left_goes_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(temporary.CACHE, str(tmp_path))
    mine = temporary.folder()
    left = folder_of(str(tmp_path), "killed")
    assert (left / "file").exists()
    folder_of(str(tmp_path))
    assert list((tmp_path / "tmp").iterdir()) == [mine.parent]
    folder_of(str(tmp_path), "killed")
    temporary.sweep(tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == [mine.parent]


def test_a_cache_may_be_deleted_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(temporary.CACHE, str(tmp_path / "cache"))
    assert temporary.folder().parent == temporary.folder().parent
    shutil.rmtree(tmp_path / "cache")
    assert temporary.folder().is_dir()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    encoder = {"use": "fakes:HashingTokenEncoder"}
    mapped = {"use": "fakes:HangingLate", "encoder": encoder, "noted": str(tmp_path / "noted")}
    retriever = {"use": "fakes:WordOverlap"}
    systems = [{"name": "a", "retriever": retriever, "reranker": mapped}]
    file = write_experiment(tmp_path, systems=systems)
    os.mkfifo(tmp_path / "noted")
    command = [sys.executable, "-m", "harness", "run", str(file)]
    command += ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "tests"), "PATH": ""},
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509 - this one may ignore it
    ) as process:
        (tmp_path / "noted").read_text()  # until it hangs
        assert len(list((tmp_path / "cache" / "tmp").glob("*/*/codes.npy"))) == 1
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number
    assert list((tmp_path / "cache" / "tmp").iterdir()) == []
    assert list((tmp_path / "results").rglob(".*")) == []
