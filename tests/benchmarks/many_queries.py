"""What `report` and `gate` take for many systems and queries: seconds and peak memory.

    python tests/benchmarks/many_queries.py [SYSTEMS QUERIES [FOLDER]]

SYSTEMS (default: 20) systems on QUERIES (default: 7,000) queries of 100 hits are written as `run`
writes them: a first stage, and others that rerank its hits by scores of chance that favour what is
relevant. They are measured by ten metrics. Then each command runs in a process of its own. Printed
are the seconds of making that, and for each command its seconds (processor and wall) and its peak
resident set. With FOLDER what was made stays there, and is not made again.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

import gated
import numpy as np
from fakes import write_beir
from made_results import frame

from harness.analysis.gate.baseline_files import read_baseline, write_baseline
from harness.data import Hit, Qrels, Run
from harness.experiment.plan import Trial
from harness.ranking import ranked
from harness.results import derived_rankings, metrics
from harness.results.derived_rankings import Lengths
from harness.results.store import Store
from harness.results.trials import Measured, Ranked, Record

METRICS = ["ndcg@10", "ndcg@100", "mrr@10", "recall@10", "recall@100", "map@10", "map@100"]
METRICS += ["precision@10", "hit_rate@1", "hit_rate@10"]
DEPTH, JUDGED, TOP = 100, 4, 10
CORPUS = 1_000_000
VECTORS = ("vectors", CORPUS, CORPUS, 384, "float32", CORPUS * 1536, None, "")
WORDS = [f"word{i}" for i in range(1000)]


def main() -> None:
    """Make the results, then print a line for each command."""
    systems, queries = map(int, sys.argv[1:3] if sys.argv[2:] else (20, 7000))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[3] if sys.argv[3:] else temporary)
        if not (folder / "experiment.yaml").exists():
            begun = time.perf_counter()
            spawn = multiprocessing.get_context(
                "spawn"
            )  # a child's peak begins with this process's
            maker = spawn.Process(target=make, args=(folder, systems, queries))
            maker.start()
            maker.join()
            print(f"made in {time.perf_counter() - begun:.0f} s")
        taken = sum(file.stat().st_size for file in (folder / "results").rglob("*"))
        print(f"{systems} systems, {queries:,} queries, {taken / 1e6:,.0f} MB of results")
        accept = ["gate", "--accept", "--reason", "first"]
        for name, arguments in {"accept": accept, "unchanged": ["gate"]}.items():
            print(f"gate, {name:9} {_taken(folder, arguments)}")
        _move(folder / "baselines")
        print(f"gate, all moved {_taken(folder, ['gate'])}")
        print(f"report          {_taken(folder, ['report'])}")


def _taken(folder: Path, arguments: list[str]) -> str:
    """What one command takes."""
    name, *more = arguments
    given = [name, str(folder / "experiment.yaml"), *more, "--results", str(folder / "results")]
    given += ["--baselines", str(folder / "baselines")] * (name == "gate")
    begun = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "harness", *given],
        cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"},
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begun
    cpu = used.ru_utime + used.ru_stime
    return (
        f"{wall:6.1f} s wall, {cpu:6.1f} s processor, {used.ru_maxrss / 2**20:5.2f} GiB, "
        f"exit {os.waitstatus_to_exitcode(status)}"
    )


def _move(baselines: Path) -> None:
    """Have other values than the results' be accepted, so that every system is tested."""
    accepted = read_baseline(baselines, "experiment")
    assert accepted is not None
    chance = np.random.default_rng(3).normal(scale=0.1, size=len(accepted.table))
    moved = np.clip(accepted.table["value"] + chance, 0, 1).round(6)
    table = accepted.table.assign(value=moved)
    write_baseline(baselines, "experiment", replace(accepted, table=table))


