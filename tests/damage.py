"""An experiment that was run, every file of which is damaged, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fakes import write_experiment

from harness import load_results
from harness.cli.commands import main

OVERLAP = {"use": "fakes:WordOverlap"}
DENSE = {"use": "dense", "encoder": {"use": "fakes:HashingEncoder"}}
LATE = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}}
SYSTEMS = [
    {"name": "overlap", "retriever": OVERLAP},
    {"name": "dense", "retriever": DENSE},
    {"name": "oracle", "retriever": OVERLAP, "reranker": {"use": "fakes:Oracle"}},
    {"name": "late", "retriever": DENSE, "reranker": LATE},
    {"name": "raising", "retriever": OVERLAP, "reranker": {"use": "fakes:Raising"}},
]
COSTS = {
    "latency": {"candidates": [2], "budget_s": 0.05, "starts": 0},
    "storage": {"plaid_nbits": [], "pool_factors": [1], "precisions": ["float32"]},
}
ASKED = {
    "systems": SYSTEMS,
    "metrics": ["ndcg@3", "recall@3"],
    "gate": [{"metric": "ndcg@3", "margin": 0.01, "systems": ["overlap", "oracle", "late"]}],
}

OUTPUTS = ("report.html", "report.md", "decision.md")
"""What is written for readers, and read by no command."""

TIMED = (*OUTPUTS, "timings.csv", "B2SUMS")
"""Files that hold seconds, or digests of such."""


class Said(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str


def command(*arguments: str | Path) -> Said:
    """Run one in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(map(str, arguments)))
    return Said(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Place:
    """Where the experiment lies, with its results, its cache and its baseline."""

    folder: Path

    def run(self) -> Said:
        """Do what is not done."""
        places = ("--results", self.folder / "results", "--cache", self.folder / "cache")
        return command("run", self.folder / "experiment.yaml", *places)

    def read(self) -> dict[str, tuple[Said, str]]:
        """By command what it says from stored results, and what it wrote."""
        file, results = self.folder / "experiment.yaml", ("--results", self.folder / "results")
        out = self.folder / "exported"
        shutil.rmtree(out, ignore_errors=True)
        return {
            "gate": (self.gate(), ""),
            "why": (command("why", file, "q1", *results), ""),
            "export": (command("export", file, out, *results), str(_bytes(out, ()))),
            "report": (
                command("report", file, *results),
                (self.folder / "results" / "experiment" / "report.html").read_text("utf-8"),
            ),
        }

    def results(self) -> dict[str, object]:
        """Every stored file that holds no seconds, and what was measured of cost."""
        costs = load_results(self.folder / "results" / "experiment").costs
        arms = costs["arms"][["system", "mode", "k", "status"]].to_csv(index=False)
        grid = costs["grid"][["system", "dim", "precision", "payload_bytes"]].to_csv(index=False)
        files = _bytes(self.folder / "results", ("latency--", "storage--"))
        return {**files, "arms": arms, "grid": grid}

    def gate(self) -> Said:
        """Compare with what was accepted."""
        folders = ("--results", self.folder / "results", "--baselines", self.folder / "baselines")
        return command("gate", self.folder / "experiment.yaml", *folders)


def _bytes(folder: Path, without: tuple[str, ...]) -> dict[str, bytes]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {
        name: file.read_bytes()
        for file in files
        for name in [str(file.relative_to(folder))]
        if file.name not in TIMED
        and not any(
            part.startswith((".", "leaderboard", "figures", *without))
            for part in file.relative_to(folder).parts
        )
    }


def made(folder: Path, **changes: Any) -> Place:
    """The experiment, with `changes`, run, and its results accepted."""
    folder.mkdir()
    file = write_experiment(folder, **{**ASKED, **changes})
    place = Place(folder)
    assert place.run().code == 3  # one trial fails
    accept = ("--accept", "--reason", "first", "--baselines", folder / "baselines")
    assert command("gate", file, "--results", folder / "results", *accept).code == 0
    return place


def _flip(share: float) -> Callable[[bytes], bytes]:
    def flip(content: bytes) -> bytes:
        changed = bytearray(content)
        if changed:
            changed[int(share * (len(content) - 1))] ^= 1
        return bytes(changed)

    return flip


def _line(content: bytes) -> bytes:
    """Cut where a line ends."""
    return content[: content.rfind(b"\n", 0, len(content) - 1) + 1]


CHANGES: Mapping[str, Callable[[bytes], bytes]] = {
    **{f"flipped at {share:.0%}": _flip(share) for share in (0, 0.3, 0.6, 1)},
    "cut in the middle": lambda content: content[: len(content) // 2],
    "cut at a line": _line,
    "emptied": lambda _: b"",
}

GONE, EXCHANGED = "gone", "exchanged with another"


class Damage(NamedTuple):
    """What is done to a file."""

    file: str
    """Below the place."""
    how: str

    def do(self, folder: Path) -> None:
        """Damage the file."""
        file = folder / self.file
        if self.how == GONE:
            file.unlink()
        elif self.how == EXCHANGED:
            other = _brother(folder, self.file)
            assert other is not None
            mine, others = file.read_bytes(), other.read_bytes()
            file.write_bytes(others)
            other.write_bytes(mine)
        else:
            file.write_bytes(CHANGES[self.how](file.read_bytes()))


def _brother(folder: Path, name: str) -> Path | None:
    """A file of the same name in another folder, of another content."""
    file = folder / name
    content = file.read_bytes()
    top = folder / Path(name).parts[0]
    others = (other for other in sorted(top.rglob(file.name)) if other != file)
    return next((other for other in others if other.read_bytes() != content), None)


def damages(place: Place, parts: tuple[str, ...]) -> Iterator[Damage]:
    """All that change something of the files below these folders of a place."""
    for part in parts:
        for file in sorted((place.folder / part).rglob("*")):
            name = str(file.relative_to(place.folder))
            if (
                not file.is_file()
                or file.name in OUTPUTS
                or "figures" in file.parts
                or "leaderboard" in name
            ):
                continue
            content = file.read_bytes()
            for how, change in CHANGES.items():
                if change(content) != content:
                    yield Damage(name, how)
            yield Damage(name, GONE)
            if _brother(place.folder, name):
                yield Damage(name, EXCHANGED)


@dataclass(frozen=True)
class Whole:
    """What a place says and holds while nothing is damaged, and a copy of it."""

    place: Place
    copy: Path
    read: dict[str, tuple[Said, str]]
    results: dict[str, object]

    @classmethod
    def of(cls, place: Place) -> Whole:
        """As it is now."""
        read = place.read()
        copy = place.folder.with_name("copy")
        shutil.copytree(place.folder, copy)
        return cls(place, copy, read, place.results())

    def restore(self) -> None:
        """Have the place as it was."""
        shutil.rmtree(self.place.folder)
        shutil.copytree(self.copy, self.place.folder)


def silent_or_stuck(whole: Whole, damage: Damage) -> list[str]:
    """What is wrong after a damage: used without a word, no way out, or other results."""
    whole.restore()
    place = whole.place
    if damage.file.startswith("cache"):  # nobody reads it while results are there
        shutil.rmtree(place.folder / "results")
    damage.do(place.folder)
    found = []
    if (place.folder / "results").exists():
        found = [
            f"{name} said {said}"
            for name, (said, wrote) in place.read().items()
            if not _refused(said) and (said, wrote) != whole.read[name]
        ]
    ran = place.run()
    if ran.code != 3 or ran.out.count("FAILED") != 1:
        found.append(f"run said {ran}")
    found += [f"{name} is another" for name in _others(place.results(), whole.results)]
    if not damage.file.startswith("baselines") and place.gate().code != 0:
        found.append("the gate does not pass again")
    return found


def _others(found: Mapping[str, object], expected: Mapping[str, object]) -> list[str]:
    names = sorted({*found, *expected})
    return [name for name in names if found.get(name) != expected.get(name)]


def _refused(said: Said) -> bool:
    """Whether a command said in a line what is damaged, and the way out."""
    ways_out = ("python -m harness run", "version control")
    told = said.err.count("\n") == 1 and any(way in said.err for way in ways_out)
    return said.code in (2, 3) and told
