"""What is asked of a model and it cannot do is refused with file and line; what it lacks is made up for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import yaml

from harness.components.encoders.bge_m3 import BgeM3
from harness.components.encoders.fastembed import Fastembed as FastembedEncoder
from harness.components.encoders.pylate import Pylate
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.models import labels, positions, references, shelf
from harness.components.protocols import encode_part
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.components.rerankers.fastembed import Fastembed
from harness.data import Doc
from harness.errors import ConfigError, ModelError
from harness.experiment.reading import load_experiment

BGE = "BAAI/bge-reranker-base"
MS_MARCO = "cross-encoder/ms-marco-MiniLM-L6-v2"
MINILM = "sentence-transformers/minilm"
TWO = "cross-encoder/two-labels"
LONG = "river " * 300
GIVES_TWO = (
    f"the model {TWO!r} gives 2 labels and a reranker one score: say which of them stands for a "
    "relevant document, by name or place, of 'no' (0), 'yes' (1)"
)
DOCS = [Doc(str(i), text) for i, text in enumerate(["cat", "the dog is blue", "", LONG])]
HUGE = 1000000000000000019884624838656
"""What transformers writes where a tokenizer has no limit."""

pytestmark = pytest.mark.usefixtures("hub", "no_network")


def refused(folder: Path, retriever: Any = None, reranker: Any = None) -> str:
    """The one fault of an experiment file, without its name: line, path and what is wrong."""
    content = {
        "question": "Does it fit?",
        "datasets": [{"use": "pydoc"}],
        "systems": [{"name": "one", "retriever": retriever or {"use": "bm25"}}],
    }
    if reranker:
        content["systems"][0]["reranker"] = reranker  # type: ignore[index]
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_experiment(file)
    _, line = str(caught.value).splitlines()
    return line.removeprefix(f"  {file}:")


@pytest.mark.parametrize(
    ("config", "most", "firm"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, 512, True),
        # facebook/roberta-base: 514 rows, of which the first two (padding_idx + 1) are never read.
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512, True),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 8194}, 8192, True),
        # MPNet counts from 2 whatever its configuration says.
        ({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 0}, 512, True),
        ({"model_type": "gpt2", "n_positions": 1024}, 1024, True),
        (
            {
                "model_type": "deberta-v2",
                "max_position_embeddings": 512,
                "position_biased_input": False,
            },
            512,
            False,
        ),
        ({"model_type": "t5", "n_positions": 512}, 512, False),
        (
            {
                "model_type": "bert",
                "max_position_embeddings": 8192,
                "position_embedding_type": "alibi",
            },
            8192,
            False,
        ),
        ({"model_type": "bloom"}, None, False),
        ({}, None, False),
    ],
)
def test_positions_of_a_configuration(
    config: Mapping[str, Any], most: int | None, firm: bool
) -> None:
    assert positions.of(config) == (most, firm)


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        # XLM-RoBERTa with 66 rows: 64 positions (tiny.py).
        (
            {"reranker": {"use": "cross_encoder", "model": BGE, "max_length": 65}},
            "11: systems[0].reranker.max_length: 65 is more than the model's 64 positions",
        ),
        (
            {"reranker": {"use": "cross_encoder", "max_length": 0, "model": MS_MARCO}},
            "10: systems[0].reranker.max_length: 0 is below 1",
        ),
        (
            {
                "retriever": {
                    "use": "dense",
                    "encoder": {"use": "sentence_transformers", "model": MINILM, "max_length": 512},
                }
            },
            "11: systems[0].retriever.encoder.max_length: 512 is more than the model's 256",
        ),
        (
            {
                "retriever": {
                    "use": "sparse",
                    "encoder": {"use": "bge_m3", "model": "BAAI/bge-m3", "max_length": 66},
                }
            },
            "11: systems[0].retriever.encoder.max_length: 66 is more than the model's 64",
        ),
        (
            {
                "reranker": {
                    "use": "late_interaction",
                    "encoder": {"use": "pylate", "model": "lightonai/colbert", "query_length": 257},
                }
            },
            "13: systems[0].reranker.encoder.query_length: 257 is more than the model's 256",
        ),
        (
            {
                "reranker": {
                    "use": "cross_encoder",
                    "model": {
                        "train": {
                            "base": "google-bert/bert",
                            "max_length": 300,
                            "negatives": {"retriever": {"use": "bm25"}},
                        }
                    },
                }
            },
            "13: systems[0].reranker.model.train.max_length: 300 is more than the model's 256",
        ),
        (
            {"reranker": {"use": "cross_encoder", "model": TWO}},
            f"8: systems[0].reranker.label: {GIVES_TWO}",
        ),
        (
            {"reranker": {"use": "cross_encoder", "model": TWO, "label": "maybe"}},
            f"11: systems[0].reranker.label: the model {TWO!r} has no label 'maybe', but 'no' (0)",
        ),
        (
            {"reranker": {"use": "cross_encoder", "model": TWO, "label": 2}},
            f"11: systems[0].reranker.label: the model {TWO!r} has no label 2, but 'no' (0), ",
        ),
    ],
)
def test_what_a_model_cannot_do_is_refused_when_the_file_is_read(
    tmp_path: Path, part: dict[str, Any], fault: str
) -> None:
    assert refused(tmp_path, **part).startswith(fault)


def test_a_model_that_is_not_here_is_left_to_the_plan(tmp_path: Path) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text(
        "question: q\ndatasets: [{use: pydoc}]\nsystems:\n  - name: one\n    retriever: {use: bm25}\n"
        "    reranker: {use: cross_encoder, model: org/elsewhere, max_length: 9000, label: x}\n"
        "  - {name: two, retriever: {use: bm25}, reranker: {use: cross_encoder, model: ./gone}}\n"
    )
    assert len(load_experiment(file).systems) == 2


def test_what_is_built_without_a_file_is_refused_too() -> None:
    for component in (
        CrossEncoder(BGE, max_length=65),
        SentenceTransformers(MINILM, max_length=257),
        Pylate("lightonai/colbert", document_length=300),
        BgeM3("BAAI/bge-m3", max_length=65),
    ):
        with pytest.raises(ModelError, match="is more than the model's"):
            component.identity()
        with pytest.raises(ModelError, match="is more than the model's"):
            component.load()


@pytest.mark.parametrize("length", [3, 4])
def test_a_length_without_room_for_a_text_is_refused(length: int) -> None:
    with pytest.raises(ModelError, match=f"max_length: {length} tokens leave .* no room"):
        CrossEncoder(MS_MARCO, max_length=length, device="cpu").load()  # 3 are special
    with pytest.raises(ModelError, match=f"max_length: {length - 2} tokens leave .* no room"):
        SentenceTransformers(MINILM, max_length=length - 2, device="cpu").load()  # 2 are special


Change = Callable[[dict[str, Any]], None]


def changed(made: Path, file: str, change: Mapping[str, Any], *without: str) -> Path:
    """A model with other settings in one of its files."""
    content = json.loads((made / file).read_text(encoding="utf-8"))
    content = {name: value for name, value in {**content, **change}.items() if name not in without}
    (made / file).write_text(json.dumps(content), encoding="utf-8")
    return made


def test_a_reranker_without_a_limit_reads_what_has_a_position(tmp_path: Path) -> None:
    """XLM-RoBERTa of 66 rows: 64 tokens, and never an index beyond the table."""
    made = tiny.bge_reranker(tmp_path / "model")
    limited = CrossEncoder(str(made), device="cpu").score("cat", DOCS)  # its tokenizer says 64
    shelf.forget()
    changed(made, "tokenizer_config.json", {"model_max_length": HUGE})
    reranker = CrossEncoder(str(made), device="cpu")
    assert reranker.score("cat", DOCS) == pytest.approx(limited, abs=1e-6)
    # <s> query </s></s> text </s>: four special tokens, one word.
    assert reranker.room("cat") == 64 - 4 - 1
    assert CrossEncoder(str(made), max_length=64, device="cpu").score("cat", DOCS) == limited


def test_an_encoder_without_a_limit_reads_what_has_a_position(tmp_path: Path) -> None:
    made = tiny.bge_m3(tmp_path / "model")
    changed(made, "tokenizer_config.json", {"model_max_length": HUGE})
    changed(made, "sentence_bert_config.json", {"max_seq_length": None})
    for encoder in (SentenceTransformers(str(made), device="cpu"), BgeM3(str(made), device="cpu")):
        assert encoder.count_doc_tokens([LONG]) == [64]
        assert np.isfinite(encode_part(encoder, "dense", [LONG], "doc")).all()
        assert np.isfinite(encode_part(encoder, "dense", [LONG], "query")).all()


def test_lengths_of_a_checkpoint_beyond_its_positions_are_cut_to_them(tmp_path: Path) -> None:
    """pylate's own defaults, 180 tokens, or those of a checkpoint are more than some models have."""
    made = tiny.bge_m3(tmp_path / "model")
    encoder = Pylate(str(made), projection="identity", device="cpu")
    assert encoder.count_doc_tokens([LONG]) == [64]
    assert [len(matrix) for matrix in encoder.encode([LONG], "doc")] == [64]
    whole = Pylate(str(made), projection="identity", query_length=64, device="cpu")
    assert [len(matrix) for matrix in whole.encode([LONG], "query")] == [64]


