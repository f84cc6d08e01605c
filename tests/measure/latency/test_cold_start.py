"""A system alone in a process of its own."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import fakes
import pytest
from tiny import colbert, ms_marco

from harness.components.encoders.pylate import Pylate
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.components.rerankers.late_interaction import LateInteraction
from harness.data import Doc
from harness.errors import ComponentError
from harness.measure.latency import cold_start

DOCS = [Doc(f"d{i}", "the cat is blue") for i in range(4)]


def start(component: object, *modes: str, limit: float = 300) -> list[dict[str, float]]:
    return cold_start.start(
        component, modes, "sort the list", DOCS, (2, 4), "cpu", 1, allowed=60, limit=limit
    )


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


def test_a_process_that_says_something_else_is_told() -> None:
    with pytest.raises(ComponentError, match=r"but last 'Good bye!'.*latency\.starts: 0"):
        start(fakes.Chatting(), "rerank")


def test_a_process_that_hangs_is_ended_and_told(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    with pytest.raises(ComponentError, match=r"not load and answer within 20 s.*latency\.budget_s"):
        start(fakes.Hanging(str(noted)), "rerank", limit=20)
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted.read_text()), 0)


def test_seconds_do_not_follow_a_clock_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's wall clock is an hour ahead, as if it was set back before the other started."""
    ahead = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: ahead)
    (found,) = start(fakes.Identity(), "rerank")
    assert 0 < found["import_seconds"] < 300
