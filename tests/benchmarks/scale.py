"""What a run costs beside its models, as the number of documents grows: seconds and peak memory.

    python tests/benchmarks/scale.py [N] [--dim DIM] [--only bm25|dense] [--grow] [--folder FOLDER]

Makes a corpus of N documents (default: 100,000) of 60 words, drawn from a vocabulary by Zipf's law,
and runs one experiment a stage, each in a process of its own: BM25, dense search with an encoder that
looks its vectors up in a table, and both again, when nothing is left to do. A line has the seconds of
the whole process; of these what the encoder, and what bm25s' own calls took; the rest, which is the
harness; and the most memory that the process had at once. `--grow` does the same for 10 N, and
prints how many times as much each stage takes. FOLDER (default: a temporary one) needs about 2 KB a
document. Where `ulimit -n 256` was said before, it holds for all of it.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

WORDS, VOCABULARY = 60, 100_000
QUERIES, QUERY_WORDS = 100, 6
ROWS = 4096
"""Of the table from which the encoder makes a text's vector, as the sum of two of them."""

BM25S = {"BM25": ("index", "retrieve", "get_scores", "save", "load"), "tokenize": ()}
"""What of bm25s is timed as its own."""

COLUMNS = ("stage", "documents", "seconds", "encoder", "bm25s", "harness", "peak MiB")


