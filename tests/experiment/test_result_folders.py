"""What a run is given beside its file decides where its results lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import DOCS, write_beir, write_experiment

from harness.cli.commands import main
from harness.experiment.quick import quickened
from harness.experiment.reading import load_experiment
from harness.experiment.result_folders import BESIDE, Weights, found_in, results_name


@pytest.mark.parametrize(
    ("weights", "datasets", "quick", "name"),
    [
        ("real", (), False, "e"),
        ("dummy", (), False, "e-dummy"),
        ("real", (), True, "e-quick"),
        ("real", ("beir/scifact/test",), False, "e-beir-scifact-test"),
        ("dummy", ("a", "b"), True, "e-dummy-a-b-quick"),
    ],
)
def test_the_name_tells_what_was_given(
    weights: Weights, datasets: tuple[str, ...], quick: bool, name: str
) -> None:
    assert results_name(Path("x/e.yaml"), weights, datasets, quick=quick) == name


def test_an_experiment_knows_its_place(tmp_path: Path) -> None:
    file = write_experiment(tmp_path)
    other = [{"use": "files", "path": str(tmp_path / "data"), "name": "mine"}]
    assert load_experiment(file).name == "experiment"
    assert load_experiment(file, other).name == "experiment-mine"
    assert quickened(load_experiment(file, other)).name == "experiment-mine-quick"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with experiment.yaml, which was run, and another dataset."""
    write_experiment(tmp_path, gate=[{"metric": "ndcg@3", "margin": 0.01}])
    write_beir(tmp_path / "other", docs={**DOCS, "d6": "red apple pie"})
    monkeypatch.chdir(tmp_path)
    assert main(["run", "experiment.yaml"]) == 0
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file): file.read_bytes() for file in files}


def test_what_lies_beside_the_folders_of_datasets_is_known(folder: Path) -> None:
    there = {path.name for path in (folder / "results" / "experiment").iterdir()}
    assert {name for name in there if not name.startswith(".")} - {"data"} <= BESIDE


GIVEN = [
    (["--quick"], "experiment-quick"),
    (["--dataset", "other"], "experiment-other"),
    (["--dataset", "{use: files, path: other, name: mine}", "--quick"], "experiment-mine-quick"),
]


@pytest.mark.parametrize(("options", "place"), GIVEN)
def test_another_run_leaves_the_full_one_alone(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], place: str
) -> None:
    before = contents(folder / "results" / "experiment")
    assert main(["run", "experiment.yaml", *options]) == 0
    assert contents(folder / "results" / "experiment") == before
    for command in ("report", "plan"):
        assert main([command, "experiment.yaml", *options]) == 0
    assert f"Report: results/{place}/report.html" in capsys.readouterr().out
    out = str(folder / "out")
    assert main(["export", "experiment.yaml", *options, out]) == 0
    assert main(["gate", "experiment.yaml", *options, "--accept", "--reason", "r"]) == 0
    assert (folder / "results" / "baselines" / f"{place}.csv").exists()
    assert not (folder / "results" / "baselines" / "experiment.csv").exists()
    assert main(["gate", "experiment.yaml", *options]) == 0
    assert contents(folder / "results" / "experiment") == before


def test_a_query_is_shown_of_the_run_that_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in ([], ["--dataset", "other"], ["--quick"]):
        assert main(["run", "experiment.yaml", *options]) == 0
    capsys.readouterr()

    def why(*options: str) -> str:
        assert main(["why", "experiment.yaml", "q1", *options]) == 0
        return capsys.readouterr().out

    assert "d6" not in why()
    assert why("--dataset", "data") == why() == why("--quick")
    for same in ("other", "./other/", str(folder / "other"), "{use: files, path: other}"):
        assert "d6" in why("--dataset", same)
    assert (folder / "results" / "experiment-other").is_dir()


def test_claims_find_the_run_of_another_dataset(tmp_path: Path) -> None:
    for name in ("a", "b-mine", "b-other", "c-dummy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plan.json").write_text("{}")
    given: dict[tuple[str, Any], Path] = found_in(tmp_path, ["a", "b", "c"], ["other", "mine"])
    assert given == {
        ("a", "real"): tmp_path / "a",
        ("b", "real"): tmp_path / "b-other",
        ("c", "dummy"): tmp_path / "c-dummy",
    }
    assert set(found_in(tmp_path, ["a", "b", "c"], [])) == {("a", "real"), ("c", "dummy")}
