"""The service keeps what its OpenAPI says, on a socket, by schemathesis."""

from __future__ import annotations

import conforming
from houses import house

from harness.service.limits import Limits


def test_the_service_is_as_it_is_described() -> None:
    with house(limits=Limits(documents=5, characters=50)) as here:
        assert conforming.check(here.url, 25) == 100
