"""Every file of a finished run, damaged in every way: told or mended, and never believed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from damage import COSTS, Whole, damages, made, silent_or_stuck

log = logging.getLogger(__name__)

PARTS = ("results", "baselines", "cache/runs")


@pytest.fixture
def whole(tmp_path: Path) -> Whole:
    return Whole.of(made(tmp_path / "whole", **COSTS))


@pytest.mark.hostile
def test_no_damage_is_believed_or_stays(whole: Whole) -> None:
    tried, failed = 0, {}
    for damage in list(damages(whole.place, PARTS)):
        tried += 1
        if found := silent_or_stuck(whole, damage):
            failed[damage] = found
    log.warning("%d damages, %d failed", tried, len(failed))
    assert failed == {}
    assert tried > 200
