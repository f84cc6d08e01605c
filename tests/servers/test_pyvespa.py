"""Our application package against what pyvespa, Vespa's own client, writes for the same settings."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from real_servers import HERE, python_with, run

from harness.components.databases.vespa_application import MODEL_FILES, Application

pytestmark = pytest.mark.servers

SETTINGS: tuple[dict[str, Any], ...] = (
    {"dim": 128, "rerank": 100},
    {"dim": 128, "rerank": 1000, "precision": "float32", "dense_dim": 384},
    {"dim": 96, "rerank": 50, "precision": "binary"},
    {"dim": 16, "rerank": 10, "dense_dim": 8, "cross": True},
)
CELLS = {"float32": "float", "bfloat16": "bfloat16", "binary": "int8"}
MAX_SIM = {
    "float32": "sum(reduce(sum(query(qt) * attribute(colbert), x), max, token), qt)",
    "bfloat16": "sum(reduce(sum(query(qt) * attribute(colbert), x), max, token), qt)",
    # Bits are 0 and 1 there, and stand for 1 and -1 of vectors of length 1.
    "binary": "(2 * sum(reduce(sum(query(qt) * unpack_bits(attribute(colbert)), x), max, token), qt)"
    f" - sum(query(qt))) * {96**-0.5!r}",
}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> list[Application]:
    folder = tmp_path_factory.mktemp("cross_encoder")
    for file in MODEL_FILES:
        (folder / file).write_text("{}")
    return [
        Application(
            **{name: value for name, value in one.items() if name != "cross"},
            cross_encoder=folder if one.get("cross") else None,
        )
        for one in SETTINGS
    ]


@pytest.fixture(scope="module")
def theirs(ours: list[Application]) -> list[dict[str, str]]:
    """The files that pyvespa writes for the same names."""
    told = [
        {
            "name": application.name,
            "dim": application.dim,
            "rerank": application.rerank,
            "cell": CELLS[application.precision],
            "size": application.dim // (8 if application.precision == "binary" else 1),
            "max_sim": MAX_SIM[application.precision],
            "dense_dim": application.dense_dim,
            "cross": application.cross_encoder is not None,
            "max_hits": max(application.rerank, 400),
        }
        for application in ours
    ]
    python = python_with("vespa.package")
    found: list[dict[str, str]] = json.loads(run(python, HERE / "pyvespa_program.py", told=told))
    return found


def texts(application: Application) -> dict[str, str]:
    return {path: content.decode() for path, content in application.files().items()}


def parsed(schema: str) -> Any:
    """A schema as blocks, by their heads; what stands in a block has no order.

    `expression: X` is a block of one line, too.
    """
    text = re.sub(r"(expression): (.*)", r"\1 {\n\2\n}", schema)
    text = re.sub(r"(?m)^(\s*summary \w+) \{\}$", r"\1 {\n}", text)
    stack: list[tuple[str, list[Any]]] = [("", [])]
    for line in filter(None, map(str.strip, text.splitlines())):
        if line == "}":
            head, lines = stack.pop()
            stack[-1][1].append((head, sorted(lines, key=repr)))
        elif line.endswith(" {"):
            stack.append((line, []))
        else:
            stack[-1][1].append((line, []))
    (root,) = stack
    return root


def elements(xml: str) -> list[tuple[str, dict[str, str], str]]:
    """Of each element its path, attributes and text; their order says nothing."""
    found: list[tuple[str, dict[str, str], str]] = []

    def walk(element: ET.Element, above: str) -> None:
        path = f"{above}/{element.tag}"
        found.append((path, dict(element.attrib), (element.text or "").strip()))
        for child in element:
            walk(child, path)

    walk(ET.fromstring(xml), "")
    return sorted(found, key=repr)


@pytest.mark.parametrize("place", range(len(SETTINGS)))
def test_schema(place: int, ours: list[Application], theirs: list[dict[str, str]]) -> None:
    schema = texts(ours[place])[f"schemas/{ours[place].name}.sd"]
    # pyvespa puts models into a folder of its own name for it.
    expected = theirs[place]["schema"].replace("files/cross_encoder.onnx", "models/model.onnx")
    assert parsed(schema) == parsed(expected)


@pytest.mark.parametrize("place", range(len(SETTINGS)))
def test_services(place: int, ours: list[Application], theirs: list[dict[str, str]]) -> None:
    """The same but for the names of clusters, and for processors of documents, of which we have none."""
    expected = theirs[place]["services"].replace("harness_container", "default")
    expected = expected.replace("harness_content", "harness")
    processing = ("/services/container/document-processing", {}, "")
    found = [*elements(texts(ours[place])["services.xml"]), processing]
    assert sorted(found, key=repr) == elements(expected)


@pytest.mark.parametrize("place", range(len(SETTINGS)))
def test_query_profile(place: int, ours: list[Application], theirs: list[dict[str, str]]) -> None:
    """pyvespa gives every profile a type, which would let further fields be declared."""
    expected = theirs[place]["profile"].replace(' type="root"', "")
    assert elements(texts(ours[place])["search/query-profiles/default.xml"]) == elements(expected)
