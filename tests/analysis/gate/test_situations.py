"""What the gate says in the situations that a team meets: exit code and first line of each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from harness.cli.commands import main

QUERIES = 24
DOCS = {f"d{i}": f"w{i} v{i % 4} u{i % 6} t{i % 9}" for i in range(QUERIES)}
TEXTS = {f"q{i}": f"v{i % 4} u{i % 6} t{i % 9} w{i}" for i in range(QUERIES)}
QRELS = {f"q{i}": {f"d{i}": 1, f"d{(i + 1) % QUERIES}": 0} for i in range(QUERIES)}
"""The word that only the relevant document shares with its query stands first there."""


@dataclass(frozen=True)
class Words(fakes.GaussianTokenEncoder):
    """Token vectors of a text's last words."""

    length: int = 4

    def encode(self, texts: Sequence[str], side: str) -> list[NDArray[np.float32]]:
        if side == "doc":
            texts = [" ".join(text.split()[-self.length :]) for text in texts]
        return super().encode(texts, side)


def content(**reranker: Any) -> dict[str, Any]:
    """An experiment: a saved run, reranked by MaxSim; `reranker` changes the reranker."""
    run = {"use": "saved_run", "path": "run.trec"}
    words = {"use": "analysis.gate.test_situations:Words", "dim": 64}
    maxsim = {"use": "late_interaction", "encoder": words, **reranker}
    return {
        "question": "Does it stay as good?",
        "datasets": [{"use": "files", "path": "data", "name": "data"}],
        "systems": [
            {"name": "first", "retriever": run},
            {"name": "second", "retriever": run, "reranker": maxsim},
        ],
        "metrics": ["ndcg@3"],
        "depth": {"retrieve": 12, "rerank": 12},
        "gate": [{"metric": "ndcg@3", "margin": 0.01}],
    }


def write(changed: Mapping[str, Any]) -> None:
    Path("e.yaml").write_text(yaml.safe_dump(dict(changed), sort_keys=False), encoding="utf-8")


