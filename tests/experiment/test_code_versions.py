"""Keys follow the code and the packages that compute, and nothing else of them."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import component_digests
import literal
import pytest
from fakes import write_experiment

from harness.analysis.quality.alarms import alarms
from harness.cli.run_summary import as_text
from harness.components.rerankers.late_interaction import LateInteraction
from harness.execution.execute import Execution
from harness.experiment import code_versions
from harness.experiment.decision_terms import Decision
from harness.experiment.plan import Plan, make_plan
from harness.experiment.reading import load_experiment
from harness.report.analyse import analyse
from harness.results.store import Store, load_results

OUTSIDE = '''"""Mine."""
from dataclasses import dataclass
from harness.data import Doc
from {helper} import weight

@dataclass(frozen=True)
class Mine:
    """Scores."""
    bias: float = 0.0
    """Added."""

    def score(self, query, docs):
        return [{sign}weight(doc) + self.bias for doc in docs]  # a comment
'''
HELPER = '"""Help."""\ndef weight(doc):\n    return float(len(doc.text))\n'


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a component `mine:Mine` and a module that it imports."""
    (tmp_path / "mine.py").write_text(OUTSIDE.format(helper="mine_helper", sign=""))
    (tmp_path / "mine_helper.py").write_text(HELPER)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("mine", "mine_helper", "pack", "pack.mine"):
        sys.modules.pop(name, None)


def planned(folder: Path, reranker: str = "mine:Mine") -> Plan:
    for name in ("mine", "mine_helper"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    system = {"name": "a", "retriever": {"use": "fakes:WordOverlap"}, "reranker": {"use": reranker}}
    return make_plan(load_experiment(write_experiment(folder, systems=[system])))


def key(folder: Path, reranker: str = "mine:Mine") -> str:
    (trial,) = planned(folder, reranker).trials
    return trial.key


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine.py", "[weight", "[-weight"),
        ("mine.py", "bias: float = 0.0", "bias: float = 0"),
        ("mine_helper.py", "len(doc.text)", "len(doc.doc_id)"),
    ],
)
def test_an_edited_component_from_outside_is_another(
    mine: Path, file: str, old: str, new: str
) -> None:
    before = key(mine)
    edit(mine / file, old, new)
    assert key(mine) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine.py", "  # a comment", ""),
        ("mine.py", '"""Scores."""', '"""Scores documents."""'),
        ("mine.py", '"""Added."""', '"""Added to all."""'),
        ("mine_helper.py", "def weight(doc):\n", "def weight(\n    doc,\n):\n\n"),
    ],
)
def test_words_and_layout_are_not_code(mine: Path, file: str, old: str, new: str) -> None:
    before = key(mine)
    edit(mine / file, old, new)
    assert key(mine) == before


def test_a_relative_import_is_followed(mine: Path) -> None:
    (mine / "pack").mkdir()
    (mine / "pack" / "__init__.py").write_text("")
    (mine / "pack" / "mine.py").write_text(OUTSIDE.format(helper=".helper", sign=""))
    (mine / "pack" / "helper.py").write_text(HELPER)
    before = key(mine, "pack.mine:Mine")
    (mine / "unrelated.py").write_text("x = 1\n")
    assert key(mine, "pack.mine:Mine") == before
    edit(mine / "pack" / "helper.py", "len(doc.text)", "1")
    assert key(mine, "pack.mine:Mine") != before


def test_an_edited_component_is_run_again(mine: Path) -> None:
    def scores() -> list[float]:
        plan = planned(mine)
        store = Store(mine / "results", "experiment")
        Execution(plan, store, mine / "cache", lambda *_: None).execute()
        run = load_results(store.folder).run("data", "a")
        return [hit.score for hit in run["q1"]]

    assert max(scores()) == 16  # "green apple tart"
    edit(mine / "mine.py", "[weight", "[-weight")
    assert max(scores()) == -9  # "red apple"


def test_every_module_has_the_version_of_its_code() -> None:
    """Where this fails, a module has changed: see `component_digests`."""
    stored = json.loads(code_versions.VERSIONS.read_text(encoding="utf-8"))
    told = component_digests.table()
    changed = sorted(name for name in told if stored.get(name) != told[name])
    assert (changed, sorted(stored.keys() - told.keys())) == ([], []), component_digests.__doc__


