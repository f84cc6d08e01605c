"""What is told of an arm's component: whether a server or a database works for it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.components.abilities import AsksServer
from harness.components.encoders import endpoint as encoding
from harness.components.registry import parts
from harness.components.rerankers import cross_encoder, endpoint, pgvector_maxsim
from harness.components.retrievers import bm25, dense, pgvector, vespa

URL = "http://127.0.0.1:1"
REMOTE = encoding.Endpoint(dialect="tei", url=URL)


@pytest.mark.parametrize(
    ("component", "is_served"),
    [
        (endpoint.Endpoint(dialect="tei", url=URL), True),
        (dense.Dense(encoder=REMOTE), True),
        (pgvector.Pgvector(encoder=REMOTE, server="embedded"), True),
        (pgvector_maxsim.PgvectorMaxsim(encoder=REMOTE, url_env="X"), True),
        (vespa.Vespa(url=URL, encoder=REMOTE), True),
        (bm25.Bm25(), False),
        (cross_encoder.CrossEncoder(model="m"), False),
    ],
)
def test_who_asks_a_server(component: Any, is_served: bool) -> None:
    assert any(isinstance(part, AsksServer) for part in parts(component)) == is_served
