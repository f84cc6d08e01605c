"""Terminals, folders and variables as they may be: one line, the right code, and no traceback."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from commands import one_line, shell
from fakes import write_experiment

from harness.cli import exits
from harness.cli.commands import main
from harness.cli.progress import Bars

LONG = "x" * 300
POOR = {"PYTHONIOENCODING": "ascii", "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "20"}
HOMELESS = dict.fromkeys(("HOME", "HF_HOME", "TERM"))
C = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ("$H plan experiment.yaml", POOR),
        ("$H plan experiment.yaml", {**C, **HOMELESS}),
        ("$H run --help", POOR),
    ],
    ids=str,
)
def test_it_works_there(tmp_path: Path, words: str, variables: dict[str, str | None]) -> None:
    write_experiment(tmp_path, question="Größe, 質問 \N{EN DASH} \N{PILE OF POO}?")
    done = shell(words, tmp_path, **variables)
    assert (done.returncode, done.stderr) == (exits.OK, "")
    assert "\x1b" not in done.stdout


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    done = shell("mkdir gone; cd gone; rmdir ../gone; $H plan ../e.yaml", tmp_path)
    assert done.returncode == exits.MEND
    assert done.stderr == "harness: The working folder no longer exists: `cd` to another one.\n"


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "FILE", "--results", LONG],
        ["plan", "FILE", "--cache", LONG],
        ["run", "FILE", "--results", LONG],
        ["run", "FILE", "--cache", LONG],
        ["report", "FILE", "--results", LONG],
        ["gate", "FILE", "--results", LONG],
        ["export", "FILE", "--results", LONG, "out"],
        ["why", "FILE", "q1", "--results", LONG],
    ],
    ids=lambda words: " ".join(words).replace(LONG, "LONG"),
)
def test_a_path_that_no_system_takes(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_experiment(tmp_path, gate=[{"metric": "ndcg@3", "margin": 0.01}])
    assert main([str(file) if word == "FILE" else word for word in words]) == exits.FAILED
    said = capsys.readouterr()
    assert one_line(said.err)
    assert "File name too long" in said.err


@pytest.mark.parametrize("text", [LONG, f"/{LONG}/{LONG}"])
def test_a_file_whose_name_no_system_takes(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert main(["plan", text]) == exits.MEND
    assert one_line(capsys.readouterr().err)


def test_a_long_dataset_on_the_command_line_is_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_experiment(tmp_path)
    spec = "{use: files, path: " + "./" * 150 + "data}"
    assert main(["plan", str(file), "--dataset", spec]) == exits.OK


class Gone:
    """A terminal that closed."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def write(self, _: str) -> int:
        raise BrokenPipeError

    flush = write


def test_work_goes_on_when_nobody_sees_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.progress.PAUSE_S", 0)
    stream: Any = Gone()
    with contextlib.closing(Bars(stream)) as progress:
        progress.stage(lambda: "stage 1 of 1")
        for done in range(3):
            progress("work", done, 3)
            progress("other work", done, 3)
