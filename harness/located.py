"""YAML with the line of every value, and without the ways in which PyYAML changes input.

PyYAML keeps the last of two equal keys without a word, reads `1:30`, `010` and `no` as 90, 8 and
False, and `1e-2` as text. Here a repeated key is a fault, and what is not quoted is a number, true,
false or null only where every reader would take it so: see SCALARS. All else, dates among it, stays
the text that was written. Merge keys (`<<`) work.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import ConfigError, DataError
from harness.files import open_text
from harness.words import counted

VALUES_AT_MOST = 100_000
"""Aliases can unfold a small file without end; a file with more values than this is refused."""

DEEP = 100
"""Levels of nesting that are left to the slower loader."""

TAG = "tag:yaml.org,2002:"

EXACT = 2**53
"""Whole numbers below it are exact as floats."""


def _float(text: str) -> int | float:
    """A whole number where one is written with an exponent, such as 1e6, and is exact."""
    value = float(text.replace(".inf", "inf").replace(".nan", "nan"))
    if math.isinf(value) and "inf" not in text:
        raise ValueError("it is beyond every float")
    whole = "e" in text.lower() and value.is_integer() and abs(value) < EXACT
    return int(value) if whole else value


SCALARS: Mapping[str, tuple[re.Pattern[str], Callable[[str], Any]]] = {
    f"{TAG}null": (re.compile(r"(~|null|Null|NULL)?\Z"), lambda _: None),
    f"{TAG}bool": (
        re.compile(r"(true|True|TRUE|false|False|FALSE)\Z"),
        lambda text: text.lower() == "true",
    ),
    f"{TAG}int": (re.compile(r"[-+]?(0|[1-9][0-9]*|[1-9][0-9]{0,2}(_[0-9]{3})+)\Z"), int),
    f"{TAG}float": (
        re.compile(
            r"([-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan)\Z"
        ),
        _float,
    ),
}
"""By tag what is read as such, and how: YAML 1.2's core schema without leading zeros and without
octal and hexadecimal numbers, which readers of YAML 1.1 take for others, but with 1_000_000."""

MERGE = f"{TAG}merge"

RESOLVERS = {
    None: [(tag, pattern) for tag, (pattern, _) in SCALARS.items()] + [(MERGE, re.compile(r"<<\Z"))]
}


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
        raise ConfigError("\n".join([f"{self.file} has {counted(len(rows), 'fault')}:", *rows]))

    def _line(self, path: str) -> int:
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)


def read_yaml(file: Path) -> Located:
    """The document in `file`; mappings come as dicts, lists as tuples.

    Raises ConfigError if the file cannot be read or is not YAML.
    """
    try:
        with open_text(file) as stream:
            text = stream.read()
    except DataError as error:
        raise ConfigError(str(error)) from error
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
    quick, slow = (
        type("Loader", (loader,), {"yaml_implicit_resolvers": RESOLVERS})
        for loader in (getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader)
    )
    depth = 0
    try:
        for event in yaml.parse(text, Loader=quick):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEP:
                return slow
    except yaml.YAMLError:
        return slow
    return quick


def _problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


class _Reader:
    def __init__(self, located: Located) -> None:
        self._located = located
        self._open: list[yaml.Node] = []
        self._flattened: dict[yaml.Node, dict[str, tuple[int, yaml.Node]]] = {}

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
        first: dict[str, int] = {}
        merged: list[yaml.MappingNode] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._located.fault(path, "a key must be text")
                continue
            key, line = str(key_node.value), key_node.start_mark.line + 1
            where = f"{path}.{key}" if path else key
            if key in first:
                said = f"{where}: repeated (first on line {first[key]})"
                self._located.faults.append((line, said))
                continue
            first[key] = self._located.lines[where] = line
            if key_node.tag == MERGE:
                merged = self._sources(value_node, where)
            else:
                value[key] = self.read(value_node, where)
        for source in merged:
            for key, (line, value_node) in self._flat(source).items():
                if key not in value:
                    where = f"{path}.{key}" if path else key
                    self._located.lines[where] = line
                    value[key] = self.read(value_node, where)
        return value

    def _sources(self, node: yaml.Node, where: str) -> list[yaml.MappingNode]:
        """The mappings that a merge key names, the strongest first; notes what is none."""
        found = _listed(node)
        if not all(isinstance(one, yaml.MappingNode) for one in found):
            self._located.fault(where, "expected a mapping or a list of them, such as `<<: *base`")
            return []
        if any(one is outer for one in found for outer in self._open):
            self._located.fault(where, "an alias that contains itself")
            return []
        return found

    def _flat(self, node: yaml.Node) -> Mapping[str, tuple[int, yaml.Node]]:
        """By key the line and value of a mapping, what it merges itself among them."""
        if node not in self._flattened:
            found: dict[str, tuple[int, yaml.Node]] = {}
            self._flattened[node] = found  # before it is full: what merges itself ends here
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            for key_node, value_node in pairs:
                if key_node.tag != MERGE and isinstance(key_node, yaml.ScalarNode):
                    line = key_node.start_mark.line + 1
                    found.setdefault(str(key_node.value), (line, value_node))
            for key_node, value_node in pairs:
                for source in _listed(value_node) if key_node.tag == MERGE else ():
                    for key, entry in self._flat(source).items():
                        found.setdefault(key, entry)
        return self._flattened[node]

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Any:
        if node.tag not in SCALARS:
            if node.tag not in (f"{TAG}str", MERGE):
                self._located.fault(path, f"the tag {node.tag!r} is not read: write {node.value!r}")
            return node.value
        pattern, read = SCALARS[node.tag]
        try:
            if pattern.match(node.value):
                return read(node.value)
            why = f"it is no {node.tag.removeprefix(TAG)}"
        except ValueError as error:
            why = str(error)
        self._located.fault(path, f"{node.value!r} cannot be read: {why}")
        return None


def _listed(node: yaml.Node) -> list[Any]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]
