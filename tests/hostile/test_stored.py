"""Stored results with something else in them: told of the folder, or read; never a traceback."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from fakes import write_experiment
from hypothesis import given
from hypothesis import strategies as st
from mutations import TEXTS, damaged, share, survives

from harness.cli.commands import main

GATE = [{"metric": "ndcg@3", "margin": 0.01}]

COMMANDS = (
    ["report", "experiment.yaml"],
    ["why", "experiment.yaml", "q1"],
    ["export", "experiment.yaml", "out"],
    ["gate", "experiment.yaml"],
    ["plan", "experiment.yaml"],
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A working folder with an experiment that was run and accepted."""
    folder = tmp_path_factory.mktemp("finished")
    write_experiment(folder, gate=GATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert said("run", "experiment.yaml") == 0
        assert said("gate", "experiment.yaml", "--accept", "--reason", "r") == 0
        shutil.copytree(folder / "results", folder / "kept")
        yield folder


def said(*command: str) -> object:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return main(list(command))


@given(data=st.data())
@share(0.03)
def test_changed_results_are_told_or_read(finished: Path, data: st.DataObject) -> None:
    shutil.rmtree(finished / "results")
    shutil.copytree(finished / "kept", finished / "results")
    stored = sorted(
        file
        for file in (finished / "results").rglob("*")
        if file.suffix in (".json", ".csv", ".gz")
    )
    file = data.draw(st.sampled_from(stored))
    content = file.read_bytes()
    for _ in range(data.draw(st.integers(0, 2))):
        old = data.draw(
            st.sampled_from([b"0", b"1", b'"', b"\n", b",", b"q1", b"data", b"null", b"d2"])
        )
        new = data.draw(st.sampled_from([*TEXTS, '"x"', "NaN", "[]"])).encode(
            "utf-8", "surrogatepass"
        )
        content = content.replace(old, new, data.draw(st.integers(1, 2)))
    file.write_bytes(data.draw(damaged(content)))
    command = data.draw(st.sampled_from(COMMANDS))
    code = survives(f"results, {command[0]}", lambda: said(*command))
    assert code in ((0, 2, 3) if command[0] != "gate" else (0, 2, 3, 4))
