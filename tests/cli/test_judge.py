"""`judge` as a person meets it: by keys in a real browser, in a terminal, and where nothing was run."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import browser
import pytest
from browser import Browser
from commands import ROOT, environment
from fakes import write_beir, write_experiment

from harness.analysis.judgments.journal import Journal
from harness.cli.commands import main

in_browser = pytest.mark.skipif(
    browser.found() is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
)

OVERLAP = {"use": "fakes:WordOverlap"}
SYSTEMS = [
    {"name": "overlap", "retriever": OVERLAP},
    {"name": "constant", "retriever": OVERLAP, "reranker": {"use": "fakes:Constant"}},
]
WORDS = ("apple", "pear", "plum", "cherry", "quince", "medlar", "fig", "grape", "lemon", "lime")


@pytest.fixture(scope="module", name="file")
def _file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment of 30 queries and 60 documents of random words, which was run."""
    folder, rng = tmp_path_factory.mktemp("judged"), random.Random(3)
    docs = {f"d{i}": " ".join(rng.choices(WORDS, k=4 + i)) for i in range(60)}
    docs |= {"d0": "apple " * 400}
    queries = {f"q{i}": " ".join(rng.sample(WORDS, 3)) for i in range(30)}
    write_beir(folder / "data", docs, queries, {name: {"d1": 1} for name in queries})
    file = write_experiment(folder, systems=SYSTEMS)
    assert main(["run", str(file), *places(file)]) == 0
    return file


def places(file: Path) -> list[str]:
    return ["--results", str(file.parent / "results"), "--cache", str(file.parent / "cache")]


def journal(file: Path) -> Journal:
    return Journal(file.parent / "results" / "experiment" / "data" / "judgments")


