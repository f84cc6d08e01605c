"""Triton and whatever else speaks the Open Inference Protocol v2: POST /v2/models/MODEL/infer.

The model must take texts, so it tokenises on the server (an ensemble or a Python model): inputs
`query` and `document` of BYTES, shape [documents, 1], and one output `score` of floats. Tensors have
no indexes; their order is the protocol's promise, and their number is checked. Triton's own
/config says the largest batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.components.servers.dialect import (
    Dialect,
    IndexedValue,
    Request,
    ServerInfo,
    WrongServerError,
    in_order,
    limit_of,
)

MODEL = "/v2/models/{model}"

INPUTS = {"query", "document"}


def _body(request: Request) -> dict[str, Any]:
    count = len(request.texts)
    columns = {"query": [request.query] * count, "document": list(request.texts)}
    inputs = [
        {"name": name, "shape": [count, 1], "datatype": "BYTES", "data": data}
        for name, data in columns.items()
    ]
    return {"inputs": inputs, "outputs": [{"name": "score"}]}


def _read(content: Any) -> Iterable[IndexedValue]:
    (output,) = (output for output in content["outputs"] if output["name"] == "score")
    return in_order(output["data"])


def _identify(server: ServerInfo, model: str) -> dict[str, str]:
    answers = [answer for answer in server.values() if isinstance(answer, Mapping)]
    metadata = next((one for one in answers if "inputs" in one and "outputs" in one), None)
    if not metadata:
        raise WrongServerError(f"it has no model {model!r} that is ready")
    inputs = {entry["name"] for entry in metadata["inputs"]}
    outputs = {entry["name"] for entry in metadata["outputs"]}
    if inputs != INPUTS or "score" not in outputs:
        raise WrongServerError(
            f"its model {model!r} takes {sorted(inputs)} and gives {sorted(outputs)}; a reranker "
            "takes 'document' and 'query' (BYTES) and gives 'score'"
        )
    deciding = ("name", "platform", "versions")
    return {key: str(metadata[key]) for key in deciding if metadata.get(key)}


def _limit(server: ServerInfo) -> int | None:
    sizes = (a.get("max_batch_size") for a in server.values() if isinstance(a, Mapping))
    return next((limit for size in sizes if (limit := limit_of(size))), None)


RERANK = Dialect(
    path=f"{MODEL}/infer",
    body=_body,
    read=_read,
    about=("/v2", MODEL, f"{MODEL}/config"),
    identify=_identify,
    limit=_limit,
    names_model=True,
    remark="The order of scores is the protocol's promise; the server does not say which weights.",
)
