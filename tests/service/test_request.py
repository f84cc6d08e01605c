"""What is refused, with which status and words; nothing that is sent breaks the reading."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data import Hit
from harness.frames import ranked
from harness.service.forms import Cohere, Plain, Tei
from harness.service.request import Limits, RefusedError, Wanted, parsed

LIMITS = Limits(documents=4, characters=9)
GOOD = {"query": "q", "documents": ["a", "b", "c"], "top_n": 2}


def read(content: Any) -> Wanted:
    return Plain().read(content, "m", LIMITS)


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "The body is no JSON: Expecting value"),
        (b"{", 400, "The body is no JSON"),
        (b"\xff\xfe{", 400, "The body is no JSON"),
        (b'{"query": NaN}', 400, "NaN is no number"),
        (b'{"query": -Infinity}', 400, "-Infinity is no number"),
        (b"[" * 100_000, 400, "The body is nested too deeply."),
        (b"9" * 5_000, 400, "The body is no JSON"),
        (b"[]", 422, "The body must be an object, not []."),
        (b'"text"', 422, 'The body must be an object, not "text".'),
        (b"null", 422, "The body must be an object, not null."),
    ],
)
def test_bodies_that_are_no_object(body: bytes, status: int, told: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parsed(body)
    assert caught.value.status == status
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"topn": 1}, "The body has the unknown key \"topn\"; did you mean 'top_n'?"),
        ({"query": None}, "query must be a string, not null."),
        ({"query": ["q"]}, 'query must be a string, not ["q"].'),
        ({"query": ""}, "query must not be empty."),
        ({"query": " \n"}, "query must not be empty."),
        ({"query": "q" * 10}, "query has 10 characters, and at most 9 are taken."),
        ({"query": "\ud800"}, "query holds half of a surrogate pair, which is no text."),
        ({"documents": "a"}, 'documents must be a list, not "a".'),
        ({"documents": {"a": "b"}}, 'documents must be a list, not {"a": "b"}.'),
        ({"documents": []}, "documents must not be empty."),
        ({"documents": ["a"] * 5}, "documents holds 5 documents, and at most 4 are taken"),
        ({"documents": ["a", 3]}, "documents[1] must be a string or an object with id and text"),
        ({"documents": ["a", None]}, "documents[1] must be a string or an object"),
        ({"documents": ["a", "b" * 10]}, "documents[1] has 10 characters"),
        ({"documents": [{"id": "1"}]}, "documents[0] lacks the key 'text'."),
        ({"documents": [{"id": "1", "txt": "a"}]}, "documents[0] has the unknown key \"txt\"; did you mean 'text'?"),
        ({"documents": [{"id": 1, "text": "a"}]}, "documents[0].id must be a string, not 1."),
        ({"documents": [{"id": "1", "text": 2}]}, "documents[0].text must be a string, not 2."),
        (
            {"documents": [{"id": "1", "text": "a"}, {"id": "1", "text": "b"}]},
            'documents[0] and documents[1] have the same id "1".',
        ),
        ({"top_n": 0}, "top_n must be from 1 to the 3 documents, not 0."),
        ({"top_n": -1}, "top_n must be from 1 to the 3 documents, not -1."),
        ({"top_n": 4}, "top_n must be from 1 to the 3 documents, not 4."),
        ({"top_n": 10**400}, "top_n must be from 1 to the 3 documents, not 1000"),
        ({"top_n": 2.0}, "top_n must be a whole number, not 2.0."),
        ({"top_n": True}, "top_n must be a whole number, not true."),
        ({"top_n": "2"}, 'top_n must be a whole number, not "2".'),
        ({"query": "x" * 9, "documents": "y" * 99}, 'documents must be a list, not "yyyyyyyyyyyyyyyy'),
    ],
)  # fmt: skip
def test_what_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read({**GOOD, **changes})
    assert caught.value.status == 422
    assert told.rstrip(".") in str(caught.value)
    assert len(str(caught.value)) < 160


@pytest.mark.parametrize("key", ["query", "documents"])
def test_what_is_missing(key: str) -> None:
    with pytest.raises(RefusedError, match=f"The body lacks the key '{key}'."):
        read({name: value for name, value in GOOD.items() if name != key})


def test_documents_with_and_without_ids() -> None:
    asked = read({"query": "q", "documents": ["a", {"text": "b"}, {"id": "x", "text": ""}]})
    assert [(doc.doc_id, doc.text) for doc in asked.docs] == [("0", "a"), ("1", "b"), ("x", "")]
    assert (asked.named, asked.top_n) == (False, 3)
    assert read({"query": "q", "documents": [{"id": "x", "text": "a"}]}).named


FLOATS = st.floats(-1e3, 1e3, width=32)


@given(st.lists(FLOATS | st.sampled_from([0.0, -0.0, 1.0]), min_size=1, max_size=9), st.data())
def test_ties_are_those_of_a_run(scores: list[float], data: st.DataObject) -> None:
    """With ids as `frames.ranked` has them; without, in the order in which documents came."""
    ids = data.draw(st.permutations([f"d{i}" for i in range(len(scores))]))
    limits = Limits()
    named = [{"id": doc_id, "text": "t"} for doc_id in ids]
    asked = Plain().read({"query": "q", "documents": named}, "m", limits)
    hits = ranked(Hit(doc_id, score) for doc_id, score in zip(ids, scores, strict=True))
    assert [ids[place] for place in asked.order(scores)] == [hit.doc_id for hit in hits]
    bare = Plain().read({"query": "q", "documents": ["t"] * len(scores)}, "m", limits)
    expected = np.argsort(-np.array(scores, np.float32), kind="stable").tolist()
    assert bare.order(scores) == expected


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=9,
)
KEYS = ("query", "documents", "texts", "top_n", "model", "raw_scores", "return_documents")


@given(
    st.sampled_from([Plain(), Cohere(), Tei()]),
    st.dictionaries(st.sampled_from(KEYS) | st.text(), ANYTHING),
)
def test_whatever_is_sent_is_read_or_refused(form: Any, content: dict[str, Any]) -> None:
    try:
        asked = form.read(content, "m", LIMITS)
    except RefusedError as error:
        assert error.status in (404, 422)  # noqa: PT017  (either is right)
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert 1 <= asked.top_n <= len(asked.docs) <= 4


@given(st.binary())
def test_whatever_bytes_are_sent_are_read_or_refused(body: bytes) -> None:
    try:
        assert parsed(body) == json.loads(body)
    except RefusedError as error:
        assert error.status in (400, 422)  # noqa: PT017


def test_cohere() -> None:
    form, texts = Cohere(), ["a", "b"]
    content = {"query": "q", "documents": texts, "model": "m", "top_n": 9, "return_documents": True}
    asked = form.read(content, "m", LIMITS)
    assert form.answer(content, asked, [1.0, 2.0]) == {
        "results": [
            {"index": 1, "relevance_score": 2.0, "document": {"text": "b"}},
            {"index": 0, "relevance_score": 1.0, "document": {"text": "a"}},
        ]
    }
    with pytest.raises(RefusedError, match="There is no model \"mm\", but 'm'") as caught:
        form.read({**content, "model": "mm"}, "m", LIMITS)
    assert caught.value.status == 404


def test_tei() -> None:
    form = Tei()
    content = {"query": "q", "texts": ["a", "b"], "raw_scores": True, "return_text": True}
    asked = form.read(content, "m", LIMITS)
    assert form.answer(content, asked, [1.0, 2.0]) == [
        {"index": 1, "score": 2.0, "text": "b"},
        {"index": 0, "score": 1.0, "text": "a"},
    ]
    with pytest.raises(RefusedError, match="say raw_scores: true"):
        form.read({**content, "raw_scores": False}, "m", LIMITS)
