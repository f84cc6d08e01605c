"""No package carries Qdrant's server: its own client judges the contract server, and our requests."""

from __future__ import annotations

import json
import subprocess

import contract_server
import pytest
from fakes import HashingEncoder, HashingTokenEncoder
from real_servers import HERE, python_with

from harness.components.retrievers.qdrant_server import QdrantServer
from harness.data import Doc, Query

pytestmark = pytest.mark.servers

DOCS = [Doc(str(i), text) for i, text in enumerate(contract_server.texts(9))]


@pytest.mark.parametrize("quantization", ["none", "int8", "binary"])
def test_qdrant_client(quantization: str) -> None:
    python = python_with("qdrant_client")
    with contract_server.running() as server:
        server.reset("qdrant")
        retriever = QdrantServer(
            encoder=HashingTokenEncoder(8),
            url=server.url,
            prefetch=HashingEncoder(),
            quantization=quantization,  # type: ignore[arg-type]
        )
        retriever.index(DOCS).search([Query("q", "red apple")], 5)
        ours = [(method, path.partition("?")[0], body) for method, path, body in server.asked]
        told = subprocess.run(
            [python, HERE / "qdrant_client_program.py", server.url, "theirs"],
            input=json.dumps(ours),
            capture_output=True,
            text=True,
            check=False,
        )
    assert told.returncode == 0, told.stderr[-3000:]
    # Candidates are 2 and 1, nearest to 1: their tokens (1, i) and (0, 1) give (1, 1) 1 + i.
    hits = [[2, 3.0], [1, 2.0]]
    assert json.loads(told.stdout) == {"read": 3, "hits": hits, "count": 3, "left": False}
