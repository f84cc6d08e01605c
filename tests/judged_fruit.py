"""Eight queries of ten documents, four of which people judged as the model of the contract does."""

from __future__ import annotations

import contract_chat

from harness.analysis.judgments.pool import Pool

WORDS = ("apple", "pear", "plum", "fig")
TEXTS = {f"d{i}": f"{' '.join(WORDS[: i % 5])} number {i}" for i in range(10)}
QUERIES = {f"q{i}": f"apple pear plum {i}" for i in range(8)}
RANKINGS = {
    name: dict.fromkeys(QUERIES, order)
    for name, order in {
        "first": [f"d{i}" for i in range(5)],
        "second": [f"d{i}" for i in range(9, 4, -1)],
    }.items()
}
POOL = Pool(QUERIES, RANKINGS, "first", depth=5)
PEOPLE = {
    (query_id, doc_id): contract_chat.grade(QUERIES[query_id], TEXTS[doc_id])
    for query_id in list(QUERIES)[:4]
    for doc_id in TEXTS
}
"""Four queries of ten documents, as the model grades them."""
ALL = len(QUERIES) * len(TEXTS)
