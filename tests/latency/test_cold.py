"""A system alone in a process of its own."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tiny import colbert, ms_marco

from harness.data import Doc
from harness.encoders.pylate import Pylate
from harness.errors import ComponentError
from harness.latency import cold
from harness.rerankers.cross_encoder import CrossEncoder
from harness.rerankers.late_interaction import LateInteraction

DOCS = [Doc(f"d{i}", "the cat is blue") for i in range(4)]


def start(component: object, *modes: str) -> list[dict[str, float]]:
    return cold.start(component, modes, "sort the list", DOCS, (2, 4), "cpu", 1, allowed=60)


def test_a_cross_encoder_is_imported_loaded_and_called(tmp_path: Path) -> None:
    (found,) = start(CrossEncoder(str(ms_marco(tmp_path / "model"))), "rerank")
    assert found["import_seconds"] > 0
    assert found["load_seconds"] > 0
    assert found["first_call_seconds"] > 0
    assert found["threads"] == 1
    assert found["candidates"] == 4
    # torch alone takes more than 100 MB; the tiny model takes next to nothing more
    assert 1e8 < found["libraries_bytes"] <= found["loaded_bytes"] <= found["peak_bytes"] < 4e9


def test_modes_that_load_the_same_share_a_process(tmp_path: Path) -> None:
    encoder = Pylate(str(colbert(tmp_path / "model")))
    first, second = start(LateInteraction(encoder), "precomputed", "on the fly")
    assert first["candidates"] == second["candidates"] == 4
    assert first["first_call_seconds"] > 0
    assert math.isnan(second["first_call_seconds"])
    assert first["peak_bytes"] <= second["peak_bytes"]


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match="does not exist"):
        start(CrossEncoder(str(tmp_path / "nowhere")), "rerank")
