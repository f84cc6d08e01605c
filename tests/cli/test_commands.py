from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from fakes import write_beir, write_experiment

import harness
from harness.cli.commands import main

OVERLAP = {"use": "fakes:WordOverlap"}


def system(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "retriever": OVERLAP, **fields}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = [sys.executable, "-m", "harness", "list", "models"]
    root = Path(harness.__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def write(name: str, text: str | bytes) -> None:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metricks": []}, "metricks: unknown key; did you mean 'metrics'?"),
        ({"systems": [{"name": "a", "retriever": {"use": "bm52"}}]}, "did you mean 'bm25'?"),
        ({"datasets": [{"use": "files", "path": "nowhere"}]}, "nowhere does not exist"),
        ({"datasets": [{"use": "irds", "id": "no/such"}]}, "ir_datasets has no dataset 'no/such'"),
        (
            {"systems": [system("a", reranker={"use": "cross_encoder", "model": "./absent"})]},
            "absent does not exist",
        ),
        (
            {"systems": [system("a", reranker={"use": "cross_encoder", "model": "a b"})]},
            "'a b' is neither a folder, a `package:` nor a hub id",
        ),
        (
            {"systems": [{"name": "a", "retriever": {"use": "saved_run", "path": "absent.trec"}}]},
            "absent.trec cannot be read",
        ),
        (
            {"systems": [{"name": "a", "retriever": {"use": "saved_run", "path": "data"}}]},
            "data cannot be read: Is a directory",
        ),
    ],
)
def test_bad_input_is_one_paragraph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], message: str
) -> None:
    assert main(["run", str(write_experiment(tmp_path, **changes))]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("harness: ")
    assert message in said.err
    assert "\n\n" not in said.err
    assert "Traceback" not in said.err
    assert not list(tmp_path.rglob("trial.json"))
    assert not list(tmp_path.rglob(".writing-*"))


@pytest.mark.parametrize(
    "content",
    ["", "- a", "a: [", "a: &x [*x]", b"\x00\xff", "question: q\nquestion: q\n", "a: 1:2"],
)
@pytest.mark.parametrize("command", ["run", "plan", "fetch"])
def test_bad_file_is_told_by_every_command(
    capsys: pytest.CaptureFixture[str], command: str, content: str | bytes
) -> None:
    write("x.yaml", content)
    assert main([command, "x.yaml"]) == 2
    assert capsys.readouterr().err.startswith(("harness: x.yaml ", "harness: x.yaml:1 "))


@pytest.mark.parametrize("command", ["run", "plan", "fetch"])
def test_absent_file(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "absent.yaml"]) == 2
    assert capsys.readouterr().err == (
        "harness: absent.yaml cannot be read: No such file or directory.\n"
    )


@pytest.mark.parametrize(
    "text", ["{use: files", "{}", "{use: files, path: 3}", "{use: files, use: irds}", "nothing", ""]
)
def test_bad_dataset_option(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert main(["plan", str(write_experiment(tmp_path)), "--dataset", text]) == 2
    assert capsys.readouterr().err.startswith("harness: ")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("other", "other"),
        ("{use: files, path: other, name: mine}", "mine"),
        ("{use: files, path: other, qrels: qrels/test.tsv}", "other"),
    ],
)
def test_dataset_option_counts_from_this_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, name: str
) -> None:
    (tmp_path / "in").mkdir()
    write_beir(tmp_path / "other")
    assert main(["plan", str(write_experiment(tmp_path / "in")), "--dataset", text]) == 0
    assert f"{name} / overlap: to do" in capsys.readouterr().out


def test_run_then_report_then_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(write_experiment(tmp_path))
    assert main(["run", file, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(found["report"]).exists()
    assert found["failures"] == []
    assert {row["system"] for row in found["leaderboard"]} == {"overlap", "oracle"}
    assert main(["run", file]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 79
    assert main(["report", file]) == 0
    assert capsys.readouterr().out.startswith("Report: results/experiment/report")
    assert main(["plan", file]) == 0
    assert "0 of 2 trials to do." in capsys.readouterr().out


OTHER = {"name": "bad", "retriever": {"use": "saved_run", "path": "other.trec"}}


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (system("bad", reranker={"use": "fakes:Raising"}), "RuntimeError: no score for 'red"),
        (
            OTHER,
            "The saved run answers none of the 4 queries (such as 'q1'); it belongs to another",
        ),
    ],
    ids=["a component breaks", "a file is of another dataset"],
)
def test_failed_trial_is_exit_code_3_and_the_others_are_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: dict[str, Any], told: str
) -> None:
    write("other.trec", "x Q0 d1 1 1.0 t\n")
    file = write_experiment(tmp_path, systems=[bad, system("good")], baseline="good")
    assert main(["run", str(file)]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert f"FAILED bad on data: {told}" in said
    assert len(list(tmp_path.rglob("trial.json"))) == 1
    assert len(list(tmp_path.rglob("failed.json"))) == 1


def test_results_that_cannot_be_written_are_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("occupied", "mine")
    assert main(["run", str(write_experiment(tmp_path)), "--results", "occupied"]) == 3
    assert "occupied" in capsys.readouterr().err
    assert Path("occupied").read_text() == "mine"


def test_report_without_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(write_experiment(tmp_path))]) == 3
    assert "There are no results in results/experiment" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["list"], ["list", "encoders"], ["doctor"], ["plan", "experiment.yaml"]],
    ids=" ".join,
)
def test_output_fits_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    late = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}}
    write_experiment(tmp_path, question="Why? " * 40, systems=[system("a" * 60, reranker=late)])
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert max(map(len, lines)) <= 79


def test_interruption_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakes.Stoppable.queries_left", [1])
    systems = [system("a", reranker={"use": "fakes:Stoppable"})]
    assert main(["run", str(write_experiment(tmp_path, systems=systems))]) == 130
    assert capsys.readouterr().err.endswith("Stopped. Run the same command again to go on.\n")


def test_unknown_command_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["rum"])
    assert "invalid choice: 'rum'" in capsys.readouterr().err
