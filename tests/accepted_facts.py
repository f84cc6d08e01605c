"""What the second file of a baseline holds, for tests that are of its values."""

from __future__ import annotations

TRIAL = {"fingerprint": "f", "key": "k", "config": {}, "models": [], "made_with": 0}
COUNTS = {"documents": 1, "queries": 1, "judgements": 1}
FACTS = {
    "accepted": "2026-01-01",
    "reason": "é",
    "rules": [],
    "provenances": [{}],
    "latency": {},
    "trials": {"d": {"s": TRIAL}, "a,b": {'say "x"': TRIAL, "two\nlines": TRIAL}},
    "datasets": {"d": COUNTS, "a,b": COUNTS},
}
