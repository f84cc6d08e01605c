"""What a person sees of long work."""

from __future__ import annotations

import contextlib
import io
import itertools

import pytest

from harness.cli.progress import CLEAR, UP, Bars


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr("harness.cli.progress.PAUSE_S", 0)
    return Terminal()


def screens(out: Terminal) -> list[list[str]]:
    """What was on the screen after each drawing: lines without what moves the cursor."""
    clear = CLEAR.replace("\r", "")
    drawings = out.getvalue().replace("\r", "").split(UP * 2)[:-1]
    return [[line.removeprefix(clear) for line in one.split("\n")] for one in drawings]


def test_new_work_gets_a_bar_of_its_own(drawn: Terminal) -> None:
    with contextlib.closing(Bars(drawn)) as bars:
        for name, done, total in (("encode", 0, 4), ("encode", 4, 4), ("encode", 1, 8)):
            bars(name, done, total)
    shown = [screen[2] for screen in screens(drawn)[:-1]]
    percents = [line.split(":")[1].split("%")[0].strip() for line in shown]
    assert [percent for percent, _ in itertools.groupby(percents)] == ["0", "100", "12"]
    assert all(len(line) <= 79 for line in shown)


def test_stage_stands_above_the_bar_and_says_the_time_left_as_it_is_now(drawn: Terminal) -> None:
    left = iter(["about 20 s", "about 10 s"])
    with contextlib.closing(Bars(drawn)) as bars:
        bars.stage(lambda: f"stage 1 of 2 ({next(left)} left): encode {'x' * 60} for dense, late")
        bars("encode documents with MiniLM", 1, 2)
    first, second, last = screens(drawn)
    assert first == ["stage 1 of 2 (about 20 s left): encode", f"  {'x' * 60} for dense, late", ""]
    assert second[0] == "stage 1 of 2 (about 10 s left): encode"
    assert second[2].startswith("  encode documents with MiniLM:  50%")
    assert last == ["", "", ""]


def test_without_a_terminal_there_is_a_line_a_stage() -> None:
    out = io.StringIO()
    with contextlib.closing(Bars(out)) as bars:
        for number in (1, 2):
            bars.stage(lambda number=number: f"stage {number} of 2")  # type: ignore[misc]
            bars("encode", 0, 2)
            bars("encode", 2, 2)
    assert out.getvalue() == "stage 1 of 2\nstage 2 of 2\n"
