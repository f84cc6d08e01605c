"""A BentoML service whose scores are those of the contract server; run in an environment of its own.

`python -m bentoml serve bentoml_service:Rerank`
"""

import bentoml
from contract_server import score


@bentoml.service(name="rerank")
class Rerank:
    @bentoml.api
    def score(self, queries: list[str], documents: list[str]) -> dict[str, list[list[float]]]:
        return {"score": [[score(query, text) for text in documents] for query in queries]}
