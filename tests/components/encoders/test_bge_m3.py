"""BGE-M3's three parts by their formulas, from one pass; a checkpoint without its heads is refused."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.components.abilities import CountsDocTokens, LimitsLength, ListsTerms, Tunable
from harness.components.encoders.bge_m3 import BgeM3
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.models import random_weights, references, shelf
from harness.components.protocols import JointEncoder
from harness.errors import ModelError

M3 = "BAAI/bge-m3"
TEXTS = ["the cat is blue", "", "a list, of stone! a list", "dog river tree " * 30, "Sort\tÄ?"]
SPECIAL = {0, 1, 2, 3}  # <s>, <pad>, </s> and <unk>, here as in the real model
ENCODER = BgeM3(M3, device="cpu")

pytestmark = pytest.mark.usefixtures("hub", "no_network")


def folder() -> Path:
    return references.folder(M3, wanted_by="a test")


def literally(text: str) -> tuple[Any, dict[int, float], Any]:
    """Dense vector, weight by term and token vectors as the paper's equations give them."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder())
    body = AutoModel.from_pretrained(folder()).eval()
    heads = [torch.load(folder() / f"{name}.pt") for name in ("sparse_linear", "colbert_linear")]
    features = tokenizer(text, return_tensors="pt", truncation=True)
    with torch.inference_mode():
        hidden = body(**features).last_hidden_state[0]
        sparse, late = (hidden @ head["weight"].T + head["bias"] for head in heads)
    terms: dict[int, float] = {}
    for term, weight in zip(features["input_ids"][0].tolist(), sparse[:, 0].tolist(), strict=True):
        if weight > 0 and term not in SPECIAL:
            terms[term] = max(weight, terms.get(term, 0.0))
    dense = hidden[0] / hidden[0].norm()
    tokens = late[1:] / late[1:].norm(dim=1, keepdim=True)
    return dense.numpy(), terms, tokens.numpy()


def by_term(matrix: NDArray[np.float32]) -> dict[int, float]:
    return {int(term): float(weight) for term, weight in matrix}


def assert_same(ours: Any, expected: Any) -> None:
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)


def test_parts_are_those_of_the_formulas() -> None:
    joint = ENCODER.encode(TEXTS, "doc")
    for text, dense, terms, tokens in zip(TEXTS, *joint, strict=True):
        expected = literally(text)
        assert_same(dense, expected[0])
        assert by_term(terms) == pytest.approx(expected[1], abs=1e-5)
        assert terms[:, 0].tolist() == sorted(terms[:, 0])
        assert_same(tokens, expected[2])
    assert sum(map(len, joint.terms)) > 10  # some weights are above 0
    assert len(joint.terms[1]) == 0  # an empty text has no terms


def test_each_part_alone_is_that_of_all_together() -> None:
    joint = ENCODER.encode(TEXTS, "query")
    assert_same(ENCODER.encode(TEXTS, "doc", "dense"), joint.dense)
    assert_same(ENCODER.encode(TEXTS, "query", "dense"), joint.dense)
    for side, part in itertools.product(("query", "doc"), ("terms", "tokens")):
        found = ENCODER.encode(TEXTS, side, part)
        for one, other in zip(found, getattr(joint, part), strict=True):
            assert_same(one, other)


def test_one_pass_gives_all(monkeypatch: pytest.MonkeyPatch) -> None:
    body = ENCODER.loaded().body
    batches = []
    monkeypatch.setattr(
        body, "forward", lambda features: batches.append(1) or type(body).forward(body, features)
    )
    ENCODER.encode(TEXTS, "doc")
    assert len(batches) == 1


def test_dense_vectors_are_those_of_sentence_transformers() -> None:
    library = SentenceTransformers(M3, device="cpu")
    assert_same(ENCODER.encode(TEXTS, "doc", "dense"), library.encode(TEXTS, "doc"))


def test_does_what_its_protocols_say() -> None:
    for protocol in (JointEncoder, CountsDocTokens, ListsTerms, LimitsLength, Tunable):
        assert isinstance(ENCODER, protocol)
    assert len(ENCODER.encode([], "doc", "dense")) == len(ENCODER.encode([], "doc").dense) == 0
    assert ENCODER.encode([], "doc", "tokens") == ENCODER.encode([], "doc", "terms") == []


