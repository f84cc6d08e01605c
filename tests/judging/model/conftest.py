from __future__ import annotations

from collections.abc import Iterator

import contract_server
import pytest
from contract_server import ContractServer

from harness.components.servers import client


@pytest.fixture(scope="session")
def one_server() -> Iterator[ContractServer]:
    with contract_server.running() as server:
        yield server
    client._http(f"{server.url}/v1").close()
    client._http.cache_clear()


@pytest.fixture
def server(one_server: ContractServer, monkeypatch: pytest.MonkeyPatch) -> ContractServer:
    """The contract server as a judging model, whose client does not wait between its tries."""
    one_server.reset("chat")
    monkeypatch.setattr(client, "_sleep", lambda _: None)
    return one_server