def write_run(file: str, queries: int = QUERIES) -> None:
    """A first stage that finds the relevant document at place 4 of 12."""
    lines = [
        f"q{i} Q0 d{(i + 9 + 5 * rank) % QUERIES if rank != 3 else i} {rank + 1} {-rank} x\n"
        for i in range(queries)
        for rank in range(12)
    ]
    Path(file).write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an experiment, its results and its baseline."""
    folder = tmp_path_factory.mktemp("accepted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fakes.write_beir(folder / "data", DOCS, TEXTS, QRELS)
        write_run("run.trec")
        write(content())
        assert main(["run", "e.yaml"]) == 0
        assert main(["gate", "e.yaml", "--accept", "--reason", "first"]) == 0
    return folder


def run() -> None:
    assert main(["run", "e.yaml"]) == 0


def rerun(**reranker: Any) -> Callable[[], None]:
    """Change the reranker and run."""

    def change() -> None:
        write(content(**reranker))
        run()

    return change


def again() -> None:
    """Run from nothing."""
    shutil.rmtree("results/e")
    shutil.rmtree(".cache")
    run()


def judged_less() -> None:
    file = Path("data/qrels/test.tsv")
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]), encoding="utf-8")


def moved() -> None:
    """The same files elsewhere."""
    shutil.move("data", "elsewhere")
    changed = content()
    changed["datasets"][0]["path"] = "elsewhere"
    write(changed)


def other_data() -> None:
    """Other documents, in another folder."""
    fakes.write_beir(Path("other"), {**DOCS, "d0": "w0"}, TEXTS, QRELS)
    changed = content()
    changed["datasets"][0]["path"] = "other"
    write(changed)


def other_qrels() -> None:
    """Other judgements, in another file of the folder."""
    rows = [f"q{i}\td{(i + 1) % QUERIES}\t1\n" for i in range(QUERIES)]
    Path("data/qrels/new.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows))
    changed = content()
    changed["datasets"][0]["qrels"] = "qrels/new.tsv"
    write(changed)


def other_run() -> None:
    """A saved run in another file."""
    write_run("other.trec", QUERIES - 1)
    changed = content()
    for system in changed["systems"]:
        system["retriever"] = {"use": "saved_run", "path": "other.trec"}
    write(changed)


def renamed() -> None:
    """The saved run and the judgements under other names."""
    Path("run.trec").rename("renamed.trec")
    Path("data/qrels/test.tsv").rename("data/judged.tsv")
    changed = content()
    changed["datasets"][0]["qrels"] = "judged.tsv"
    for system in changed["systems"]:
        system["retriever"] = {"use": "saved_run", "path": "renamed.trec"}
    write(changed)


def threads(count: int) -> dict[str, Any]:
    """With a latency that is gated, measured by so many threads."""
    timed = {"candidates": [12], "budget_s": 0.5, "threads": count, "starts": 0, "queries": 10}
    rule = {"latency": 9.0, "to": "first", "k": 12}
    return {**content(), "latency": timed, "gate": [*content()["gate"], rule]}


def other_threads() -> None:
    """Only how latency is measured has changed, and it was not measured so."""
    write(threads(1))
    run()
    assert main(["gate", "e.yaml", "--accept", "--reason", "timed"]) == 0
    write(threads(2))


def table(name: str) -> Path:
    (found,) = Path("results/e/data").glob(f"second--*/{name}")
    return found


def truncated() -> None:
    """The end of a table is lost."""
    file = table("measurements.parquet")
    file.write_bytes(file.read_bytes()[:-4])


def flipped() -> None:
    """A bit in the middle of a table is another."""
    file = table("measurements.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def damaged() -> None:
    file = Path("results/baselines/e.csv")
    file.write_text(
        file.read_text().replace("second,ndcg@3,q0,", "second,ndcg@3,q0,0."), encoding="utf-8"
    )


def no_baseline() -> None:
    shutil.rmtree("results/baselines")


def three_queries() -> None:
    """A baseline and results of three queries, of which two moved."""
    shutil.rmtree("data")
    few = dict(list(QRELS.items())[:3])
    fakes.write_beir(Path("data"), DOCS, {key: TEXTS[key] for key in few}, few)
    run()
    assert main(["gate", "e.yaml", "--accept", "--reason", "few"]) == 0
    rerun(encoder={"use": "analysis.gate.test_situations:Words", "dim": 64, "length": 1})()


SHORT = {"use": "analysis.gate.test_situations:Words", "dim": 64, "length": 1}
PASS, NONE = "Gate e: pass (2 pass)", "Gate e: no verdict (2 not comparable)"

DAMAGED = (
    "{table} is damaged: its digest is not the one in {table.parent}/B2SUMS. Nothing was read from "
    "it: `python -m harness run e.yaml` makes it again."
)

SITUATIONS: Mapping[str, tuple[Callable[[], None], int, str]] = {
    "unchanged": (lambda: None, 0, PASS),
    "run again": (again, 0, PASS),
    "int8": (rerun(precision="int8"), 0, PASS),
    "dim 64 of 64": (rerun(dim=64), 0, PASS),
    "dim 1 of 64": (rerun(dim=1), 1, "Gate e: fail (1 fail, 1 pass)"),
    "documents cut to a word": (rerun(encoder=SHORT), 1, "Gate e: fail (1 fail, 1 pass)"),
    "fewer judgements": (judged_less, 4, NONE),
    "other path, the same files": (moved, 0, PASS),
    "other path, other documents": (other_data, 4, NONE),
    "other path, other judgements": (other_qrels, 4, NONE),
    "other path, other saved run": (other_run, 4, NONE),
    "folder is gone": (
        lambda: shutil.rmtree("data"),
        2,
        "The dataset folder {data} does not exist.",
    ),
    "saved run is gone": (
        lambda: Path("run.trec").unlink(),
        2,
        "{run} cannot be read: No such file or directory.",
    ),
    "renamed files": (renamed, 0, PASS),
    "other threads": (other_threads, 4, "Gate e: no verdict (2 not comparable, 2 pass)"),
    "truncated table": (
        truncated,
        3,
        DAMAGED,
    ),
    "table with another bit": (
        flipped,
        3,
        DAMAGED,
    ),
    "missing table": (
        lambda: table("measurements.parquet").unlink(),
        3,
        "{table} is gone. Nothing was read from it: `python -m harness run e.yaml` makes it again.",
    ),
    "damaged baseline": (
        damaged,
        2,
        (
            "results/baselines/e.csv and e.json cannot be read as one baseline: the second file has "
            "the digest of another first. Restore both from version control, or delete both to begin "
            "anew."
        ),
    ),
    "no baseline": (
        no_baseline,
        2,
        (
            "Nothing was accepted for e yet: there is no e.csv in results/baselines. Look at the "
            "report; if later results must be as good, run `python -m harness gate e.yaml --accept "
            '--reason "..."` and commit what it writes.'
        ),
    ),
    "three queries": (three_queries, 4, "Gate e: no verdict (1 inconclusive, 1 pass)"),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_exit_code_and_first_line(
    name: str,
    accepted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = tmp_path / "here"
    shutil.copytree(accepted, here)  # a checkout elsewhere
    monkeypatch.chdir(here)
    places = {
        "data": here / "data",
        "run": here / "run.trec",
        "table": table("measurements.parquet"),
    }
    change, code, line = SITUATIONS[name]
    change()
    capsys.readouterr()
    assert main(["gate", "e.yaml"]) == code
    said = capsys.readouterr()
    first = (said.out + said.err.removeprefix("harness: ")).splitlines()[0]
    assert first == line.format(**places)


def test_another_checkout_has_no_path_that_changed(
    accepted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = tmp_path / "here"
    shutil.copytree(accepted, here)
    monkeypatch.chdir(here)
    noted = Path("results/baselines/e.json")
    assert str(accepted) not in noted.read_text()
    assert '"path": "data"' in noted.read_text()
    again()  # the results of another checkout
    assert main(["gate", "e.yaml"]) == 0
    assert "Changed" not in capsys.readouterr().out


def test_a_baseline_with_places_is_still_read(
    accepted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = tmp_path / "here"
    shutil.copytree(accepted, here)
    monkeypatch.chdir(here)
    noted = Path("results/baselines/e.json")
    text = noted.read_text().replace('"path": "', '"path": "/elsewhere/')
    noted.write_text(text.replace('"digest"', '"none"'))  # versions that stored places had none
    assert main(["gate", "e.yaml"]) == 0
    assert "Changed" not in capsys.readouterr().out
