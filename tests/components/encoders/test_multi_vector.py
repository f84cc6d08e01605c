"""The late interaction of sentence-transformers 6: what is refused where an older one is installed.

What it computes is compared with pylate in tests/servers/test_real_libraries.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import write_experiment

from harness.cli import commands, exits
from harness.components import registry, requirements
from harness.components.encoders.multi_vector import MultiVector
from harness.errors import ModelError, PackageError


@pytest.mark.parametrize(
    ("need", "lack"),
    [
        ("numpy", None),
        ("numpy>=1", None),
        ("numpy>=999.1", "2."),
        ("no_such_package", ""),
        ("no_such_package>=6", ""),
        ("fakes>=6", None),  # it has no metadata
    ],
)
def test_what_is_lacking(need: str, lack: str | None) -> None:
    found = requirements.lack(need)
    assert found == lack or (found or "").startswith(lack or "no")


@pytest.mark.parametrize(
    ("here", "lacks"),
    [("5.3.0", True), ("5.99", True), ("6.0.0", False), ("6.0.0rc1", False), ("10.1", False)],
)
def test_versions_are_compared_as_numbers(
    here: str, lacks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _name: here)
    assert requirements.lack("numpy>=6") == (here if lacks else None)


OLD = "5.3.0"


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _name: OLD)


@pytest.mark.usefixtures("old")
def test_an_older_version_is_named_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reranker: Any = {"use": "late_interaction", "encoder": {"use": "multi_vector", "model": "x/y"}}
    system = {"name": "late", "retriever": {"use": "fakes:WordOverlap"}, "reranker": reranker}
    file = write_experiment(tmp_path, systems=[system])
    results = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    assert commands.main(["run", str(file), *results]) == exits.MEND
    assert capsys.readouterr().err == (
        f"harness: Not installed: sentence_transformers>=6 (for multi_vector; {OLD} is here). Other "
        "packages of this project exclude it: in an environment of its own say pip install "
        "'.[multi-vector]'\n"
    )
    assert not (tmp_path / "results").exists()


@pytest.mark.usefixtures("old")
def test_version_is_asked_of_a_component_that_needs_one() -> None:
    with pytest.raises(PackageError, match=f"{OLD} is here"):
        registry.require_packages([MultiVector("x/y")])


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("google-bert/bert", "google-bert/bert.*no token projection"),
        ("sentence-transformers/minilm", "minilm.*would add a random layer"),
        ("dummy:colbert-ir/colbertv2.0", "no model with random weights. Say `use: pylate`"),
    ],
)
def test_model_without_a_trained_projection_is_refused(model: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        MultiVector(model).identity()


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("model", ["colbert-ir/colbertv2.0", "lightonai/colbert"])
def test_checkpoints_of_stanford_and_pylate_are_known(model: str) -> None:
    assert MultiVector(model).identity()["model"].startswith(model)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        MultiVector("x/y", batch_size=0)
    with pytest.raises(ValueError, match="pin its revision"):
        MultiVector("x/y", trust_remote_code=True)
