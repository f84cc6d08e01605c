"""Keys: hashes of all that a result depends on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.components import registry
from harness.components.protocols import PLACE, SPEED, Identified, TokenEncoder
from harness.components.vectors.compression import CachePrecision
from harness.data import digest
from harness.experiment import code_versions
from harness.experiment.schema import DatasetChoice

ANYWHERE = "/"
"""What stands for the place of a model or file whose content is known."""


def data_facts(choice: DatasetChoice) -> dict[str, Any]:
    """What a dataset is made of: its source, the digests or versions of that, and which part."""
    return {
        "source": registry.config_of(choice.source),
        "identity": dict(choice.source.identity()),
        "subset": choice.subset.model_dump() if choice.subset else None,
    }


def dataset_key(choice: DatasetChoice) -> str:
    """A hash of what decides which documents, queries and judgements there are."""
    source = component_key(choice.source)
    if choice.subset is None:
        return source
    return key(
        source, choice.subset.model_dump(), code_versions.versions("harness.components.subset")
    )


def stage_key(
    before: str, component: Any, depth: int, precision: CachePrecision = "float32"
) -> str:
    """Of a stage over the dataset or the stage with the key `before`.

    `precision` is that of stored token vectors.
    """
    made_by = code_versions.versions("harness.pipeline.stages")
    rounded = any(isinstance(part, TokenEncoder) for part in registry.parts(component))
    stored = stored_as(precision) if rounded else []
    return key(before, component_key(component), depth, made_by, *stored)


def stored_as(precision: CachePrecision) -> list[str]:
    """What a key says of how token vectors are stored: nothing where they are as they were given."""
    return [] if precision == "float32" else [precision]


def component_key(component: Any) -> str:
    """A hash of what decides a component's scores: settings, code, models, files and packages.

    Components with one key score alike, though one may be faster.
    """
    made_by = [code_versions.of_class(type(part)) for part in registry.parts(component)]
    releases = {
        name: code_versions.release(found) for name, found in packages_of(component).items()
    }
    return key(_config(component, SPEED, PLACE), identities(component), made_by, releases)


def identities(component: Any) -> list[dict[str, str]]:
    """What a component depends on beside its configuration, an entry a part that has such."""
    parts = registry.parts(component)
    return [dict(part.identity()) for part in parts if isinstance(part, Identified)]


def timing_key(component: Any) -> str:
    """A hash of what decides a component's scores and their time."""
    return key(component_key(component), _config(component, PLACE))


def packages_of(component: Any) -> dict[str, str]:
    """The versions of the packages that decide the component's scores."""
    return code_versions.packages(registry.needs(component))


def _config(component: Any, *without: Mapping[str, str]) -> dict[str, Any]:
    """The configuration without such fields, and without the places of files in the identity.

    Of a component that has an identity every absolute path is a place, as which `config` hands
    every file's place to a component.
    """

    def unplaced(part: Any) -> Any:
        known = isinstance(part, Identified)
        fields = {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
        places = [name for name, value in fields.items() if known and is_place(value)]
        return dataclasses.replace(part, **dict.fromkeys(places, ANYWHERE))

    return registry.config_of(registry.replaced(component, unplaced), without)


def is_place(value: Any) -> bool:
    """Whether a setting is where something lies on this machine."""
    return isinstance(value, str) and Path(value).is_absolute()


def key(*parts: Any) -> str:
    """A hash of values that JSON can tell; 64 hex digits."""
    return digest(json.dumps(part, sort_keys=True) for part in parts)