def test_a_version_that_was_raised_reaches_all_that_lean_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = code_versions.of_class(LateInteraction)
    table = {name: dict(entry) for name, entry in code_versions._table().items()}
    table["harness.components.vectors.maxsim"]["version"] = 2
    monkeypatch.setattr(code_versions, "_table", lambda: table)
    after = code_versions.of_class(LateInteraction)
    assert {name for name in after if after[name] != before[name]} == {
        "harness.components.vectors.maxsim"
    }
    assert "harness.components.vectors.maxsim" not in code_versions.versions(
        "harness.components.rerankers.cross_encoder"
    )


def test_a_module_of_ours_without_a_version_is_told_by_its_source() -> None:
    (digest,) = code_versions.versions("harness.errors").values()
    assert len(digest) == 64


@pytest.mark.parametrize(
    ("version", "release"),
    [("5.3.0", "5.3"), ("2.11.0+cpu", "2.11"), ("0.22.2", "0.22"), ("3", "3")],
)
def test_a_release_leaves_fixes_out(version: str, release: str) -> None:
    assert code_versions.release(version) == release


def bm25(folder: Path) -> Plan:
    systems = [{"name": "bm25", "retriever": {"use": "bm25"}}]
    return make_plan(load_experiment(write_experiment(folder, systems=systems)))


@pytest.mark.parametrize(
    ("package", "version", "same"),
    [("bm25s", "9.9.9", False), ("PyStemmer", "9.9", False), ("torch", "9.9", True)],
)
def test_a_release_of_what_decides_scores_is_in_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, version: str, same: bool
) -> None:
    (before,) = bm25(tmp_path).trials
    known = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: version if name == package else known(name)
    )
    (after,) = bm25(tmp_path).trials
    assert (after.key == before.key) == same


def test_sentence_transformers_brings_what_it_runs_on() -> None:
    found = code_versions.packages(["torch", "sentence_transformers>=6", "httpx"])
    assert sorted(found) == ["sentence-transformers", "tokenizers", "torch", "transformers"]


def test_metrics_of_other_code_are_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_experiment(tmp_path)
    plan, store = make_plan(load_experiment(file)), Store(tmp_path / "results", "experiment")
    Execution(plan, store, tmp_path / "cache", lambda *_: None).execute()
    assert store.pending(plan) == []
    table = {name: dict(entry) for name, entry in code_versions._table().items()}
    table["harness.results.metrics"]["version"] += 1
    monkeypatch.setattr(code_versions, "_table", lambda: table)
    assert [trial.system.name for trial in store.pending(plan)] == ["overlap", "oracle"]
    Execution(plan, store, tmp_path / "cache", lambda *_: None).execute()
    assert store.pending(plan) == []


def with_tokenizers(*versions: str | None, at_the_end: str = "0.22.2") -> Any:
    """Two systems, the tokenizers whose stages were made with these versions."""
    results = literal.literal({"base": [0.5] * 20, "other": [0.6] * 20})
    facts = {}
    for (name, told), version in zip(results.facts.items(), versions, strict=True):
        packages = {"tokenizers": version} if version else {}
        stages = [{**told["stages"][0], "packages": packages}]
        known = {**told["provenance"], "packages": {"tokenizers": at_the_end, "unused": "1"}}
        facts[name] = {**told, "stages": stages, "provenance": known}
    return dataclasses.replace(results, facts=facts)


@pytest.mark.parametrize(
    ("versions", "systems"),
    [
        (("0.22.2", "0.22.2"), []),
        ((None, "0.22.2"), []),
        (("0.22.1", "0.22.2"), ["base", "other"]),  # the first was made before it was measured
        (("0.22.2", "0.22.1"), ["other"]),
    ],
)
def test_other_fixes_inside_a_report_are_an_alarm(
    versions: tuple[str | None, ...], systems: list[str]
) -> None:
    table = alarms(with_tokenizers(*versions)).query("alarm == 'other packages'")
    assert sorted(table["system"]) == systems
    assert set(table["severity"]) <= {"CAUTION"}
    assert all("tokenizers 0.22" in said for said in table["evidence"])


def test_other_packages_are_told_before_the_decision_and_in_it() -> None:
    analysis = analyse(with_tokenizers("0.22.2", "0.22.1"))
    assert any(
        "Other packages: " in reason and "(other on x)" in reason
        for reason in analysis.decision.reasons
    )

    class Executed:
        class plan:  # noqa: N801 - as Execution has it
            class experiment:  # noqa: N801
                metrics = ("ndcg@1",)
                decision = Decision()
                left_out: ClassVar[dict[str, str]] = {}

        failures: ClassVar[dict[tuple[str, str], str]] = {}

    told = " ".join(as_text(analysis, Executed(), {"other": 1.0}, Path("r")).split())  # type: ignore[arg-type]
    assert told.index("tokenizers 0.22.1 and 0.22.2") < told.index("Decision: ")
