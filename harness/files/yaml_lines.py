"""YAML with the line of every value, and without the ways in which PyYAML changes input.

PyYAML keeps the last of two equal keys without a word, reads `1:30`, `010` and `no` as 90, 8 and
False, and `1e-2` as text. Here a repeated key is a fault, and what is not quoted is a number, true,
false or null only where every reader would take it so: see SCALARS. All else, dates among it, stays
the text that was written. Merge keys (`<<`) work.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import ConfigError, DataError
from harness.files import bounds
from harness.files.disk import open_text
from harness.files.wrong_values import shown
from harness.page.text import counted

LONG = 20_000
"""Characters from which on a fault is said in the words of the quick loader."""

TAG = "tag:yaml.org,2002:"

EXACT = 2**53
"""Whole numbers below it are exact as floats."""


def _int(text: str) -> int:
    digits = sum(map(str.isdigit, text))
    if digits > bounds.DIGITS:
        raise ValueError(f"it has {digits:,} digits, and a whole number at most {bounds.DIGITS}")
    return int(text)


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
    f"{TAG}int": (re.compile(r"[-+]?(0|[1-9][0-9]*|[1-9][0-9]{0,2}(_[0-9]{3})+)\Z"), _int),
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

QUICK, SLOW = (
    type("Loader", (loader,), {"yaml_implicit_resolvers": RESOLVERS})
    for loader in (getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader)
)
"""The loader of libyaml, ten times as fast as Python's, and that."""


@dataclass
class YamlDocument:
    """A YAML document: its value, the line of every path in it, and its faults so far."""

    file: str
    value: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)

    def fault(self, path: str, message: str, line: int | None = None) -> None:
        """Note that the value at `path` (`systems[0].retriever`) is wrong.

        Raises ConfigError, as `raise_faults` does, where there are as many as anyone reads.
        """
        found = line or self._line(path), f"{path}: {message}" if path else message
        if found not in self.faults:
            self.faults.append(found)
        if len(self.faults) >= bounds.FAULTS:
            self.raise_faults()

    def raise_faults(self) -> None:
        """Raise one ConfigError that lists every fault by line, if there is any."""
        if not self.faults:
            return
        rows = [f"  {self.file}:{line}: {message}" for line, message in sorted(set(self.faults))]
        more = " or more" if len(rows) >= bounds.FAULTS else ""
        message = f"{self.file} has {counted(len(rows), f'fault{more}', f'faults{more}')}:"
        raise ConfigError("\n".join([message, *rows]))

    def _line(self, path: str) -> int:
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)


def yaml_document(file: Path) -> YamlDocument:
    """The document in `file`; mappings come as dicts, lists as tuples.

    Raises ConfigError if the file cannot be read or is not YAML.
    """
    try:
        with open_text(file) as stream:
            text = stream.read(bounds.YAML_CHARACTERS + 1)
    except DataError as error:
        raise ConfigError(str(error)) from error
    return parse_yaml(text, str(file))


def parse_yaml(text: str, source: str) -> YamlDocument:
    """The document in `text`, which came from `source`; raises ConfigError if it is not YAML."""
    if len(text) > bounds.YAML_CHARACTERS:
        raise ConfigError(
            f"{source} has more than {bounds.YAML_CHARACTERS:,} characters, which no experiment and "
            "no file of claims needs: name the file that you mean."
        )
    document = YamlDocument(source)
    with bounds.reading(source, ConfigError):
        try:
            node = yaml.compose(text, Loader=_loader(text, source))
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigError(f"{source} is not valid YAML: {_problem(text, error)}.") from error
        if node is not None:
            document.value = _Reader(document).read(node, "")
    return document


def _loader(text: str, source: str) -> Any:
    """QUICK for what it reads without a fault; of faults SLOW says more.

    Raises ConfigError for what is beyond the bounds: the events of a
    file take no memory, its nodes do.
    """
    try:
        for line, wrong in _beyond(yaml.parse(text, Loader=QUICK)):
            raise ConfigError(
                f"{source}:{line}: {wrong}, which no sane file holds: make it smaller."
            )
    except (yaml.YAMLError, ValueError):
        return SLOW if len(text) < LONG else QUICK
    return QUICK


