"""What a reader must know of the servers behind a system: what they serve, how they were asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from harness.page.text import counted

FAULTS = {
    "broken": "connections that failed",
    "late": "answers that did not come in time",
    "refused": "requests refused for the moment",
}
"""After what a request was tried again, as `harness.components.timing` counts it."""


def sentences(system: str, facts: Mapping[str, Any]) -> Iterator[str]:
    """A line a server of one trial, and one on the requests; nothing where nothing is served."""
    for server in facts.get("servers", ()):
        identity = ", ".join(f"{key} {value}" for key, value in server["identity"].items())
        size = server["texts_a_request"]
        cut = f" At most {size} texts a request." if size else ""
        remark = f" {server['remark']}" if server["remark"] else ""
        yield f"{system}: served by {server['url']} ({server['dialect']}): {identity}.{cut}{remark}"
    traffic: Counter[str] = Counter()
    for stage in facts["stages"]:
        traffic.update(stage.get("traffic", {}))
    if traffic["requests"]:
        yield f"{system}: {_traffic(traffic)}"


def _traffic(traffic: Mapping[str, float]) -> str:
    requests = int(traffic["requests"])
    parts = [
        f"{counted(requests, 'request')} of {1000 * traffic['client_seconds'] / requests:.1f} ms each"
    ]
    if traffic["server_seconds"]:
        parts.append(f"{1000 * traffic['server_seconds'] / requests:.1f} ms by the server's count")
    if traffic["retries"]:
        faults = [
            f"{int(traffic[kind]):,} {what}" for kind, what in FAULTS.items() if traffic[kind]
        ]
        after = f" ({', '.join(faults)})" if faults else ""
        waited = f"{traffic['waited_seconds']:.1f} s waited"
        parts.append(f"{int(traffic['retries']):,} tries more after faults{after}, {waited}")
    return f"{'; '.join(parts)}, during the run that quality comes from."
