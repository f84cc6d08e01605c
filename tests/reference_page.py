"""Every key of an experiment file as a page of the documentation, from the file's JSON schema.

python tests/reference_page.py     writes docs/reference/experiment.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.experiment.json_schema import json_schema

FILE = Path(__file__).parents[1] / "docs/reference/experiment.md"

OPENING = """# Keys of an experiment file

Made from the code by `python tests/reference_page.py`. `python -m harness schema` prints the same as a
JSON schema, by which an editor completes and checks the file. An unknown key is an error.
"""

KINDS = {
    "datasets": "Datasets",
    "retrievers": "Retrievers",
    "rerankers": "Rerankers",
    "encoders": "Encoders",
}
"""Components by the first part of their names, with the heading above them."""

BLOCKS = {
    "System": "A system",
    "Depth": "Depth",
    "Subset": "A subset of a dataset",
    "Latency": "Latency",
    "Load": "Load",
    "Storage": "Storage",
    "Cache": "The cache",
    "Cluster": "Where the work is done",
    "Decision": "Decision",
    "Requirements": "Requirements of a decision",
    "Workload": "Workload of a decision",
    "Prices": "Prices of a decision",
    "ModelJudge": "A judging model",
    "Budget": "Budget of a judging model",
    "QualityRule": "A gate's rule for quality",
    "LatencyRule": "A gate's rule for latency",
}
"""Parts of the file that have keys of their own, with the headings above them."""

CHOICES = {
    "DatasetChoice": "Datasets",
    "Retriever": "Retrievers",
    "Reranker": "Rerankers",
    **dict.fromkeys(("DenseEncoder", "SparseEncoder", "TokenEncoder", "JointEncoder"), "Encoders"),
}
"""Where a component may stand, the heading of those it is chosen from."""


def reference() -> str:
    """The page in Markdown."""
    return "\n".join([OPENING, *_sections(json_schema("experiment"))]).rstrip() + "\n"


def _sections(schema: Mapping[str, Any]) -> Iterator[str]:
    yield "## The file\n"
    yield _table(schema)
    for name, heading in BLOCKS.items():
        yield f"## {heading}\n"
        yield from _described(schema["$defs"][name])
    for kind, heading in KINDS.items():
        yield f"## {heading}\n"
        for name, found in schema["$defs"].items():
            if name.startswith(f"{kind}."):
                yield f"### `use: {name.partition('.')[2]}`\n"
                yield from _described(found)


def _described(part: Mapping[str, Any]) -> Iterator[str]:
    if said := part.get("description"):
        yield said.partition("\n\n")[0].replace("\n", " ") + "\n"
    yield _table(part)


def _table(part: Mapping[str, Any]) -> str:
    """A row a key: its name, what it may be, its default, what it means."""
    required = part.get("required", ())
    rows = ["| key | values | default | meaning |", "|---|---|---|---|"]
    for key, found in part.get("properties", {}).items():
        if key != "use":
            default = "required" if key in required else _default(found)
            cells = (f"`{key}`", _values(found), default, found.get("description", ""))
            rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n" if rows[2:] else "No keys.\n"


def _default(found: Mapping[str, Any]) -> str:
    default = found.get("default")
    if default is None or isinstance(default, dict):
        return ""
    return f"`{json.dumps(default)}`"


def _values(found: Mapping[str, Any]) -> str:
    """What a value may be, in a few words."""
    if "$ref" in found:
        name = found["$ref"].rpartition("/")[2]
        heading = {**BLOCKS, **CHOICES}[name]
        anchor = re.sub(r"[^\w ]", "", heading.lower()).replace(" ", "-")
        return f"[{heading.lower()}](#{anchor})"
    if "enum" in found:
        return ", ".join(f"`{value}`" for value in found["enum"])
    if "const" in found:
        return f"`{found['const']}`"
    options = found.get("anyOf") or found.get("oneOf") or ()
    if options:
        said = (_values(option) for option in options if option.get("type") != "null")
        return " or ".join(dict.fromkeys(said))
    if found.get("type") == "array":
        return f"list: {_values(found['items'])}" if found.get("items") else "list"
    return str(
        {"object": "`{...}`", "string": "text"}.get(found.get("type", ""), found.get("type", "any"))
    )


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
