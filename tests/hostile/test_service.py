"""The service under 64 clients, and under thousands of requests by its own OpenAPI."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import conforming
import pytest
from houses import house
from services import Request, asked_by_many, experiment, serving

from harness.service.limits import Limits

pytestmark = pytest.mark.hostile

SECONDS = 60


def requests(count: int) -> Sequence[Request]:
    """Each of other documents, whose order by length is known."""
    drawn = random.Random(3)
    found = []
    for number in range(count):
        lengths = drawn.sample(range(1, 200), 5 + number % 30)
        body: dict[str, Any] = {"query": f"q{number}", "documents": ["x" * n for n in lengths]}
        found.append(Request(body, sorted(range(len(lengths)), key=lambda i: -lengths[i])))
    return found


def test_64_clients_get_no_wrong_answer(tmp_path: Path) -> None:
    file = experiment(tmp_path, {"use": "services:Halting", "marker": str(tmp_path / "marker")})
    with serving(file, "ours", "--port", "0") as service:
        seen = asked_by_many(service.url, requests(200), SECONDS, 64)
        service.process.terminate()
        _, err = service.process.communicate(timeout=60)
    assert (seen.wrong, err) == ([], "")
    assert len(seen.seconds) > 64


def test_the_service_is_as_it_is_described() -> None:
    with house(limits=Limits(documents=5, characters=50)) as here:
        assert conforming.check(here.url, 1500) > 5000
