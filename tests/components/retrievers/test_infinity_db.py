"""What is decided before the database Infinity is asked; tests/servers/test_infinity_db.py asks it."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import GaussianTokenEncoder, HashingEncoder
from hypothesis import given
from hypothesis import strategies as st

from harness.components import requirements
from harness.components.retrievers import infinity_db
from harness.components.retrievers.infinity_db import InfinityDb
from harness.data import Doc, Query

DENSE, TOKENS = HashingEncoder(), GaussianTokenEncoder()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "at least one of encoder, dense and text: true"),
        ({"text": True, "dense": DENSE}, "fusion: maxsim needs an encoder of token vectors"),
        ({"text": True, "candidates": 0}, "candidates must be at least 1"),
    ],
)
def test_settings_that_ask_for_nothing_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        InfinityDb(**fields)


def test_one_way_needs_no_fusion() -> None:
    assert InfinityDb(dense=DENSE).ways() == ["vector"]
    assert InfinityDb(TOKENS, DENSE, text=True).ways() == ["body", "vector", "tokens"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("plum:pear^3 (river", "plum pear 3 river"),
        ('NOT "it\'s" AND \\ ~ OR', "not it s and or"),
        ("日本語 \U0001f600 x_y", "日本語 x_y"),
        ("x" * 256 + " tree", "tree"),
        ("?!", ""),
    ],
)
def test_words_of_a_query(query: str, words: str) -> None:
    assert infinity_db._words(query) == words


@given(st.text())
def test_no_query_holds_an_operator(query: str) -> None:
    words = infinity_db._words(query)
    assert not set(words) & set("\\\"'()[]{}:^~+-!&|*?/<>=")
    assert not set(words.split()) & {"AND", "OR", "NOT"}


@given(st.text(st.characters()))
def test_texts_can_be_written(text: str) -> None:
    written = infinity_db._whole(text)
    assert written.encode().decode() == written
    assert len(written) == len(text)


def test_documents_without_tokens_need_no_engine() -> None:
    searcher = InfinityDb(TOKENS).index([Doc("empty", "")])
    assert searcher.search([Query("q", "plum")], 3) == [[]]


def test_how_it_is_installed() -> None:
    assert "pip install --no-deps infinity-embedded-sdk==" in requirements.install_line(
        ["infinity_embedded"]
    )
