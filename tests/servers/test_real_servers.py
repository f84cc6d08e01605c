"""The dialects against the real servers that packages carry, each in an environment of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract_server import score, texts
from real_servers import HERE, free_port, python_with, started

from harness.components.encoders.endpoint import Endpoint as Encoder
from harness.components.encoders.pylate import Pylate
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.encoders.token_endpoint import TokenEndpoint
from harness.components.models import references
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.components.rerankers.endpoint import Endpoint
from harness.components.rerankers.late_interaction import LateInteraction
from harness.data import Doc
from harness.errors import ComponentError, ServerError

pytestmark = pytest.mark.servers

DOCS = [Doc(str(i), text) for i, text in enumerate(texts(100))]
QUERY = "red apple pie"
PAGES = ["the cat is blue", "list of stone", "a river, a tree!", "dog " * 9, "Sort the list?"]


def assert_same(ours: Sequence[Any], expected: Sequence[Any], atol: float = 1e-6) -> None:
    assert len(ours) == len(expected)
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def assert_scores(reranker: Endpoint) -> None:
    """The scores of 100 documents are those that the service makes, and none is mixed up."""
    assert_same(reranker.score(QUERY, DOCS), [score(QUERY, doc.text) for doc in DOCS])
    assert_same(reranker.score("pear", DOCS[:1]), [score("pear", DOCS[0].text)])


def test_bentoml(tmp_path: Path) -> None:
    python, port = python_with("bentoml"), free_port()
    url = f"http://127.0.0.1:{port}"
    serve = ["-m", "bentoml", "serve", "bentoml_service:Rerank", "--host", "127.0.0.1"]
    command = [python, *serve, "--port", str(port), "--working-dir", str(HERE)]
    with started(command, f"{url}/readyz", tmp_path, {"BENTOML_DO_NOT_TRACK": "true"}):
        reranker = Endpoint(dialect="bentoml", url=url)
        assert_scores(reranker)
        assert reranker.identity()["title"] == "rerank"


def test_triton(tmp_path: Path) -> None:
    python, port = python_with("pytriton"), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [python, str(HERE / "triton_service.py"), str(port)]
    with started(command, f"{url}/v2/models/rerank/ready", tmp_path, {}):
        reranker = Endpoint(dialect="triton", url=url, model="rerank")
        assert_scores(reranker)
        assert reranker.identity() == {"name": "rerank", "platform": "python", "versions": "['1']"}
        assert reranker.server()["texts_a_request"] == 64
        with pytest.raises(ServerError, match="no model 'other' that is ready"):
            Endpoint(dialect="triton", url=url, model="other").identity()


def test_torchserve(tmp_path: Path) -> None:
    python = python_with("ts", "torch", "model_archiver")
    if shutil.which("java") is None:
        pytest.skip("TorchServe needs Java")
    inference, *others = (free_port() for _ in range(3))
    named = zip(("inference", "management", "metrics"), (inference, *others), strict=True)
    lines = [f"{name}_address=http://127.0.0.1:{port}\n" for name, port in named]
    (tmp_path / "config.properties").write_text("".join(lines) + "default_workers_per_model=1\n")
    here = Path(python).parent
    archive = ["--model-name", "rerank", "--version", "1.0", "--export-path", str(tmp_path)]
    handler = ["--handler", str(HERE / "torchserve_handler.py")]
    subprocess.run([here / "torch-model-archiver", *archive, *handler], check=True)
    serve = ["--start", "--foreground", "--ncs", "--model-store", str(tmp_path)]
    model = ["--models", "rerank=rerank.mar", "--disable-token-auth"]
    config = ["--ts-config", str(tmp_path / "config.properties")]
    url = f"http://127.0.0.1:{inference}"
    path = {"PATH": f"{here}:/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    command = [str(here / "torchserve"), *serve, *model, *config]
    with started(command, f"{url}/ping", tmp_path, path):
        # /ping answers before the model's worker does: until then predictions are 503.
        assert_scores(Endpoint(dialect="torchserve", url=url, model="rerank", retries=8))
        with pytest.raises(ComponentError, match=r"answered 404.*other"):
            Endpoint(dialect="torchserve", url=url, model="other").score(QUERY, DOCS)


@pytest.mark.usefixtures("hub")
def test_pylate(tmp_path: Path) -> None:
    from pylate import server

    python, port = python_with("pylate", "batched", "fastapi", "uvicorn"), free_port()
    folder = str(references.folder("lightonai/colbert", wanted_by="a test"))
    url = f"http://127.0.0.1:{port}"
    program = str(Path(*server.__path__) / "server.py")
    command = [python, program, "--host", "127.0.0.1", "--port", str(port), "--model", folder]
    with started(command, f"{url}/docs", tmp_path, {}):
        ours = TokenEndpoint(dialect="pylate", url=url, model=folder)
        expected = Pylate("lightonai/colbert", device="cpu")
        assert_same(ours.encode(PAGES, "query"), expected.encode(PAGES, "query"), 1e-5)
        assert_same(ours.encode(PAGES, "doc"), expected.encode(PAGES, "doc"), 1e-5)
        many = [doc.text for doc in DOCS]
        assert_same(ours.encode(many, "doc"), expected.encode(many, "doc"), 1e-5)
        with pytest.raises(ComponentError, match=r"answered 400.*Model not supported"):
            TokenEndpoint(dialect="pylate", url=url, model="other").encode(PAGES, "doc")


@pytest.mark.usefixtures("hub")
def test_infinity(tmp_path: Path) -> None:
    python, port = python_with("infinity_emb"), free_port()
    cross, dense = "BAAI/bge-reranker-base", "sentence-transformers/minilm"
    url = f"http://127.0.0.1:{port}"
    served = [
        argument
        for reference in (cross, dense)
        for argument in (
            *("--model-id", str(references.folder(reference, wanted_by="a test"))),
            *("--served-model-name", reference),
        )
    ]
    plain = ["--engine", "torch", "--device", "cpu", "--dtype", "float32"]
    program = str(Path(python).with_name("infinity_emb"))
    command = [program, "v2", *served, *plain, "--port", str(port)]
    quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
    with started([*command, "--host", "127.0.0.1"], f"{url}/health", tmp_path, quiet):
        docs = [Doc(str(i), text) for i, text in enumerate(PAGES)]
        expected = CrossEncoder(cross, device="cpu").score("sort the list", docs)
        raw = Endpoint(dialect="infinity", url=url, model=cross)
        assert_same(raw.score("sort the list", docs), expected, 1e-4)
        squashed = Endpoint(dialect="cohere", url=url, model=cross).score("sort the list", docs)
        assert_same(squashed, 1 / (1 + np.exp(-np.array(expected))), 1e-4)
        encoder = Encoder(dialect="openai", url=url, model=dense)
        library = SentenceTransformers(dense, device="cpu")
        assert_same(encoder.encode(PAGES, "doc"), library.encode(PAGES, "doc"), 1e-4)
        assert raw.identity()["backend"] == "torch"
        with pytest.raises(ServerError, match="no model 'other' but BAAI/bge-reranker-base"):
            Endpoint(dialect="infinity", url=url, model="other").identity()


@contextlib.contextmanager
def example(name: str, package: str, model: str, folder: Path) -> Iterator[str]:
    """A program of examples/servers while it answers; its URL."""
    python, port = python_with(package, "colbert"), free_port()
    url = f"http://127.0.0.1:{port}"
    program = str(HERE.parents[1] / "examples" / "servers" / f"{name}_server.py")
    command = [
        python,
        program,
        str(references.folder(model, wanted_by="a test")),
        "--port",
        str(port),
    ]
    # What the first start compiles is kept beside the environment that it belongs to.
    compiled = str(Path(python).parents[1] / "torch_extensions")
    offline = {"HF_HUB_OFFLINE": "1", "TORCH_EXTENSIONS_DIR": compiled}
    with started(command, f"{url}/health", folder, offline, seconds=600):
        yield url


def expected(query: str, texts: Sequence[str], **lengths: int) -> Sequence[float]:
    encoder = Pylate("colbert-ir/colbertv2.0", device="cpu", **lengths)
    docs = [Doc(str(i), text) for i, text in enumerate(texts)]
    return LateInteraction(encoder, documents="on_the_fly").score(query, docs)


LONG = "blue dog of the river " * 60
"""More than the 180 tokens of a document that the checkpoint's settings let ColBERT read."""


