from __future__ import annotations

from collections.abc import Iterator

import contract_server
import pytest
from contract_server import ContractServer

from harness.components.servers import client, served


@pytest.fixture
def server() -> Iterator[ContractServer]:
    """The contract server in the dialect `plain`, asked by a client that knows nothing of it yet."""
    served._known.cache_clear()
    with contract_server.running() as running:
        running.reset("plain")
        yield running
        client._http(running.url).close()
        client._http.cache_clear()
