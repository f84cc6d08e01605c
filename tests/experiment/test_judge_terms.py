from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import write_experiment
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.experiment import judge_prompt
from harness.experiment.judge_prompt import DEFAULT, filled
from harness.experiment.judge_terms import ModelJudge
from harness.experiment.reading import load_experiment

RIGHT: dict[str, Any] = {
    "use": "llm",
    "url": "http://127.0.0.1:8000/v1",
    "model": "org/judge",
    "budget": {"calls": 2000, "currency": 5.0, "price_per_million_tokens": 0.5},
}


def loaded(folder: Path, **changes: Any) -> ModelJudge:
    found = load_experiment(write_experiment(folder, judge={**RIGHT, **changes})).judge
    assert found
    return found


def test_a_block_with_what_is_left_out(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert (found.least_agreement, found.prompt, found.retries) == (0.4, None, 5)
    assert load_experiment(write_experiment(tmp_path)).judge is None


def test_a_prompt_lies_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("{query} {document} Grade: N")
    assert loaded(tmp_path, prompt="mine.txt").prompt == (tmp_path / "mine.txt").resolve()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"url": "127.0.0.1:8000"}, "judge.url: url must be like"),
        ({"url": "http://me:secret@x/v1"}, "judge.url: url must be like"),
        ({"token_env": "sk-123"}, "judge.token_env: write the name of an environment variable"),
        ({"model": ""}, "judge.model"),
        ({"budget": {"calls": 0}}, "judge.budget.calls"),
        ({"budget": {"calls": 1, "currency": 2}}, "currency needs price_per_million_tokens"),
        ({"least_agreement": 1.5}, "judge.least_agreement"),
        ({"prompt": "missing.txt"}, "judge.prompt: 'missing.txt' cannot be used: No such file"),
        ({"prompt": 3}, "judge.prompt"),
        ({"temperature": 1}, "judge.temperature: unknown key"),
        ({"use": "person"}, "judge.use"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, **changes)
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "sk-123" not in str(caught.value)


def test_all_faults_of_the_block_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, url="x", model="", least_agreement=2, prompt="missing.txt", seed=1)
    assert str(caught.value).splitlines()[0].endswith("has 5 faults:")


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("{query} Grade: N", "must have {document} once"),
        ("{query} {query} {document} Grade: N", "must have {query} once.*2 times"),
        ("{query} {document}", "must ask for a line such as `Grade: 2`"),
        ("{query} {document} Grade: \x00", "U\\+0000"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused(tmp_path: Path, prompt: str, told: str) -> None:
    (tmp_path / "mine.txt").write_text(prompt)
    with pytest.raises(ConfigError, match=told):
        loaded(tmp_path, prompt="mine.txt")


def test_ours_can_be_used() -> None:
    assert judge_prompt.faults(DEFAULT) == []
    assert judge_prompt.loaded(None) == DEFAULT


@given(st.text(), st.text())
def test_texts_stand_in_their_places_as_they_are(query: str, document: str) -> None:
    assert filled("a {query} b {document} c", query, document) == f"a {query} b {document} c"
