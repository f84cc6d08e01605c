"""Tiny models with random weights in the formats on disk of the models they stand for.

The configuration files are written as those repositories have them, not as today's libraries
would save them; sizes apart (hidden 32, 2 layers, about 200 tokens).
"""

from __future__ import annotations

import json
import shutil
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HIDDEN = 32
POSITIONS = 64
WORDS = ("cat", "dog", "tree", "river", "stone", "sort", "list", "is", "the", "a", "of", "blue")
PROMPTS = {"query": "sort the ", "document": "list of "}

_BODY = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": HIDDEN,
    "initializer_range": 0.4,  # far above the usual 0.02, so that texts differ clearly
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "position_embedding_type": "absolute",
    "torch_dtype": "float32",
    "use_cache": True,
}
_ONE_LABEL = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
_TWO_LABELS = {"id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}}
_BERT_SPECIAL = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}


def bge_reranker(folder: Path, seed: int = 0) -> Path:
    """As BAAI/bge-reranker-base."""
    from transformers import XLMRobertaForSequenceClassification

    facts = {**_ONE_LABEL, "architectures": ["XLMRobertaForSequenceClassification"]}
    return _xlm_roberta(folder, facts, XLMRobertaForSequenceClassification, seed)


def bge_m3(folder: Path, seed: int = 0) -> Path:
    """As BAAI/bge-m3: weights in pytorch_model.bin, two heads in files of their own beside it."""
    import torch
    from safetensors.torch import load_file
    from transformers import XLMRobertaModel

    _xlm_roberta(folder, {"architectures": ["XLMRobertaModel"]}, XLMRobertaModel, seed)
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    drawn = torch.Generator().manual_seed(seed)
    for name, size in (("sparse_linear", 1), ("colbert_linear", HIDDEN)):
        layer = {
            "weight": torch.randn(size, HIDDEN, generator=drawn) / 8,
            "bias": torch.full((size,), 0.5),  # most weights of terms are above 0, and not all
        }
        torch.save(layer, folder / f"{name}.pt")
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    _modules(folder, kinds, max_seq_length=POSITIONS)
    _json(folder / "1_Pooling" / "config.json", _pooling("cls"))
    return folder


def _xlm_roberta(folder: Path, facts: Mapping[str, Any], model_class: type, seed: int) -> Path:
    from transformers import XLMRobertaConfig
    from transformers import XLMRobertaTokenizer as Tokenizer

    characters = string.ascii_lowercase + string.ascii_uppercase + string.digits
    pieces = [*(f"▁{word}" for word in WORDS), "▁", *characters, *string.punctuation]
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    names = [*special, *pieces, "<mask>"]
    scores = {name: -float(i) / 10 for i, name in enumerate(pieces)}
    tokenizer = Tokenizer(vocab=[(name, scores.get(name, 0.0)) for name in names])
    config = {
        **_BODY,
        **facts,
        "_name_or_path": "xlm-roberta-base",
        "bos_token_id": 0,
        "classifier_dropout": None,
        "eos_token_id": 2,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": POSITIONS + 2,
        "model_type": "xlm-roberta",
        "output_past": True,
        "pad_token_id": 1,
        "transformers_version": "4.28.1",
        "type_vocab_size": 1,
        "vocab_size": len(names),
    }
    _save_weights(folder, config, XLMRobertaConfig, model_class, seed)
    tokens = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    tokens |= {"pad_token": "<pad>", "unk_token": "<unk>"}
    mask = {"content": "<mask>", "lstrip": True, "normalized": True, "rstrip": False}
    mask |= {"single_word": False}
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    _json(folder / "special_tokens_map.json", {**tokens, "mask_token": mask})
    extra = {"clean_up_tokenization_spaces": True, "model_max_length": POSITIONS}
    extra |= {"tokenizer_class": "XLMRobertaTokenizer"}
    mask = {"__type": "AddedToken", **mask}
    _json(folder / "tokenizer_config.json", {**tokens, "mask_token": mask, **extra})
    return folder


def ms_marco(folder: Path, seed: int = 0, labels: int = 1) -> Path:
    """As cross-encoder/ms-marco-MiniLM-L6-v2, or its like with two labels."""
    from transformers import BertForSequenceClassification

    config = {
        "architectures": ["BertForSequenceClassification"],
        "sentence_transformers": {
            "activation_fn": "torch.nn.modules.linear.Identity",
            "version": "4.0.1",
        },
        **(_ONE_LABEL if labels == 1 else _TWO_LABELS),
    }
    return _bert(folder, config, BertForSequenceClassification, seed)


def bare_bert(folder: Path, seed: int = 0) -> Path:
    """As google-bert/bert-base-uncased without its language-model head."""
    from transformers import BertModel

    return _bert(folder, {"architectures": ["BertModel"]}, BertModel, seed)