def test_tokens_and_terms_are_counted_without_the_model() -> None:
    joint = ENCODER.encode(TEXTS, "doc")
    assert ENCODER.count_kept_tokens(TEXTS) == [len(matrix) for matrix in joint.tokens]
    assert ENCODER.count_doc_tokens(TEXTS) == [len(matrix) + 1 for matrix in joint.tokens]
    for ids, terms in zip(ENCODER.doc_terms(TEXTS), joint.terms, strict=True):
        assert set(terms[:, 0]) <= set(ids.tolist())
    assert len(ENCODER.doc_terms(["cat cat dog"])[0]) == 2


def test_what_is_longer_than_its_room_is_cut() -> None:
    encoder = BgeM3(M3, max_length=8, device="cpu")
    assert encoder.room("any query") == 6  # <s> and </s>
    assert encoder.doc_lengths(["cat " * 30, "cat dog"]) == [30, 2]
    assert encoder.count_doc_tokens(["cat " * 30, "cat dog"]) == [8, 4]
    assert [len(matrix) for matrix in encoder.encode(["cat " * 30], "doc", "tokens")] == [7]


def test_policies_encode_alike() -> None:
    policies = ENCODER.policies()
    assert ENCODER in policies.values()
    for other in policies.values():
        assert_same(other.encode(TEXTS, "doc", "dense"), ENCODER.encode(TEXTS, "doc", "dense"))
        assert other.loaded() is ENCODER.loaded()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_vectors_are_float32_at_length_1_at_every_dtype(dtype: Any) -> None:
    joint = BgeM3(M3, device="cpu", dtype=dtype).encode(TEXTS, "doc")
    for matrix in (joint.dense, *joint.tokens):
        assert matrix.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=5e-3)


def test_identity_names_body_and_heads(tmp_path: Path) -> None:
    known = ENCODER.identity()
    assert set(known) == {"model", "sparse_linear", "colbert_linear"}
    copy = shutil.copytree(folder(), tmp_path / "copy")
    before = BgeM3(str(copy)).identity()
    assert before["sparse_linear"] == known["sparse_linear"]
    shutil.copy(copy / "colbert_linear.pt", copy / "sparse_linear.pt")
    after = BgeM3(str(copy)).identity()
    assert {name for name in after if after[name] != before[name]} == {"sparse_linear"}


@pytest.mark.parametrize("absent", ["sparse_linear.pt", "colbert_linear.pt"])
def test_untrained_head_is_refused(absent: str, tmp_path: Path) -> None:
    copy = shutil.copytree(folder(), tmp_path / "copy")
    (copy / absent).unlink()
    encoder = BgeM3(str(copy), device="cpu")
    for ask in (encoder.identity, encoder.load):
        with pytest.raises(ModelError, match=f"has no {absent} beside its weights"):
            ask()


@pytest.mark.parametrize("content", [b"", b"not a layer", None])
def test_damaged_head_is_named(content: bytes | None, tmp_path: Path) -> None:
    import torch

    copy = shutil.copytree(folder(), tmp_path / "copy")
    file = copy / "sparse_linear.pt"
    torch.save({"weight": torch.zeros(1, 32)}, file) if content is None else file.write_bytes(
        content
    )
    with pytest.raises(ModelError, match=r"sparse_linear\.pt .* holds no linear layer"):
        BgeM3(str(copy), device="cpu").load()


def test_batches_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        BgeM3(M3, batch_size=0)


def test_random_weights_only_where_the_catalogue_knows_the_heads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ModelError, match=r"has no heads .* knows those of BAAI/bge-m3\."):
        BgeM3("dummy:BAAI/bge-small-en-v1.5").identity()
    small = random_weights.facts("dummy:BAAI/bge-small-en-v1.5").model_copy(update={"joint": True})
    monkeypatch.setattr(random_weights, "facts", lambda _reference: small)
    encoder = BgeM3("dummy:BAAI/bge-small-en-v1.5", device="cpu")
    first = encoder.encode(TEXTS[:3], "doc")
    shelf.forget()
    for part, again in zip(first, encoder.encode(TEXTS[:3], "doc"), strict=True):
        for one, other in zip(part, again, strict=True):
            np.testing.assert_array_equal(one, other)
    assert first.tokens[0].shape == (5, 384)  # the cat is blue [SEP]


def test_true_heads_stand_in_the_catalogue() -> None:
    assert BgeM3(f"dummy:{M3}").identity()["model"].startswith(f"dummy:{M3} random weights")
