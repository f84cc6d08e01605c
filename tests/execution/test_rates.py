"""How fast a machine was, learnt from progress and remembered beside the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.execution.rates import Meter, Rates, Spent

WORK = "encode documents with MiniLM"


def test_meter_adds_up_what_was_done_between_two_reports() -> None:
    heard, times = [], iter([0.0, 2.0, 3.0, 10.0, 11.0, 12.0])
    meter = Meter(lambda *news: heard.append(news), lambda: next(times))
    news = [(WORK, 0, 300), (WORK, 100, 300), (WORK, 300, 300), ("rerank", 40, 50)]
    news += [("rerank", 50, 50), (WORK, 0, 10)]  # 40 were done in an earlier run; 10 in 1 s
    for one in news:
        meter(*one)
    assert heard == news
    assert meter.taken() == {WORK: Spent(300, 3.0), "rerank": Spent(10, 1.0)}
    assert meter.taken() == {}


def test_rates_are_there_for_the_next_run(tmp_path: Path) -> None:
    Rates(tmp_path).note({WORK: Spent(300, 3.0)})
    again = Rates(tmp_path)
    assert again.get(WORK) == 100.0
    assert again.get("rerank with MiniLM") is None


def test_a_short_time_replaces_no_rate(tmp_path: Path) -> None:
    rates = Rates(tmp_path)
    rates.note({WORK: Spent(1, 0.01)})
    assert rates.get(WORK) == pytest.approx(100.0)  # better than none
    rates.note({WORK: Spent(1, 0.02)})
    assert rates.get(WORK) == pytest.approx(100.0)
    rates.note({WORK: Spent(50, 1.0)})
    assert Rates(tmp_path).get(WORK) == 50.0


@pytest.mark.parametrize("content", ["{", "[]", '{"x": 1}', "\x00"])
def test_a_file_that_cannot_be_read_says_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "rates.json").write_text(content)
    assert Rates(tmp_path).get(WORK) is None
    Rates(tmp_path).note({WORK: Spent(4, 2.0)})
    assert Rates(tmp_path).get(WORK) == 2.0


def test_another_machine_has_rates_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Rates(tmp_path).note({WORK: Spent(300, 3.0)})
    monkeypatch.setattr("harness.execution.rates.measured_on", lambda: {"processor": "another"})
    assert Rates(tmp_path).get(WORK) is None
    Rates(tmp_path).note({WORK: Spent(6, 3.0)})
    monkeypatch.undo()
    assert Rates(tmp_path).get(WORK) == 100.0
