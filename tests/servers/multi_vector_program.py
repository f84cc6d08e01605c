"""What `use: multi_vector` makes of texts, and the library's own scores of them.

python multi_vector_program.py FOLDER ARRAYS.npz < {"queries": [...], "docs": [...]}
"""

import json
import sys

import numpy as np

from harness.components.encoders.multi_vector import MultiVector

folder, file = sys.argv[1:]
told = json.load(sys.stdin)
encoder = MultiVector(folder, device="cpu")
arrays = {}
for texts, side in (("queries", "query"), ("docs", "doc")):
    for i, matrix in enumerate(encoder.encode(told[texts], side)):
        arrays[f"{texts} {i}"] = matrix
model = encoder.loaded()
vectors = model.encode_query(told["queries"]), model.encode_document(told["docs"])
arrays["scores"] = model.similarity(*vectors).numpy()
arrays["kept"] = np.array(encoder.count_kept_tokens(told["docs"]))
arrays["read"] = np.array(encoder.count_doc_tokens(told["docs"]))
arrays["lengths"] = np.array(encoder.doc_lengths(told["docs"]))
arrays["room"] = np.array(encoder.room("any query"))
arrays["attention"] = np.array(encoder.attention())
short = MultiVector(folder, device="cpu", query_length=8, document_length=6)
arrays["short query"] = short.encode(["cat"], "query")[0]
arrays["short doc"] = short.encode(["cat " * 30], "doc")[0]
np.savez(file, **arrays)
