"""RAGatouille's `rerank` over HTTP: `python ragatouille_server.py CHECKPOINT --port 8080`.

Install in an environment of its own, since it wants older libraries: `pip install
ragatouille==0.0.9.post2 'transformers<4.50' 'langchain<1' torch`. Its `rerank` does
not follow the checkpoint's lengths: it reads as much of a document as the transformer has positions,
less 4, and of a query 1.35 tokens a word (or 32, if that is more). It pads documents with zeros that
take part in the maximum: a similarity below 0 counts as 0 in all but the longest.
"""

from collections.abc import Sequence
from importlib.metadata import version

from ragatouille import RAGPretrainedModel
from rerank_contract import arguments, serve


def main() -> None:
    """Load the model and answer until stopped."""
    told = arguments("RAGatouille over HTTP")
    model = RAGPretrainedModel.from_pretrained(told.model, verbose=0)

    def score(query: str, documents: Sequence[str]) -> list[float]:
        found = model.rerank(query, list(documents), k=len(documents))
        scores = {hit["result_index"]: hit["score"] for hit in found}
        return [scores[place] for place in range(len(documents))]

    info = {"library": f"RAGatouille {version('ragatouille')}", "model": told.model}
    serve(score, info, told.host, told.port)


if __name__ == "__main__":
    main()
