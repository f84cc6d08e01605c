"""Requests that our own OpenAPI allows and forbids, sent to a service on a socket."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode

ROUTES = ("/rerank", "/v1/rerank")


def check(url: str, examples: int) -> int:
    """How many requests were sent: those that the schema allows are answered, others refused.

    Each answer has a status, headers and a body that the schema tells of.
    """
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    sent = 0

    def ask(case: Case) -> None:
        nonlocal sent
        sent += 1
        answer = case.call()
        if answer.status_code != 422 or "have the same id" not in answer.text:
            case.validate_response(answer)

    for path in ROUTES:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            cases = schema[path]["POST"].as_strategy(generation_mode=mode)
            fast = settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            fast(given(cases)(ask))()
    return sent
