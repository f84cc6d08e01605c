"""Cross-encoders score as their library does, and only where their head was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from harness.components.models import references, shelf
from harness.components.rerankers import cross_encoder
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.data import Doc
from harness.errors import ModelError

BGE = "BAAI/bge-reranker-base"
MS_MARCO = "cross-encoder/ms-marco-MiniLM-L6-v2"
TEXTS = ["the cat is blue", "", "a list, of stone!", "Sort (the) list?", "dog", "river " * 300]
DOCS = [Doc(str(i), text) for i, text in enumerate(TEXTS)]

pytestmark = pytest.mark.usefixtures("hub", "no_network")


@pytest.mark.parametrize("reference", [BGE, MS_MARCO])
def test_scores_as_the_library_gives_them(reference: str) -> None:
    import torch
    from sentence_transformers import CrossEncoder as Library

    library = Library(
        str(references.folder(reference, "a test")), device="cpu", local_files_only=True
    )
    for query in ("sort the list", "cat", ""):
        pairs = [(query, text) for text in TEXTS]
        expected = library.predict(pairs, activation_fn=torch.nn.Identity())
        found = CrossEncoder(reference, device="cpu").score(query, DOCS)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("reference", [BGE, MS_MARCO])
def test_scores_are_logits(reference: str) -> None:
    found = np.array(CrossEncoder(reference, device="cpu").score("sort the list", DOCS))
    assert found.min() < 0 or found.max() > 1  # no probabilities


@pytest.mark.parametrize("reference", [BGE, MS_MARCO])
def test_batches_do_not_matter(reference: str) -> None:
    one, many = (
        CrossEncoder(reference, batch_size=size, device="cpu").score("cat", DOCS)
        for size in (1, 32)
    )
    np.testing.assert_allclose(one, many, rtol=0, atol=1e-5)


@pytest.mark.parametrize("reference", [BGE, MS_MARCO])
def test_what_reads_the_same_scores_the_same_to_the_last_bit(reference: str) -> None:
    """Whoever else is asked, in whichever batch: ties are broken by ids and not by padding."""
    reranker = CrossEncoder(reference, batch_size=2, device="cpu")
    copies = [*DOCS, *(Doc(f"copy of {doc.doc_id}", doc.text) for doc in DOCS)]
    asked = [("cat", copies), ("sort the list", copies), ("cat", DOCS[::-1])]
    first, other, again = reranker.score_together(asked)
    assert first[: len(DOCS)] == first[len(DOCS) :] == again[::-1]
    assert other[: len(DOCS)] == other[len(DOCS) :] != first[: len(DOCS)]
    assert reranker.count_tokens("cat", copies) == reranker.count_tokens("cat", DOCS)


def test_pairs_of_all_queries_go_through_together(monkeypatch: pytest.MonkeyPatch) -> None:
    reranker = CrossEncoder(MS_MARCO, batch_size=4, device="cpu")
    model = reranker.loaded().model
    sizes: list[tuple[int, ...]] = []
    forward_pass = model.forward

    def noted(**features: Any) -> Any:
        sizes.append(tuple(features["input_ids"].shape))
        return forward_pass(**features)

    monkeypatch.setattr(model, "forward", noted)
    texts = [Doc("1", "dog"), Doc("2", "dog " * 7), Doc("3", "cat cat")]
    reranker.score_together([("cat", texts), ("dog", texts)])
    # [CLS] query [SEP] text [SEP]: lengths 5, 11 and 6 for each query, the longest first.
    assert sizes == [(4, 11), (2, 5)]


@pytest.mark.parametrize("size", ["batch_size", "batch_tokens"])
def test_batch_of_nothing_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match=f"{size} must be at least 1"):
        CrossEncoder(BGE, **{size: 0})


def test_max_length_cuts_the_document_and_not_the_query() -> None:
    # [CLS] sort the list [SEP] cat dog [SEP] are 8 tokens.
    reranker = CrossEncoder(MS_MARCO, max_length=8, device="cpu")
    short, long, other = reranker.score(
        "sort the list", [Doc("1", "cat dog"), Doc("2", "cat dog tree tree"), Doc("3", "dog dog")]
    )
    assert short == pytest.approx(long, abs=1e-6)
    assert short != pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize("words", [10, 11, 12, 13, 14, 100])
def test_long_query_leaves_room_for_the_document(words: int) -> None:
    reranker = CrossEncoder(MS_MARCO, max_length=16, device="cpu")  # room for 13 of the query's
    cat, dog = reranker.score("river " * words, [Doc("1", "cat"), Doc("2", "dog")])
    assert cat != pytest.approx(dog, abs=1e-4)


@pytest.mark.parametrize(
    "reference", ["sentence-transformers/minilm", "google-bert/bert", "colbert-ir/colbertv2.0"]
)
def test_model_without_a_trained_head_is_refused(reference: str) -> None:
    reranker = CrossEncoder(reference, device="cpu")
    for ask in (reranker.identity, reranker.load):
        with pytest.raises(ModelError, match=f"{reference}.*no classification head"):
            ask()


def test_head_that_is_named_but_not_there_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny.ms_marco(tmp_path / "headless")
    weights = load_file(folder / "model.safetensors")
    body = {name: tensor for name, tensor in weights.items() if "classifier" not in name}
    save_file(body, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="no classification head"):
        CrossEncoder(str(folder)).identity()


@pytest.mark.parametrize("reference", ["sentence-transformers/minilm", "google-bert/bert"])
def test_untrained_head_is_the_same_in_every_load(reference: str) -> None:
    import torch

    reranker = CrossEncoder(reference, head="untrained", device="cpu")
    first = reranker.score("cat", DOCS)
    shelf.forget()
    torch.rand(1)  # the generator of the process stands elsewhere at the second load
    assert reranker.score("cat", DOCS) == first


def test_two_labels_are_refused() -> None:
    with pytest.raises(ModelError, match="cross-encoder/two-labels' gives 2 labels"):
        CrossEncoder("cross-encoder/two-labels", device="cpu").load()


@pytest.mark.parametrize("query", ["cat", "sort the list", "river " * 40])
def test_what_is_longer_than_its_room_is_cut_and_nothing_else(query: str) -> None:
    reranker = CrossEncoder(MS_MARCO, max_length=16, device="cpu")
    lengths, room = reranker.doc_lengths(TEXTS), reranker.room(query)
    tokenizer = reranker.loaded().tokenizer
    for text, length in zip(TEXTS, lengths, strict=True):
        (row,) = cross_encoder.pairs(tokenizer, query, [text])
        kept = sum(row["token_type_ids"]) - 1  # of the second text, without its [SEP]
        assert kept == min(length, room)
