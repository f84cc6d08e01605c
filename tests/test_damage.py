"""A small part of `hostile/test_damage.py`: one damage of a kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from damage import Damage, Whole, damages, made, silent_or_stuck


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole.of(made(tmp_path_factory.mktemp("damage") / "whole"))


CHOSEN = (
    ("run.trec.gz", "emptied"),
    ("qrels.trec.gz", "gone"),
    ("measurements.parquet", "cut in the middle"),
    ("trial.json", "exchanged with another"),
    ("failed.json", "gone"),
    ("plan.json", "flipped at 30%"),
)


@pytest.mark.parametrize(("name", "how"), CHOSEN)
def test_damaged_results_are_refused_and_made_again(whole: Whole, name: str, how: str) -> None:
    whole.restore()
    all_of_it = damages(whole.place, ("results",))
    chosen = next(one for one in all_of_it if Path(one.file).name == name and one.how == how)
    assert silent_or_stuck(whole, chosen) == []


def test_a_damaged_stage_is_made_again(whole: Whole) -> None:
    whole.restore()
    stage = next(damages(whole.place, ("cache/runs",)))
    chosen = Damage(stage.file, "emptied")
    assert silent_or_stuck(whole, chosen) == []