def colbert(folder: Path, seed: int = 0, dim: int = 16) -> Path:
    """As colbert-ir/colbertv2.0."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import BertModel

    _bert(folder, {"architectures": ["HF_ColBERT"]}, BertModel, seed)
    weights = load_file(folder / "model.safetensors")
    linear = torch.randn(dim, HIDDEN, generator=torch.Generator().manual_seed(seed))
    save_file(
        {"linear.weight": linear, **{f"bert.{name}": weights[name] for name in weights}},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    artifact = {
        "query_token_id": "[unused0]",
        "doc_token_id": "[unused1]",
        "query_token": "[Q]",
        "doc_token": "[D]",
        "dim": dim,
        "similarity": "cosine",
        "mask_punctuation": True,
        "attend_to_mask_tokens": False,
        "query_maxlen": 32,
        "doc_maxlen": 180,
    }
    _json(folder / "artifact.metadata", artifact)
    return folder


def pylate(folder: Path, seed: int = 0, dim: int = 16) -> Path:
    """What pylate saves: a transformer and its own Dense."""
    import torch
    from pylate import models as pylate_models
    from sentence_transformers import models as modules

    body = modules.Transformer(str(bare_bert(folder.with_name(f"{folder.name}-body"), seed)))
    weight = torch.randn(dim, HIDDEN, generator=torch.Generator().manual_seed(seed))
    projection = pylate_models.Dense(HIDDEN, dim, bias=False, init_weight=weight)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = pylate_models.ColBERT(
            modules=[body, projection], device="cpu", query_length=12, document_length=24
        )
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


def sentence_transformers(
    folder: Path, seed: int = 0, prompts: Mapping[str, str] | None = None
) -> Path:
    """As sentence-transformers/all-MiniLM-L6-v2; prompts as newer models have them."""
    bare_bert(folder, seed)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    _modules(folder, kinds, max_seq_length=32)
    versions = {"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.8.1"}
    config: dict[str, Any] = {"__version__": versions}
    if prompts is not None:
        config |= {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    _json(folder / "config_sentence_transformers.json", config)
    _json(folder / "1_Pooling" / "config.json", _pooling("mean"))
    return folder


def _modules(folder: Path, kinds: Mapping[str, str], max_seq_length: int) -> None:
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    _json(folder / "modules.json", modules)
    config = {"max_seq_length": max_seq_length, "do_lower_case": False}
    _json(folder / "sentence_bert_config.json", config)


def _pooling(kind: str) -> Mapping[str, Any]:
    return {
        "word_embedding_dimension": HIDDEN,
        "pooling_mode_cls_token": kind == "cls",
        "pooling_mode_mean_tokens": kind == "mean",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }


def hub_cache(home: Path, repo_id: str, folder: Path, revision: str) -> Path:
    """Lay `folder` out below `home` as the hub's cache does; returns the snapshot."""
    repo = home / "hub" / f"models--{repo_id.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(revision, encoding="utf-8")
    snapshot = repo / "snapshots" / revision
    shutil.copytree(folder, snapshot)
    return snapshot


def _bert(folder: Path, facts: Mapping[str, Any], model_class: type, seed: int) -> Path:
    from transformers import BertConfig, BertTokenizer

    vocabulary = _bert_vocabulary()
    config = {
        **_BODY,
        "classifier_dropout": None,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 256,
        "model_type": "bert",
        "pad_token_id": 0,
        "transformers_version": "4.8.2",
        "type_vocab_size": 2,
        "vocab_size": len(vocabulary),
        **facts,
    }
    _save_weights(folder, config, BertConfig, model_class, seed)
    tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate(vocabulary)})
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    _json(folder / "special_tokens_map.json", _BERT_SPECIAL)
    settings = {
        "do_lower_case": True,
        **_BERT_SPECIAL,
        "tokenize_chinese_chars": True,
        "strip_accents": None,
        "model_max_length": POSITIONS,
        "do_basic_tokenize": True,
        "never_split": None,
        "tokenizer_class": "BertTokenizer",
    }
    _json(folder / "tokenizer_config.json", settings)
    return folder


def _bert_vocabulary() -> Sequence[str]:
    """Ids 0 and 100 to 103 as in bert-base-uncased, where [unused0] is id 1."""
    unused = [f"[unused{i}]" for i in range(99)]
    letters = string.ascii_lowercase + string.digits
    pieces = [*letters, *(f"##{letter}" for letter in letters), *string.punctuation]
    words = [word for word in WORDS if len(word) > 1]
    return ["[PAD]", *unused, "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces, *words]


def _save_weights(
    folder: Path, config: Mapping[str, Any], config_class: Any, model_class: Any, seed: int
) -> None:
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    _json(folder / "config.json", config)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = model_class(config_class.from_pretrained(folder))
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _json(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
