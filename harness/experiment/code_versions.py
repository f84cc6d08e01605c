"""What computes a result beside its settings, for its key: code and packages.

A module of ours has a version in versions.json, which its author raises where scores change; a test
holds the digest of each module against it (`python tests/component_digests.py`). A module from
outside has the digest of its source, and of what it imports from its own folder. Comments,
docstrings and layout are in neither. Packages are identified by the first two numbers of their version:
a week of encoding is not done anew for a fix of a tokenizer, but where fixes differ inside a report,
`analysis.quality.alarms` says so.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.components import requirements
from harness.data import digest

VERSIONS = Path(__file__).with_name("versions.json")

DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    "sentence_transformers": ("sentence-transformers", "transformers", "tokenizers"),
    "pylate": ("pylate", "transformers", "tokenizers"),
    "fastembed": ("fastembed", "onnxruntime", "tokenizers"),
    "Stemmer": ("PyStemmer",),
    "infinity_embedded": ("infinity-embedded-sdk",),
    **dict.fromkeys(("httpx", "tenacity", "psycopg", "pgvector", "pyarrow", "ir_datasets"), ()),
}
"""By import name what is installed and decides scores, where it is not just that name; clients of
servers and readers of files decide none."""


def versions(*modules: str) -> dict[str, Any]:
    """By name the versions of modules of ours and of those they lean on.

    One that has no version yet is identified by its digest, as those from outside are.
    """
    table, found = _table(), {}
    for name in modules:
        if name not in table:
            found[name] = _source(name)
            continue
        for one in (name, *table[name]["with"]):
            found[one] = table[one]["version"]
    return found


def of_class(cls: type) -> dict[str, Any]:
    """By module the versions or digests of the code of a class and its bases."""
    modules = dict.fromkeys(base.__module__ for base in cls.__mro__)
    names = [name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names]
    ours = [name for name in names if name.startswith("harness.")]
    others = {name: _source(name) for name in names if name not in ours}
    return {**others, **versions(*ours)}


def packages(needs: Iterable[str]) -> dict[str, str]:
    """Versions of the installed packages that decide scores, of those that a component needs."""
    names = dict.fromkeys(
        name
        for need in needs
        for package in [requirements.package(need)]
        for name in DISTRIBUTIONS.get(package, (package,))
    )
    return {name: found for name in sorted(names) if (found := version(name))}


def release(version: str) -> str:
    """As much of a version as is in keys."""
    return ".".join(version.partition("+")[0].split(".")[:2])


def version(package: str) -> str | None:
    """The version of an installed package, else None; each is read once."""
    return _version(package, importlib.metadata.version)


@functools.cache
def _version(package: str, read: Callable[[str], str]) -> str | None:
    try:
        return read(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def normal(source: str) -> str:
    """Python code without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            code = [
                one
                for one in body  # without docstrings, those that describe a field among them
                if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
            ]
            node.body = code or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


@functools.cache
def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = json.loads(VERSIONS.read_text(encoding="utf-8"))
    return table


def _source(name: str) -> str:
    """The digest of a module and of what it imports from the folder that it was found in."""
    file = Path(getattr(sys.modules.get(name), "__file__", None) or "")
    if not file.is_file():
        return "its source is not at hand"
    root = file.parents[name.count(".") + (file.name == "__init__.py")]
    seen: dict[Path, str] = {}
    ahead = [file]
    while ahead:
        one = ahead.pop()
        if one not in seen:
            found = one.stat()
            seen[one], imported = _read(one, found.st_mtime_ns, found.st_size)
            ahead += _files(imported, one, root)
    parts = sorted((str(one.relative_to(root)), text) for one, text in seen.items())
    return digest(text for pair in parts for text in pair)


@functools.lru_cache(maxsize=256)
def _read(file: Path, changed: int, size: int) -> tuple[str, tuple[tuple[int, str], ...]]:
    """The digest of a file, and what it imports: how many folders up, and the name."""
    del changed, size  # they are of the key alone
    if file.suffix != ".py":
        return digest([file.read_bytes()]), ()
    source = file.read_text(encoding="utf-8")
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = [node.module or "", *(f"{node.module or ''}.{a.name}" for a in node.names)]
            found += [(node.level, name.strip(".")) for name in inside]
    return digest([normal(source)]), tuple(found)


def _files(imported: Iterable[tuple[int, str]], by: Path, root: Path) -> Iterator[Path]:
    """The files below `root` that a file imports; of installed packages its own package alone."""
    own = by.relative_to(root).parts[0].removesuffix(".py")
    installed = root.name in ("site-packages", "dist-packages")
    for level, name in imported:
        start = by.parents[level - 1] if level else root
        first = name.partition(".")[0]
        if not level and (first == "harness" or (installed and first != own)):
            continue
        place = start.joinpath(*name.split(".")) if name else start
        yield from (
            one
            for one in (place.with_suffix(".py"), place / "__init__.py")
            if one.is_file() and one.is_relative_to(root)
        )
