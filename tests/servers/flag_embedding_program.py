"""What FlagEmbedding makes of texts: reads JSON on standard input, writes arrays to a file.

python flag_embedding_program.py FOLDER ARRAYS.npz < {"texts": [...], "query": "...", "weights": [...]}
"""

import json
import sys

import numpy as np
from FlagEmbedding import BGEM3FlagModel

folder, file = sys.argv[1:]
told = json.load(sys.stdin)
model = BGEM3FlagModel(
    folder, use_fp16=False, devices="cpu", query_max_length=64, passage_max_length=64
)
kinds = {"return_dense": True, "return_sparse": True, "return_colbert_vecs": True}
found = model.encode(told["texts"], max_length=64, **kinds)
scores = model.compute_score(
    [(told["query"], text) for text in told["texts"]], weights_for_different_modes=told["weights"]
)
arrays = {f"score {name}": np.array(values) for name, values in scores.items()}
arrays["dense"] = found["dense_vecs"]
for i, (weights, matrix) in enumerate(
    zip(found["lexical_weights"], found["colbert_vecs"], strict=True)
):
    terms = sorted((int(term), float(weight)) for term, weight in weights.items())
    arrays[f"terms {i}"] = np.array(terms, dtype=np.float32).reshape(-1, 2)
    arrays[f"tokens {i}"] = matrix
np.savez(file, **arrays)
