"""What a checkpoint was trained for, by its files: which heads and projections it holds."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from harness.components.models import labels
from harness.files.disk import read_json

HEADS = ("classifier", "score", "head", "classification_head")
"""What the tensors of a classification head are called, before the first dot."""


def has_trained_head(folder: Path) -> bool:
    """Whether the checkpoint says that it is a sequence classifier and holds its head."""
    classifies = labels.classifies(read_json(folder / "config.json"))
    return classifies and any(name.partition(".")[0] in HEADS for name in weight_names(folder))


def weight_names(folder: Path) -> list[str]:
    """The names of the tensors in a checkpoint, read from its headers."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return sorted(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
    single = folder / "model.safetensors"
    if single.exists():
        from safetensors import safe_open

        with safe_open(single, framework="numpy") as weights:
            return sorted(weights.keys())
    import torch

    files = sorted(folder.glob("pytorch_model*.bin"))
    return sorted(name for file in files for name in torch.load(file, mmap=True, weights_only=True))


def has_trained_projection(folder: Path, beside: Collection[str] = ()) -> bool:
    """Whether the checkpoint is a late-interaction model: Stanford's format, or pylate's.

    In pylate's format every module after the transformer is a projection of token vectors; a
    module that pools marks a sentence encoder, whose layers were not trained on tokens. `beside`
    names further modules that may follow a projection.
    """
    config = read_json(folder / "config.json")
    if (config.get("architectures") or [""])[0] == "HF_ColBERT":
        return True
    modules = read_json(folder / "modules.json") or []
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    return set(kinds[1:]).difference(beside) == {"Dense"}