def test_an_onnx_model_without_a_limit_reads_what_has_a_position(
    exported: Callable[[str], str], tmp_path: Path
) -> None:
    import shutil

    made = Path(shutil.copytree(exported(BGE), tmp_path / "model"))
    expected = Fastembed(str(made)).score("cat", DOCS)
    changed(made, "tokenizer_config.json", {"model_max_length": HUGE}, "pad_token", "max_length")
    # fastembed's own reading of such a file: no limit is an error, and so is no padding.
    references._in_folder.cache_clear()
    assert Fastembed(str(made)).score("cat", DOCS) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ModelError, match="max_length: 65 is more than the model's 64 positions"):
        Fastembed(str(made), max_length=65).load()
    with pytest.raises(ModelError, match="max_length: 65 is more than the model's 64 positions"):
        FastembedEncoder(str(made), max_length=65, pooling="mean").identity()


def decoder(folder: Path, padding: str | None, config_padding: int | None) -> Path:
    """A LLaMA that classifies, and a tokenizer that begins texts with <a> and ends them with <b>."""
    import tokenizers
    from transformers import LlamaConfig, LlamaForSequenceClassification

    words = ["<unk>", "<a>", "<b>", "<pad>", *tiny.WORDS]
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<a> $A <b>", pair="<a> $A <b> $B <b>", special_tokens=[("<a>", 1), ("<b>", 2)]
    )
    config = {
        "architectures": ["LlamaForSequenceClassification"],
        "eos_token_id": 2,
        "hidden_size": 16,
        "initializer_range": 0.5,
        "intermediate_size": 32,
        "max_position_embeddings": 128,
        "model_type": "llama",
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "num_key_value_heads": 2,
        "pad_token_id": config_padding,
        "vocab_size": len(words),
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
    }
    tiny._save_weights(folder, config, LlamaConfig, LlamaForSequenceClassification, 0)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "eos_token": "<b>",
        "unk_token": "<unk>",
        "model_max_length": HUGE,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    settings |= {"pad_token": padding} if padding else {}
    tiny._json(folder / "tokenizer_config.json", settings)
    return folder


