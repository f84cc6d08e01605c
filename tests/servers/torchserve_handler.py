"""A TorchServe handler that speaks the report's contract, with the scores of the contract server."""

from typing import Any

from contract_server import score


def handle(data: list[Any], context: Any) -> list[Any]:
    del context
    return [_answer(request["body"]) for request in data or []]


def _answer(body: Any) -> Any:
    pairs = enumerate(body["documents"])
    results = [{"index": i, "score": score(body["query"], text)} for i, text in pairs]
    results.sort(key=lambda item: -item["score"])
    return {"results": results[: body["top_n"]]}
