"""A server on this machine that speaks every dialect, and commits every fault when it is told to.

Its model scores a text by the words that it shares with the query, so that what comes back is known;
its vectors are drawn from the words. Results come best first, as real servers give them.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from contract_answer import Answer, refusal
from contract_chat import chat
from contract_qdrant import ContractQdrant
from contract_vespa import ContractVespa

MODEL = "org/model"
SHA = "0123abcd"
TEI_LIMIT = 32
DIM = 4
STANFORD_DOCS = [f"{'apple ' * (i % 5)}pear {i}" for i in range(120)]


def score(query: str, text: str) -> float:
    """A logit: shared words, less for long texts; never the same for two texts of the tests."""
    shared = len(set(query.split()) & set(text.split()))
    return float(np.float32(3 * shared - 2 + zlib.crc32(text.encode()) / 2**32))


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def vector(text: str) -> list[float]:
    """Of length 3, so that it can be seen who makes it 1."""
    drawn = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIM)
    return [float(value) for value in 3 * drawn / np.linalg.norm(drawn)]


def matrix(text: str, role: str = "") -> list[list[float]]:
    return [vector(f"{role}{word}") for word in ["[CLS]", *text.split()]]


def _best_first(items: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: -item[key])


# One function a route; `body` is the JSON of a POST or the parameters of a GET.


def tei_info(_: Any) -> Answer:
    kind = {"reranker": {"id2label": {"0": "LABEL_0"}}}
    info = {"model_id": MODEL, "model_sha": SHA, "model_dtype": "float16", "model_type": kind}
    limits = {"max_client_batch_size": TEI_LIMIT, "max_batch_tokens": 16384, "version": "1.9.3"}
    return Answer(info | limits)


def _tei_checked(texts: Any) -> Answer | None:
    if not isinstance(texts, list):
        return refusal(422, error="invalid type", error_type="validation")
    if not texts:
        return refusal(400, error="`texts` cannot be empty", error_type="empty")
    if len(texts) > TEI_LIMIT:
        told = f"batch size {len(texts)} > maximum allowed batch size {TEI_LIMIT}"
        return refusal(422, error=told, error_type="validation")
    return None


def tei_rerank(body: Any) -> Answer:
    if refused := _tei_checked(body["texts"]):
        return refused
    raw = [score(body["query"], text) for text in body["texts"]]
    kept = raw if body.get("raw_scores") else map(sigmoid, raw)
    items: list[dict[str, Any]] = [{"index": i, "score": s} for i, s in enumerate(kept)]
    if body.get("return_text"):
        items = [{**item, "text": body["texts"][item["index"]]} for item in items]
    ranks = _best_first(items, "score")
    return Answer(ranks, ranks, "score", headers={"x-total-time": "12"})


def tei_embed(body: Any) -> Answer:
    if refused := _tei_checked(body["inputs"]):
        return refused
    rows = [vector(text) for text in body["inputs"]]
    return Answer(rows, rows, headers={"x-total-time": "12"})


def models(_: Any) -> Answer:
    entry = {"id": MODEL, "object": "model", "created": time.time(), "owned_by": "test"}
    return Answer({"object": "list", "data": [entry]})


def version(_: Any) -> Answer:
    return Answer({"version": "0.32.0"})


def _cohere(body: Any, raw: bool, document: Callable[[str], Any]) -> Answer:
    if body.get("model") != MODEL:
        return refusal(404, error={"message": f"The model `{body.get('model')}` does not exist."})
    values = (score(body["query"], text) for text in body["documents"])
    items = [
        {
            "index": i,
            "relevance_score": value if raw else sigmoid(value),
            "document": document(body["documents"][i]),
        }
        for i, value in enumerate(values)
    ]
    results = _best_first(items, "relevance_score")[: body.get("top_n") or None]
    content = {"id": "x", "model": MODEL, "usage": {"total_tokens": 9}, "results": results}
    return Answer(content, results, "relevance_score")


def cohere_rerank(body: Any) -> Answer:
    return _cohere(body, raw=False, document=lambda _: None)


def infinity_rerank(body: Any) -> Answer:
    return _cohere(body, raw=bool(body.get("raw_scores")), document=lambda _: None)


def vllm_rerank(body: Any) -> Answer:
    return _cohere(body, raw=body.get("use_activation") is False, document=lambda t: {"text": t})


def vllm_score(body: Any) -> Answer:
    raw = [score(body["queries"], text) for text in body["documents"]]
    kept = raw if body.get("use_activation") is False else [sigmoid(value) for value in raw]
    data = [{"index": i, "object": "score", "score": value} for i, value in enumerate(kept)]
    return Answer({"object": "list", "data": data, "model": MODEL}, data, "score")


def vllm_pooling(body: Any) -> Answer:
    if body.get("task") != "token_embed":
        return refusal(400, error={"message": "task"})
    data = [{"index": i, "data": matrix(text)} for i, text in enumerate(body["input"])]
    return Answer({"object": "list", "data": data}, data, "data")


def plaid_health(_: Any) -> Answer:
    return Answer({"status": "healthy", "version": "1.6.1", "memory_usage_bytes": 5})


def plaid_texts(body: Any) -> Answer:
    items = [
        {"index": i, "score": score(body["query"], text)}
        for i, text in enumerate(body["documents"])
    ]
    results = _best_first(items, "score")
    return Answer({"results": results, "num_documents": len(results)}, results, "score")


def plaid_vectors(body: Any) -> Answer:
    query = np.array(body["query"])
    items = [
        {"index": i, "score": float((query @ np.array(doc["embeddings"]).T).max(axis=1).sum())}
        for i, doc in enumerate(body["documents"])
    ]
    results = _best_first(items, "score")
    return Answer({"results": results, "num_documents": len(results)}, results, "score")


def plaid_encode(body: Any) -> Answer:
    role = {"query": "q ", "document": "d "}[body["input_type"]]
    rows = [matrix(text, role) for text in body["texts"]]
    return Answer({"embeddings": rows, "num_texts": len(rows)}, rows)


def triton_metadata(_: Any) -> Answer:
    inputs = [{"name": n, "datatype": "BYTES", "shape": [-1, 1]} for n in ("query", "document")]
    outputs = [{"name": "score", "datatype": "FP32", "shape": [-1, 1]}]
    return Answer({"name": MODEL, "versions": ["1"], "platform": "python"}
                  | {"inputs": inputs, "outputs": outputs})  # fmt: skip


def triton_config(_: Any) -> Answer:
    return Answer({"name": MODEL, "max_batch_size": 64})


def triton_infer(body: Any) -> Answer:
    columns = {entry["name"]: entry for entry in body["inputs"]}
    for entry in columns.values():
        if entry["datatype"] != "BYTES" or entry["shape"] != [len(entry["data"]), 1]:
            return refusal(400, error="unexpected shape or datatype")
    pairs = zip(columns["query"]["data"], columns["document"]["data"], strict=True)
    data = [score(query, text) for query, text in pairs]
    output = {"name": "score", "datatype": "FP32", "shape": [len(data), 1], "data": data}
    return Answer({"model_name": MODEL, "model_version": "1", "outputs": [output]}, data)


def plain_info(_: Any) -> Answer:
    return Answer({"model": MODEL, "revision": SHA, "max_documents": 50})


def plain_rerank(body: Any) -> Answer:
    if set(body) != {"query", "documents", "top_n"}:
        return refusal(422, detail=[{"loc": ["body"], "msg": "Field required"}])
    answer = plaid_texts(body)
    del answer.items[body["top_n"] :]  # type: ignore[index]
    answer.headers["Server-Timing"] = "model;dur=1, total;dur=7.5"
    return answer


def torchserve_ping(_: Any) -> Answer:
    return Answer({"status": "Healthy"})


def bento_ready(_: Any) -> Answer:
    return Answer(b"\n")


def bento_docs(_: Any) -> Answer:
    return Answer({"openapi": "3.0.2", "info": {"title": "rerank", "version": "tag:abc"}})


def bento_score(body: Any) -> Answer:
    (query,) = body["queries"]
    row = [score(query, text) for text in body["documents"]]
    return Answer({"score": [row]}, row)


def openai_embeddings(body: Any) -> Answer:
    if body.get("encoding_format") != "float":
        return refusal(400, error={"message": "encoding_format"})
    data = [
        {"object": "embedding", "index": i, "embedding": vector(text)}
        for i, text in enumerate(body["input"])
    ]
    return Answer({"object": "list", "data": data, "model": MODEL}, data, "embedding")


def infinity_embeddings(body: Any) -> Answer:
    data = [
        {"object": "embedding", "index": i, "embedding": matrix(text)}
        for i, text in enumerate(body["input"])
    ]
    return Answer({"object": "list", "data": data, "model": MODEL}, data, "embedding")


def pylate_embeddings(body: Any) -> Answer:
    if not isinstance(body["input"], list):
        return refusal(500, detail="characters")
    if body.get("model") != MODEL:
        return refusal(400, detail=f"Model not supported, the loaded model is {MODEL}")
    role = "q " if body.get("is_query", True) else "d "
    data = [
        {"object": "embedding", "index": i, "embedding": matrix(text, role)}
        for i, text in enumerate(body["input"])
    ]
    return Answer({"data": data, "model": MODEL, "usage": {}}, data, "embedding")


def ollama_tags(_: Any) -> Answer:
    return Answer({"models": [{"name": f"{MODEL}:latest", "digest": "sha256:77"}]})


def ollama_embed(body: Any) -> Answer:
    rows = [vector(text) for text in body["input"]]
    times = {"total_duration": 14_143_917, "load_duration": 1_019_500, "prompt_eval_count": 8}
    return Answer({"model": MODEL, "embeddings": rows, **times}, rows)


def stanford_search(parameters: Any) -> Answer:
    """Its cache is that of the handler: `seen`."""
    query, k = parameters["query"].strip(), min(int(parameters.get("k", 10)), 100)
    found = [
        {"text": text, "pid": pid, "score": score(query, text), "prob": 0.1}
        for pid, text in enumerate(STANFORD_DOCS)
    ]
    topk = _best_first(found, "score")[:k]
    topk = [{**hit, "rank": rank} for rank, hit in enumerate(topk, start=1)]
    return Answer({"query": query, "topk": topk}, topk, "score")


LISTS = {("GET", "/models"): models, ("GET", "/v1/models"): models}
VLLM = {("GET", "/v1/models"): models, ("GET", "/version"): version}
MODEL_PATH = "/v2/models/org%2Fmodel"

ROUTES: dict[str, dict[tuple[str, str], Callable[[Any], Answer]]] = {
    "tei": {
        ("GET", "/info"): tei_info,
        ("POST", "/rerank"): tei_rerank,
        ("POST", "/embed"): tei_embed,
    },
    "cohere": {**LISTS, ("POST", "/rerank"): cohere_rerank},
    "infinity": {
        **LISTS,
        ("POST", "/rerank"): infinity_rerank,
        ("POST", "/embeddings"): infinity_embeddings,
    },
    "vllm": {**VLLM, ("POST", "/rerank"): vllm_rerank, ("POST", "/pooling"): vllm_pooling},
    "vllm_score": {**VLLM, ("POST", "/score"): vllm_score},
    "next_plaid": {
        ("GET", "/health"): plaid_health,
        ("POST", "/rerank_with_encoding"): plaid_texts,
        ("POST", "/rerank"): plaid_vectors,
        ("POST", "/encode"): plaid_encode,
    },
    "triton": {
        ("GET", MODEL_PATH): triton_metadata,
        ("GET", f"{MODEL_PATH}/config"): triton_config,
        ("POST", f"{MODEL_PATH}/infer"): triton_infer,
    },
    "plain": {("GET", "/info"): plain_info, ("POST", "/rerank"): plain_rerank},
    "torchserve": {
        ("GET", "/ping"): torchserve_ping,
        ("POST", "/predictions/org%2Fmodel"): plain_rerank,
    },
    "bentoml": {
        ("GET", "/readyz"): bento_ready,
        ("GET", "/docs.json"): bento_docs,
        ("POST", "/score"): bento_score,
    },
    "openai": {**LISTS, ("POST", "/embeddings"): openai_embeddings},
    "pylate": {("POST", "/v1/embeddings"): pylate_embeddings},
    "ollama": {("GET", "/api/tags"): ollama_tags, ("POST", "/api/embed"): ollama_embed},
    "colbert": {("GET", "/api/search"): stanford_search},
    "chat": {("POST", "/v1/chat/completions"): chat},
}
ROUTES["tei and pylate"] = {**ROUTES["tei"], **ROUTES["pylate"]}


class CutError(Exception):
    """The connection ends here."""


Fault = Callable[["ContractServer", Answer], Answer]


@dataclass
class ContractServer:
    """What is spoken, which fault is committed, and what was asked."""

    url: str = ""
    dialect: str = ""
    fault: Fault | None = None
    times: float = math.inf
    """How often the fault is committed before all is well."""
    only_work: bool = True
    """Whether what the server tells of itself is left alone."""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    """Method, path and body of every request."""
    headers: list[dict[str, str]] = field(default_factory=list)
    vespa: ContractVespa = field(default_factory=ContractVespa)
    """What was deployed and fed; it outlives a reset."""
    qdrant: ContractQdrant = field(default_factory=ContractQdrant)
    """Its collections; they outlive a reset, too."""

    @property
    def work(self) -> list[Any]:
        """The bodies of the requests that were more than a look at what the server is."""
        return [asked[-1] for asked in self.asked if is_work(*asked)]

    def reset(self, dialect: str) -> None:
        self.dialect, self.fault, self.times, self.only_work = dialect, None, math.inf, True
        self.asked.clear()
        self.headers.clear()

    def answer(self, method: str, path: str, body: Any) -> Answer:
        self.asked.append((method, path, body))
        answer = self._answer(method, path, body)
        spared = self.only_work and not is_work(method, path, body)
        if self.fault is None or self.times <= 0 or spared:
            return answer
        self.times -= 1
        return self.fault(self, answer)

    def _answer(self, method: str, path: str, body: Any) -> Answer:
        if self.dialect == "vespa":
            return self.vespa.answer(method, path, body)
        if self.dialect == "qdrant":
            return self.qdrant.answer(method, path, body)
        route = ROUTES[self.dialect].get((method, path))
        if route is None:
            known = {known for _, known in ROUTES[self.dialect]}
            return refusal(405 if path in known else 404, error="not here")
        return route(body)


def is_work(method: str, path: str, body: Any) -> bool:
    """To feed and to deploy is not the work that is measured."""
    if path == "/search/":
        return "input.query(qt)" in body
    if path.endswith("/points/count"):
        return False
    preparing = path.startswith(("/document/v1/", "/application/v2/"))
    return (method == "POST" and not preparing) or path == "/api/search"


def _handler(server: ContractServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
            self._answer(self.command, parts.path, parameters)

        do_DELETE = do_GET  # noqa: N815  (as http.server calls it)

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            zipped = self.headers["Content-Type"] == "application/zip"
            self._answer(self.command, self.path, sent if zipped else json.loads(sent))

        do_PUT = do_POST  # noqa: N815

        def _answer(self, method: str, path: str, body: Any) -> None:
            server.headers.append({key.lower(): value for key, value in self.headers.items()})
            try:
                answer = server.answer(method, path, body)
                self._send(answer)
            except (CutError, BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _send(self, answer: Answer) -> None:
            content = answer.content
            sent = content if isinstance(content, bytes) else json.dumps(content).encode()
            headers = {"Content-Length": str(len(sent)), **answer.headers}
            self.send_response(answer.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            for start in range(0, len(sent), answer.bytes_at_once or len(sent) or 1):
                self.wfile.write(sent[start:][: answer.bytes_at_once])
                time.sleep(0.01 if answer.bytes_at_once else 0)
            if len(sent) < int(headers["Content-Length"]):
                raise CutError

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # as many may connect at once


@contextlib.contextmanager
def running() -> Iterator[ContractServer]:
    """The server, on a free port of this machine."""
    server = ContractServer()
    http = _Http(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def texts(count: int) -> Sequence[str]:
    words = ("apple", "pear", "plum", "red", "pie")
    return [f"{' '.join(words[: i % 5])} number {i}" for i in range(count)]