@pytest.mark.usefixtures("hub")
def test_stanford_colbert(tmp_path: Path) -> None:
    with example("stanford", "colbert", "colbert-ir/colbertv2.0", tmp_path) as url:
        reranker = Endpoint(dialect="plain", url=url)
        texts = [*PAGES, "", LONG]
        docs = [Doc(str(i), text) for i, text in enumerate(texts)]
        for query in ("sort the list", "cat " * 40, ""):
            assert_same(reranker.score(query, docs), expected(query, texts), 1e-4)
            assert_same(reranker.score(query, docs[2:3]), expected(query, texts[2:3]), 1e-4)
        assert reranker.identity()["library"].startswith("colbert-ai 0.2")
        assert reranker.identity()["doc_maxlen"] == "180"


@pytest.mark.usefixtures("hub")
def test_ragatouille(tmp_path: Path) -> None:
    with example("ragatouille", "ragatouille", "colbert-ir/colbertv2.0", tmp_path) as url:
        reranker = Endpoint(dialect="plain", url=url)
        docs = [Doc(str(i), text) for i, text in enumerate(PAGES)]
        for query in ("sort the list", ""):
            assert_same(reranker.score(query, docs), expected(query, PAGES), 1e-4)
            assert_same(reranker.score(query, docs[2:3]), expected(query, PAGES[2:3]), 1e-4)
        # It reads as many tokens as the transformer has positions (256) less 4, not the 180 of the
        # checkpoint.
        (score,) = reranker.score("sort the list", [Doc("long", LONG)])
        (cut,) = expected("sort the list", [LONG])
        (whole,) = expected("sort the list", [LONG], document_length=252)
        assert abs(score - cut) > 0.1
        assert score == pytest.approx(whole, abs=1e-4)
        assert reranker.identity()["library"].startswith("RAGatouille 0.0.9")
