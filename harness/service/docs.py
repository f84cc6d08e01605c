"""The page for people, rendered from openapi.yaml: routes, fields, and an example each with curl."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from harness.files.disk import read_yaml
from harness.service.limits import Limits


@functools.cache
def described(limits: Limits) -> Any:
    """openapi.yaml with the numbers of `limits` in the place of their names."""
    return _filled(read_yaml(Path(__file__).with_name("openapi.yaml")), limits)


def _filled(value: Any, limits: Limits) -> Any:
    if isinstance(value, list):
        return [_filled(one, limits) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: getattr(limits, one) if key in ("maxItems", "maxLength") else _filled(one, limits)
        for key, one in value.items()
    }


class Field(NamedTuple):
    """A field of a body; one of a list's items is named `list[].field`."""

    name: str
    kind: str
    needed: bool
    description: str


class Page(NamedTuple):
    """What the template asks; an example needs `token` where the service at `url` wants one."""

    described: Mapping[str, Any]
    url: str
    token: bool

    def html(self) -> str:
        """The whole page, which fetches nothing from elsewhere."""
        source = Path(__file__).with_name("docs.html.j2").read_text("utf-8")
        strict = jinja2.StrictUndefined
        made = jinja2.Environment(autoescape=True, undefined=strict, trim_blocks=True)
        return made.from_string(source).render(**self.described, page=self)

    def schemas(self, schema: Mapping[str, Any]) -> list[Any]:
        """What a value may be, references followed."""
        if "$ref" in schema:
            found: Any = self.described
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            return self.schemas(found)
        return [each for one in schema.get("oneOf", ()) for each in self.schemas(one)] or [schema]

    def fields(self, schema: Mapping[str, Any], outer: str = "") -> Iterator[Field]:
        """The fields of an object, those of a list's items behind the list."""
        for name, value in schema.get("properties", {}).items():
            needed = name in schema.get("required", ())
            yield Field(outer + name, self._kind(value), needed, value.get("description", ""))
            for inner in self.schemas(value.get("items", {})):
                yield from self.fields(inner, f"{outer}{name}[].")

    def _kind(self, schema: Mapping[str, Any]) -> str:
        if "const" in schema:
            return json.dumps(schema["const"])
        if "items" in schema:
            return f"list of: {' or '.join(map(self._kind, self.schemas(schema['items'])))}"
        kinds = schema["type"]
        return kinds if isinstance(kinds, str) else " or ".join(kinds)

    def curl(self, path: str, about: Mapping[str, Any], body: Any = None) -> str:
        """A command for a terminal."""
        words = [f"curl {shlex.quote(self.url + path)}"]
        if self.token and "security" not in about:
            words.append('-H "Authorization: Bearer $TOKEN"')
        if body is not None:
            words += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(body))}"]
        return " \\\n  ".join(words)
