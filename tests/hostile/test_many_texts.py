"""Many texts and a low limit of open files: nothing is encoded twice, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, os, resource, sys, threading, time
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
limit, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
from pathlib import Path
from harness.pipeline.embedding_cache import StoredEncoder

encoded, peak, ended = [0], [0], threading.Event()

@dataclass(frozen=True)
class Lengths:
    gives: ClassVar = "dense"
    def encode(self, texts, side):
        encoded[0] += len(texts)
        return np.array([[len(text), int(text)] for text in texts], dtype=np.float32)

def watch():
    while not ended.wait(0.001):
        try:
            peak[0] = max(peak[0], len(os.listdir("/proc/self/fd")) - 1)
        except OSError:
            peak[0] = limit

threading.Thread(target=watch, daemon=True).start()
texts = [str(number) for number in range(count)]
begun = time.perf_counter()
found = StoredEncoder(Path(folder), Lengths(), lambda *_: None).encode(texts, "doc")
ended.set()
right = bool((found == [[len(text), int(text)] for text in texts]).all())
seconds = time.perf_counter() - begun
print(json.dumps({"encoded": encoded[0], "right": right, "peak": peak[0], "seconds": seconds}))
"""


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="counts open files as Linux has them"
)
@pytest.mark.parametrize(
    ("limit", "count"),
    [(32, 10_000), pytest.param(256, 400_000, marks=pytest.mark.hostile)],
)
def test_no_number_of_texts_takes_many_descriptors(tmp_path: Path, limit: int, count: int) -> None:
    told = []
    for expected in (count, 0):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(limit), str(count), str(tmp_path / "store")],
            check=False,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert (done.returncode, done.stderr) == (0, "")
        told.append(json.loads(done.stdout))
        assert told[-1]["encoded"] == expected
        assert told[-1]["right"]
        assert told[-1]["peak"] < 32
        assert not list(tmp_path.rglob(".*"))
    print(told)  # noqa: T201 - a trial tells its figures
