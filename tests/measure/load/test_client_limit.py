"""The server that answers at once ends, whatever it does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.measure.load import client_limit


def test_a_server_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_limit, "SECONDS_TO_END", 0.2)
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(3600)"], stdin=subprocess.PIPE
    )
    client_limit._ended(child)
    assert child.returncode == -9
