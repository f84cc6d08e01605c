"""Keys: hashes of all that a result depends on."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from harness import code, registry
from harness.data import digest
from harness.protocols import Identified, Served


def stage_key(before: str, component: Any, depth: int) -> str:
    """Of a stage over the dataset or the stage with the key `before`."""
    return key(before, component_key(component), depth, code.versions("harness.stages"))


def component_key(component: Any) -> str:
    """A hash of a component's configuration, its code, and the models and files it depends on."""
    parts = list(registry.parts(component))
    identities = [dict(part.identity()) for part in parts if isinstance(part, Identified)]
    made_by = [code.of_class(type(part)) for part in parts]
    releases = {name: code.release(found) for name, found in packages_of(component).items()}
    return key(_config(component), identities, made_by, releases)


def packages_of(component: Any) -> dict[str, str]:
    """The versions of the packages that decide the component's scores."""
    needs = (getattr(type(part), "needs", ()) for part in registry.parts(component))
    return code.packages(need for of_part in needs for need in of_part)


def _config(component: Any) -> dict[str, Any]:
    """The configuration without the `path` of files whose digests are in the identity."""

    def unplaced(part: Any) -> Any:
        if isinstance(part, Served):
            return part.for_key()
        placed = isinstance(part, Identified) and hasattr(part, "path")
        return dataclasses.replace(part, path="") if placed else part

    return registry.config_of(registry.replaced(component, unplaced))


def key(*parts: Any) -> str:
    """A hash of values that JSON can tell; 64 hex digits."""
    return digest(json.dumps(part, sort_keys=True) for part in parts)
