"""The labels of a classification head, and the score that one of several gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Label = str | int | bool | None
"""The name of a label or its place, from 0; None for a head of one."""

DEFAULT = 2
"""Labels where a configuration names none, as transformers has it."""


def misfit(model: str, label: Label, config: Mapping[str, Any]) -> str:
    """What is wrong with the choice of a label by a model's config.json; empty where it fits.

    Nothing is, where the configuration is not that of a classifier.
    """
    if isinstance(label, bool):
        return "YAML reads yes, no, on and off as true and false: write the label in quotes"
    if not classifies(config):
        return ""
    there = _names(config)
    listed = ", ".join(f"{name!r} ({i})" for i, name in enumerate(there))
    if label is None and len(there) > 1:
        return (
            f"the model {model!r} gives {len(there)} labels and a reranker one score: say which of "
            f"them stands for a relevant document, by name or place, of {listed}"
        )
    if label not in (None, *there, *range(len(there))):
        return f"the model {model!r} has no label {label!r}, but {listed}"
    return ""


def place(model: str, label: Label, config: Mapping[str, Any]) -> int:
    """The column of the label; raises ModelError for a choice that does not fit."""
    there = _names(config)
    if wrong := misfit(model, label, config):
        raise ModelError(f"label: {wrong}.")
    if isinstance(label, str) and label not in there:  # no config.json names them
        raise ModelError(f"label: the model {model!r} names no labels: say the place of {label!r}.")
    return there.index(label) if isinstance(label, str) else label or 0


def scores(
    logits: NDArray[np.float32], column: int, config: Mapping[str, Any]
) -> NDArray[np.float32]:
    """One score a row of logits, shape (texts, labels).

    The logit of a single label, or of one that was trained by a sigmoid of its own. Else the log-odds
    of the label in the softmax over all: they rank as its probability does, and do not saturate.
    """
    import numpy as np

    chosen: NDArray[np.float32] = logits[:, column]
    if logits.shape[1] == 1 or config.get("problem_type") == "multi_label_classification":
        return chosen
    odds: NDArray[np.float32] = chosen - np.logaddexp.reduce(
        np.delete(logits, column, axis=1), axis=1
    )
    return odds


def classifies(config: Mapping[str, Any]) -> bool:
    """Whether a config.json says that its model is a sequence classifier."""
    named = config.get("architectures") or ()
    return any(name.endswith("ForSequenceClassification") for name in named)


def _names(config: Mapping[str, Any]) -> list[str]:
    """The labels by their places."""
    named = config.get("id2label") or {}
    places = range(len(named) or int(config.get("num_labels") or DEFAULT))
    return [str(named.get(str(i), named.get(i, f"LABEL_{i}"))) for i in places]
