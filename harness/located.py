"""YAML with the line of every value, and without the two ways in which PyYAML loses input.

PyYAML keeps the last of two equal keys without a word and turns `1:30` or `2026-01-01` into
numbers and dates; here a repeated key is a fault, and a date stays the text that was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import ConfigError

VALUES_AT_MOST = 100_000
"""Aliases can unfold a small file without end; a file with more values than this is refused."""

DEEP = 100
"""Levels of nesting that are left to the slower loader."""


@dataclass
class Located:
    """A YAML document: its value, the line of every path in it, and its faults so far."""

    file: str
    value: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)

    def fault(self, path: str, message: str) -> None:
        """Note that the value at `path` (`systems[0].retriever`) is wrong."""
        self.faults.append((self._line(path), f"{path}: {message}" if path else message))

    def raise_faults(self) -> None:
        """Raise one ConfigError that lists every fault by line, if there is any."""
        if not self.faults:
            return
        rows = [f"  {self.file}:{line}: {message}" for line, message in sorted(set(self.faults))]
        count = "1 fault" if len(rows) == 1 else f"{len(rows)} faults"
        raise ConfigError("\n".join([f"{self.file} has {count}:", *rows]))

    def _line(self, path: str) -> int:
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)


def read_yaml(file: Path) -> Located:
    """The document in `file`; mappings come as dicts, lists as tuples.

    Raises ConfigError if the file cannot be read or is not YAML.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{file} cannot be read: {why}.") from error
    return parse_yaml(text, str(file))


def parse_yaml(text: str, source: str) -> Located:
    """The document in `text`, which came from `source`; raises ConfigError if it is not YAML."""
    try:
        node = yaml.compose(text, Loader=_loader(text))
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{source} is not valid YAML: {_problem(error)}.") from error
    located = Located(source)
    if node is not None:
        located.value = _Reader(located).read(node, "")
    return located


def _loader(text: str) -> Any:
    """The loader of libyaml, ten times as fast as Python's, for what it reads without a fault.

    It crashes on what is nested deeply; and of faults Python's says more.
    """
    quick = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    try:
        for event in yaml.parse(text, Loader=quick):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEP:
                return yaml.SafeLoader
    except yaml.YAMLError:
        return yaml.SafeLoader
    return quick


def _problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


class _Reader:
    def __init__(self, located: Located) -> None:
        self._located = located
        self._open: list[yaml.Node] = []
        self._scalars = yaml.SafeLoader("")

    def read(self, node: yaml.Node, path: str) -> Any:
        lines = self._located.lines
        lines.setdefault(path, node.start_mark.line + 1)
        if len(lines) > VALUES_AT_MOST:
            raise ConfigError(f"{self._located.file} unfolds to over {VALUES_AT_MOST:,} values.")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if any(node is outer for outer in self._open):
            self._located.fault(path, "an alias that contains itself")
            return None
        self._open.append(node)
        value = (
            self._mapping(node, path)
            if isinstance(node, yaml.MappingNode)
            else tuple(self.read(child, f"{path}[{i}]") for i, child in enumerate(node.value))
        )
        self._open.pop()
        return value

    def _mapping(self, node: yaml.MappingNode, path: str) -> Mapping[str, Any]:
        value: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            where = f"{path}.{key}" if path else key
            line = key_node.start_mark.line + 1
            if key in value:
                first = self._located.lines[where]
                self._located.faults.append((line, f"{where}: repeated (first on line {first})"))
                continue
            self._located.lines[where] = line
            value[key] = self.read(value_node, where)
        return value

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Any:
        if node.tag in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:str"):
            return node.value
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self._located.fault(path, f"{node.value!r} cannot be read: {_problem(error)}")
            return None
