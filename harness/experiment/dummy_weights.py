"""Systems with the architectures of their models, but random weights."""

from __future__ import annotations

import dataclasses
from typing import Any

from harness.components import registry
from harness.components.models.catalogue import DUMMY
from harness.components.models.references import LOCAL
from harness.components.models.trained import Training
from harness.components.protocols import Served
from harness.experiment.schema import System


def with_random_weights(system: System) -> System:
    """The system with every hub model's architecture, but random weights.

    Models in folders and packages are on this machine, and stay as they are; so do those on
    servers, ONNX files, which nothing makes from an architecture, and what has a model to be
    trained, which would learn nothing from random weights.
    """

    def change(part: Any) -> Any:
        model = getattr(part, "model", None)
        if not isinstance(model, str) or isinstance(part, Served) or hasattr(part, "file"):
            return part
        if model.startswith(LOCAL):
            return part
        dummy = f"{DUMMY}{model.partition('@')[0]}"
        own_code = {"trust_remote_code": False} if hasattr(part, "trust_remote_code") else {}
        return dataclasses.replace(part, model=dummy, **own_code)

    parts = {
        name: registry.replaced(part, change)
        for name in ("retriever", "reranker")
        if (part := getattr(system, name)) is not None
        and not any(isinstance(inner, Training) for inner in registry.parts(part))
    }
    return system.model_copy(update=parts)
