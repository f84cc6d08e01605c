"""`claims` on the command line, and an experiment that names its claims."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes import write_experiment

from harness.cli.commands import main
from harness.errors import ConfigError
from harness.experiment.reading import load_experiment
from harness.results.store import load_results

ROOT = Path(__file__).parents[2]
OURS = ROOT / "experiments" / "claims.yaml"
BEATS = {"experiment": "experiment", "system": "oracle", "against": "overlap", "metric": "ndcg@3"}


def write_claims(folder: Path, **quality: Any) -> Path:
    claim = {"id": "Q1", "says": "Knowing helps.", "source": "us", "quality": BEATS | quality}
    claim["expected"] = {"at_least": 0}
    sums = {"id": "A1", "says": "Two.", "source": "us", "arithmetic": "1 + 1"}
    sums["expected"] = {"equals": 3}
    file = folder / "claims.yaml"
    content = {"experiments": ["experiment"], "claims": [claim, sums]}
    file.write_text(yaml.safe_dump(content))
    return file


def test_claims_from_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment = write_experiment(tmp_path, claims="claims.yaml")
    file = write_claims(tmp_path)
    assert main(["claims", str(file), "--results", "r"]) == 0
    said = capsys.readouterr().out
    assert "Q1    not measured: no results of experiment: `python -m harness run" in said
    assert "A1    contradicted: 1 + 1 = 2.000; claimed: equal to 3.\n" in said
    assert main(["run", str(experiment), "--results", "r", "--json"]) == 0
    assert load_results("r/experiment").plan["claims"] == str(file)
    assert "Knowing helps." in (tmp_path / "r/experiment/report.html").read_text()
    capsys.readouterr()
    assert main(["claims", str(file), "--results", "r", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    first = found["claims"][0]
    # three queries bound nothing
    assert (first["id"], first["verdict"]) == ("Q1", "not distinguishable")
    assert first["value"] == 0
    assert first["low"] is None
    assert found["counts"]["contradicted"] == 1


def test_a_faulty_file_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = write_experiment(tmp_path, claims="claims.yaml")
    file = write_claims(tmp_path, metrik="ndcg@3")
    assert main(["claims", str(file)]) == 2
    told = "claims[0].quality.metrik: unknown key; did you mean 'metric'?"
    assert told in capsys.readouterr().err
    with pytest.raises(ConfigError) as caught:
        load_experiment(experiment)
    assert told in str(caught.value)
    file.unlink()
    with pytest.raises(ConfigError, match=r"claims: .*claims\.yaml cannot be read"):
        load_experiment(experiment)
    write_experiment(tmp_path, claims=3)
    with pytest.raises(ConfigError, match="claims: input should be a valid string, not 3"):
        load_experiment(experiment)


def test_our_claims_fit_a_terminal_and_need_no_model_library() -> None:
    code = (
        "from harness.cli.commands import main; import sys\n"
        f"main(['claims', {str(OURS)!r}, '--results', 'none'])\n"
        "sys.exit(int(bool({'torch', 'ranx', 'matplotlib', 'scipy'} & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert (done.stderr, done.returncode) == ("", 0)
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 79
    assert all(line.startswith("      ") or line[:1] in "MQLSER" for line in lines[:-3] if line)
    assert "not measured" in lines[-1]


def test_claims_are_no_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(OURS)]) == 2
    said = capsys.readouterr().err
    assert "the key 'question' is missing" in said
    assert max(map(len, said.splitlines())) < 600  # long values are cut


def test_bounds_that_are_not_known_are_none_in_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = write_claims(tmp_path)
    (tmp_path / "experiment.yaml").touch()
    assert main(["claims", str(file), "--results", str(tmp_path), "--json"]) == 0
    missing, sums = json.loads(capsys.readouterr().out)["claims"]
    assert (missing["value"], missing["low"], missing["high"]) == (None, None, None)
    assert (sums["value"], sums["low"], sums["high"]) == (2, 2, 2)
    assert sums["expected"] == "equal to 3"