@dataclass(frozen=True)
class TableEncoder:
    """A vector a text at the cost of a checksum: two rows of a fixed table, added."""

    gives: ClassVar[str] = "dense"
    dim: int = 384

    def encode(self, texts: Sequence[str], side: str) -> NDArray[np.float32]:
        """Shape (texts, dim), unit vectors."""
        del side
        marks = np.array([zlib.crc32(text.encode()) for text in texts], dtype=np.int64)
        table = _table(self.dim)
        vectors = table[marks % ROWS] + table[marks // ROWS % ROWS]
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        found: NDArray[np.float32] = vectors / norms
        return found


@functools.lru_cache(1)
def _table(dim: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((ROWS, dim), dtype=np.float32)


def main() -> None:
    """Print a line a stage; with `--grow` also those of ten times as many documents."""
    asked = _arguments()
    print("  ".join(f"{name:>10}" for name in COLUMNS))
    lines = [
        _measured(asked, size) for size in ((asked.n, 10 * asked.n) if asked.grow else (asked.n,))
    ]
    for few, many in zip(*lines, strict=True) if asked.grow else ():
        ratios = [many[name] / few[name] if few[name] else float("nan") for name in COLUMNS[2:]]
        print(f"{few['stage']:>10}  " + "  ".join(f"{ratio:9.1f}x" for ratio in (10.0, *ratios)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("n", type=int, nargs="?", default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--only", choices=("bm25", "dense"))
    parser.add_argument("--grow", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(_run(asked.child, asked.folder)))
        sys.exit()
    return asked


def _measured(asked: argparse.Namespace, documents: int) -> list[dict[str, Any]]:
    """The lines of all stages over a corpus of so many documents, printed as they come."""
    kinds = {
        "bm25": {"use": "bm25"},
        "dense": {"use": "dense", "encoder": {"use": "scale:TableEncoder", "dim": asked.dim}},
    }
    chosen = {name: kinds[name] for name in kinds if asked.only in (None, name)}
    found = []
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        _write_corpus(folder / "corpus", documents)
        for stage, systems in [*((one, {one: chosen[one]}) for one in chosen), ("again", chosen)]:
            line = {"stage": stage, "documents": documents, **_stage(folder, systems)}
            cells = (f"{line[column]:,}" if column != "stage" else stage for column in COLUMNS)
            print("  ".join(f"{cell:>10}" for cell in cells), flush=True)
            found.append(line)
    return found


def _stage(folder: Path, systems: dict[str, Any]) -> dict[str, float]:
    """What a process takes that runs these systems, with the caches of those before it."""
    experiment = {
        "question": "What does a run cost beside its models?",
        "datasets": [{"use": "files", "path": str(folder / "corpus"), "format": "tsv"}],
        "systems": [{"name": name, "retriever": kind} for name, kind in systems.items()],
        "baseline": next(iter(systems)),
        "depth": {"retrieve": 100, "rerank": 100},
        "metrics": ["ndcg@10", "recall@100"],
        "seed": 1,
    }
    file = folder / "scale.yaml"
    file.write_text(json.dumps(experiment), encoding="utf-8")  # JSON is YAML
    start = time.perf_counter()
    command = [sys.executable, __file__, "--child", str(file), "--folder", str(folder)]
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}, text=True
    )
    with child.stdout as answers:  # type: ignore[union-attr]
        *_, last = answers
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"the run of {', '.join(systems)} failed")
    inside = json.loads(last)
    seconds = time.perf_counter() - start
    return {
        "seconds": round(seconds, 1),
        "encoder": round(inside["encoder"], 1),
        "bm25s": round(inside["bm25s"], 1),
        "harness": round(seconds - inside["encoder"] - inside["bm25s"], 1),
        "peak MiB": used.ru_maxrss // 1024,
    }


def _run(file: Path, folder: Path) -> dict[str, float]:
    """Run the experiment in this process; the seconds inside the encoder and inside bm25s."""
    import bm25s
    import scale  # the module that the experiment names, which is this file under another name

    from harness.cli.commands import main as harness

    spent = {"encoder": 0.0, "bm25s": 0.0}
    inside: list[str] = []

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if inside:
                return call(*args, **kwargs)
            inside.append(name)
            start = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                spent[name] += time.perf_counter() - start
                inside.pop()

        return wrapped

    scale.TableEncoder.encode = timed("encoder", scale.TableEncoder.encode)
    for owner, names in BM25S.items():
        place: Any = getattr(bm25s, owner) if names else bm25s
        for name in names or (owner,):
            setattr(place, name, timed("bm25s", getattr(place, name)))
    tokenizer: Any = bm25s.tokenization.Tokenizer
    tokenizer.streaming_tokenize = _streamed(tokenizer.streaming_tokenize, spent)
    where = ["--results", str(folder / "results"), "--cache", str(folder / "cache")]
    if status := harness(["run", str(file), *where]):
        raise SystemExit(status)
    return spent


def _streamed(call: Callable[..., Any], spent: dict[str, float]) -> Callable[..., Any]:
    """A generator of bm25s with its seconds noted, without those in which it waits for texts."""

    def through(values: Iterator[Any], sign: int) -> Iterator[Any]:
        while True:
            start = time.perf_counter()
            try:
                value = next(values)
            except StopIteration:
                return
            finally:
                spent["bm25s"] += sign * (time.perf_counter() - start)
            yield value

    @functools.wraps(call)
    def wrapped(self: Any, texts: Iterator[str], **kwargs: Any) -> Any:
        return through(call(self, through(iter(texts), -1), **kwargs), 1)

    return wrapped


def _write_corpus(folder: Path, documents: int) -> None:
    """MS MARCO's files: `documents` texts, queries made of words of some, and who they are of."""
    folder.mkdir()
    step = max(documents // QUERIES, 1)
    queries: list[str] = []
    with (folder / "collection.tsv").open("w", encoding="utf-8") as lines:
        for place, words in enumerate(_texts(documents)):
            lines.write(f"d{place}\t{' '.join(words)}\n")
            if place % step == 0 and len(queries) < QUERIES:
                queries.append(" ".join(words[:QUERY_WORDS]))
    numbered = list(enumerate(queries))
    (folder / "queries.tsv").write_text("".join(f"q{i}\t{text}\n" for i, text in numbered))
    (folder / "qrels").mkdir()
    judged = "".join(f"q{i} 0 d{i * step} 1\n" for i, _ in numbered)
    (folder / "qrels" / "test.tsv").write_text(judged)


def _texts(documents: int) -> Iterator[list[str]]:
    rng = np.random.default_rng(1)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    lengths = rng.integers(3, 11, VOCABULARY)
    words = ["".join(letters[rng.integers(0, 26, length)]) for length in lengths]
    shares = 1 / np.arange(1, VOCABULARY + 1)
    sums = np.cumsum(shares / shares.sum())
    for start in range(0, documents, 10_000):
        count = min(10_000, documents - start)
        for row in (
            np.searchsorted(sums, rng.random((count, WORDS))).clip(max=VOCABULARY - 1).tolist()
        ):
            yield [words[i] for i in row]


if __name__ == "__main__":
    main()
