"""Editors check files by the schema: what is read fits it, and what is refused for its form does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from harness.experiment.json_schema import json_schema
from harness.files.yaml_lines import yaml_document

FOLDER = Path(__file__).parents[2] / "experiments"
FILES = sorted(FOLDER.glob("*.yaml"))
VALID = {of: jsonschema_rs.validator_for(json_schema(of)) for of in ("experiment", "claims")}


def plain(value: Any) -> Any:
    """As JSON has it: lists in the place of tuples."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_our_files_fit(file: Path) -> None:
    of = "claims" if file.stem == "claims" else "experiment"
    value = plain(yaml_document(file).value)
    assert [str(error) for error in VALID[of].iter_errors(value)] == []


RIGHT: dict[str, Any] = {
    "question": "q",
    "datasets": [{"use": "files", "path": "d", "name": "d"}],
    "systems": [{"name": "a", "retriever": {"use": "bm25"}}],
}
DENSE = {"use": "dense", "encoder": {"use": "own:Encoder", "size": 3}}


def test_what_is_elsewhere_is_open() -> None:
    assert VALID["experiment"].is_valid(RIGHT)
    assert VALID["experiment"].is_valid(RIGHT | {"systems": [{"name": "a", "retriever": DENSE}]})


@pytest.mark.parametrize(
    "wrong",
    [
        {"question": 3},
        {"metricks": ["ndcg@10"]},
        {"depth": {"retrieve": 0}},
        {"seed": "x"},
        {"latency": {"rounds": 3}},
        {"latency": {"devices": ["tpu"]}},
        {"decision": {"requirements": {"p95_ms": {"cpu": 0}}}},
        {"gate": [{"metric": "ndcg@10", "marign": 1}]},
        {"datasets": [{"use": "filez"}]},
        {"datasets": [{"use": "files", "path": "d", "splitt": "dev"}]},
        {"datasets": [{"use": "irds"}]},
        {"datasets": []},
        {"systems": [{"name": "a", "retriever": {"use": "bm25", "k1": "high"}}]},
        {"systems": [{"name": "a", "retriever": {"use": "dense", "encoder": {"use": "bm25"}}}]},
        {"systems": [{"name": "a", "retriever": {"use": "bm25"}, "colour": "red"}]},
        {"systems": [{"name": "a"}]},
    ],
)
def test_what_is_wrong_does_not_fit(wrong: dict[str, Any]) -> None:
    assert not VALID["experiment"].is_valid(RIGHT | wrong)


CLAIM = {"id": "Q1", "says": "s", "source": "s", "expected": {"near": 1}}


@pytest.mark.parametrize(
    ("evidence", "fits"),
    [
        ({"arithmetic": "1 + 1"}, True),
        ({}, False),
        ({"arithmetic": "1", "catalogue": {"model": "m", "fact": "parameters"}}, False),
    ],
)
def test_a_claim_has_one_kind_of_evidence(evidence: dict[str, Any], fits: bool) -> None:
    assert VALID["claims"].is_valid({"claims": [CLAIM | evidence]}) == fits


def test_fields_say_what_they_are() -> None:
    found = json_schema("experiment")
    assert found["properties"]["baseline"]["description"].startswith("The system that the others")
    server = found["$defs"]["rerankers.endpoint"]["properties"]
    assert server["url"]["description"].startswith("Where it is, with any prefix")
    assert server["retries"]["default"] == 5
