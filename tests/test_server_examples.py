"""The programs of examples/servers, over libraries that are not there but for what is called of them.

`make test-servers` runs them with the real ones.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import httpx
import pytest
from contract_server import score, texts
from real_servers import HERE, free_port, started

from harness.components.rerankers.endpoint import Endpoint
from harness.components.servers import client, served
from harness.data import Doc

PROGRAMS = HERE.parents[1] / "examples" / "servers"

RAGATOUILLE = '''
from contract_server import score


class RAGPretrainedModel:
    @classmethod
    def from_pretrained(cls, name, verbose):
        return cls()

    def rerank(self, query, documents, k):
        """Best first, as the library gives them."""
        scores = [score(query, text) for text in documents]
        order = sorted(range(len(documents)), key=lambda place: -scores[place])
        return [
            {"content": documents[i], "score": scores[i], "rank": rank, "result_index": i}
            for rank, i in enumerate(order[:k], start=1)
        ]
'''

CONFIG = """
class ColBERTConfig:
    query_maxlen, doc_maxlen = 32, 180

    @classmethod
    def load_from_checkpoint(cls, name):
        return cls()
"""

CHECKPOINT = """
class Checkpoint:
    def __init__(self, name, colbert_config, verbose):
        self.colbert_config = colbert_config

    def queryFromText(self, queries):
        return queries

    def docFromText(self, docs, bsize, keep_dims):
        assert keep_dims == "flatten"
        return docs, [1] * len(docs)
"""

SCORES = """
from contract_server import score


class Scores(list):
    tolist = list.copy


def colbert_score_packed(vectors, tokens, lengths, config):
    assert len(tokens) == len(lengths)
    return Scores(score(vectors[0], text) for text in tokens)
"""

TORCH = """
import contextlib

inference_mode, tensor = contextlib.nullcontext, list
"""

MODULES = {
    "ragatouille": {"ragatouille.py": RAGATOUILLE},
    "stanford": {
        "torch.py": TORCH,
        "colbert/infra.py": CONFIG,
        "colbert/modeling/checkpoint.py": CHECKPOINT,
        "colbert/modeling/colbert.py": SCORES,
    },
}
PACKAGES = {"ragatouille": ("ragatouille", "0.0.9.post2"), "stanford": ("colbert-ai", "0.2.22")}


@pytest.fixture(scope="module", params=MODULES)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, name = tmp_path_factory.mktemp(request.param), request.param
    for path, code in MODULES[name].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(code)
    package, version = PACKAGES[name]
    about = folder / f"{package.replace('-', '_')}-{version}.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    port = free_port()
    found = f"http://127.0.0.1:{port}"
    command = [sys.executable, str(PROGRAMS / f"{name}_server.py"), "my/model", "--port", str(port)]
    path = os.pathsep.join([str(folder), str(HERE.parent)])
    with started(command, f"{found}/health", folder, {"PYTHONPATH": path}):
        yield found
    client._http(found).close()
    client._http.cache_clear()
    served._known.cache_clear()


def test_scores_are_the_librarys(url: str) -> None:
    docs = [Doc(str(i), text) for i, text in enumerate(texts(40))]
    expected = [score("red apple", doc.text) for doc in docs]
    reranker = Endpoint(dialect="plain", url=url)
    assert reranker.score("red apple", docs) == pytest.approx(expected)
    assert reranker.score("red apple", docs[3:4]) == pytest.approx(expected[3:4])


def test_it_says_what_it_is(url: str) -> None:
    told = Endpoint(dialect="plain", url=url).identity()
    assert told["model"] == "my/model"
    assert told["library"] in ("RAGatouille 0.0.9.post2", "colbert-ai 0.2.22")


def test_time_is_told(url: str) -> None:
    body = {"query": "red", "documents": ["red", "blue"], "top_n": 1}
    reply = httpx.post(f"{url}/rerank", json=body, trust_env=False)
    assert [result["index"] for result in reply.json()["results"]] == [0]
    assert float(reply.headers["Server-Timing"].removeprefix("total;dur=")) >= 0


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"query": "q", "documents": ["a"]}, "KeyError: 'top_n'"),
        ({"query": "q", "documents": "a", "top_n": 1}, "a list of texts"),
        ({"query": "q", "documents": [{"text": "a"}], "top_n": 1}, "a list of texts"),
        ({"query": 5, "documents": ["a"], "top_n": 1}, "query must be a text"),
        ({"query": "q", "documents": ["a"], "top_n": "1"}, "a number of documents"),
        (["q"], "TypeError"),
    ],
)
def test_a_wrong_request_is_refused(url: str, body: object, told: str) -> None:
    reply = httpx.post(f"{url}/rerank", json=body, trust_env=False)
    assert reply.status_code == 422
    assert told in reply.json()["error"]


def test_no_documents_and_no_such_path(url: str) -> None:
    body = {"query": "q", "documents": [], "top_n": 0}
    assert httpx.post(f"{url}/rerank", json=body, trust_env=False).json() == {"results": []}
    assert httpx.post(f"{url}/other", json=body, trust_env=False).status_code == 404
    assert httpx.get(f"{url}/other", trust_env=False).status_code == 404
