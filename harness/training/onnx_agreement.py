"""How far an int8 model agrees with its float32 one on sample texts, on the processor that is here.

Without VNNI x86 adds products of 8 bits in sums of 16, which saturate where weights are signed and
use the whole range: what is sound on one processor may be ruined on another. So it is looked at
where it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CPU = ("CPUExecutionProvider",)

LEAST = 0.9
"""Less is refused. all-MiniLM-L6-v2 has .99, heads of cross-encoders above .97, and weights that
saturate about 0."""

QUERIES = (
    "how much water does a cactus need",
    "the capital of a country in South America",
    "sort a list of numbers in Python",
    "side effects of drinking coffee at night",
)

TEXTS = (
    "A cactus stores water in its stem and is watered once in two to four weeks.",
    "Cacti.",
    "Quito lies in the Andes, 2,850 m above the sea, and is the capital of Ecuador.",
    "The river floods the valley every spring; farmers wait until the water has gone.",
    "sorted(numbers) returns a new list, and numbers.sort() changes the list itself.",
    "Caffeine blocks adenosine: coffee after six delays sleep, and shortens it by an hour or so.",
    "def mean(values): return sum(values) / len(values)",
    "He painted the old boat blue, and nobody in the village ever asked him why.",
)
"""Ours, of different subjects and lengths; for a cross-encoder each text stands beside each query."""


class Agreement(NamedTuple):
    """How alike two models answer, and what is compared."""

    value: float
    of: str


def compared(first: Path, second: Path, tokenizer: Any) -> Agreement:
    """Of two graphs that differ in their number format.

    For scores the correlation over all pairs, the mean of each label taken away; for vectors the
    least cosine between the mean vectors of a text.
    """
    import numpy as np
    import onnxruntime

    sessions = [onnxruntime.InferenceSession(str(file), providers=CPU) for file in (first, second)]
    scores = [node.name for node in sessions[0].get_outputs()] == ["logits"]
    asked = list(product(QUERIES, TEXTS)) if scores else [(text,) for text in TEXTS]
    mine, theirs = (_answers(session, asked, tokenizer) for session in sessions)
    if scores:
        centred = [(part - part.mean(axis=0)).ravel() for part in (mine, theirs)]
        return Agreement(_cosine(*centred), "the correlation of their scores")
    cosines = [_cosine(one, other) for one, other in zip(mine, theirs, strict=True)]
    return Agreement(float(np.min(cosines)), "the least cosine between their vectors of a text")


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    import numpy as np

    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def _answers(session: Any, asked: Sequence[tuple[str, ...]], tokenizer: Any) -> NDArray[np.float32]:
    """Logits, shape (pairs, labels); or the mean vector of each text, shape (texts, dim)."""
    import numpy as np

    names = [node.name for node in session.get_inputs()]
    found = []
    for texts in asked:
        row = tokenizer(*texts, truncation=True, return_tensors="np")
        (answer,) = session.run(None, {name: row[name].astype(np.int64) for name in names})
        found.append(answer[0] if answer.ndim == 2 else answer[0].mean(axis=0))
    return np.stack(found)
