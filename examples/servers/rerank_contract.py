"""A reranker over HTTP: POST /rerank {query, documents, top_n}, GET /info, GET /health.

Needs nothing but Python. The harness asks it by `{use: endpoint, dialect: plain, url: ...}`.
"""

import argparse
import json
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Score = Callable[[str, Sequence[str]], Sequence[float]]


def arguments(says: str) -> argparse.Namespace:
    """The model and where to listen, from the command line."""
    parser = argparse.ArgumentParser(description=says)
    parser.add_argument("model", help="a checkpoint's folder, or its name on the hub")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    return parser.parse_args()


def serve(score: Score, info: Mapping[str, Any], host: str, port: int) -> None:
    """Answer until it is stopped, one request at a time; `score` gives a score a document."""
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            known = {"/info": info, "/health": {"status": "ok"}}
            found = known.get(self.path)
            self.answer(200, found) if found else self.answer(404, {"error": "not here"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path != "/rerank":
                return self.answer(404, {"error": "not here"})
            try:
                query, documents, top_n = asked(json.loads(body))
            except (ValueError, KeyError, TypeError) as error:
                return self.answer(422, {"error": f"{type(error).__name__}: {error}"})
            with one_at_a_time:
                start = time.perf_counter()
                scores = [float(one) for one in score(query, documents)] if documents else []
                took = 1000 * (time.perf_counter() - start)
            if len(scores) != len(documents) or not all(map(math.isfinite, scores)):
                return self.answer(500, {"error": "the model gave no finite score a document"})
            results = [{"index": i, "score": one} for i, one in enumerate(scores)]
            results.sort(key=lambda result: -result["score"])
            timing = {"Server-Timing": f"total;dur={took:.3f}"}
            return self.answer(200, {"results": results[:top_n]}, timing)

        def answer(self, status: int, content: Any, headers: Mapping[str, str] = {}) -> None:
            sent = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(sent)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

    ThreadingHTTPServer((host, port), Handler).serve_forever()


def asked(body: Any) -> tuple[str, list[str], int]:
    """The three fields; raises KeyError, TypeError or ValueError for what is none of them."""
    query, documents, top_n = body["query"], body["documents"], body["top_n"]
    if not isinstance(documents, list) or not all(isinstance(t, str) for t in [query, *documents]):
        raise TypeError("query must be a text, and documents a list of texts")
    if not isinstance(top_n, int) or top_n < 0:
        raise ValueError("top_n must be a number of documents")
    return query, documents, top_n
