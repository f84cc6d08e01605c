"""Every dialect under a thousand answers with something wrong in them."""

from __future__ import annotations

from collections.abc import Iterator

import contract_server
import pytest
from contract_server import ContractServer
from hypothesis import given, settings
from spoilt import ONE_SERVER, SPOILS, Spoil, check_spoilt_answer, check_spoilt_words
from spoken import CASES, Case

from harness.components.servers import client

pytestmark = pytest.mark.hostile


@pytest.fixture(scope="module")
def one_server() -> Iterator[ContractServer]:
    with contract_server.running() as server:
        yield server
    client._http.cache_clear()


@pytest.fixture
def server(one_server: ContractServer, monkeypatch: pytest.MonkeyPatch) -> ContractServer:
    monkeypatch.setattr(client, "_sleep", lambda _: None)
    return one_server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@settings(max_examples=1000, suppress_health_check=[ONE_SERVER])
@given(spoil=SPOILS)
def test_spoilt(server: ContractServer, case: Case, spoil: Spoil) -> None:
    check_spoilt_answer(server, case, spoil)
    check_spoilt_words(server, case, spoil)