@pytest.mark.parametrize(
    ("padding", "config_padding"),
    [(None, None), ("<b>", None), ("<pad>", None), ("<pad>", 3), ("<pad>", 0)],
)
def test_a_decoder_scores_each_pair_as_if_alone_whatever_padding_it_has(
    tmp_path: Path, padding: str | None, config_padding: int | None
) -> None:
    """The logit of the last token, <b>, as transformers gives it for one pair without padding."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = decoder(tmp_path / "model", padding, config_padding)
    docs = [Doc(str(i), text) for i, text in enumerate(["cat", "dog tree", "blue list", "a " * 90])]
    found = CrossEncoder(str(folder), batch_size=4, device="cpu").score("the cat", docs)
    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    plain.config.pad_token_id = None
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        alone = [
            plain(**tokenizer("the cat", doc.text, return_tensors="pt")).logits.item()
            for doc in docs
        ]
    assert found == pytest.approx(alone, abs=1e-5)
    assert len(set(found)) == 4


def test_an_encoder_without_padding_takes_another_token_that_is_masked(tmp_path: Path) -> None:
    made = tiny.sentence_transformers(tmp_path / "model")
    changed(made, "tokenizer_config.json", {}, "pad_token")
    changed(made, "special_tokens_map.json", {}, "pad_token")
    texts = ["cat", "the dog is blue"]
    found = SentenceTransformers(str(made), device="cpu").encode(texts, "doc")
    expected = SentenceTransformers(MINILM, device="cpu").encode(texts, "doc")
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_label_that_yaml_takes_for_a_truth_is_told(tmp_path: Path) -> None:
    told = refused(tmp_path, reranker={"use": "cross_encoder", "model": TWO, "label": True})
    assert told == (
        "11: systems[0].reranker.label: YAML reads yes, no, on and off as true and false: write the "
        "label in quotes"
    )


@pytest.mark.parametrize("label", ["yes", 1])
def test_the_label_that_is_picked_scores(exported: Callable[[str], str], label: str | int) -> None:
    """The log-odds of two labels are the difference of their logits."""
    import torch
    from sentence_transformers import CrossEncoder as Library

    library = Library(str(references.folder(TWO, "a test")), device="cpu", local_files_only=True)
    pairs = [("cat", doc.text) for doc in DOCS]
    no, yes = library.predict(pairs, activation_fn=torch.nn.Identity()).T
    found = CrossEncoder(TWO, label=label, device="cpu").score("cat", DOCS)
    np.testing.assert_allclose(found, yes - no, atol=1e-5)
    other = CrossEncoder(TWO, label="no", device="cpu").score("cat", DOCS)
    np.testing.assert_allclose(other, no - yes, atol=1e-5)
    onnx = Fastembed(exported(TWO), label=label).score("cat", DOCS)
    np.testing.assert_allclose(onnx, yes - no, atol=1e-4)


def test_scores_of_labels() -> None:
    logits = np.array([[1.0, 2.0, 0.0]], dtype=np.float32)
    # p = e / (1 + e + e^2), log(p / (1 - p)) = 1 - log(e^2 + 1)
    assert labels.scores(logits, 0, {})[0] == pytest.approx(1 - np.log(np.e**2 + 1), abs=1e-6)
    each = {"problem_type": "multi_label_classification"}
    assert labels.scores(logits, 1, each).tolist() == [2.0]
    assert labels.scores(logits[:, :1], 0, {}).tolist() == [1.0]
