from __future__ import annotations

from collections.abc import Iterator

import contract_server
import pytest
from contract_server import ContractServer

from harness.components.servers import client, served


@pytest.fixture(scope="session")
def one_server() -> Iterator[ContractServer]:
    with contract_server.running() as server:
        yield server
    client._http(server.url).close()
    client._http.cache_clear()


@pytest.fixture
def server(one_server: ContractServer) -> ContractServer:
    """The contract server, asked by a client that knows nothing of it yet."""
    served._known.cache_clear()
    one_server.reset("")
    return one_server


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the client would have waited before each further try."""
    waited: list[float] = []
    monkeypatch.setattr(client, "_sleep", waited.append)
    return waited
