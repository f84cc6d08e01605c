"""The card that lies beside a trained model: what it is, and how it came to be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.components.models.trained import sentence

LIBRARIES = {"cross-encoder": "sentence-transformers", "late-interaction model": "PyLate"}
"""What reads each kind of model."""

CARD = """\
---
library_name: {library}
base_model: {base}
---
# A {makes} trained by a benchmark's run

{said}

It is a small model for one collection, shown for what it is: do not take its scores for those of a
published {makes}.

| groups learnt | mean loss since the last | reciprocal rank in held-out groups |
|---|---|---|
{checks}

The checkpoint with the best reciprocal rank was stored. A group is a relevant document beside
{per_query} that the retriever finds and nobody judged. Where nobody judged the query, all are of that kind.

How to make it again:

```json
{training}
```
"""


def card(facts: Mapping[str, Any]) -> str:
    """The card in Markdown, from the facts that are stored beside the model."""
    rows = [
        f"| {check['groups']:,} | {check['loss']:.4f} | {check['reciprocal_rank']:.4f} |"
        for check in facts["checks"]
    ]
    return CARD.format(
        library=LIBRARIES[facts["makes"]],
        base=json.dumps(facts["base"]),
        makes=facts["makes"],
        said=sentence(facts),
        checks="\n".join(rows),
        per_query=facts["training"]["negatives"]["per_query"],
        training=json.dumps(facts["training"], indent=1),
    )
