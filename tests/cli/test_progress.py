"""What a person sees of long work."""

from __future__ import annotations

import contextlib
import io
import itertools

import pytest

from harness.cli.progress import Bars


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_new_work_gets_a_bar_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.progress.PAUSE_ON_TERMINAL", 0)
    out = Terminal()
    with contextlib.closing(Bars(out)) as bars:
        for name, done, total in (("encode", 0, 4), ("encode", 4, 4), ("encode", 1, 8)):
            bars(name, done, total)
    shown = [line for line in out.getvalue().split("\r") if "%" in line]
    percents = [line.split(":")[1].split("%")[0].strip() for line in shown]
    assert [percent for percent, _ in itertools.groupby(percents)] == ["0", "100", "0", "12"]
    assert all(len(line) <= 79 for line in shown)


def test_short_work_is_silent_where_nobody_looks() -> None:
    out = io.StringIO()
    with contextlib.closing(Bars(out)) as bars:
        bars("encode", 0, 2)
        bars("encode", 2, 2)
    assert "%" not in out.getvalue()
