"""The JSON schema of an experiment or claims file, by which editors complete and check it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from harness.components import protocols, registry
from harness.experiment.claims_reading import ClaimFile
from harness.experiment.reading import BESIDE_SOURCE
from harness.experiment.schema import DatasetChoice, ExperimentKeys

FILES: Mapping[str, Any] = {"experiment": ExperimentKeys, "claims": ClaimFile}
"""What files there are, and what they may say."""


def field_docs(cls: type) -> dict[str, str]:
    """By field its docstring, that of the class or of one that it is made from."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        try:
            (node,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        except (OSError, TypeError, SyntaxError):  # a class without a source of its own
            continue
        for field, doc in itertools.pairwise(getattr(node, "body", ())):
            if isinstance(field, ast.AnnAssign) and isinstance(doc, ast.Expr):
                text = ast.literal_eval(doc.value) if isinstance(doc.value, ast.Constant) else ""
                found[ast.unparse(field.target)] = " ".join(str(text).split())
    return found


class _Described(GenerateJsonSchema):
    """With the docstring of each field, and the default of each setting."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        return _described(super().model_schema(schema), schema["cls"])

    def typed_dict_schema(self, schema: Any) -> dict[str, Any]:
        found = _described(super().typed_dict_schema(schema), schema["cls"])
        for field in dataclasses.fields(schema["cls"]):
            if isinstance(field.default, str | int | float):
                found["properties"][field.name]["default"] = field.default
        return found


def _described(found: dict[str, Any], cls: type) -> dict[str, Any]:
    docs = field_docs(cls)
    for name, field in found.get("properties", {}).items():
        field.pop("title", None)
        if docs.get(name):
            field["description"] = docs[name]
    return found


def json_schema(of: str) -> dict[str, Any]:
    """What a file of this kind may say, with every component that `use:` can name."""
    found = _of(FILES[of])
    if of == "experiment":
        found["$defs"] |= _components(found["$defs"])
        beside = _of(DatasetChoice)["properties"]
        found["$defs"]["DatasetChoice"] = _uses(
            "DatasetSource", found["$defs"], {key: beside[key] for key in BESIDE_SOURCE}
        )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_filled(found)}


def _of(hint: Any) -> dict[str, Any]:
    found: dict[str, Any] = TypeAdapter(hint).json_schema(schema_generator=_Described)
    return found


def _components(defs: dict[str, Any]) -> dict[str, Any]:
    """By protocol and by component what may be written, and what that needs."""
    for kind in registry.KINDS:
        for name in registry.names(kind):
            component = registry.settings(registry.component_class(kind, name)).json_schema(
                schema_generator=_Described
            )
            defs |= component.pop("$defs", {})
            component["properties"]["use"] = {"const": name}
            component["required"] = ["use", *component.get("required", ())]
            defs[f"{kind}.{name}"] = component
    every = [protocol.__name__ for protocol in registry.PROTOCOLS]
    return {protocol: _uses(protocol, defs, {}) for protocol in every}


def _uses(protocol: str, defs: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
    """One of the components that do the protocol, or one that stands elsewhere."""
    wanted = getattr(protocols, protocol)
    kind = next(kind for kind, allowed in registry.KINDS.items() if wanted in allowed)
    able = [
        n for n in registry.names(kind) if issubclass(registry.component_class(kind, n), wanted)
    ]
    elsewhere = {
        "type": "object",
        "properties": {"use": {"type": "string", "pattern": ":"}},
        "required": ["use"],
    }
    if not beside:
        return {"oneOf": [*({"$ref": f"#/$defs/{kind}.{name}"} for name in able), elsewhere]}
    here = [defs[f"{kind}.{name}"] for name in able]
    return {"oneOf": [*(o | {"properties": o["properties"] | beside} for o in here), elsewhere]}


def _filled(node: Any) -> Any:
    """With a reference in the place of each mark for a component."""
    if isinstance(node, Mapping):
        if registry.USES in node:
            rest = {key: value for key, value in node.items() if key != registry.USES}
            return rest | {"$ref": f"#/$defs/{node[registry.USES][0]}"}
        return {key: _filled(value) for key, value in node.items()}
    return [_filled(one) for one in node] if isinstance(node, list) else node
