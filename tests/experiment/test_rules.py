from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import write_experiment

from harness.errors import ConfigError
from harness.experiment.reading import load_experiment
from harness.experiment.rules import LatencyRule, QualityRule

QUALITY = {"metric": "ndcg@3", "margin": 0.01}
LATENCY = {"latency": 1.1, "to": "overlap", "k": 10}
TIMED = {"latency": {"candidates": [10]}}


def test_rules_as_written(tmp_path: Path) -> None:
    rules = [{**QUALITY, "systems": ["oracle"]}, LATENCY]
    found = load_experiment(write_experiment(tmp_path, gate=rules, **TIMED)).gate
    assert found == (
        QualityRule(metric="ndcg@3", margin=0.01, systems=("oracle",)),
        LatencyRule(latency=1.1, to="overlap", k=10, device="cpu"),
    )
    assert load_experiment(write_experiment(tmp_path)).gate == ()


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ({"metric": "x"}, "gate: expected a list, not {'metric': 'x'}"),
        ([3], "gate[0]: expected keys systems, datasets, metric, margin, not 3"),
        ([{**QUALITY, "metric": "ndcg@10"}], "gate[0].metric: 'ndcg@10' is not a metric of this"),
        ([{**QUALITY, "metric": "ndcg@10"}], "did you mean 'ndcg@3'?"),
        ([{**QUALITY, "metric": "ties@3"}], "ties@3 does not measure quality"),
        ([{**QUALITY, "margin": 0}], "gate[0].margin: input should be greater than 0, not 0"),
        ([{**QUALITY, "margin": "1%"}], "gate[0].margin: input should be a valid number"),
        ([{"metric": "ndcg@3"}], "gate[0]: the key 'margin' is missing"),
        ([{**QUALITY, "marign": 1}], "gate[0].marign: unknown key; did you mean 'margin'?"),
        ([{**QUALITY, "systems": ["orakle"]}], "did you mean 'oracle'?"),
        ([{**QUALITY, "datasets": ["dta"]}], "gate[0].datasets: 'dta' is not a dataset"),
        ([QUALITY, QUALITY], "gate[1]: another rule judges the same for overlap on data"),
        (
            [QUALITY, {**QUALITY, "systems": ["oracle"]}],
            "gate[1]: another rule judges the same for oracle on data: keep one of them",
        ),
        ([{**LATENCY, "latency": 1.03}], "gate[0].latency: input should be greater than 1.03"),
        ([{**LATENCY, "to": "nothing"}], "gate[0].to: 'nothing' is not a system"),
        ([{**LATENCY, "k": 7}], "gate[0].k: 7 is not measured; the `latency:` block has 10"),
        ([{**LATENCY, "device": "cuda"}], "gate[0].device: cuda is not measured"),
    ],
)
def test_faults(tmp_path: Path, rules: Any, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(write_experiment(tmp_path, gate=rules, **TIMED))
    assert fault in str(caught.value)


def test_latency_that_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it has no `latency:` block"):
        load_experiment(write_experiment(tmp_path, gate=[LATENCY]))


def test_disjoint_rules_on_one_metric(tmp_path: Path) -> None:
    rules = [
        {**QUALITY, "systems": ["oracle"]},
        {**QUALITY, "margin": 0.1, "systems": ["overlap"]},
    ]
    assert len(load_experiment(write_experiment(tmp_path, gate=rules)).gate) == 2


def test_datasets_in_place_of_the_files_are_not_checked(tmp_path: Path) -> None:
    file = write_experiment(tmp_path, gate=[{**QUALITY, "datasets": ["data"]}])
    (rule,) = load_experiment(file, [{"use": "pydoc"}]).gate
    assert rule.covers("data", "oracle")
    assert not rule.covers("pydoc", "oracle")
