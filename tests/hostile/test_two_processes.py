"""Two processes at the same work at the same time: neither dies, and both have the whole of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import racing
from test_resume import DENSE, LATE, contents, experiment, systems

from harness.pipeline.vector_store import VectorStore, keyed

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("times", [100, pytest.param(2_000, marks=pytest.mark.hostile)])
def test_one_part_is_stored_by_two(tmp_path: Path, times: int) -> None:
    assert racing.head_on(racing.add_parts, tmp_path, times) == [0, 0]
    texts = [f"{number} {place}" for number in range(times) for place in range(4)]
    assert not VectorStore(tmp_path).lacks(keyed(texts).keys).any()
    assert len(list(tmp_path.glob("*.parts"))) <= 2
    assert {path.suffix for path in tmp_path.iterdir()} == {".vectors", ".keys", ".parts"}


@pytest.mark.parametrize("times", [100, pytest.param(2_000, marks=pytest.mark.hostile)])
def test_one_folder_is_made_by_two(tmp_path: Path, times: int) -> None:
    assert racing.head_on(racing.make_folders, tmp_path, times) == [0, 0]
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {f"{number}/{name}" for number in range(times) for name in "ab"}


def both(files: list[Path], to: Path) -> list[tuple[int, str]]:
    """Exit code and standard error of runs that start together."""
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "harness", "run", str(file)),
                *("--results", str(to / "results"), "--cache", str(to / "cache")),
            ],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT / "tests"), "PATH": ""},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for file in files
    ]
    told = [process.communicate()[1] for process in started]
    return [(process.returncode, said) for process, said in zip(started, told, strict=True)]


def only(found: dict[str, bytes], file: Path) -> dict[str, bytes]:
    """The trials of one experiment, without its name."""
    start = f"results/{file.stem}/data/"
    return {name.removeprefix(start): c for name, c in found.items() if name.startswith(start)}


@pytest.mark.parametrize("pairs", [1, pytest.param(50, marks=pytest.mark.hostile)])
def test_two_runs_end_as_one_does(tmp_path: Path, pairs: int) -> None:
    """Runs of one experiment wait for each other; those of two share the stages that they share."""
    file = experiment(tmp_path, 100, systems=systems(DENSE, LATE))
    other = file.with_name("other.yaml")
    other.write_bytes(file.read_bytes())
    expected: dict[str, bytes] = {}
    for number in range(pairs):
        pair = [file, file if number % 2 else other]
        to = tmp_path / str(number)
        ended = both(pair, to)
        assert [code for code, _ in ended] == [0, 0], ended
        for one in pair:
            found = only(contents(to), one)
            expected = expected or found
            assert found == expected
        assert "trial.json" in {Path(name).name for name in expected}
        assert not [path for path in to.rglob("*") if path.suffix == ".partial"]
        assert not list(to.rglob(".*"))
        assert not list((to / "cache").glob("tmp/*"))
