"""Encoders give what their library gives when it is called directly, or refuse the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from harness.components.encoders.pylate import Pylate
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.models import references, shelf
from harness.errors import ModelError

TEXTS = ["the cat is blue", "", "a list, of stone!", "dog river tree " * 30, "Sort (the) list?"]
MINILM = "sentence-transformers/minilm"
COLBERT = "colbert-ir/colbertv2.0"
BERT = "google-bert/bert"

pytestmark = pytest.mark.usefixtures("hub", "no_network")


def folder(reference: str) -> str:
    return str(references.folder(reference, wanted_by="a test"))


def assert_same(ours: Any, theirs: Any) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("reference", [MINILM, "sentence-transformers/prompted"])
def test_single_vectors_as_the_library_gives_them(reference: str) -> None:
    from sentence_transformers import SentenceTransformer

    library = SentenceTransformer(folder(reference), device="cpu", local_files_only=True)
    encoder = SentenceTransformers(reference, device="cpu")
    assert_same(encoder.encode(TEXTS, "doc"), library.encode_document(TEXTS))
    assert_same(encoder.encode(TEXTS, "query"), library.encode_query(TEXTS))


def test_prompts_change_the_vectors() -> None:
    prompted = SentenceTransformers("sentence-transformers/prompted", device="cpu")
    plain = SentenceTransformers(MINILM, device="cpu")
    written = SentenceTransformers(MINILM, device="cpu", query_prompt=tiny.PROMPTS["query"])
    assert_same(written.encode(["cat"], "query"), prompted.encode(["cat"], "query"))
    assert not np.allclose(prompted.encode(["cat"], "query"), plain.encode(["cat"], "query"))
    assert not np.allclose(prompted.encode(["cat"], "doc"), plain.encode(["cat"], "doc"))


def test_max_length_cuts_documents_and_queries() -> None:
    encoder = SentenceTransformers(MINILM, device="cpu", max_length=4)  # [CLS] two words [SEP]
    for side in ("doc", "query"):
        short, long = encoder.encode(["cat dog", "cat dog tree river"], side)
        np.testing.assert_allclose(short, long, atol=1e-6)


@pytest.mark.parametrize("encoder", [SentenceTransformers(MINILM), Pylate(COLBERT)], ids=repr)
def test_no_texts(encoder: Any) -> None:
    for side in ("query", "doc"):
        assert len(encoder.encode([], side)) == 0


@pytest.mark.parametrize("reference", [COLBERT, "lightonai/colbert"])
def test_token_vectors_as_the_library_gives_them(reference: str) -> None:
    from pylate import models as pylate_models

    library = pylate_models.ColBERT(folder(reference), device="cpu", local_files_only=True)
    encoder = Pylate(reference, device="cpu")
    assert_same(encoder.encode(TEXTS, "doc"), library.encode(TEXTS, is_query=False))
    assert_same(encoder.encode(TEXTS, "query"), library.encode(TEXTS, is_query=True))


@pytest.mark.parametrize(
    ("reference", "query_rows", "most_doc_rows"),
    # As artifact.metadata says, and as tiny.pylate does.
    [(COLBERT, 32, 180), ("lightonai/colbert", 12, 24)],
)
def test_lengths_are_read_from_the_checkpoint(
    reference: str, query_rows: int, most_doc_rows: int
) -> None:
    encoder = Pylate(reference, device="cpu")
    (query,) = encoder.encode(["cat"], "query")
    short, punctuated, long = encoder.encode(["cat", "cat!?", "cat " * 300], "doc")
    assert len(query) == query_rows
    assert len(short) == len(punctuated) == 4  # [CLS], marker, cat, [SEP]; no punctuation
    assert len(long) == most_doc_rows


def test_markers_are_read_from_the_checkpoint() -> None:
    model = Pylate(COLBERT, device="cpu").loaded()
    assert model.tokenize(["cat"], is_query=True)["input_ids"][0, 1] == 1  # [unused0]
    assert model.tokenize(["cat"], is_query=False)["input_ids"][0, 1] == 2  # [unused1]
    assert not model.attend_to_expansion_tokens


def test_what_the_component_says_beats_the_checkpoint() -> None:
    encoder = Pylate(COLBERT, device="cpu", query_length=8, document_length=6)
    assert [len(matrix) for matrix in encoder.encode(["cat"], "query")] == [8]
    assert [len(matrix) for matrix in encoder.encode(["cat " * 30], "doc")] == [6]
    bare = Pylate(COLBERT, device="cpu", query_expansion=False)
    assert [len(matrix) for matrix in bare.encode(["cat"], "query")] == [4]


def test_identity_is_the_transformers_own_hidden_states() -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder(BERT))
    body = AutoModel.from_pretrained(folder(BERT)).eval()
    encoder = Pylate(BERT, projection="identity", device="cpu", query_length=64)
    for text in ["the cat!", "", "river"]:
        with torch.inference_mode():
            hidden = body(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        expected = torch.nn.functional.normalize(hidden, dim=1).numpy()
        assert_same(encoder.encode([text], "doc"), [expected])
        assert_same(encoder.encode([text], "query"), [expected])


@pytest.mark.parametrize(
    "reference", [MINILM, BERT, "cross-encoder/ms-marco-MiniLM-L6-v2", "BAAI/bge-reranker-base"]
)
def test_model_without_a_trained_projection_is_refused(reference: str) -> None:
    encoder = Pylate(reference, device="cpu")
    for ask in (encoder.identity, encoder.load):
        with pytest.raises(ModelError, match=f"{reference}.*no token projection"):
            ask()


@pytest.mark.parametrize("reference", [MINILM, BERT])
def test_untrained_projection_is_the_same_in_every_load(reference: str) -> None:
    import torch

    encoder = Pylate(reference, projection="untrained", device="cpu")
    first = encoder.encode(TEXTS, "doc"), encoder.encode(TEXTS, "query")
    shelf.forget()
    torch.rand(1)  # the generator of the process stands elsewhere at the second load
    second = encoder.encode(TEXTS, "doc"), encoder.encode(TEXTS, "query")
    assert first[0][0].shape[1] == 128  # pylate's default dimension
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_vectors_are_float32_at_length_1_at_every_dtype() -> None:
    for encoder in (Pylate(COLBERT, device="cpu", dtype="bfloat16"), Pylate(COLBERT, device="cpu")):
        for matrix in (*encoder.encode(TEXTS, "doc"), *encoder.encode(TEXTS, "query")):
            assert matrix.dtype == np.float32
            np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=5e-3)


def test_identity_names_the_revision(hub: Path) -> None:
    snapshot = references.folder(COLBERT, wanted_by="a test")
    assert snapshot.is_relative_to(hub)
    assert Pylate(COLBERT).identity() == {"model": f"{COLBERT} {snapshot.name}"}
    minilm = references.folder(MINILM, wanted_by="a test").name
    assert SentenceTransformers(MINILM).identity() == {"model": f"{MINILM} {minilm}"}


def test_plain_transformer_is_refused_unless_pooling_is_said() -> None:
    with pytest.raises(ModelError, match=rf"{BERT}.*Say `pooling: mean`"):
        SentenceTransformers(BERT, device="cpu").identity()
    mean = SentenceTransformers(BERT, device="cpu", pooling="mean")
    cls = SentenceTransformers(BERT, device="cpu", pooling="cls")
    assert not np.allclose(mean.encode(["red apple"], "doc"), cls.encode(["red apple"], "doc"))


def test_what_is_longer_than_its_room_is_cut_and_nothing_else() -> None:
    encoder = Pylate(COLBERT, device="cpu", document_length=10)
    texts = ["cat", "the cat is blue", "the cat is blue and the dog is blue and sorts the list"]
    room, read = encoder.room("any query"), encoder.count_doc_tokens(texts)
    lengths = encoder.doc_lengths(texts)
    assert [length > room for length in lengths] == [False, False, True]
    special = 10 - room  # [CLS], the marker, [SEP]
    assert [min(length, room) + special for length in lengths] == read
