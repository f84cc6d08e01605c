"""A prompt that the catalogue knows is used where the checkpoint names none, and the reader is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny

from harness.components.encoders.endpoint import Endpoint
from harness.components.encoders.fastembed import Fastembed
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.models import prompts, references

BGE = "BAAI/bge-small-en-v1.5"
NOMIC = "nomic-ai/nomic-embed-text-v1.5"
KNOWN = "Represent this sentence for searching relevant passages: "
"""models.yaml, from the model card."""


@pytest.fixture
def bge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A model under the hub id of one that the catalogue knows, without prompts of its own."""
    folder = tiny.sentence_transformers(tmp_path / "made", prompts={"query": "", "document": ""})
    tiny.hub_cache(tmp_path, BGE, folder, "0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    references._in_hub_cache.cache_clear()
    yield
    references._in_hub_cache.cache_clear()


@pytest.mark.usefixtures("bge", "no_network")
def test_a_prompt_that_the_checkpoint_leaves_out_is_used_and_told() -> None:
    bare, own = SentenceTransformers(BGE, query_prompt=""), SentenceTransformers(BGE)
    prompted = SentenceTransformers(BGE, query_prompt=KNOWN)
    found, expected, without = (one.encode(["cat"], "query") for one in (own, prompted, bare))
    np.testing.assert_array_equal(found, expected)
    assert not np.allclose(found, without)
    np.testing.assert_array_equal(own.encode(["cat"], "doc"), bare.encode(["cat"], "doc"))
    assert own.identity() == {**bare.identity(), "query_prompt": KNOWN}
    (note,) = own.notes()
    assert note == (
        f"{KNOWN!r} is put before queries: the catalogue has it of {BGE}, whose files name no "
        "prompt; `query_prompt: ''` leaves it out."
    )
    assert [*bare.notes(), *prompted.notes()] == []


def test_random_weights_have_the_same_prompts() -> None:
    for reference in (NOMIC, f"dummy:{NOMIC}", f"{NOMIC}@abc"):
        encoder = SentenceTransformers(reference)
        assert prompts.before("query", encoder) == "search_query: "
        assert prompts.before("doc", encoder) == "search_document: "
    assert prompts.before("doc", SentenceTransformers(NOMIC, doc_prompt="")) == ""
    assert len(list(SentenceTransformers(f"dummy:{NOMIC}").notes())) == 2


@pytest.mark.usefixtures("hub", "no_network")
def test_prompts_of_the_checkpoint_are_no_news() -> None:
    own = SentenceTransformers("sentence-transformers/prompted")
    found = (prompts.before("query", own), prompts.before("doc", own))
    assert found == tuple(tiny.PROMPTS.values())
    assert list(own.notes()) == []
    plain = SentenceTransformers("sentence-transformers/minilm")
    assert prompts.before("query", plain) == ""


def test_onnx_models_have_the_same_prompts() -> None:
    encoder = Fastembed(BGE, file="onnx/model.onnx")
    assert prompts.before("query", encoder) == KNOWN
    assert [note.partition(":")[0] for note in encoder.notes()] == [
        "'Represent this sentence for searching relevant passages"
    ]


def test_what_a_server_is_not_asked_to_put_is_told() -> None:
    asked = Endpoint(dialect="openai", url="http://127.0.0.1:1", model=BGE)
    (note,) = asked.notes()
    assert note == (
        f"the catalogue has {KNOWN!r} before queries of {BGE}, and none is put there here; if the "
        "server does not do it, say `query_prompt`."
    )
    said = Endpoint(dialect="openai", url="http://127.0.0.1:1", model=BGE, query_prompt=KNOWN)
    other = Endpoint(dialect="openai", url="http://127.0.0.1:1", model="org/other")
    assert [*said.notes(), *other.notes()] == []