def make(folder: Path, systems: int, queries: int) -> None:
    """An experiment and its results below `folder`."""
    rng = np.random.default_rng(0)
    names = [f"q{i}" for i in range(queries)]
    candidates = {name: _candidates(rng) for name in names}
    qrels = {name: _judged(rng, candidates[name]) for name in names}
    folder.mkdir(parents=True, exist_ok=True)
    write_beir(
        folder / "data", {"d1": "a"}, dict.fromkeys(names, "a"), {name: {"d1": 1} for name in names}
    )
    first = {"use": "fakes:WordOverlap"}
    rerankers = [{"use": "fakes:Constant", "value": float(i)} for i in range(1, systems)]
    content = [{"name": "first", "retriever": first}]
    content += [
        {"name": f"system-{i}", "retriever": first, "reranker": reranker}
        for i, reranker in enumerate(rerankers, start=1)
    ]
    rule = {"metric": METRICS[0], "margin": 0.01}
    file = gated.experiment(folder, systems=content, metrics=METRICS, gate=[rule])
    plan = gated.loaded(file)
    store = Store(folder / "results", plan.experiment.name)
    store.save_plan(plan)
    for trial in plan.trials:
        reranks = len(trial.stages) > 1
        run = _reranked(rng, candidates, qrels) if reranks else candidates
        store.save(trial, _record(trial, run, candidates, qrels))


def _candidates(rng: np.random.Generator) -> list[Hit]:
    docs = rng.choice(CORPUS, size=DEPTH, replace=False).tolist()
    scores = rng.normal(size=DEPTH).tolist()
    return ranked(Hit(f"D{doc:07}", score) for doc, score in zip(docs, scores, strict=True))


def _judged(rng: np.random.Generator, hits: list[Hit]) -> dict[str, int]:
    """Some of the hits, and a document that was not found; the first are relevant."""
    places = rng.choice(DEPTH, size=JUDGED, replace=False).tolist()
    grades = dict(zip((hits[place].doc_id for place in places), (2, 1, 0, 0), strict=True))
    return {**grades, "Dmissed": 1}


def _reranked(rng: np.random.Generator, candidates: Run, qrels: Qrels) -> Run:
    strength, run = rng.uniform(1, 3), {}
    for name, hits in candidates.items():
        scores = rng.normal(size=len(hits)).tolist()
        given = zip(hits, scores, strict=True)
        run[name] = ranked(
            Hit(hit.doc_id, score + strength * qrels[name].get(hit.doc_id, 0))
            for hit, score in given
        )
    return run


def _record(trial: Trial, run: Run, candidates: Run, qrels: Qrels) -> Record:
    reranks = len(trial.stages) > 1
    name = trial.dataset.name, trial.system.name
    before = (candidates, _lengths(run)) if reranks else (None, None)
    readings = derived_rankings.readings(run, before[0], qrels, METRICS, DEPTH, before[1])
    return Record(
        Ranked(run, *before),
        Measured(metrics.measurements(run, qrels, METRICS), readings, qrels),
        timings=frame("timings"),
        storage=frame("storage", [(*name, "retriever", *VECTORS)]),
        texts=dict(_texts(run)),
        facts=gated._facts(trial, {}, len(qrels)),
    )


def _lengths(run: Run) -> Lengths:
    docs = sorted({hit.doc_id for hits in run.values() for hit in hits})
    tokens = np.random.default_rng(1).integers(10, 300, len(docs)).tolist()
    asked, room = dict.fromkeys(run, 9), dict.fromkeys(run, 256)
    return Lengths(dict(zip(docs, tokens, strict=True)), room, asked, dict.fromkeys(run, 32))


def _texts(run: Run) -> Iterator[tuple[str, str]]:
    """Texts of 40 words."""
    rng = np.random.default_rng(2)
    yield from ((f"query {name}", f"text of {name}") for name in run)
    for doc_id in sorted({hit.doc_id for hits in run.values() for hit in hits[:TOP]}):
        yield (
            f"doc {doc_id}",
            " ".join(map(WORDS.__getitem__, rng.integers(1000, size=40).tolist())),
        )


if __name__ == "__main__":
    main()
