"""`python -m harness gate`, from files to exit codes; and the workflow files that call it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gated
import pytest
import yaml

import harness
from harness.cli.commands import _parser, main

ROOT = Path(__file__).parents[2]
SAME = {"first": [0.5] * 20, "second": [0.5] * 20}
SECOND = [0.1, 0.2, 0.3, 0.2] * 5


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An experiment with results, in the working folder."""
    monkeypatch.chdir(tmp_path)
    found = gated.experiment(tmp_path)
    gated.store(Path("results"), found, SAME)
    return found.name


def gate(file: str, *more: str) -> int:
    return main(["gate", file, *more])


def accepted(file: str) -> None:
    assert gate(file, "--accept", "--reason", "the first  baseline\n") == 0


def test_accept_then_pass_then_fail_then_accept(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted(file)
    said = capsys.readouterr().out
    assert "results/baselines/experiment.csv and" in said
    assert gate(file) == 0
    said = capsys.readouterr().out
    assert said.startswith("Gate experiment: pass (2 pass)\nAccepted on ")
    assert said.splitlines()[1].endswith(": the first baseline")
    gated.store(Path("results"), Path(file), {**SAME, "second": SECOND})
    assert gate(file, "--junit", "out/g.xml", "--markdown", "out/g.md") == 1
    said = capsys.readouterr().out
    assert "FAIL second on data, ndcg@3: -0.3000 in the mean" in said
    assert said.endswith(
        'If this is meant:\n  python -m harness gate experiment.yaml --accept --reason "..."\n'
    )
    assert Path("out/g.md").read_text().startswith("## Gate experiment: fail\n")
    assert b"<failure message=" in Path("out/g.xml").read_bytes()
    assert gate(file, "--accept", "--reason", "meant") == 0
    assert "second ndcg@3 on data  0.5000  0.2000  -0.3000" in capsys.readouterr().out
    assert gate(file) == 0


def test_without_a_baseline_the_way_to_one_is_told(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(file, "--junit", "g.xml") == 2
    assert (
        'run `python -m harness gate experiment.yaml --accept --reason "..."` and commit'
        in capsys.readouterr().err
    )
    assert not Path("g.xml").exists()


@pytest.mark.parametrize("reason", [[], ["--reason", ""], ["--reason", "  \n"]])
def test_nothing_is_accepted_without_a_reason(
    file: str, capsys: pytest.CaptureFixture[str], reason: list[str]
) -> None:
    assert gate(file, "--accept", *reason) == 2
    assert "--accept needs a reason" in capsys.readouterr().err
    assert not Path("results/baselines").exists()


@pytest.mark.parametrize("failed", [{"second": "it broke"}, {}])
def test_nothing_is_accepted_while_a_trial_has_no_result(
    file: str, capsys: pytest.CaptureFixture[str], failed: dict[str, str]
) -> None:
    gated.store(Path("other"), Path(file), {"first": SAME["first"]}, failed)
    assert gate(file, "--accept", "--reason", "r", "--results", "other") == 2
    assert "second on data" in capsys.readouterr().err
    assert not Path("results/baselines").exists()


def test_a_failed_trial_is_exit_code_4_and_a_regression_beside_it_1(file: str) -> None:
    accepted(file)
    gated.store(Path("other"), Path(file), {"first": SAME["first"]}, {"second": "it broke"})
    assert gate(file, "--results", "other") == 4
    gated.store(Path("third"), Path(file), {"first": SECOND}, {"second": "it broke"})
    assert gate(file, "--results", "third") == 1


def test_changed_documents_are_exit_code_4(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    accepted(file)
    gated.store(Path("other"), Path(file), SAME, dataset={"fingerprint": "g"})
    assert gate(file, "--results", "other") == 4
    assert "NOT COMPARABLE first on data" in capsys.readouterr().out


def test_no_rules_and_no_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = gated.experiment(tmp_path, gate=[])
    assert gate(file.name) == 2
    assert (
        "experiment.yaml has no rules: add `gate: [{metric: ndcg@3, margin: 0.01}]`"
        in capsys.readouterr().err
    )
    gated.experiment(tmp_path)
    assert gate(file.name) == 3  # as `report` has it
    assert "There are no results in results/experiment" in capsys.readouterr().err


def test_a_damaged_baseline_is_told_and_never_accepted_away(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted(file)
    Path("results/baselines/experiment.json").write_text("{")
    assert gate(file) == 2
    said = capsys.readouterr().err
    assert "cannot be read as one baseline" in said
    assert "--accept" not in said
    assert gate(file, "--accept", "--reason", "r") == 2
    assert "cannot be read as one baseline" in capsys.readouterr().err
    for ending in ("csv", "json"):
        Path(f"results/baselines/experiment.{ending}").unlink()
    accepted(file)
    assert gate(file) == 0


def test_other_folders(file: str) -> None:
    assert gate(file, "--accept", "--reason", "r", "--baselines", "kept") == 0
    assert gate(file, "--baselines", "kept") == 0
    assert sorted(path.name for path in Path("kept").iterdir()) == [
        "experiment.csv",
        "experiment.json",
    ]


def test_a_real_run_is_judged_and_a_wrong_reranker_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = gated.experiment(tmp_path)
    assert main(["run", file.name]) == 0
    assert gate(file.name, "--accept", "--reason", "r") == 0
    assert gate(file.name) == 0
    capsys.readouterr()
    wrong = {"name": "second", "retriever": gated.OVERLAP, "reranker": {"use": "fakes:Reversed"}}
    gated.experiment(tmp_path, systems=[{"name": "first", "retriever": gated.OVERLAP}, wrong])
    assert gate(file.name) == 4
    said = " ".join(capsys.readouterr().out.split())
    changed = "(reranker.use: fakes:Oracle -> fakes:Reversed)"
    assert f"the file now asks for something else than was measured {changed}: run again" in said
    assert said.endswith("Run what has no result: python -m harness run experiment.yaml")
    assert main(["run", file.name]) == 0
    assert gate(file.name, "--markdown", "g.md") == 4  # four queries decide nothing
    assert "reranker.use | fakes:Oracle | fakes:Reversed" in Path("g.md").read_text()


def test_neither_torch_nor_ranx_nor_matplotlib_is_imported(file: str, tmp_path: Path) -> None:
    accepted(file)
    code = (
        "import sys; from harness.cli.commands import main\n"
        f"main(['gate', {file!r}, '--junit', 'g.xml', '--markdown', 'g.md'])\n"
        "sys.exit(', '.join({'torch', 'ranx', 'numba', 'matplotlib', 'transformers'} & "
        "set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )
    assert (done.stderr, done.returncode) == ("", 0)


def steps(content: Any) -> Iterator[str]:
    """Every command of a workflow file."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "run":
                yield from value.splitlines()
            elif key == "script":
                yield from value
            else:
                yield from steps(value)
    elif isinstance(content, list):
        for item in content:
            yield from steps(item)


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_workflow_files_call_what_there_is(name: str) -> None:
    text = (ROOT / "examples" / "ci" / name).read_text()
    content = yaml.safe_load(text)
    (experiment,) = re.findall(r"EXPERIMENT: (\S+)", text)
    assert (ROOT / experiment).exists()
    assert (ROOT / "results" / "baselines" / f"{Path(experiment).stem}.csv").exists()
    commands = [line.replace("$EXPERIMENT", experiment) for line in steps(content)]
    called = [line for line in commands if line.startswith("python -m harness")]
    found = [
        _parser().parse_args(shlex.split(line.partition("||")[0])[3:]).command for line in called
    ]
    assert [command.name for command in found] == ["run", "gate"]
    install = next(line for line in commands if "pip install" in line)
    assert "-c constraints.txt" in install
    assert re.search(r"optional-dependencies\].*^all = ", pyproject(), re.DOTALL | re.MULTILINE)
    assert "[all]" in install


def pyproject() -> str:
    return (ROOT / "pyproject.toml").read_text()


def test_the_projects_own_gate_covers_every_system_of_its_experiment() -> None:
    from harness.analysis.gate.baseline_files import read_baseline

    experiment = harness.load_experiment(ROOT / "experiments" / "smoke.yaml")
    baseline = read_baseline(ROOT / "results" / "baselines", "smoke")
    assert baseline is not None
    assert baseline.facts["rules"] == [rule.model_dump(mode="json") for rule in experiment.gate]
    counts = baseline.table.groupby("system").size()
    assert counts.to_dict() == {system.name: 100 for system in experiment.systems}


def test_suggested_commands_have_the_options_that_were_given(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move("results", "my results")
    shutil.move("my results/experiment", "my results/experiment-data")  # as run --dataset has it
    given = ["--results", "my results", "--dataset", "data", "--baselines", "kept"]
    assert gate(file, *given, "--junit", "g.xml") == 2
    accept = (
        "python -m harness gate experiment.yaml --results 'my results' --dataset data --accept "
        '--reason "..." --baselines kept'
    )
    assert f"run `{accept}` and" in capsys.readouterr().err
    assert gate(file, *given, "--accept", "--reason", "r") == 0
    changed = {"name": "second", "retriever": {"use": "fakes:WordOverlap", "salt": 1}}
    first = {"name": "first", "retriever": gated.OVERLAP}
    gated.experiment(Path(), systems=[first, changed])
    assert gate(file, *given) == 4
    run = "python -m harness run experiment.yaml --results 'my results' --dataset data"
    assert capsys.readouterr().out.endswith(f"Run what has no result:\n  {run}\n")
    assert gate(file, "--results", "none", "--weights", "dummy") == 3
    assert (
        "`python -m harness run experiment.yaml --results none --weights dummy` makes them"
        in capsys.readouterr().err
    )
