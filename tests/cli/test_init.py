from __future__ import annotations

from pathlib import Path

import pytest
from fakes import write_beir
from tables import tables

from harness.cli import commands
from harness.components.models import references
from harness.components.models.references import ModelFolder
from harness.experiment import starter
from harness.experiment.reading import load_experiment

pytestmark = pytest.mark.usefixtures("empty_hub")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_it_writes_can_be_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_beir(here / "mine")
    assert commands.main(["init", "mine"]) == 0
    said = capsys.readouterr().out
    assert "mine: a BEIR folder" in said
    assert "5 documents: 2 words at the median, 3 at most" in said
    assert "6 judgements: 1.5 a query at the median, grades 0 to 2" in said
    assert "python -m harness run mine.yaml" in said
    assert all(len(line) <= 80 for line in said.splitlines())
    experiment = load_experiment(here / "mine.yaml")
    assert [system.name for system in experiment.systems] == ["dense", "bm25", "maxsim"]
    assert experiment.datasets[0].source.load().name == "mine"


def test_tables_are_said_with_what_was_taken_for_what(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables(here / "mine")
    assert (
        commands.main(["init", "mine", "--column", "query_text=words", "--output", "a.yaml"]) == 0
    )
    assert "doc_text=body" in capsys.readouterr().out
    assert len(load_experiment(here / "a.yaml").datasets[0].source.load().docs) == 5


def test_who_ends_the_questions_is_told_what_is_open(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(_: str) -> str:
        raise EOFError

    tables(here / "mine")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", ended)
    assert commands.main(["init", "mine"]) == 2
    assert "--column query_text=NAME" in capsys.readouterr().err


def test_what_is_to_be_typed_next_is_quoted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_beir(here / "my shop")
    assert commands.main(["init", "my shop"]) == 0
    assert "python -m harness run 'my shop.yaml'" in capsys.readouterr().out


def test_what_the_files_leave_open_is_asked_at_a_terminal(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables(here / "mine")
    answers = iter(["nothing", "words"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    assert commands.main(["init", "mine"]) == 0
    asked = capsys.readouterr().err
    assert (
        asked.count("Which column of searches.csv has the texts of the queries? (qid, words)") == 2
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mine"], "has no documents and queries that can be read"),
        (["none"], "The folder none does not exist"),
        (["mine", "--column", "words"], "expected SETTING=NAME, one of doc_id"),
        (["mine", "--column", "colour=red"], "expected SETTING=NAME"),
    ],
)
def test_what_must_be_mended(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert commands.main(["init", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not list(here.glob("*.yaml"))


def test_faulty_files_are_named_by_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_beir(here / "mine")
    with (here / "mine/corpus.jsonl").open("a") as stream:
        stream.write("{broken\n")
    with (here / "mine/queries.jsonl").open("a") as stream:
        stream.write('{"_id": "q9"}\n')
    assert commands.main(["init", "mine"]) == 2
    said = capsys.readouterr().err
    assert "corpus.jsonl:6: not a JSON object" in said
    assert "queries.jsonl:5: expected text under 'text'" in said
    assert not (here / "mine.yaml").exists()


def test_a_file_that_is_there_stays(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_beir(here / "mine")
    (here / "mine.yaml").write_text("mine")
    assert commands.main(["init", "mine"]) == 2
    assert "mine.yaml is there already" in capsys.readouterr().err
    assert (here / "mine.yaml").read_text() == "mine"


def test_models_that_are_here_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"BAAI/bge-base-en-v1.5", "colbert-ir/colbertv2.0"}
    monkeypatch.setattr(
        references, "find", lambda name: ModelFolder(name, Path(), "") if name in there else None
    )
    found = starter.models()
    assert found.encoder == "BAAI/bge-base-en-v1.5"
    assert found.rerankers == ("colbert-ir/colbertv2.0",)
    text = starter.text("Which?", {"use": "pydoc"}, found)
    assert "\n  - name: colbertv2.0\n" in text
    assert "#   - name: bge-reranker-base\n" in text


def test_without_any_model_the_file_needs_the_first(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "find", lambda _: None)
    write_beir(here / "mine")
    assert commands.main(["init", "mine"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "BAAI/bge-small-en-v1.5 (134 MB) is not on this machine" in said
    assert "python -m harness fetch mine.yaml" in said
    assert "run mine.yaml --weights dummy" in said
