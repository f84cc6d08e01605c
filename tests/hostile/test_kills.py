"""A hundred kills at random instants of real runs; each run ends like an undisturbed one."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from test_resume import DENSE, LATE, contents, experiment, run, systems

KILLS = 100

AT_ONCE = 4
"""Kills of one run, before it may end."""


@pytest.mark.hostile
def test_a_hundred_kills_change_nothing(tmp_path: Path) -> None:
    file = experiment(tmp_path, 600, systems=systems(DENSE, LATE))
    run(file, tmp_path / "warm")
    start = time.perf_counter()
    assert run(file, tmp_path / "undisturbed") == 0
    seconds = time.perf_counter() - start
    whole, drawn, killed = contents(tmp_path / "undisturbed"), np.random.default_rng(13), 0
    while killed < KILLS:
        place = tmp_path / f"after {killed}"
        codes = [run(file, place, seconds * drawn.uniform(0.3, 1)) for _ in range(AT_ONCE)]
        killed += codes.count(-9)
        assert run(file, place) == 0
        assert contents(place) == whole
        shutil.rmtree(place)
