"""An experiment on two nodes: the bytes of one process, also where a node dies on the way."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import fakes
import pytest
from commands import environment, one_line, shell
from two_nodes import TwoNodes, two_nodes

from harness.cli import exits
from harness.pipeline.vector_store import VectorStore, keyed

pytest.importorskip("ray")

DENSE = {"use": "dense", "encoder": {"use": "fakes:SlowEncoder"}}
LATE = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}}
WORDS = {"use": "fakes:WordOverlap"}
SYSTEMS = [
    {"name": "dense", "retriever": DENSE},
    {"name": "slow", "retriever": DENSE, "reranker": {"use": "fakes:Slow"}},
    {"name": "late", "retriever": WORDS, "reranker": LATE},
    {"name": "bad", "retriever": WORDS, "reranker": {"use": "fakes:Raising"}},
]
TIMED = ("timings.csv", "grid.csv", "B2SUMS", "report.md", "report.html", "decision.md")


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    with two_nodes() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment on 1,500 texts, and its results by one process."""
    here = tmp_path_factory.mktemp("ray")
    docs = {f"d{i}": f"{'word ' * (i % 4)}w{i % 97} v{i % 101} {i}" for i in range(1500)}
    queries = {f"q{i}": f"w{i} v{i}" for i in range(40)}
    qrels = {name: {f"d{i * 5}": 1} for i, name in enumerate(queries)}
    fakes.write_beir(here / "data", docs, queries, qrels)
    storage = {"documents": 20, "plaid_nbits": []}
    fakes.write_experiment(
        here, systems=SYSTEMS, depth={"retrieve": 20, "rerank": 20}, storage=storage
    )
    assert process(here, "one").wait() == exits.FAILED
    return here


def process(folder: Path, to: str, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "harness", "run", "experiment.yaml", *options]
    command += ["--results", f"{to}/results", "--cache", f"{to}/cache"]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment(OMP_NUM_THREADS="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def contents(folder: Path) -> Mapping[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in TIMED and file.suffix != ".svg"
    }


def vectors(folder: Path) -> Mapping[tuple[str, str], bytes]:
    """By store and text what is stored of it, wherever in the store it stands."""
    lines = [(folder.parents[2] / f"data/{name}.jsonl") for name in ("corpus", "queries")]
    texts = [json.loads(line)["text"] for file in lines for line in file.read_text().splitlines()]
    found = {}
    for store in sorted(folder.glob("*/*")):
        there = VectorStore(store)
        known = [t for t, no in zip(texts, there.lacks(keyed(texts).keys), strict=True) if not no]
        matrices = there.get(keyed(known).keys)
        name = store.relative_to(folder).as_posix()
        found |= {(name, t): m.tobytes() for t, m in zip(known, matrices, strict=True)}
    return found


def wait_for(seen: Callable[[], Any], running: subprocess.Popen[bytes]) -> None:
    while not seen():
        assert running.poll() is None
        time.sleep(0.05)


def test_two_nodes_make_what_one_process_makes(folder: Path, nodes: TwoNodes) -> None:
    """Vectors and results to the byte; what fails is told, and the rest goes on."""
    done = shell(
        f"$H run experiment.yaml --results two/results --cache two/cache --executor ray "
        f"--address {nodes.address}",
        folder,
        OMP_NUM_THREADS="1",
    )
    assert done.returncode == exits.FAILED
    assert "FAILED bad on data: RuntimeError: no score for 'w0 v0' of" in done.stdout
    assert "waiting for nodes" in done.stdout
    begun = re.findall(r"^stage (\d+) of (\d+) \(.* left", done.stderr, re.MULTILINE)
    assert [int(number) for number, _ in begun] == list(range(1, int(begun[0][1]) + 1))
    assert contents(folder / "two" / "results") == contents(folder / "one" / "results")
    assert vectors(folder / "two/cache/vectors") == vectors(folder / "one/cache/vectors")
    assert not list(folder.rglob(".probe-*"))
    assert not list((folder / "two" / "cache").rglob("*.partial"))


@pytest.mark.slow
def test_a_node_that_dies_loses_only_what_it_was_at(folder: Path, nodes: TwoNodes) -> None:
    running = process(folder, "three", "--executor", "ray", "--address", nodes.address)
    runs, stored = folder / "three/cache/runs", folder / "three/cache/vectors"
    wait_for(lambda: list(stored.glob("*/encode_docs/*.parts")), running)
    nodes.kill_last()
    nodes.add()
    wait_for(lambda: len(list(runs.glob("*-of-2.partial"))) == 2, running)
    nodes.kill_last()
    nodes.add()
    assert running.wait() == exits.FAILED
    assert contents(folder / "three" / "results") == contents(folder / "one" / "results")
    assert vectors(folder / "three/cache/vectors") == vectors(folder / "one/cache/vectors")


@pytest.mark.slow
def test_a_signal_ends_it_by_its_code_and_the_next_run_goes_on(
    folder: Path, nodes: TwoNodes
) -> None:
    options = ("--executor", "ray", "--address", nodes.address)
    running = process(folder, "four", *options)
    wait_for(lambda: list(folder.glob("four/cache/vectors/*/encode_docs/*.parts")), running)
    running.terminate()
    assert running.wait() == 143
    assert process(folder, "four", *options).wait() == exits.FAILED
    assert contents(folder / "four" / "results") == contents(folder / "one" / "results")


def test_no_cluster_is_said_in_one_line(tmp_path: Path) -> None:
    fakes.write_experiment(tmp_path, executor={"use": "ray", "address": "127.0.0.1:1"})
    done = shell("$H run experiment.yaml", tmp_path)
    assert done.returncode == exits.MEND
    assert one_line(done.stderr)
    assert "No Ray cluster at '127.0.0.1:1' can be used" in done.stderr