@pytest.fixture(autouse=True)
def _nothing_judged(file: Path) -> None:
    for name in ("journal.jsonl", "judged.csv", "qrels/judged.tsv"):
        (journal(file).folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def judging(file: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`judge FILE` and the address of its page."""
    command = [sys.executable, "-m", "harness", "judge", str(file), *places(file), "--port", "0"]
    with subprocess.Popen(
        [*command, *options], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("Judge at http://127.0.0.1:"), said
            yield process, said.split()[2]
        finally:
            process.kill()


def press(window: Browser, key: str) -> None:
    """A key that leads to the next page."""
    window.press(key)
    window.loaded()


SHOWN = "document.querySelector('[name=query_id]').value + ' ' + document.querySelector('[name=doc_id]').value"


@in_browser
def test_ten_documents_by_keyboard_with_an_undo_and_a_stop(file: Path) -> None:
    """One is undone, the process is killed in the middle, and nothing is lost."""
    given = []
    with Browser(str(browser.found())) as window:
        with judging(file, "--judge", "ann") as (_, url):
            window.show(url, 1400)
            for key in "01230":
                given.append((window.value(SHOWN), int(key)))
                press(window, key)
            press(window, "u")
            assert window.value(SHOWN) == given[-1][0]
            given[-1] = (given[-1][0], 3)
            press(window, "3")
        with judging(file, "--judge", "ann") as (process, url):  # the first was killed
            window.show(url, 400)
            assert "5 documents judged by you" in window.value("document.body.textContent")
            for key in "21012":
                given.append((window.value(SHOWN), int(key)))
                press(window, key)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        assert window.said == []
    grades = journal(file).state.grades
    assert {f"{query_id} {doc_id}": grade for (query_id, doc_id), grade in grades.items()} == dict(
        given
    )
    assert len(given) == len(grades) == 10
    qrels = (journal(file).folder / "qrels" / "judged.tsv").read_text()
    assert sorted(qrels.split("\n")[:-1]) == sorted(
        f"{pair.replace(' ', chr(9) + '0' + chr(9))}\t{grade}" for pair, grade in given
    )


@in_browser
def test_a_note_is_typed_without_its_letters_being_keys(file: Path) -> None:
    with judging(file, "--judge", "ann") as (_, url), Browser(str(browser.found())) as window:
        window.show(url, 1400)
        pair = window.value(SHOWN)
        window.press("n")
        window.value("new Promise((done) => setTimeout(done, 50))")
        for key in "us2":
            window.press(key)
        press(window, "Enter")
        assert window.value(SHOWN) == pair
        press(window, "2")  # the note that stands there has not the focus
        state = journal(file).state
        assert [*state.notes.values()] == ["us2"]
        assert [*state.grades.values()] == [2]


@in_browser
@pytest.mark.parametrize("width", [400, 1400])
def test_everything_is_in_reach_with_and_without_script(file: Path, width: int) -> None:
    inside = """[...document.querySelectorAll("button, h1, article, .standing")].every((one) => {
        const box = one.getBoundingClientRect();
        return box.left >= 0 && box.right <= innerWidth; })"""
    seen = """[...document.querySelectorAll("button.grade")].every((one) => {
        const box = one.getBoundingClientRect();
        return box.top > 0 && box.bottom <= innerHeight; })"""
    with judging(file, "--judge", "ann") as (_, url), Browser(str(browser.found())) as window:
        for script in (True, False):
            window.show(url, width, script=script)
            window.value("document.querySelectorAll('#whole').forEach((one) => one.click())")
            assert window.value("document.documentElement.scrollWidth") <= width
            assert window.value(inside)
            assert window.value(seen)
        before = window.value(SHOWN)
        window.value("document.querySelector('[data-key=\"2\"]').click()")
        window.loaded()
        assert window.value(SHOWN) != before


def in_terminal(file: Path, typed: str, *options: str) -> str:
    command = [sys.executable, "-m", "harness", "judge", str(file), *places(file), "--terminal"]
    done = subprocess.run(
        [*command, *options],
        input=typed,
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_the_same_in_a_terminal(file: Path) -> None:
    said = in_terminal(file, "2\nsigh\nn as in the book\n1\nu\n3\ns\nw\nq\n", "--judge", "bob")
    assert "That is none of the keys; a note is `n` and its words on one line." in said
    assert "Your note: as in the book" in said
    state = journal(file).state
    assert sorted(state.grades.values()) == [2, 3]
    assert (len(state.skipped), [*state.notes.values()]) == (1, ["as in the book"])
    again = in_terminal(file, "", "--judge", "bob")  # the end of the input ends it
    assert "2 documents judged by bob, 2 documents by all" in again


def test_the_depth_bounds_what_is_judged(file: Path) -> None:
    """Of each query one or two documents: those in the first place."""
    in_terminal(file, "0\n" * 100, "--judge", "bob", "--depth", "1")
    assert len(journal(file).state.grades) <= 60


def test_without_results_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_experiment(tmp_path)
    assert main(["judge", str(file), *places(file), "--judge", "ann"]) == 2
    said = capsys.readouterr().err
    assert f"There are no results in {tmp_path / 'results' / 'experiment'}" in said
    assert f"python -m harness run {file} --results" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--judge", " "], "Who judges?"),
        (["--model"], "names no judging model: it has no block `judge`"),
        (["--judge", "ann", "--dataset", "date"], "has no dataset 'date'; did you mean 'data'?"),
    ],
)
def test_what_is_not_there_is_named(
    file: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    assert main(["judge", str(file), *places(file), *options]) == 2
    assert told in capsys.readouterr().err


def test_documents_that_changed_are_not_judged(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = file.parent / "data" / "corpus.jsonl"
    before = corpus.read_text()
    corpus.write_text("".join(before.splitlines(keepends=True)[:30]))
    try:
        assert main(["judge", str(file), *places(file), "--judge", "ann"]) == 2
    finally:
        corpus.write_text(before)
    assert "are not in it" in capsys.readouterr().err
