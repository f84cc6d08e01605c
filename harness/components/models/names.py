"""What models, and work with them, are called on a screen."""

from __future__ import annotations

from typing import Any

from harness.components import registry
from harness.components.models.catalogue import catalogue
from harness.components.models.references import TRAINED
from harness.components.protocols import Side

TRAINED_HERE = "the model trained here"


def model_name(component: Any) -> str:
    """The short name of the first model in a component, or the component's own where it has none."""
    models = (getattr(part, "model", None) for part in registry.parts(component))
    found = next((model for model in models if model and isinstance(model, str)), None)
    return short(found) if found else str(registry.config_of(component)["use"])


def short(reference: str) -> str:
    """A reference without its owner, its commit, and the package or marker before it."""
    if reference.startswith(TRAINED):
        return TRAINED_HERE
    known = catalogue().get(reference)
    name = (known.original if known else None) or reference
    return name.partition("@")[0].rstrip("/").rpartition("/")[2] or reference


def encoding(encoder: Any, side: Side) -> str:
    """What the encoding of texts is called while it goes on."""
    return f"encode {'documents' if side == 'doc' else 'queries'} with {model_name(encoder)}"


def reranking(reranker: Any) -> str:
    """What reranking is called while it goes on."""
    return f"rerank with {model_name(reranker)}"