def _beyond(events: Iterable[yaml.Event]) -> Iterator[tuple[int, str]]:
    """What of a document is beyond the bounds, and in which line."""
    inside: list[int] = []
    values = 0
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.CollectionEndEvent):
            inside.pop()
        if not isinstance(event, yaml.NodeEvent):
            continue
        values += 1
        inside[-1:] = [count + 1 for count in inside[-1:]]
        if values > bounds.VALUES or any(count > 2 * bounds.ENTRIES for count in inside[-1:]):
            yield line, f"more than {bounds.ENTRIES:,} entries of one, or {bounds.VALUES:,} in all"
        if len(getattr(event, "value", "")) > bounds.CHARACTERS:
            yield line, f"a text of more than {bounds.CHARACTERS:,} characters"
        if len(getattr(event, "tag", None) or "") > bounds.NAME:
            yield line, f"a tag of more than {bounds.NAME} characters"
        if isinstance(event, yaml.CollectionStartEvent):
            inside.append(0)
            if len(inside) > bounds.DEEP:
                yield line, f"values nested over {bounds.DEEP} levels deep"


def _problem(text: str, error: Exception) -> str:
    if not isinstance(error, yaml.YAMLError):  # of a character that there is not, and no line
        try:
            yaml.compose(text, Loader=QUICK)
        except (yaml.YAMLError, ValueError) as quick:
            error = quick
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


class _Reader:
    def __init__(self, document: YamlDocument) -> None:
        self._document = document
        self._open: list[yaml.Node] = []
        self._size = 0
        self._flattened: dict[yaml.Node, dict[str, tuple[int, yaml.Node]]] = {}

    def read(self, node: yaml.Node, path: str) -> Any:
        lines = self._document.lines
        lines.setdefault(path, node.start_mark.line + 1)
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        self._size += len(path) + len(text)
        if len(lines) > bounds.VALUES or self._size > bounds.UNFOLDED:
            raise ConfigError(
                f"{self._document.file}:{node.start_mark.line + 1}: with its aliases written out the "
                f"file has over {bounds.VALUES:,} values or {bounds.UNFOLDED:,} characters, which no "
                "sane one has: make it smaller."
            )
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in (f"{TAG}map", f"{TAG}seq"):
            self._document.fault(path, f"the tag {node.tag!r} is not read: leave it out")
        if any(node is outer for outer in self._open):
            self._document.fault(path, "an alias that contains itself")
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
                self._document.fault(path, "a key must be text")
                continue
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if wrong := bounds.text_fault(key, bounds.NAME):
                self._document.fault(path, f"a key {wrong}", line)
                continue
            where = f"{path}.{key}" if path else key
            if key in first:
                self._document.fault(where, f"repeated (first on line {first[key]})", line)
                continue
            first[key] = self._document.lines[where] = line
            if key_node.tag == MERGE:
                merged = self._sources(value_node, where)
            else:
                value[key] = self.read(value_node, where)
        for source in merged:
            for key, (line, value_node) in self._flat(source).items():
                if key not in value:
                    where = f"{path}.{key}" if path else key
                    self._document.lines[where] = line
                    value[key] = self.read(value_node, where)
        return value

    def _sources(self, node: yaml.Node, where: str) -> list[yaml.MappingNode]:
        """The mappings that a merge key names, the strongest first; notes what is none."""
        found = list(dict.fromkeys(_listed(node)))
        if not all(isinstance(one, yaml.MappingNode) for one in found):
            self._document.fault(where, "expected a mapping or a list of them, such as `<<: *base`")
            return []
        if any(one is outer for one in found for outer in self._open):
            self._document.fault(where, "an alias that contains itself")
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
                for source in dict.fromkeys(_listed(value_node)) if key_node.tag == MERGE else ():
                    for key, entry in self._flat(source).items():
                        found.setdefault(key, entry)
        return self._flattened[node]

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Any:
        if wrong := bounds.text_fault(node.value):
            self._document.fault(path, f"the text {wrong}")
            return None
        if node.tag not in SCALARS:
            if node.tag not in (f"{TAG}str", MERGE):
                message = f"the tag {node.tag!r} is not read: write {shown(node.value)}"
                self._document.fault(path, message)
            return node.value
        pattern, read = SCALARS[node.tag]
        try:
            if pattern.match(node.value):
                return read(node.value)
            why = f"it is no {node.tag.removeprefix(TAG)}"
        except ValueError as error:
            why = str(error)
        self._document.fault(path, f"{shown(node.value)} cannot be read: {why}")
        return None


def _listed(node: yaml.Node) -> list[Any]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]
