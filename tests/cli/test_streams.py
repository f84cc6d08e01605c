"""What the harness prints acts on no terminal, whatever names, ids and texts are."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from pathlib import Path

import pytest
from fakes import DOCS, QUERIES, write_beir, write_experiment
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.commands import main
from harness.cli.progress import Bars
from harness.cli.streams import ACTED_ON, Formatter, complain, plain, say

ESCAPE = "\x1b[2J\x9b31m\u202egnol\u2066"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b]0;title\x07", r"\u001b]0;title\u0007"),
        ("\x9b31m", r"\u009b31m"),
        ("one\rtwo\x08", r"one\u000dtwo\u0008"),
        ("\u202eexe.\u2069", r"\u202eexe.\u2069"),
        ("\ud800 \udc80", r"\ud800 \udc80"),
        ("naïve 東京 👩‍🔬 می‌خواهم", "naïve 東京 👩‍🔬 می‌خواهم"),
    ],
)
def test_plain(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text(), st.text())
def test_json_stays_the_same_json(key: str, value: str) -> None:
    written = json.dumps({key: value}, ensure_ascii=False)
    assert json.loads(plain(written)) == {key: value}
    assert not ACTED_ON.search(plain(written))


def test_every_way_to_the_terminal_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    drawn, logged = io.StringIO(), io.StringIO()
    say(ESCAPE)
    complain(ESCAPE)
    with contextlib.closing(Bars(drawn)) as bars:
        bars.stage(lambda: ESCAPE)
    assert drawn.getvalue() == f"{plain(ESCAPE)}\n"
    handler = logging.StreamHandler(logged)
    handler.setFormatter(Formatter("%(message)s"))
    handler.emit(logging.LogRecord("x", logging.WARNING, "x", 1, "of %s", (ESCAPE,), None))
    assert capsys.readouterr() == (f"{plain(ESCAPE)}\n", f"{plain(ESCAPE)}\n")
    assert logged.getvalue() == f"of {plain(ESCAPE)}\n"


def test_texts_of_a_dataset_reach_the_terminal_plain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    docs = {**DOCS, "d2": f"red apple {ESCAPE}"}
    queries = {**QUERIES, "q1": f"red apple {ESCAPE}"}
    write_beir(tmp_path / "data", docs, queries)
    words = {"name": "words", "retriever": {"use": "fakes:WordOverlap"}}
    write_experiment(tmp_path, systems=[words])
    assert main(["run", "experiment.yaml"]) == 0
    assert main(["why", "experiment.yaml", "q1"]) == 0
    assert main(["plan", f"{ESCAPE}.yaml"]) == 2
    said = capsys.readouterr()
    assert r"\u001b[2J" in said.out
    assert r"\u001b[2J" in said.err
    assert not ACTED_ON.search(said.out + said.err)
