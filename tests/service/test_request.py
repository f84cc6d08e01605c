"""What is refused, with which status and words; nothing that is sent breaks the reading."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data import Hit
from harness.ranking import ranked
from harness.service.contracts import Cohere, Plain, Tei, contract_of
from harness.service.limits import Limits
from harness.service.request import RefusedError, Wanted, parsed

LIMITS = Limits(documents=4, characters=9)
GOOD = {"query": "q", "documents": ["a", "b", "c"], "top_n": 2}
MIB = 2**20


def read(content: Any, contract: Any = Plain, limits: Limits = LIMITS) -> Wanted:
    wanted: Wanted = parsed(json.dumps(content).encode(), contract, limits).read("m", limits)
    return wanted


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "The body is no JSON: Input data was truncated."),
        (b"{", 400, "The body is no JSON"),
        (b"\xff\xfe{", 400, "The body is no JSON"),
        (b'{"query": NaN}', 400, "The body is no JSON"),
        (b'{"query": -Infinity}', 400, "The body is no JSON"),
        (b'{"query": "\xff", "documents": ["a"]}', 400, "The body is no JSON: 'utf-8' codec"),
        (b'{"query": "\\ud800"}', 400, "The body is no JSON"),
        (b"[" * 100_000, 422, "The body: expected `object`, got `array`."),
        (b'{"query": ' + b"[" * 100_000, 422, "query: expected `str`, got `array`."),
        (b"9" * 5_000, 422, "The body: number out of range."),
        (b"[]", 422, "The body: expected `object`, got `array`."),
        (b'"text"', 422, "The body: expected `object`, got `str`."),
        (b"null", 422, "The body: expected `object`, got `null`."),
    ],
)
def test_bodies_that_are_no_object(body: bytes, status: int, told: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parsed(body, Plain, LIMITS)
    assert caught.value.status == status
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"topn": 1}, "The body has the unknown key \"topn\"; did you mean 'top_n'?"),
        ({"top`n\n": 1}, "The body has the unknown key \"top`n\\n\"; did you mean 'top_n'?"),
        ({"query": None}, "query: expected `str`, got `null`."),
        ({"query": ["q"]}, "query: expected `str`, got `array`."),
        ({"query": ""}, "query must not be empty."),
        ({"query": " \n\t\r\f\v"}, "query must not be empty."),
        ({"query": "q" * 10}, "query has 10 characters, and at most 9 are taken."),
        ({"documents": "a"}, "documents: expected `array`, got `str`."),
        ({"documents": {"a": "b"}}, "documents: expected `array`, got `object`."),
        ({"documents": []}, "documents must not be empty."),
        ({"documents": ["a"] * 5}, "documents holds 5 documents, and at most 4 are taken"),
        ({"documents": ["a", 3]}, "documents[1]: expected `str | object`, got `int`."),
        ({"documents": ["a", None]}, "documents[1]: expected `str | object`, got `null`."),
        ({"documents": ["a", "b" * 10]}, "documents[1] has 10 characters"),
        ({"documents": [{"id": "1"}]}, "documents[0]: object missing required field `text`."),
        ({"documents": [{"id": "1", "txt": "a"}]}, "documents[0] has the unknown key \"txt\"; did you mean 'text'?"),
        ({"documents": [{"id": 1, "text": "a"}]}, "documents[0].id: expected `str | null`, got `int`."),
        ({"documents": [{"id": "1", "text": 2}]}, "documents[0].text: expected `str`, got `int`."),
        ({"documents": [{"id": "1" * 10, "text": "a"}]}, "documents[0].id has 10 characters"),
        (
            {"documents": [{"id": "1", "text": "a"}, {"id": "1", "text": "b"}]},
            'documents[0] and documents[1] have the same id "1".',
        ),
        ({"top_n": 0}, "top_n must be a whole number above 0."),
        ({"top_n": -(10**400)}, "top_n must be a whole number above 0."),
        ({"top_n": 2.5}, "top_n must be a whole number above 0."),
        ({"top_n": True}, "top_n: expected `int | float | null`, got `bool`."),
        ({"top_n": "2"}, "top_n: expected `int | float | null`, got `str`."),
    ],
)  # fmt: skip
def test_what_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read({**GOOD, **changes})
    assert caught.value.status == 422
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 160


def many(unit: bytes) -> bytes:
    """A body of 16 MiB with a long list of documents."""
    start = b'{"query":"q","documents":['
    return start + unit * ((16 * MIB - len(start)) // len(unit)) + b'"a"]}'


@pytest.mark.parametrize(
    "unit", [b"[],", b"{},", b'"",', b'"\\"",', b'{"text":""},', b"0,", b"[" * 99]
)
def test_what_is_not_wanted_is_never_built(unit: bytes) -> None:
    """Millions of little values would take gigabytes, and seconds in which nobody else is heard."""
    body = many(unit)
    tracemalloc.start()
    try:
        with pytest.raises(RefusedError, match=r"got `array`|missing|more strings|got `int`"):
            parsed(body, Plain, Limits())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MIB


@given(st.lists(st.text(), min_size=1, max_size=200), st.booleans())
def test_what_may_be_asked_has_not_too_many_strings(texts: list[str], named: bool) -> None:
    documents = [{"id": str(i), "text": t} for i, t in enumerate(texts)] if named else texts
    asked = {"query": "q", "documents": documents, "rank_fields": texts}
    assert len(read(asked, Cohere, Limits(documents=len(texts))).docs) == len(texts)


@pytest.mark.parametrize("key", ["query", "documents"])
def test_what_is_missing(key: str) -> None:
    with pytest.raises(RefusedError, match=f"The body: object missing required field `{key}`."):
        read({name: value for name, value in GOOD.items() if name != key})


@pytest.mark.parametrize("top_n", [3, 3.0, 4, 10**400, 1e300, None])
@pytest.mark.parametrize("contract", [Plain, Cohere])
def test_more_than_there_are_is_all(top_n: int | None, contract: Any) -> None:
    assert read({**GOOD, "top_n": top_n}, contract).top_n == 3


def test_documents_with_and_without_ids() -> None:
    asked = read({"query": "q", "documents": ["a", {"text": "b"}, {"id": "x", "text": ""}]})
    assert [(doc.doc_id, doc.text) for doc in asked.docs] == [("0", "a"), ("1", "b"), ("x", "")]
    assert (asked.named, asked.top_n) == (False, 3)
    assert read({"query": "q", "documents": [{"id": "x", "text": "a"}]}).named


FLOATS = st.floats(-1e3, 1e3, width=32)


@given(st.lists(FLOATS | st.sampled_from([0.0, -0.0, 1.0]), min_size=1, max_size=9), st.data())
def test_ties_are_those_of_a_run(scores: list[float], data: st.DataObject) -> None:
    """With ids as `ranking.ranked` has them; without, in the order in which documents came."""
    ids = data.draw(st.permutations([f"d{i}" for i in range(len(scores))]))
    named = [{"id": doc_id, "text": "t"} for doc_id in ids]
    asked = read({"query": "q", "documents": named}, limits=Limits())
    hits = ranked(Hit(doc_id, score) for doc_id, score in zip(ids, scores, strict=True))
    assert [ids[place] for place in asked.order(scores)] == [hit.doc_id for hit in hits]
    bare = read({"query": "q", "documents": ["t"] * len(scores)}, limits=Limits())
    expected = np.argsort(-np.array(scores, np.float32), kind="stable").tolist()
    assert bare.order(scores) == expected


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=9,
)
KEYS = ("query", "documents", "texts", "top_n", "model", "raw_scores", "return_documents")


@given(
    st.sampled_from([Plain, Cohere, Tei]),
    st.dictionaries(st.sampled_from(KEYS) | st.text(), ANYTHING),
)
def test_whatever_is_sent_is_read_or_refused(contract: Any, content: dict[str, Any]) -> None:
    try:
        asked = read(content, contract)
    except RefusedError as error:
        assert error.status in (400, 404, 422)  # noqa: PT017  (each is right)
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert 1 <= asked.top_n <= len(asked.docs) <= 4


@given(st.binary() | st.binary().map(lambda some: b'{"texts": ' + some + b"}"))
def test_whatever_bytes_are_sent_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        parsed(body, contract_of(body), LIMITS)
    assert caught.value.status in (400, 422)


@pytest.mark.parametrize(
    ("content", "contract"),
    [({"texts": []}, Tei), ({"documents": ["texts"]}, Plain), ({"query": {"texts": 1}}, Plain),
     ({"texts": 1, "documents": 1}, Tei), (["texts"], Plain)],
)  # fmt: skip
def test_what_comes_as_texts_is_tei(content: Any, contract: Any) -> None:
    assert contract_of(json.dumps(content).encode()) is contract


def test_cohere() -> None:
    content = {"query": "q", "documents": ["a", "b"], "model": "m", "top_n": 9}
    contract = parsed(json.dumps({**content, "return_documents": True}).encode(), Cohere, LIMITS)
    assert contract.answer(contract.read("m", LIMITS), [1.0, 2.0]) == {
        "results": [
            {"index": 1, "relevance_score": 2.0, "document": {"text": "b"}},
            {"index": 0, "relevance_score": 1.0, "document": {"text": "a"}},
        ]
    }
    with pytest.raises(RefusedError, match="There is no model \"mm\", but 'm'") as caught:
        read({**content, "model": "mm"}, Cohere)
    assert caught.value.status == 404


def test_names_of_fields_have_a_limit_too() -> None:
    content = {"query": "q", "documents": ["a"], "rank_fields": ["f"] * 4}
    assert read(content, Cohere).docs
    with pytest.raises(RefusedError, match="rank_fields has more than 4 names"):
        read({**content, "rank_fields": ["f"] * 5}, Cohere)


def test_tei() -> None:
    content = {"query": "q", "texts": ["a", "b"], "raw_scores": True, "return_text": True}
    contract = parsed(json.dumps(content).encode(), Tei, LIMITS)
    assert contract.answer(contract.read("m", LIMITS), [1.0, 2.0]) == [
        {"index": 1, "score": 2.0, "text": "b"},
        {"index": 0, "score": 1.0, "text": "a"},
    ]
    with pytest.raises(RefusedError, match="say raw_scores: true"):
        read({**content, "raw_scores": False}, Tei)
