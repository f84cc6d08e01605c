"""Stanford ColBERT as a reranker of texts: `python stanford_server.py CHECKPOINT --port 8080`.

Install in an environment of its own, since it wants an older transformers:
`pip install colbert-ai==0.2.22 'transformers<4.50' torch`. The first start compiles the library's
MaxSim for CPUs, which takes a C++ compiler. Documents are encoded with every request, as long as
the checkpoint's `doc_maxlen` says. Padding takes no part in the scores, but on a CPU the library's
maximum begins at 0 (segmented_maxsim.cpp), so that a similarity below 0 counts as 0.
"""

from collections.abc import Sequence
from importlib.metadata import version

import torch
from colbert.infra import ColBERTConfig
from colbert.modeling.checkpoint import Checkpoint
from colbert.modeling.colbert import colbert_score_packed
from rerank_contract import arguments, serve


def main() -> None:
    """Load the checkpoint and answer until stopped."""
    told = arguments("Stanford ColBERT over HTTP")
    config = ColBERTConfig.load_from_checkpoint(told.model) or ColBERTConfig()
    checkpoint = Checkpoint(told.model, colbert_config=config, verbose=0)

    def score(query: str, documents: Sequence[str]) -> list[float]:
        with torch.inference_mode():
            vectors = checkpoint.queryFromText([query])
            tokens, lengths = checkpoint.docFromText(documents, bsize=32, keep_dims="flatten")[:2]
            return colbert_score_packed(
                vectors, tokens, torch.tensor(lengths), checkpoint.colbert_config
            ).tolist()

    info = {
        "library": f"colbert-ai {version('colbert-ai')}",
        "model": told.model,
        "query_maxlen": config.query_maxlen,
        "doc_maxlen": config.doc_maxlen,
    }
    serve(score, info, told.host, told.port)


if __name__ == "__main__":
    main()
